"""Measures of generated series on processes of known law: nothing for samples of it, more the farther off."""

import numpy as np
import pytest

from hizumi.errors import DataError
from hizumi.evaluation.series_samples import (
    autocorrelations,
    cross_correlation_difference,
    distances,
    marginal_distances,
    prediction_error,
    spectral_distances,
    two_sample_test,
)

WINDOWS, STEPS = 400, 64


def autoregression(coefficient: float, seed: int, *, windows: int = WINDOWS, steps: int = STEPS) -> np.ndarray:
    """Stationary AR(1) of variance 1, two channels of which the second follows the first with correlation 0.6."""
    noise = np.random.default_rng(seed).normal(size=(windows, 2, steps))
    noise[:, 1] = 0.6 * noise[:, 0] + 0.8 * noise[:, 1]
    values = noise.copy()
    for step in range(1, steps):
        values[..., step] = coefficient * values[..., step - 1] + np.sqrt(1 - coefficient**2) * noise[..., step]
    return values


def sines(period: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (WINDOWS, 1, 1))
    return np.sin(2 * np.pi * np.arange(STEPS) / period + phase) + rng.normal(0, 0.1, (WINDOWS, 1, STEPS))


def test_autocorrelations_are_those_of_the_law() -> None:
    long = autoregression(0.8, 0, windows=40, steps=2000)
    expected = 0.8 ** np.arange(1, 9)
    np.testing.assert_allclose(autocorrelations(long, 8), np.stack([expected, expected]), atol=0.03)


@pytest.mark.parametrize(
    "made_by", [lambda off, seed: autoregression(0.8 - off, seed), lambda off, seed: sines(16 + 10 * off, seed)]
)
def test_distances_vanish_for_the_law_and_grow_with_a_wrong_parameter(made_by) -> None:
    real = made_by(0.0, 1)
    found = [distances(real, made_by(off, 2)) for off in (0.0, 0.1, 0.3)]
    for name in ("spectral", "autocorrelation"):
        law, near, far = (max(getattr(each, name)) for each in found)
        assert law < 0.05
        assert 2 * law < near < far / 2
    assert max(found[0].marginal) < 0.05


def test_a_spectrum_of_two_known_lines() -> None:
    """A quarter of the power moved from one frequency to another is a distance of a quarter."""
    time, phase = np.arange(64), np.random.default_rng(0).uniform(0, 2 * np.pi, (2, 300, 1, 1))
    slow, fast = (np.sin(2 * np.pi * time * cycles / 64 + each) for cycles, each in zip((8, 20), phase, strict=True))
    made = np.sqrt(0.75) * slow + np.sqrt(0.25) * fast
    assert spectral_distances(slow, made)[0] == pytest.approx(0.25, abs=0.01)
    assert spectral_distances(slow, 7 * slow)[0] == pytest.approx(0, abs=1e-9)


def test_marginal_and_cross_correlation_by_hand() -> None:
    real = autoregression(0.5, 1)
    moved = real.copy()
    moved[:, 1] += 0.7
    np.testing.assert_allclose(marginal_distances(real, moved), [0, 0.7], atol=1e-9)
    moved[:, 1] *= -1  # correlation 0.6 becomes -0.6
    assert cross_correlation_difference(real, moved) == pytest.approx(1.2, abs=0.05)
    assert cross_correlation_difference(real[:, :1], moved[:, :1]) is None


def test_a_channel_that_never_changes_is_compared_too() -> None:
    still = np.zeros((10, 1, 16))
    found = distances(still, still)
    assert (*found.spectral, *found.autocorrelation, *found.marginal) == (0, 0, 0)
    restless = np.random.default_rng(0).normal(size=(10, 1, 16))
    assert distances(still, restless).marginal[0] > 0.5


def test_a_classifier_guesses_between_samples_of_one_law_and_sees_another() -> None:
    real = autoregression(0.8, 1)
    found = [
        two_sample_test((real[::2], real[1::2]), (made[::2], made[1::2]))
        for made in (autoregression(coefficient, 2) for coefficient in (0.8, 0.7, 0.5))
    ]
    assert found[0].interval[0] < 0.5 < found[0].interval[1]
    assert found[1].interval[0] > 0.6
    assert found[2].accuracy > 0.95
    assert found[0].tested == WINDOWS


def test_a_predictor_taught_by_the_law_makes_the_error_that_the_law_leaves() -> None:
    real = autoregression(0.8, 1)
    left = 1 - 0.8**2  # variance of the noise
    np.testing.assert_allclose(prediction_error(autoregression(0.8, 2), real), [left, left], rtol=0.03)
    # Taught by another law, it predicts with 0.5: the error adds (0.8 - 0.5)² of the variance, which is 1.
    np.testing.assert_allclose(prediction_error(autoregression(0.5, 2), real), [left + 0.09] * 2, rtol=0.05)


def test_windows_that_cannot_be_compared() -> None:
    real = autoregression(0.8, 1, windows=3)
    with pytest.raises(DataError, match="1 windows are too few to be compared; give 2 or more"):
        distances(real, real[:1])
    with pytest.raises(DataError, match="the model has diverged"):
        distances(real, real * np.nan)
