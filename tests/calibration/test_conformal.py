"""The conformal rule keeps its promise: shown by simulation and against the exact law of order statistics."""

import math

import numpy as np
import pytest
from scipy import stats

from hizumi.calibration import Calibration
from hizumi.calibration.conformal import (
    conformal_limit,
    conformal_p_values,
    conformal_rank,
    images_needed,
    of_groups,
    rate_of_groups,
    upper_rate,
)

SIMULATIONS = 500


def realised_rates(count, rate, draw, survival, seed=0):
    """The exact false-alarm rate behind each of 500 independently calibrated thresholds."""
    generator = np.random.default_rng(seed)
    thresholds = [conformal_limit(np.sort(draw(generator, count)), rate).value for _ in range(SIMULATIONS)]
    return survival(np.array(thresholds))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("count", [5, 19, 20, 40, 99, 100, 150, 400, 999])
@pytest.mark.parametrize("law", [stats.norm(), stats.lognorm(1.5), stats.uniform()], ids=["normal", "skewed", "flat"])
def test_mean_false_alarm_rate_of_500_simulations_meets_the_guarantee(count, rate, law):
    rates = realised_rates(count, rate, lambda generator, n: law.rvs(n, random_state=generator), law.sf)
    error = rates.std(ddof=1) / math.sqrt(SIMULATIONS)
    promised = conformal_limit(np.arange(count, dtype=float), rate).promised_rate
    supported = math.floor((count + 1) * rate + 1e-9) / (count + 1)

    assert promised == pytest.approx(max(supported, 1 / (count + 1)))
    if supported > 0:
        assert promised <= rate + 1e-12
        assert rates.mean() <= rate + 3 * error
        assert rate - promised < 1 / (count + 1)  # never gives away more than one rank
    # The promise is the mean itself for continuous scores: neither broken nor absurdly conservative.
    assert abs(rates.mean() - promised) <= 3.5 * error


def test_realised_rates_follow_the_beta_law_of_order_statistics():
    rates = realised_rates(150, 0.05, lambda generator, n: generator.normal(size=n), stats.norm.sf)
    rank = conformal_rank(150, 0.05)
    assert stats.kstest(rates, stats.beta(150 - rank + 1, rank).cdf).pvalue > 0.01
    assert np.mean(rates <= upper_rate(150, 0.05)) == pytest.approx(0.95, abs=0.03)


def test_guarantee_holds_through_calibration_on_fresh_images_and_with_ties():
    generator = np.random.default_rng(1)
    alarms = []
    for _ in range(SIMULATIONS):
        scores = np.round(generator.gamma(2.0, size=320), 1)  # coarse on purpose: many equal scores
        alarms.append(Calibration.fit(scores[:120], false_alarm_rate=0.05).is_anomalous(scores[120:]).mean())
    error = np.std(alarms, ddof=1) / math.sqrt(SIMULATIONS)
    assert np.mean(alarms) <= 0.05 + 3 * error
    assert np.mean(alarms) > 0.03


def test_p_values_are_super_uniform_and_nearly_uniform():
    generator = np.random.default_rng(2)
    for count in (9, 40, 250):
        values = np.concatenate(
            [
                conformal_p_values(np.sort(generator.normal(size=count)), generator.normal(size=1))
                for _ in range(4 * SIMULATIONS)
            ]
        )
        for level in (0.02, 0.1, 0.3, 0.5, 0.9):
            exact = math.floor(level * (count + 1) + 1e-9) / (count + 1)
            share = np.mean(values <= level + 1e-12)
            assert abs(share - exact) <= 4 * math.sqrt(max(exact * (1 - exact), 1e-9) / len(values))
        assert values.min() >= 1 / (count + 1)
        assert values.max() <= 1


def test_p_values_match_their_definition_on_tied_scores():
    calibration = np.array([1.0, 2.0, 2.0, 2.0, 5.0])
    scores = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 9.0])
    expected = [(1 + sum(s >= x for s in calibration)) / 6 for x in scores]
    assert conformal_p_values(calibration, scores).tolist() == expected


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.07, 0.29, 0.5])
@pytest.mark.parametrize("count", [99, 100, 137, 1000])
def test_decision_by_threshold_is_decision_by_p_value(count, rate):
    generator = np.random.default_rng(count)
    calibration = np.sort(np.round(generator.normal(size=count), 1))
    scores = np.round(generator.normal(size=300) * 1.5, 1)
    flagged = scores > conformal_limit(calibration, rate).value
    assert (flagged == (conformal_p_values(calibration, scores) <= rate + 1e-12)).all()


@pytest.mark.parametrize(
    ("count", "rate", "rank"), [(99, 0.01, 99), (98, 0.01, 99), (99, 0.07, 93), (99, 0.29, 71), (199, 0.01, 198)]
)
def test_rank_is_exact_where_floating_point_is_not(count, rate, rank):
    assert conformal_rank(count, rate) == rank


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.05, 19), (0.001, 999), (0.003, 333), (0.5, 1), (0.9, 1)])
def test_images_needed_is_the_smallest_number_that_promises_the_rate(rate, needed):
    assert images_needed(rate) == needed
    assert conformal_rank(needed, rate) <= needed
    assert needed == 1 or conformal_rank(needed - 1, rate) > needed - 1


