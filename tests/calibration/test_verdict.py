"""Regions of a map against a flood fill, and verdicts as JSON."""

import json

import numpy as np
import pytest

from hizumi.calibration import Box, Verdict, boxes_of_alarm, boxes_over


def flood_fill(over):
    """8-connected regions as sets of (row, column), the slow way."""
    left = {(int(r), int(c)) for r, c in zip(*np.nonzero(over), strict=True)}
    while left:
        region, border = set(), [left.pop()]
        while border:
            row, column = border.pop()
            region.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            border.extend(near)
        yield region


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_the_frames_of_flood_filled_regions(seed):
    anomaly_map = np.random.default_rng(seed).random((17, 23)).astype(np.float32)
    expected = set()
    for region in flood_fill(anomaly_map > 0.75):
        rows, columns = [r for r, _ in region], [c for _, c in region]
        expected.add(
            Box(
                left=min(columns),
                top=min(rows),
                width=max(columns) - min(columns) + 1,
                height=max(rows) - min(rows) + 1,
                area=len(region),
                peak=max(float(anomaly_map[r, c]) for r, c in region),
            )
        )
    boxes = boxes_over(anomaly_map, 0.75)
    assert set(boxes) == expected
    assert [box.peak for box in boxes] == sorted((box.peak for box in boxes), reverse=True)


def test_diagonal_neighbours_are_one_region_and_the_threshold_itself_is_not_over():
    anomaly_map = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    assert boxes_over(anomaly_map, 1.0) == (Box(left=0, top=0, width=2, height=2, area=2, peak=2.0),)


def test_a_quiet_map_has_no_boxes():
    assert boxes_over(np.zeros((4, 5), np.float32), 0.0) == ()


@pytest.mark.parametrize("seed", range(5))
def test_an_alarm_with_nothing_over_the_threshold_shows_where_its_map_is_highest(seed):
    anomaly_map = np.random.default_rng(seed).random((17, 23)).astype(np.float32)
    inside = np.zeros((17, 23), bool)
    inside[3:9, 4:20] = True
    anomaly_map[~inside] = anomaly_map[inside].min()
    assert boxes_of_alarm(anomaly_map, 0.75, inside) == boxes_over(anomaly_map, 0.75)
    peak = anomaly_map.max()
    highest = next(
        region
        for region in flood_fill(anomaly_map > (anomaly_map[inside].mean() + peak) / 2)
        if any(anomaly_map[place] == peak for place in region)
    )
    (box,) = boxes_of_alarm(anomaly_map, 2.0, inside)
    assert (box.area, box.peak) == (len(highest), float(peak))


def test_of_a_map_without_a_highest_place_an_alarm_has_no_box():
    assert boxes_of_alarm(np.full((4, 5), 0.1, np.float32), 1.0) == ()


def test_where_most_of_a_map_is_highest_that_is_shown():
    anomaly_map = np.ones((4, 5), np.float32)
    anomaly_map[0] = 0.0
    assert boxes_of_alarm(anomaly_map, 1.0) == (Box(left=0, top=1, width=5, height=3, area=15, peak=1.0),)


def test_verdict_is_json_without_arrays():
    anomaly_map = np.array([[0.0, 9.0]], np.float32)
    verdict = Verdict(
        name="部品 1.png",
        anomalous=True,
        score=2.0,
        p_value=0.01,
        threshold=1.0,
        terms={"residual": 2.0},
        map=anomaly_map,
        boxes=boxes_over(anomaly_map, 1.0),
    )
    fields = json.loads(json.dumps(verdict.to_dict()))
    assert fields["boxes"] == [{"left": 1, "top": 0, "width": 1, "height": 1, "area": 1, "peak": 9.0}]
    assert set(fields) == {"name", "anomalous", "score", "p_value", "threshold", "rule", "terms", "boxes", "notes"}


def test_a_verdict_is_shown_without_its_arrays():
    pixels = np.zeros((4, 4, 3), np.uint8)
    heat = np.zeros((4, 4), np.float32)
    verdict = Verdict("a.png", False, 0.5, 0.25, 1.0, {"residual": 0.5}, map=heat, picture=pixels, normal=pixels)
    assert repr(verdict) == (
        "Verdict(name='a.png', anomalous=False, score=0.5, p_value=0.25, threshold=1.0, terms={'residual': 0.5}, "
        "boxes=(), notes=(), rule='')"
    )
