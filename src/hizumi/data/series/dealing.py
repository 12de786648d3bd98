"""Deal recordings into stretches of time to train on and stretches to calibrate on.

Windows that overlap are nearly copies of one another. Dealt one by one at random, those of the calibration split have
been seen while training, their scores come out too low, and a promised rate of false alarms is broken many times over.
So stretches are dealt, with a gap of one window between what trains and what calibrates.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from hizumi.data.series.form import BLOCK_WINDOWS
from hizumi.errors import DataError, UsageError

MANY_RECORDINGS = 10  # from here on whole ones are dealt: calibration then meets recordings not trained on, as use does
GAP_SHARE = 0.1  # of the steps to train on, at most, that gaps may cost where a recording has several stretches


class Stretch(NamedTuple):
    """Steps of one recording that belong to one split: start to stop - 1."""

    start: int
    stop: int
    split: Literal["train", "calibration"]

    @property
    def steps(self) -> int:
        """How many it has."""
        return self.stop - self.start


def deal_stretches(lengths: Sequence[int], length: int, share: float, seed: int) -> list[list[Stretch]]:
    """Deal recordings of `lengths` steps, cut in windows of `length`; gives each one's stretches in order of time.

    About the `share` of all steps calibrates, in whole blocks. Many recordings are dealt whole; each of a few is cut,
    its calibration stretches spread over time. What is in no stretch serves neither: gaps, recordings shorter than a
    window, and the steps of a whole recording after its last block. Raises DataError where the recordings are too short
    to give something to both splits.
    """
    if not 0 < share < 1:
        raise UsageError(f"share is {share}; choose a share between 0 and 1")
    generator = np.random.default_rng(seed)
    many = len(lengths) >= MANY_RECORDINGS and max(lengths) <= share * sum(lengths)
    blocks = [0] * len(lengths) if many else _blocks_to_cut(lengths, length, share, generator)
    if any(blocks):
        dealt = [list(_cut(steps, length, wanted, generator)) for steps, wanted in zip(lengths, blocks, strict=True)]
    else:
        held_out = _held_out(lengths, length, share, generator)
        dealt = [list(_whole(steps, length, index in held_out)) for index, steps in enumerate(lengths)]
    if {stretch.split for stretches in dealt for stretch in stretches} != {"train", "calibration"}:
        raise DataError(
            f"{len(lengths)} recording(s) of at most {max(lengths, default=0)} steps are too short to train on windows "
            f"of {length} steps and calibrate on others: {_fewest_steps(length)} steps in one recording, or one "
            f"recording more of {BLOCK_WINDOWS * length}, are needed; record longer, or choose shorter windows"
        )
    return dealt


def _fewest_steps(length: int) -> int:
    """Of a recording that is cut: a window to train on, the gap, and a block."""
    return (2 + BLOCK_WINDOWS) * length


def _blocks_to_cut(lengths: Sequence[int], length: int, share: float, generator: np.random.Generator) -> list[int]:
    """How many blocks of each recording calibrate; what one is too short for, or is lost by rounding, another gives."""
    block = BLOCK_WINDOWS * length
    blocks, owed = [0] * len(lengths), 0.0
    for index in generator.permutation(len(lengths)):
        owed += share * lengths[index] / block
        most = max(0, (lengths[index] - 2 * length) // block)
        blocks[index] = min(round(owed), most)
        owed -= blocks[index]
    longest = max(range(len(lengths)), key=lambda index: lengths[index], default=None)
    if longest is not None and not any(blocks) and lengths[longest] >= _fewest_steps(length):
        blocks[longest] = 1
    return blocks


def _cut(steps: int, length: int, blocks: int, generator: np.random.Generator) -> Iterator[Stretch]:
    """A recording of which some blocks calibrate, in as many stretches as the gaps beside them allow."""
    block = BLOCK_WINDOWS * length
    rest = steps - blocks * block
    count = min(blocks, int(GAP_SHARE * rest / (2 * length)))
    if not blocks:
        yield from _whole(steps, length, held_out=False)
    elif not count and generator.integers(2):  # one stretch, at an end, where it costs one gap only
        yield Stretch(0, steps - rest, "calibration")
        yield Stretch(steps - rest + length, steps, "train")
    elif not count:
        yield Stretch(0, rest - length, "train")
        yield Stretch(rest, steps, "calibration")
    else:
        apart = (rest - 2 * count * length) / count
        # Equally far apart, so that all of the time is sampled, from a random first one on: no phase is preferred.
        edges = block * np.round(apart * (generator.random() + np.arange(count)) / block).astype(int)
        sizes = generator.permutation(block * (blocks // count + (np.arange(count) < blocks % count)))
        start = 0
        for trained, held_out in zip(np.diff(edges, prepend=0).tolist(), sizes.tolist(), strict=True):
            if trained:
                yield Stretch(start, start + trained, "train")
                start += trained + length
            yield Stretch(start, start + held_out, "calibration")
            start += held_out + length
        if steps - start >= length:
            yield Stretch(start, steps, "train")


def _held_out(lengths: Sequence[int], length: int, share: float, generator: np.random.Generator) -> set[int]:
    """Indices of whole recordings that calibrate: about the share of all steps, at least one and never all."""
    order = [
        index for index in generator.permutation(len(lengths)).tolist() if lengths[index] >= BLOCK_WINDOWS * length
    ]
    if not order:
        return set()
    taken = np.cumsum([lengths[index] for index in order])
    nearest = int(np.abs(taken - share * sum(lengths)).argmin()) + 1
    others = any(steps >= length for index, steps in enumerate(lengths) if index not in order)
    return set(order[: nearest if others else min(nearest, len(order) - 1)])


def _whole(steps: int, length: int, held_out: bool) -> Iterator[Stretch]:
    block = BLOCK_WINDOWS * length
    if held_out:
        yield Stretch(0, steps // block * block, "calibration")
    elif steps >= length:
        yield Stretch(0, steps, "train")
