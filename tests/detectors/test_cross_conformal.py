"""Cross-conformal: p-values by brute force, and the promise by simulation, also where fits memorise."""

import numpy as np
import pytest
import torch

from hizumi.arguments import clone
from hizumi.calibration import Calibration
from hizumi.calibration.conformal import conformal_limit, cross_conformal
from hizumi.detectors import CrossConformal, Mahalanobis, NearestNeighbour
from hizumi.errors import DataError, UsageError
from hizumi.inspection import Inspector, load, save

FOLDS = 4


def brute_force_p_values(rows: np.ndarray, new: np.ndarray, folds: list[list[int]]) -> np.ndarray:
    """(1 + the number of rows that score as high as x or higher by the fit that lacks their fold) / (n + 1)."""
    at_or_above = np.zeros(len(new))
    for fold in folds:
        others = np.delete(rows, fold, axis=0)
        mean, precision = others.mean(0), np.linalg.inv(np.cov(others.T, bias=True))

        def distance(x, mean=mean, precision=precision):
            return np.einsum("ni,ij,nj->n", x - mean, precision, x - mean)

        at_or_above += (distance(rows[fold])[None, :] >= distance(new)[:, None]).sum(1)
    return (1 + at_or_above) / (len(rows) + 1)


def test_p_values_are_those_of_the_definition(monkeypatch):
    generator = np.random.default_rng(0)
    rows, new = generator.normal(size=(61, 3)), 1.5 * generator.normal(size=(200, 3))
    dealt = []
    deal = Inspector._dealt

    def noted(self, *arguments, **keywords):
        dealt.append(deal(self, *arguments, **keywords))
        return dealt[-1]

    monkeypatch.setattr(Inspector, "_dealt", noted)
    detector = Mahalanobis(covariance="empirical")
    inspector = Inspector(detector, rule="cross-conformal", folds=FOLDS, false_alarm_rate=0.05).fit(rows)
    verdicts = inspector.inspect(new).verdicts
    expected = brute_force_p_values(rows, new, dealt[0])

    assert np.allclose([verdict.p_value for verdict in verdicts], expected, atol=1.5 / 62)  # one tie of float32 at most
    assert np.mean(np.isclose([verdict.p_value for verdict in verdicts], expected)) > 0.98
    assert [verdict.anomalous for verdict in verdicts] == [verdict.p_value <= 0.05 for verdict in verdicts]


@pytest.mark.parametrize("folds", [5, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("member", [Mahalanobis(), NearestNeighbour()], ids=["smooth", "memorising"])
def test_the_promise_holds_on_average_over_fits(member, folds):
    generator = np.random.default_rng(folds)
    rate, count = 0.1, 20
    promise = cross_conformal(conformal_limit(np.arange(1.0, count + 1), rate), count, folds).promised_rate
    alarms = []
    for _ in range(40):
        rows = torch.from_numpy(generator.standard_t(3, size=(count, 2)).astype(np.float32))
        new = torch.from_numpy(generator.standard_t(3, size=(300, 2)).astype(np.float32))
        detector = CrossConformal(tuple(clone(member) for _ in range(folds))).fit(rows)
        calibration = Calibration.fit(np.zeros(count), rule="cross-conformal", false_alarm_rate=rate, folds=folds)
        alarms.append(calibration.is_anomalous(detector.score(new).image.numpy()).mean())
    error = np.std(alarms, ddof=1) / np.sqrt(len(alarms))

    assert np.mean(alarms) <= promise + 2 * error
    assert 0.5 * rate < np.mean(alarms) < 1.6 * rate  # far from the promise, near to what was asked


def test_as_many_folds_as_items_promise_twice_the_rate():
    limit = conformal_limit(np.arange(1.0, 100), 0.05)
    assert cross_conformal(limit, 99, 99).promised_rate == pytest.approx(0.1)
    assert cross_conformal(limit, 99, 3).promised_rate == pytest.approx(0.1 + 2 * (2 / 3) / 34)
    assert cross_conformal(limit, 99, 30).promised_rate == pytest.approx(0.1 + (1 - 1 / 3) / 31)


def test_scores_grow_beyond_all_that_was_held_out():
    rows = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    detector = CrossConformal(tuple(Mahalanobis() for _ in range(FOLDS))).fit(rows)
    scores = detector.score(torch.outer(torch.tensor([10.0, 20.0, 1000.0]), torch.ones(3))).image
    assert (scores.diff() > 0).all()
    assert (scores.floor() == 40).all()


def test_beyond_folds_of_copies_scores_are_still_numbers():
    rows = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    detector = CrossConformal(tuple(NearestNeighbour() for _ in rows)).fit(rows)  # each of whose folds has a copy
    scores = detector.score(torch.cat([rows[:1], rows[:1] + 5, rows[:1] + 50])).image
    assert scores.isfinite().all()
    assert (scores.floor() == torch.tensor([0, 12, 12])).all()
    assert scores[0] < scores[1] <= scores[2]


def test_it_is_saved_and_judges_alike(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    inspector = Inspector("mahalanobis", rule="cross-conformal", folds=FOLDS, false_alarm_rate=0.05).fit(rows)
    loaded = load(save(inspector, tmp_path / "rows.hizumi"))
    assert [each.score for each in loaded.inspect(rows)] == [each.score for each in inspector.inspect(rows)]
    assert isinstance(loaded.detector, Mahalanobis)  # of each fold
    assert "at most" in loaded.calibration_.promise("row")
    with pytest.raises(UsageError, match="fit anew"):
        loaded.calibrate(rule="conformal")
    loaded.calibrate(false_alarm_rate=0.2)
    assert loaded.calibration_.threshold.value == 41.0  # of ranks 1 to 50, ceil(51 * 0.8)


@pytest.mark.parametrize(
    ("detector", "arguments", "message"),
    [
        ("reconstruction", {}, "trains nothing"),
        ("mahalanobis", {"calibration_share": 0.3}, "holds nothing out"),
    ],
)
def test_what_does_not_go_with_the_rule_is_refused(detector, arguments, message):
    with pytest.raises(UsageError, match=message):
        Inspector(detector, rule="cross-conformal", **arguments).fit(np.random.default_rng(0).normal(size=(50, 3)))


def test_other_bundles_and_too_few_items_are_refused():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(UsageError, match="fit anew with --rule cross-conformal"):
        Inspector("mahalanobis").fit(rows).calibrate(rule="cross-conformal")
    with pytest.raises(DataError, match="5 folds"):
        CrossConformal().fit(torch.zeros(4, 3))