@pytest.mark.parametrize(("middle", "spread"), [(0.0, 1.0), (4000.0, 20.0), (-3000.0, 5.0), (1e-6, 1e-7), (0.37, 0.0)])
def test_rounding_neither_flags_the_image_that_set_the_threshold_nor_moves_its_p_value(middle, spread):
    generator = np.random.default_rng(5)
    scores = np.sort((middle + spread * generator.normal(size=150)).astype(np.float32)).astype(np.float64)
    size = np.maximum(np.abs(scores), scores - np.median(scores))
    for rate in (0.001, 0.01, 0.1):
        limit = conformal_limit(scores, rate)
        held_out = scores <= limit.value
        for digits in (-2e-6, -3e-7, 0, 3e-7, 2e-6):  # a few digits of single precision
            again = scores + digits * size
            assert (again[held_out] <= limit.value).all()
            setting = int(np.flatnonzero(held_out)[-1])
            at_once = conformal_p_values(scores, scores[setting : setting + 1])
            assert conformal_p_values(scores, again[setting : setting + 1]) <= at_once + 1 / 151
            flagged = conformal_p_values(scores, again) <= limit.promised_rate + 1e-12
            assert (flagged == (again > limit.value)).all()
        above = np.searchsorted(scores, limit.value) / len(scores)
        assert above >= 1 - limit.promised_rate - 1 / 151  # and it stays where it was among them


def test_a_threshold_near_zero_allows_for_the_rounding_of_what_was_subtracted():
    scores = np.sort(np.random.default_rng(6).normal(size=150))
    scores -= scores[-3]
    limit = conformal_limit(scores, 0.02)
    assert 0 < limit.value < scores[-2]
    assert limit.value >= 2e-6 * (scores[-3] - np.median(scores))


def test_too_few_images_are_said_in_words():
    limit = conformal_limit(np.arange(40.0), 0.01)
    assert limit.value == pytest.approx(39.0, rel=1e-5)
    assert limit.promised_rate == pytest.approx(1 / 41)
    for words in ("40 held-out good images", "1/41 = 2.44%", "It takes 99 good images to promise 1%"):
        assert words in limit.words


@pytest.mark.parametrize(("count", "rate"), [(40, 0.01), (150, 0.05), (999, 0.01), (1, 0.01)])
def test_upper_rate_is_the_beta_quantile(count, rate):
    rank = min(conformal_rank(count, rate), count)
    assert upper_rate(count, rate, 0.9) == pytest.approx(stats.beta(count - rank + 1, rank).ppf(0.9))


def test_59_images_bound_5_percent_with_95_percent_confidence():
    assert upper_rate(59, 1 / 60) <= 0.05 < upper_rate(58, 1 / 59)


def test_one_image_promises_one_half():
    limit = conformal_limit(np.array([3.0]), 0.01)
    assert (limit.value, limit.promised_rate) == (pytest.approx(3.0, rel=1e-5), 0.5)


def test_a_very_high_rate_still_gives_a_score_as_threshold():
    limit = conformal_limit(np.arange(3.0), 0.999)
    assert limit.value == 0.0
    assert limit.promised_rate <= 0.999


@pytest.mark.parametrize(("groups", "size", "rate"), [(9, 1, 0.1), (8, 5, 0.01), (19, 4, 0.1), (40, 5, 0.05)])
@pytest.mark.parametrize("alike", [0.0, 0.9, 1.0])
def test_the_rate_among_new_groups_is_bounded_and_reached_where_images_of_a_group_are_equal(
    groups: int, size: int, rate: float, alike: float
):
    generator = np.random.default_rng(5)
    parts = generator.normal(size=(6000, groups + 1, 1))
    scores = alike * parts + math.sqrt(1 - alike**2) * generator.normal(size=(6000, groups + 1, size))
    known, new = scores[:, :groups].reshape(6000, -1), scores[:, groups]
    rank = min(conformal_rank(groups * size, rate), groups * size)
    flagged = (new > np.sort(known)[:, [rank - 1]]).mean(1)
    limit = conformal_limit(np.arange(groups * size, dtype=float), rate)
    highest = rate_of_groups(limit.promised_rate, groups * size, groups)
    error = 4 * flagged.std() / math.sqrt(len(flagged)) + 1e-9
    assert flagged.mean() <= highest + error
    if alike == 1 and rank == groups * size:
        assert flagged.mean() == pytest.approx(highest, abs=error)
    if size == 1:
        assert highest == pytest.approx(limit.promised_rate)


def test_images_of_few_groups_promise_nothing():
    limit = of_groups(conformal_limit(np.arange(40.0), 0.01), 40, 8)
    assert (limit.value, limit.promised_rate) == (pytest.approx(39.0, rel=1e-5), None)
    assert "40 good images in 8 groups" in limit.words
    assert "up to about 11.1% of them may be flagged" in limit.words
