"""Deal recordings into stretches of time to train on and stretches to calibrate on.

Windows that overlap are nearly copies of one another. Dealt one by one at random, those of the calibration split have
been seen while training, their scores come out too low, and a promised rate of false alarms is broken many times over.
So stretches are dealt, with a gap of one window between what trains and what calibrates.

Blocks that calibrate are a window apart from one another, too. Neighbours share windows, so that their scores rise
together, and the highest of n blocks is lower than that of n independent ones: on an autoregressive process, 24
neighbours promise 4% and let 4.7 to 5% pass, blocks a window apart keep it.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np

from hizumi.data.series.form import BLOCK_WINDOWS
from hizumi.errors import DataError, UsageError
from hizumi.words import counted

MANY_RECORDINGS = 10  # from here on whole ones are dealt: calibration then meets recordings not trained on, as use does
GAP_SHARE = 0.05  # of the steps to train on, at most, that gaps beside several groups of blocks may cost


class Stretch(NamedTuple):
    """Steps of one recording that belong to one split, start to stop - 1; one block, where it calibrates."""

    start: int
    stop: int
    split: Literal["train", "calibration"]

    @property
    def steps(self) -> int:
        """How many it has."""
        return self.stop - self.start

    def after(self, first: int) -> Self:
        """The same, counted from the step before which there are so many."""
        return self._replace(start=self.start + first, stop=self.stop + first)


def deal_stretches(lengths: Sequence[int], length: int, share: float, seed: int) -> list[list[Stretch]]:
    """Deal recordings of `lengths` steps, cut in windows of `length`; gives each one's stretches in order of time.

    Stretches of a recording are at least a window apart, and each that calibrates is one block. Many recordings are
    dealt whole, the `share` of all their steps to calibration; of a few, blocks with this share of all steps calibrate,
    in groups that are spread over time. What is in no stretch serves neither split: gaps, recordings shorter than a
    window, and what is left of a recording dealt to calibration after its last block. Raises DataError where the
    recordings are too short to give something to both splits.
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
        dealt = [list(whole_stretches(steps, length, index in held_out)) for index, steps in enumerate(lengths)]
    if {stretch.split for stretches in dealt for stretch in stretches} != {"train", "calibration"}:
        raise DataError(
            f"{counted(len(lengths), 'recording')} of at most {max(lengths, default=0)} steps: too short to train on "
            f"windows of {length} steps and calibrate on others: {_fewest_steps(length)} steps in one recording, or "
            f"one recording more of {BLOCK_WINDOWS * length}, are needed; record longer, or choose shorter windows"
        )
    return dealt


def _fewest_steps(length: int) -> int:
    """Of a recording that is cut: a window to train on, the gap, and a block."""
    return (2 + BLOCK_WINDOWS) * length


def _stride(length: int) -> int:
    """From one block that calibrates to the next: a block and a gap."""
    return (BLOCK_WINDOWS + 1) * length


def _blocks_to_cut(lengths: Sequence[int], length: int, share: float, generator: np.random.Generator) -> list[int]:
    """How many blocks of each recording calibrate; what one is too short for, or is lost by rounding, another gives."""
    blocks, owed = [0] * len(lengths), 0.0
    for index in generator.permutation(len(lengths)):
        owed += share * lengths[index] / (BLOCK_WINDOWS * length)
        most = max(0, (lengths[index] - length) // _stride(length))
        blocks[index] = min(round(owed), most)
        owed -= blocks[index]
    longest = max(range(len(lengths)), key=lambda index: lengths[index], default=None)
    if longest is not None and not any(blocks) and lengths[longest] >= _fewest_steps(length):
        blocks[longest] = 1
    return blocks


def _cut(steps: int, length: int, blocks: int, generator: np.random.Generator) -> Iterator[Stretch]:
    """A recording of which some blocks calibrate, in as many groups as the gaps beside them allow."""
    stride = _stride(length)
    rest = steps - blocks * stride
    groups = min(blocks, int(GAP_SHARE * rest / (2 * length)))
    if not blocks:
        yield from whole_stretches(steps, length, held_out=False)
    elif not groups and generator.integers(2):  # one group, at an end, where it costs one gap only
        yield from _blocks(0, blocks, length)
        yield Stretch(steps - rest, steps, "train")
    elif not groups:
        yield Stretch(0, rest, "train")
        yield from _blocks(rest + length, blocks, length)
    else:
        # Equally far apart, so that all of the time is sampled, from a random first one on.
        apart = (rest - groups * length) / groups
        edges = length * np.round(apart * (generator.random() + np.arange(groups)) / length).astype(int)
        sizes = generator.permutation(blocks // groups + (np.arange(groups) < blocks % groups))
        start = 0
        for trained, size in zip(np.diff(edges, prepend=0).tolist(), sizes.tolist(), strict=True):
            if trained:
                yield Stretch(start, start + trained, "train")
                start += trained + length
            yield from _blocks(start, size, length)
            start += size * stride
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


def whole_stretches(steps: int, length: int, held_out: bool) -> Iterator[Stretch]:
    """Of a recording that is not cut: itself to train on, or where it is held out, its blocks that calibrate."""
    if held_out:
        yield from _blocks(0, (steps + length) // _stride(length), length)
    elif steps >= length:
        yield Stretch(0, steps, "train")


def _blocks(start: int, count: int, length: int) -> Iterator[Stretch]:
    """Blocks that calibrate, a window apart."""
    for first in range(start, start + count * _stride(length), _stride(length)):
        yield Stretch(first, first + BLOCK_WINDOWS * length, "calibration")
