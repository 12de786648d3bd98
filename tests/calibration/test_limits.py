"""The other threshold rules, each against scipy.stats, simulation or a plain loop."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from hizumi.calibration.limits import (
    best_f1_threshold,
    chi_square_limit,
    fit_generalised_pareto,
    k_sigma_limit,
    peaks_over_threshold_limit,
    quantile_limit,
    upper_tail_quantile,
)
from hizumi.errors import DataError, UsageError

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "calibration" / "peaks_over_threshold.json"


@pytest.mark.parametrize("rate", [0.00135, 0.01, 0.3])
def test_k_sigma_is_the_gaussian_quantile_of_the_sample(rate):
    scores = np.sort(np.random.default_rng(0).normal(5, 2, 50))
    limit = k_sigma_limit(scores, rate)
    assert limit.value == pytest.approx(stats.norm(np.mean(scores), np.std(scores, ddof=1)).isf(rate))
    assert limit.promised_rate is None


def test_k_sigma_says_cantellis_bound_only_where_there_is_one():
    scores = np.arange(10.0)
    assert "10% (Cantelli)" in k_sigma_limit(scores, float(stats.norm.sf(3))).words
    assert "Cantelli" not in k_sigma_limit(scores, 0.7).words


def test_k_sigma_refuses_one_image():
    with pytest.raises(DataError, match="at least 2"):
        k_sigma_limit(np.array([1.0]), 0.01)


def test_quantile_is_the_interpolated_one():
    scores = np.arange(101.0)
    assert quantile_limit(scores, 0.05).value == pytest.approx(95.0)
    assert "5 of 101 held-out good images above it" in quantile_limit(scores, 0.05).words


@pytest.mark.parametrize("degrees_of_freedom", [1, 4, 30.0])
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_chi_square_keeps_its_rate_on_simulated_gaussians(degrees_of_freedom, rate):
    generator = np.random.default_rng(3)
    dimensions = int(degrees_of_freedom)
    covariance_root = generator.normal(size=(dimensions, dimensions)) + 2 * np.eye(dimensions)
    whitened = generator.normal(size=(100_000, dimensions)) @ covariance_root @ np.linalg.inv(covariance_root)
    distances = np.sort((whitened**2).sum(axis=1))
    limit = chi_square_limit(distances[:: len(distances) // 200], rate, float(degrees_of_freedom))
    assert limit.value == pytest.approx(stats.chi2.isf(rate, degrees_of_freedom))
    error = math.sqrt(rate * (1 - rate) / len(distances))
    assert np.mean(distances > limit.value) == pytest.approx(rate, abs=4 * error)
    assert "not chi-square" not in limit.words


def test_chi_square_says_when_the_scores_do_not_follow_it():
    distances = np.sort(stats.chi2(12).rvs(100, random_state=0))
    assert "these scores are not chi-square" in chi_square_limit(distances, 0.01, 4.0).words


@pytest.mark.parametrize(("degrees_of_freedom", "words"), [(None, "does not have"), (0.0, "positive")])
def test_chi_square_needs_degrees_of_freedom(degrees_of_freedom, words):
    with pytest.raises(UsageError, match=words):
        chi_square_limit(np.arange(5.0), 0.01, degrees_of_freedom)


@pytest.mark.parametrize("shape", [-0.4, -0.2, 0.0, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("count", [30, 100, 1000])
def test_pareto_fit_is_as_likely_as_scipys_and_near_the_truth(shape, count):
    excesses = stats.genpareto(shape, scale=3.0).rvs(count, random_state=count)
    fitted_shape, fitted_scale = fit_generalised_pareto(excesses)
    scipy_shape, _, scipy_scale = stats.genpareto.fit(excesses, floc=0)
    mine = stats.genpareto.logpdf(excesses, fitted_shape, scale=fitted_scale).sum()
    scipys = stats.genpareto.logpdf(excesses, scipy_shape, scale=scipy_scale).sum()
    assert fitted_shape >= -0.5 - 1e-6
    if scipy_shape > -0.5:
        assert mine >= scipys - 1e-6
        assert fitted_shape == pytest.approx(scipy_shape, abs=2e-3)
        assert fitted_scale == pytest.approx(scipy_scale, rel=2e-3)
    # Four asymptotic standard errors of the shape, (1 + shape) / sqrt(n).
    assert abs(fitted_shape - shape) < 4 * (1 + shape) / math.sqrt(count) + 0.05


def test_pareto_fit_survives_equal_and_tiny_excesses():
    for excesses in (np.full(30, 2.0), np.geomspace(1e-12, 1e-9, 40), np.r_[np.full(29, 1e-3), 1e4]):
        shape, scale = fit_generalised_pareto(excesses)
        assert math.isfinite(shape)
        assert scale > 0
        assert shape >= -0.5 - 1e-6


def test_pareto_fit_follows_the_unit_of_the_scores():
    excesses = stats.genpareto(0.1).rvs(200, random_state=1)
    (shape, scale), (shape_of_large, scale_of_large) = map(fit_generalised_pareto, (excesses, 1e6 * excesses))
    assert shape_of_large == pytest.approx(shape, abs=1e-5)
    assert scale_of_large == pytest.approx(1e6 * scale, rel=1e-5)


def realised_rates(law, rate, count):
    generator = np.random.default_rng(5)
    draws = (np.sort(law.rvs(count, random_state=generator)) for _ in range(16))
    return law.sf([peaks_over_threshold_limit(scores, rate).value for scores in draws])


@pytest.mark.parametrize("law", [stats.norm(), stats.expon(), stats.genpareto(0.2)], ids=["normal", "exp", "pareto"])
def test_peaks_over_threshold_keeps_a_rate_below_one_in_n_in_most_calibrations(law):
    rates = realised_rates(law, 1e-4, count=1000)
    assert np.mean(rates <= 1e-4) >= 0.875  # of 16; 95 % is aimed at
    assert rates.mean() < 1e-4


def test_peaks_over_threshold_keeps_its_rate_as_often_as_its_docstring_says():
    """The stored simulation has what the docstring quotes of it."""
    rows = json.loads(STORED.read_text())["rows"]
    assert len({row["law"] for row in rows}) == 14
    kept = {(row["scores"], row["rate"]): [] for row in rows}
    for row in rows:
        if row["law"] != "0.3% far beyond all others":
            kept[row["scores"], row["rate"]].append(row["kept"])
    quoted = {(1000, 1e-3): "95%", (1000, 1e-4): "95%", (250, 1e-3): "92%"}
    assert {case: f"{100 * math.floor(100 * min(shares)) / 100:.0f}%" for case, shares in kept.items()} == quoted
    far = {(r["scores"], r["rate"]): r["kept"] for r in rows if r["law"] == "0.3% far beyond all others"}
    assert {case: f"{share:.0%}" for case, share in far.items()} == {
        (1000, 1e-4): "95%",
        (1000, 1e-3): "92%",
        (250, 1e-3): "62%",
    }


def test_peaks_over_threshold_errs_to_silence_on_a_tail_that_ends_abruptly():
    assert realised_rates(stats.uniform(), 2e-4, count=2000).max() <= 2e-4


def test_peaks_over_threshold_agrees_with_scipys_tail():
    scores = np.sort(stats.genpareto(0.15, scale=2).rvs(3000, random_state=7))
    excesses = scores[-60:] - scores[-61]
    shape, _, scale = stats.genpareto.fit(excesses, floc=0)
    expected = scores[-61] + stats.genpareto.isf(0.001 * 3000 / 60, shape, scale=scale)
    limit = peaks_over_threshold_limit(scores, 0.001)
    assert f"its best guess for 0.1% is {expected:.3g}"[:-1] in limit.words
    assert limit.value > expected


def test_peaks_over_threshold_counts_what_lies_above_a_tied_start_of_the_tail():
    scores = np.sort((2 * stats.expon().rvs(3000, random_state=7)).round() / 2)
    start = scores[-61]
    above = int((scores > start).sum())
    assert above < 55  # of the 60 highest, the others are equal to where the tail starts
    limit = peaks_over_threshold_limit(scores, 0.001)
    shape, scale = fit_generalised_pareto(scores[-above:] - start)
    expected = start + stats.genpareto.isf(0.001 * 3000 / above, shape, scale=scale)
    assert limit.said[0].figures["estimate"] == pytest.approx(expected)


def test_upper_tail_quantile_comes_near_to_the_quantile_with_many_excesses():
    excesses = stats.genpareto(0.1, scale=3.0).rvs(3000, random_state=2)
    exact = float(stats.genpareto(0.1, scale=3.0).isf(0.01))
    assert exact < upper_tail_quantile(excesses, 0.01, fit_generalised_pareto(excesses)) < 1.2 * exact


def test_peaks_over_threshold_says_that_its_limit_is_an_upper_one():
    limit = peaks_over_threshold_limit(np.sort(stats.expon().rvs(3000, random_state=7)), 0.001)
    assert "upper confidence limit" in limit.words
    assert limit.rule == "peaks-over-threshold"
    assert "60 largest of 3000" in limit.words


@pytest.mark.parametrize(("count", "rate"), [(1, 0.01), (10, 0.01), (199, 0.01), (5000, 0.06)])
def test_peaks_over_threshold_falls_back_in_words_without_a_tail(count, rate):
    limit = peaks_over_threshold_limit(np.arange(float(count)), rate)
    assert limit.rule == "conformal"
    assert "so the conformal rule is used" in limit.words


def test_peaks_over_threshold_falls_back_on_equal_scores():
    assert peaks_over_threshold_limit(np.full(1000, 2.0), 0.01).rule == "conformal"


def brute_force_f1(scores, labels, threshold):
    hits = sum(1 for s, y in zip(scores, labels, strict=True) if s > threshold and y == 1)
    alarms = sum(1 for s in scores if s > threshold)
    return 2 * hits / (alarms + sum(labels))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=2, max_size=25))
def test_best_f1_is_the_best_of_all_thresholds(pairs):
    scores, labels = [float(s) for s, _ in pairs], [y for _, y in pairs]
    labels[:2] = 1, 0
    best = best_f1_threshold(np.array(scores), np.array(labels))
    assert best.f1 == pytest.approx(max(brute_force_f1(scores, labels, t) for t in [*scores, min(scores) - 1]))
    assert brute_force_f1(scores, labels, best.threshold) == pytest.approx(best.f1)


def test_best_f1_threshold_is_the_middle_of_the_gap():
    best = best_f1_threshold(np.array([1.0, 2.0, 5.0, 6.0]), np.array([0, 0, 1, 1]))
    assert best == (1.0, 3.5)


def test_of_equal_f1_the_threshold_with_fewest_alarms_wins():
    best = best_f1_threshold(np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 0, 0, 1]))
    assert best.f1 == pytest.approx(brute_force_f1([4.0, 3.0, 2.0, 1.0], [1, 0, 0, 1], 0.0))
    assert best.threshold == 3.5


def test_best_f1_threshold_separates_neighbouring_floats():
    low = 1.0
    high = math.nextafter(low, 2.0)
    best = best_f1_threshold(np.array([low, high]), np.array([0, 1]))
    assert low <= best.threshold < high


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ([1.0, 2.0], [0, 0], "labelled anomalous"),
        ([1.0, 2.0], [1, 1], "labelled good items beside"),
        ([math.nan, 2.0], [0, 1], "NaN"),
    ],
)
def test_best_f1_refuses_what_it_cannot_use(scores, labels, words):
    with pytest.raises(DataError, match=words):
        best_f1_threshold(np.array(scores), np.array(labels))
