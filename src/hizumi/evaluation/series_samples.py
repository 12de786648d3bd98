"""Measures of generated series: how windows (n, c, t) that a model made differ from real ones, in several respects.

All take windows standardised by the real data's scales, real ones first, and are 0, or for the classifier one half,
where both follow one law and there are many; how far few of one law lie apart, other real windows show.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hizumi.errors import DataError
from hizumi.evaluation.metrics import binomial_interval

FEWEST_WINDOWS = 2
STEPS_BEFORE = 16  # that the next step is predicted from, at most, and no more than half a window
TAUGHT = 20_000  # steps that a predictor learns from, at most
RIDGE = 1e-3  # times the number of steps: keeps channels that are copies of one another apart
MOST_COMPONENTS = 64  # of what a classifier sees
SILENT = 1e-12  # variance of a channel that does not change


@dataclass(frozen=True)
class Distances:
    """How two sets of windows differ, channel by channel where a measure has channels.

    `spectral`: total variation between the shares of power at each frequency, from 0 to 1. `autocorrelation`: root mean
    square of the differences over the lags up to half a window. `marginal`: 1-Wasserstein distance between the values,
    in standard deviations. `cross_correlation`: root mean square of the differences over pairs of channels; None for
    one channel.
    """

    spectral: tuple[float, ...]
    autocorrelation: tuple[float, ...]
    marginal: tuple[float, ...]
    cross_correlation: float | None


@dataclass(frozen=True)
class TwoSample:
    """Accuracy of a classifier that tells two kinds of windows apart, on windows that it has not seen.

    One half of its training and test windows are of either kind. `interval` is that of 95%.
    """

    accuracy: float
    interval: tuple[float, float]
    tested: int

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return asdict(self)


def distances(real: Float[np.ndarray, "n c t"], made: Float[np.ndarray, "m c t"]) -> Distances:
    """All distances between two sets of windows."""
    real, made = _checked(real), _checked(made)
    return Distances(
        tuple(spectral_distances(real, made).tolist()),
        tuple(autocorrelation_differences(real, made).tolist()),
        tuple(marginal_distances(real, made).tolist()),
        cross_correlation_difference(real, made),
    )


def spectral_distances(real: Float[np.ndarray, "n c t"], made: Float[np.ndarray, "m c t"]) -> Float[np.ndarray, "c"]:
    """Half the sum, over frequencies, of the differences in the share of a channel's power, from 0 to 1."""
    first, second = (_power_shares(windows) for windows in (real, made))
    return np.asarray(np.abs(first - second).sum(1) / 2)


