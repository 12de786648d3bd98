"""On a stationary process, blocks dealt with gaps keep the promise, for detectors that memorise and for smooth ones, in
the middle of a recording as at its ends; windows dealt at random break it many times over."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

import numpy as np
import pytest
from scipy.signal import lfilter

from hizumi.calibration import Calibration
from hizumi.data.series.dealing import deal_stretches
from hizumi.data.series.form import SeriesForm, Steps
from hizumi.data.series.steadying import Steadying
from hizumi.data.series.windows import steps_scored

LENGTH, HOP = 32, 4
FORM = SeriesForm(("x",), None, LENGTH, HOP)
Scorer = Callable[[np.ndarray], np.ndarray]
Process = Callable[[int, np.random.Generator], np.ndarray]


def process(steps: int, generator: np.random.Generator) -> np.ndarray:
    """Autoregressive, of order 1 with the coefficient 0.9: its memory is shorter than a window."""
    return lfilter([1], [1, -0.9], generator.normal(size=steps + 200))[200:]


def wave(steps: int, generator: np.random.Generator) -> np.ndarray:
    """From any phase on; windows half a period apart score unlike, and even out in means over many."""
    step = np.arange(steps) + generator.uniform(0, 12)
    return 3 * np.sin(2 * np.pi * step / 12) + 0.5 * generator.normal(size=steps)


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


def moving(learned: np.ndarray) -> Scorer:
    """The end of a window by what lies before it: nothing is learned, and scores scatter widely."""

    def scorer(seen: np.ndarray) -> np.ndarray:
        before, end = np.split(seen, 2, axis=1)
        return ((end - before.mean(1, keepdims=True)) ** 2).mean(1) / before.var(1)

    return scorer


class Judge(NamedTuple):
    """A detector, how its scores near the ends of recordings are steadied, and its threshold."""

    scorer: Scorer
    steadying: Steadying
    calibration: Calibration

    @classmethod
    def fitted(cls, values: np.ndarray, detector: Callable[[np.ndarray], Scorer], seed: int) -> Self:
        """On what trains of a recording, and by the blocks held out from it."""
        (stretches,) = deal_stretches([len(values)], LENGTH, 0.2, seed)
        learned = [windows(values[start:stop]) for start, stop, split in stretches if split == "train"]
        held_out = [Steps(start, stop) for start, stop, split in stretches if split == "calibration"]
        scorer = detector(np.concatenate(learned))
        steadying = Steadying.of([window_scores(scorer, values, block)[1] for block in held_out], LENGTH // HOP)
        scores = block_scores(scorer, steadying, values, held_out)
        return cls(scorer, steadying, Calibration.fit(scores, false_alarm_rate=0.05))

    @property
    def promised(self) -> float:
        assert self.calibration.threshold.promised_rate is not None
        return self.calibration.threshold.promised_rate

    def alarms(self, values: np.ndarray, blocks: Iterable[Steps]) -> np.ndarray:
        return self.calibration.is_anomalous(block_scores(self.scorer, self.steadying, values, blocks))


def window_scores(scorer: Scorer, values: np.ndarray, block: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The windows over a block, and their scores."""
    starts = FORM.starts(block, Steps(0, len(values)))
    return starts, scorer(np.lib.stride_tricks.sliding_window_view(values, LENGTH)[starts])


def block_scores(scorer: Scorer, steadying: Steadying, values: np.ndarray, blocks: Iterable[Steps]) -> np.ndarray:
    """The highest step of each block."""
    highest = []
    for block in blocks:
        starts, scores = window_scores(scorer, values, block)
        highest.append(steps_scored(scores, starts, LENGTH, block, steadying).max())
    return np.array(highest)


def realised(seed: int, detector: Callable[[np.ndarray], Scorer]) -> tuple[float, float]:
    """The rate promised on 25 blocks of 8,000 steps, and that of the 98 blocks that follow."""
    values = process(14_400, np.random.default_rng(seed))
    judge = Judge.fitted(values[:8_000], detector, seed)
    blocks = FORM.blocks(Steps(8_000 + LENGTH, 8_000 + LENGTH + 98 * FORM.block))
    return judge.promised, float(judge.alarms(values, blocks).mean())


def realised_at_ends(
    seed: int, detector: Callable[[np.ndarray], Scorer], steps: int, made: Process = process
) -> tuple[float, float]:
    """The rate promised on 25 blocks, and that of the first and last ones of 40 recordings of so many steps."""
    generator = np.random.default_rng(seed)
    judge = Judge.fitted(made(8_000, generator), detector, seed)
    first, *_, last = [*FORM.blocks(Steps(0, steps))] * 2
    ends = [judge.alarms(made(steps, generator), (first, last)) for _ in range(40)]
    return judge.promised, float(np.mean(ends))


def kept(trials: Iterable[tuple[float, float]]) -> bool:
    promised, rates = np.array(list(trials)).T
    return bool(rates.mean() <= promised.mean() + 2 * rates.std() / len(rates) ** 0.5)


def test_a_smooth_detector_keeps_the_promise():
    assert kept(realised(seed, smooth) for seed in range(25))


@pytest.mark.parametrize("made", [process, wave])
@pytest.mark.parametrize("steps", [LENGTH + 8, 300])
def test_the_promise_is_kept_at_the_ends_of_recordings(made: Process, steps: int):
    assert kept(realised_at_ends(seed, moving, steps, made) for seed in range(20))


@pytest.mark.slow
@pytest.mark.parametrize("detector", [memorising, smooth, moving])
def test_all_kinds_of_detectors_keep_the_promise(detector):
    assert kept(realised(seed, detector) for seed in range(50))


@pytest.mark.slow
@pytest.mark.parametrize("detector", [memorising, smooth, moving])
@pytest.mark.parametrize("steps", [LENGTH, LENGTH + 8, 2 * LENGTH, 300, 640])
def test_all_kinds_of_detectors_keep_the_promise_at_the_ends_of_recordings(detector, steps):
    assert kept(realised_at_ends(seed, detector, steps) for seed in range(50))


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
