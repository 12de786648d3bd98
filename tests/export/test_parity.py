"""When a graph counts as the same: measured against double precision, in units of what torch itself is off by."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hizumi.calibration import Calibration
from hizumi.errors import RunError
from hizumi.export.exporting import _refuse_useless
from hizumi.export.parity import FACTOR, GROSS, ROUNDING_FLOOR, Parity
from hizumi.export.replay import Replay, in_double
from hizumi.inspection import Inspector
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.batching import Outputs
from hizumi.preprocessing.reading import Piece, Reader

TRUTH = np.linspace(1, 100, 100)
READER = Reader(Preprocessing(), (2,))
OFF = 50  # the item on which torch and graph are off


def parity(*, single: float = 0.0, graph: float = 0.0, term: float = 0.0, thresholds: tuple[float, float]) -> Parity:
    """Of scores 1 to 100, on one of which torch and graph are off by so much, and the graph's term by `term`."""
    replay = Replay()
    for index, value in enumerate(TRUTH):
        errors = {"double": 0.0, "single": single, "graph": graph}
        outputs: Outputs = {f"{form} score": np.array([value + (index == OFF) * off]) for form, off in errors.items()}
        for form in errors:
            outputs[f"{form} term:part"] = np.array([value + term * (form == "graph")])
        replay.add(Piece(index, str(index), np.zeros((1, 2))), outputs, READER)
    calibration = Calibration.fit(TRUTH, false_alarm_rate=0.05)
    ours, theirs = (replace(calibration, threshold=replace(calibration.threshold, value=value)) for value in thresholds)
    return Parity.of(replay, ours, theirs)


def test_a_graph_in_fewer_bits_that_tells_no_items_apart_is_refused_and_has_no_ranks() -> None:
    replay = Replay()
    for index, value in enumerate(TRUTH):
        scores = {"double": value, "single": value, "graph": 3.5}
        outputs: Outputs = {f"{form} score": np.array([score]) for form, score in scores.items()}
        replay.add(Piece(index, str(index), np.zeros((1, 2))), outputs, READER)
    calibration = Calibration.fit(TRUTH, false_alarm_rate=0.05)
    assert Parity.of(replay, calibration, calibration).rank == 0
    with pytest.raises(RunError, match="gives all 100 items one score, and the detector tells them apart: int8 leaves"):
        _refuse_useless("pca", "int8", replay)
    _refuse_useless("pca", "fp32", replay)  # of which the differences decide


@pytest.mark.parametrize(("times", "holds"), [(0.9 * FACTOR, True), (-0.9 * FACTOR, True), (1.1 * FACTOR, False)])
def test_a_graph_may_be_off_by_a_few_times_what_torch_is(times: float, holds: bool) -> None:
    found = parity(single=0.01, graph=0.01 * times, thresholds=(95.5, 95.5))
    assert found.holds is holds
    assert found.differences["score"] == pytest.approx(abs(times) * 1e-4)
    assert found.rounding["score"] == pytest.approx(1e-4)


def test_where_torch_happens_to_be_exact_the_graph_may_round() -> None:
    assert parity(graph=99 * FACTOR * ROUNDING_FLOOR, thresholds=(95.5, 95.5)).holds
    assert not parity(graph=101 * FACTOR * ROUNDING_FLOOR, thresholds=(95.5, 95.5)).holds


def test_a_term_is_shown_and_refused_only_where_it_is_grossly_off() -> None:
    assert parity(term=90 * GROSS, thresholds=(95.5, 95.5)).holds
    found = parity(term=110 * GROSS, thresholds=(95.5, 95.5))
    assert not found.holds
    assert found.worst == "term:part"
    assert not parity(term=np.nan, thresholds=(95.5, 95.5)).holds


def test_a_score_or_map_of_which_little_is_left_in_fewer_bits_is_told() -> None:
    assert parity(graph=9.9, thresholds=(95.5, 95.5)).lost == []
    found = parity(graph=10.1, thresholds=(95.5, 95.5))
    assert found.lost == ["score"]
    assert replace(found, differences={"score": 0.0, "map": 0.81, "term:part": 0.9}).lost == ["map"]


def test_a_verdict_may_change_only_within_the_error_of_the_threshold() -> None:
    score = float(TRUTH[OFF])
    near = parity(single=-0.01, graph=0.01, thresholds=(score, score))
    assert (near.changed, near.borderline, near.holds) == (1, 1, True)
    assert near.error == pytest.approx(0.02)
    far = parity(single=-0.01, graph=0.01, thresholds=(score - 0.5, score + 0.5))
    assert (far.changed, far.borderline, far.holds) == (1, 0, False)


def test_the_truth_is_the_detector_in_double_precision() -> None:
    rows = np.random.default_rng(0).normal(1000, 20, (80, 5))
    inspector = Inspector("mahalanobis", false_alarm_rate=0.1).fit(rows)
    detector = inspector.detector_
    mean, whitening = detector.gaussian.mean.double(), detector.gaussian.whitening.double()
    standardised = torch.from_numpy(inspector.preprocessing_.to_model(rows)).double()
    items = (standardised - detector.vector_mean) / detector.vector_scale.double()
    expected = ((items - mean) @ whitening.T).square().sum(1)
    found = in_double(inspector)(rows)["score"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-13)
    assert {tensor.dtype for tensor in detector.buffers() if tensor.is_floating_point()} >= {torch.float32}