def autocorrelation_differences(
    real: Float[np.ndarray, "n c t"], made: Float[np.ndarray, "m c t"]
) -> Float[np.ndarray, "c"]:
    """Root mean square, over the lags from 1 to half a window, of the differences in autocorrelation."""
    first, second = (autocorrelations(windows, real.shape[2] // 2) for windows in (real, made))
    return np.asarray(np.sqrt(((first - second) ** 2).mean(1)))


def marginal_distances(real: Float[np.ndarray, "n c t"], made: Float[np.ndarray, "m c t"]) -> Float[np.ndarray, "c"]:
    """1-Wasserstein distance between the values of either set, for each channel."""
    from scipy.stats import wasserstein_distance

    channels = range(real.shape[1])
    return np.array([wasserstein_distance(real[:, each].ravel(), made[:, each].ravel()) for each in channels])


def cross_correlation_difference(real: Float[np.ndarray, "n c t"], made: Float[np.ndarray, "m c t"]) -> float | None:
    """Root mean square of the differences in correlation at the same step, over pairs of channels."""
    if real.shape[1] < 2:
        return None
    pairs = np.triu_indices(real.shape[1], 1)
    first, second = (_correlations(windows)[pairs] for windows in (real, made))
    return float(np.sqrt(((first - second) ** 2).mean()))


def autocorrelations(windows: Float[np.ndarray, "n c t"], lags: int) -> Float[np.ndarray, "c lags"]:
    """Autocorrelation of each channel about its mean over all windows, at lags from 1 on; 0 where nothing changes."""
    centred = windows - windows.mean((0, 2), keepdims=True)
    variance = (centred**2).mean((0, 2))
    products = [(centred[..., :-lag] * centred[..., lag:]).mean((0, 2)) for lag in range(1, lags + 1)]
    return np.asarray(np.stack(products, 1) / np.where(variance > SILENT, variance, np.inf)[:, np.newaxis])


def two_sample_test(
    real: tuple[Float[np.ndarray, "n c t"], Float[np.ndarray, "m c t"]],
    made: tuple[Float[np.ndarray, "i c t"], Float[np.ndarray, "j c t"]],
    seed: int = 0,
) -> TwoSample:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017) on pairs of windows to learn from and to be tested on.

    A support vector machine sees the values, the logarithm of the power at each frequency, and the level of each
    window; as many of either kind are taken. One half right is what cannot be told apart.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    inputs, kinds = [], []
    for own, other in zip(real, made, strict=True):
        own, other = _checked(own), _checked(other)
        count = min(len(own), len(other))
        inputs.append(np.concatenate([_appearance(own[:count]), _appearance(other[:count])]))
        kinds.append(np.repeat([0, 1], count))
    components = min(MOST_COMPONENTS, *inputs[0].shape)
    reduced = PCA(components, svd_solver="full", random_state=seed)
    classifier = make_pipeline(StandardScaler(), reduced, SVC())
    right = classifier.fit(inputs[0], kinds[0]).predict(inputs[1]) == kinds[1]
    return TwoSample(float(right.mean()), binomial_interval(int(right.sum()), len(right)), len(right))


def prediction_error(
    taught: Float[np.ndarray, "n c t"], tested: Float[np.ndarray, "m c t"], seed: int = 0
) -> Float[np.ndarray, "c"]:
    """Train on synthetic, test on real (Esteban et al. 2017): mean squared error of the next step, for each channel.

    The predictor is linear in the steps before, of all channels: it learns from some windows and is tested on others.
    """
    from sklearn.linear_model import Ridge

    taught, tested = _checked(taught), _checked(tested)
    inputs, answers = _next_steps(taught, seed)
    predictor = Ridge(alpha=RIDGE * len(inputs)).fit(inputs, answers)
    inputs, answers = _next_steps(tested, seed)
    return np.asarray(((predictor.predict(inputs).reshape(answers.shape) - answers) ** 2).mean(0))


def _next_steps(
    windows: Float[np.ndarray, "n c t"], seed: int
) -> tuple[Float[np.ndarray, "k before"], Float[np.ndarray, "k c"]]:
    """Steps at random places, and the steps before each."""
    count, channels, length = windows.shape
    before = min(STEPS_BEFORE, length // 2)
    chosen = np.random.default_rng(seed).permutation(count * (length - before))[:TAUGHT]
    window, step = np.divmod(chosen, length - before)
    past = step[:, np.newaxis] + np.arange(before)
    by_step = windows.swapaxes(1, 2)
    return by_step[window[:, np.newaxis], past].reshape(len(chosen), before * channels), by_step[window, step + before]


def _checked(windows: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "n c t"]:
    if len(windows) < FEWEST_WINDOWS:
        raise DataError(f"{len(windows)} windows are too few to be compared; give {FEWEST_WINDOWS} or more")
    if not np.isfinite(windows).all():
        raise DataError("windows hold NaN or infinite values; the model has diverged")
    return windows.astype(np.float64)


def _powers(windows: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "n c f"]:
    """Power at each frequency above 0, the windows tapered: a strong frequency does not leak into the weak ones."""
    from scipy.signal import periodogram

    return np.asarray(periodogram(windows, window="hann", detrend="constant", axis=2)[1][..., 1:])


def _power_shares(windows: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "c f"]:
    power = _powers(windows).mean(0)
    total = power.sum(1, keepdims=True)
    return np.asarray(np.where(total > SILENT, power / np.where(total > SILENT, total, 1.0), 1 / power.shape[1]))


def _correlations(windows: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "c c"]:
    steps = windows.swapaxes(0, 1).reshape(windows.shape[1], -1)
    centred = steps - steps.mean(1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(1))
    units = centred / np.where(deviation**2 > SILENT, deviation, np.inf)[:, np.newaxis]
    return np.asarray(units @ units.T / units.shape[1])


def _appearance(windows: Float[np.ndarray, "n c t"]) -> Float[np.ndarray, "n k"]:
    """What a classifier sees of each window: its values, the logarithm of its spectrum, its level and its spread."""
    parts = [windows, np.log(_powers(windows) + 1e-9), windows.mean(2), np.log(windows.var(2) + 1e-9)]
    return np.concatenate([part.reshape(len(windows), -1) for part in parts], axis=1)
