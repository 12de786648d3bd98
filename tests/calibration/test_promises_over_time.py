"""On a stationary process, blocks dealt with gaps keep the promise, for detectors that memorise and for smooth ones;
windows dealt at random break it many times over."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from hizumi.calibration import Calibration
from hizumi.data.series.dealing import deal_stretches

LENGTH, BLOCK, HOP = 32, 64, 4
Scorer = Callable[[np.ndarray], np.ndarray]


def process(steps: int, generator: np.random.Generator) -> np.ndarray:
    """Autoregressive, of order 1 with the coefficient 0.9: its memory is shorter than a window."""
    return lfilter([1], [1, -0.9], generator.normal(size=steps + 200))[200:]


def windows(values: np.ndarray, hop: int = HOP) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(values, LENGTH)[::hop]


def memorising(learned: np.ndarray) -> Scorer:
    """Distance to the nearest window learned from."""
    squares = (learned**2).sum(1)
    return lambda seen: np.maximum((seen**2).sum(1) + (squares - 2 * seen @ learned.T).min(1), 0)


def smooth(learned: np.ndarray) -> Scorer:
    """Mahalanobis distance."""
    mean, precision = learned.mean(0), np.linalg.inv(np.cov(learned.T))
    return lambda seen: np.einsum("nd,de,ne->n", seen - mean, precision, seen - mean)


def block_scores(scorer: Scorer, values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The highest step of each block, a step having the mean score of the windows that cover it."""
    first, last = max(0, start - LENGTH + HOP), min(len(values), stop + LENGTH - HOP)
    scores, slots = scorer(windows(values[first:last])), LENGTH // HOP
    covered = np.convolve(np.ones(len(scores)), np.ones(slots))
    steps = np.convolve(scores, np.ones(slots)) / covered
    return steps[(start - first) // HOP : (stop - first) // HOP].reshape(-1, BLOCK // HOP).max(1)


def realised(seed: int, detector: Callable[[np.ndarray], Scorer]) -> tuple[float, float]:
    """The rate promised on 25 blocks of 8,000 steps, and that of the 98 blocks that follow."""
    values = process(14_400, np.random.default_rng(seed))
    (stretches,) = deal_stretches([8_000], LENGTH, 0.2, seed)
    learned, held_out = (
        [(start, stop) for start, stop, split in stretches if split == name] for name in ("train", "calibration")
    )
    scorer = detector(np.concatenate([windows(values[start:stop]) for start, stop in learned]))
    scores = np.concatenate([block_scores(scorer, values, start, stop) for start, stop in held_out])
    calibration = Calibration.fit(scores, false_alarm_rate=0.05)
    assert calibration.threshold.promised_rate is not None
    alarms = calibration.is_anomalous(block_scores(scorer, values, 8_000 + LENGTH, 8_000 + LENGTH + 98 * BLOCK))
    return calibration.threshold.promised_rate, float(alarms.mean())


def kept(detector: Callable[[np.ndarray], Scorer], seeds: int) -> bool:
    promised, rates = np.array([realised(seed, detector) for seed in range(seeds)]).T
    return bool(rates.mean() <= promised.mean() + 2 * rates.std() / seeds**0.5)


def test_a_smooth_detector_keeps_the_promise():
    assert kept(smooth, 25)


@pytest.mark.slow
@pytest.mark.parametrize("detector", [memorising, smooth])
def test_both_kinds_of_detectors_keep_the_promise(detector):
    assert kept(detector, 50)


def test_windows_dealt_at_random_break_the_promise():
    rates = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        values = process(4_000, generator)
        seen, held_out = windows(values[:2_000], 1), generator.random(2_000 - LENGTH + 1) < 0.2
        scorer = memorising(seen[~held_out])
        calibration = Calibration.fit(scorer(seen[held_out]), false_alarm_rate=0.01)
        rates.append(calibration.is_anomalous(scorer(windows(values[2_000:]))).mean())
    assert np.mean(rates) > 0.1  # ten times what was promised
