"""Sequential ranks: by counting, uniform and independent for ever, and blind to defects."""

import numpy as np
import pytest
from scipy.stats import kstest

from hizumi.calibration.conformal import conformal_p_values
from hizumi.errors import DataError
from hizumi.monitoring.ranks import SequentialRanks

STREAMS, PICTURES = 300, 400


@pytest.fixture(scope="module")
def streams() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """P-values of good scores after 20 calibration scores: sequential ones, and those against the calibration set."""
    generator = np.random.default_rng(0)
    sequential, fixed = [], []
    for _ in range(STREAMS):
        scores = generator.exponential(size=20 + PICTURES)
        ranks = SequentialRanks.after(scores[:20], generator)
        found = [ranks.p_value(float(score), generator.random()) for score in scores[20:]]
        sequential.append(np.array([p_value for p_value in found if p_value is not None]))
        fixed.append(conformal_p_values(np.sort(scores[:20]), scores[20:]))
    return sequential, fixed


def test_a_p_value_is_a_count_among_all_scores_before() -> None:
    generator = np.random.default_rng(1)
    ranks = SequentialRanks.after(generator.normal(size=60), generator)
    edges = np.array(ranks.edges)
    seen = [place for place, count in enumerate(ranks.counts) for _ in range(count)]
    for score in generator.normal(size=200):
        if score > edges[-1]:
            assert ranks.p_value(float(score), 0.3) is None
            continue
        place = int((edges < score).sum())
        seen.append(place)
        above, equal = sum(other > place for other in seen), sum(other == place for other in seen)
        assert ranks.p_value(float(score), 0.3) == pytest.approx((above + 0.3 * equal) / len(seen), abs=1e-15)


def test_p_values_are_uniform_and_independent_after_twenty_scores(
    streams: tuple[list[np.ndarray], list[np.ndarray]],
) -> None:
    sequential, fixed = streams
    assert kstest(np.concatenate(sequential), "uniform").pvalue > 0.01
    neighbours = [np.corrcoef(each[1:], each[:-1])[0, 1] for each in sequential]
    assert abs(np.mean(neighbours)) < 4 / np.sqrt(STREAMS * PICTURES)
    # The mean of m independent uniform values has the variance 1 / (12 m); against a fixed set they share its luck.
    means = [(each.mean() - 0.5) * np.sqrt(12 * len(each)) for each in sequential]
    assert np.var(means) == pytest.approx(1, abs=4 * np.sqrt(2 / STREAMS))
    shared = [(each.mean() - 0.5) * np.sqrt(12 * len(each)) for each in fixed]
    assert np.var(shared) > 10


def test_defects_change_nothing_for_the_others() -> None:
    generator = np.random.default_rng(2)
    calibration, scores = generator.normal(size=100), generator.normal(size=300)
    alone, among = (SequentialRanks.after(calibration, np.random.default_rng(3)) for _ in range(2))
    for number, score in enumerate(scores.tolist()):
        if number % 10 == 0:
            assert among.p_value(10.0 + number, 0.5) is None
        assert among.p_value(score, 0.5) == alone.p_value(score, 0.5)


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(DataError, match="19 good scores"):
        SequentialRanks.after(np.arange(19.0), np.random.default_rng(0))
