"""One verdict for each part, checked against the rule on all small cases: anomalous if any view is, never good unless
all views came once and were judged good."""

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest

from hizumi.calibration import Box
from hizumi.station.views import PartVerdict, Views
from tests.station.entries import entry

START = datetime(2026, 3, 1, tzinfo=UTC)
VIEWS = ("top", "left", "right")


def view(name: str, anomalous: bool | None, part: str = "A1", number: int = 0) -> object:
    return entry(number, part=part, view=name, anomalous=anomalous, reason="" if anomalous is not None else "torn")


@pytest.mark.parametrize("order", list(permutations(VIEWS)))
def test_all_verdicts_of_three_views_in_any_order(order: tuple[str, ...]) -> None:
    for judged in product([True, False, None, "missing"], repeat=3):
        views = Views("r", VIEWS, 5)
        verdicts: list[PartVerdict] = []
        for name, anomalous in zip(order, judged, strict=True):
            if anomalous != "missing":
                verdicts += views.add(view(name, anomalous), START)
        assert bool(verdicts) == ("missing" not in judged)
        verdicts += views.expired(START + timedelta(seconds=5))
        if set(judged) == {"missing"}:
            assert verdicts == []
            continue
        [verdict] = verdicts
        expected = True if True in judged else (False if set(judged) == {False} else None)
        assert verdict.anomalous is expected
        assert (verdict.reason == "") == (not {None, "missing"} & set(judged))
        assert len(verdict.entries) == 3 - judged.count("missing")
        assert views.to_dict() == {}


def test_a_part_is_waited_for_from_its_first_view() -> None:
    views = Views("r", VIEWS, 5)
    assert views.add(view("top", False), START) == ()
    assert views.add(view("left", False), START + timedelta(seconds=4)) == ()
    assert views.expired(START + timedelta(seconds=4.9)) == ()
    [verdict] = views.expired(START + timedelta(seconds=5))
    assert (verdict.anomalous, verdict.reason) == (None, "no picture came of right")
    [late] = [*views.add(view("right", False), START + timedelta(seconds=6)), *views.close(START)]
    assert (late.anomalous, late.reason) == (None, "no picture came of top, left")


def test_a_clock_that_is_set_back_keeps_no_part_waiting() -> None:
    views = Views("r", VIEWS, 5)
    views.add(view("top", False), START)
    [verdict] = views.expired(START - timedelta(days=400))
    assert (verdict.anomalous, verdict.reason) == (None, "no picture came of left, right")


def test_a_view_that_comes_twice_decides_the_first_part_without_the_others() -> None:
    views = Views("r", ("top", "left"), 5)
    views.add(view("top", True), START)
    [first] = views.add(view("top", False, number=1), START)
    assert (first.anomalous, first.reason) == (True, "the view top came twice")
    [second] = views.add(view("left", False, number=2), START)
    assert (second.anomalous, [each.id for each in second.entries]) == (False, [f"{n:032x}" for n in (1, 2)])


@pytest.mark.parametrize(("part", "name"), [("", "top"), ("A1", "below"), ("A1", "")])
def test_what_belongs_to_no_part_or_view_is_never_good(part: str, name: str) -> None:
    views = Views("r", VIEWS, 5)
    for anomalous, expected in [(False, None), (True, True), (None, None)]:
        [verdict] = views.add(view(name, anomalous, part), START)
        assert verdict.anomalous is expected
        assert verdict.reason


def test_no_view_is_lost_or_counted_twice_among_many_parts() -> None:
    numbers = random.Random(0)
    views = Views("r", VIEWS, 5)
    sent, verdicts, now = [], [], START
    for number in range(600):
        now += timedelta(seconds=numbers.random())
        each = view(
            numbers.choice(VIEWS), numbers.choice([True, False, False, None]), f"P{numbers.randrange(8)}", number
        )
        sent.append(each)
        verdicts += views.add(each, now)
    verdicts += views.close(now)
    assert sorted(each.id for verdict in verdicts for each in verdict.entries) == [each.id for each in sent]
    for verdict in verdicts:
        judged = [each.anomalous for each in verdict.entries]
        whole = {each.view for each in verdict.entries} == set(VIEWS) and len(judged) == 3
        assert verdict.anomalous is (True if True in judged else (False if whole and None not in judged else None))
    record = verdicts[0].to_dict()
    assert json.loads(json.dumps(record)) == record


def test_a_part_is_told_with_the_regions_of_its_views_and_in_json_whatever_their_scores() -> None:
    box = Box(1, 2, 3, 4, 12, float("inf"))
    top = entry(1, part="A1", view="top", anomalous=True, score=float("inf"), boxes=(box,))
    [verdict] = [*Views("r", ("top", "side"), 5).add(top, START), *Views("r", ("top",), 5).add(top, START)]
    [told] = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["views"]
    assert (told["score"], told["boxes"]) == (None, [vars(box) | {"peak": None}])


def test_a_view_that_is_none_any_more_after_a_restart_stands_in_for_no_other() -> None:
    before = Views("r", ("top", "side"), 5)
    side = view("side", False)
    before.add(side, START)
    after = Views("r", ("top", "left"), 5)
    after.restore(json.loads(json.dumps(before.to_dict())), {side.id: side}.get, START)
    told = after.add(view("left", False, number=1), START)
    assert [(each.anomalous, each.interrupted) for each in told] == [(None, True)]
    assert [each.anomalous for each in after.close(START)] == [None]
