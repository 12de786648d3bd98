"""Steps that several recordings hold, as files do that were exported for periods which overlap, or were copied.

Dealt apart, what trains would hold what calibrates, and a promised rate of false alarms would be broken.
"""

from collections.abc import Sequence

import numpy as np

from hizumi.data.series.form import Recording
from hizumi.shapes import Bool, Integer

CHANGES = 0.5  # of the rows of a window, at least, differ from the row before: at a standstill equal rows tell nothing
_STEP, _CHANNEL, _TIME = np.array([3935559000370003845, 6364136223846793005, 2862933555777941757], dtype=np.uint64)
_BACK = np.uint64(pow(int(_STEP), -1, 2**64))


def repeated(recordings: Sequence[Recording], stops: Sequence[int], length: int) -> list[Bool[np.ndarray, "t"]]:
    """For each recording up to its stop, which steps lie in a window of `length` steps that one before it has, too.

    Windows are the same where all of their values are, and their time stamps where they have any. Such as stand twice
    in one recording tell nothing, as of a machine that does the same again and again. What was brought to another rate,
    or rounded otherwise, is not found.
    """
    found = [np.zeros(stop, dtype=bool) for stop in stops]
    telling = [_telling(recording, stop, length) for recording, stop in zip(recordings, stops, strict=True)]
    if not telling:
        return found
    content = np.concatenate([own for _, own in telling])
    owner = np.repeat(np.arange(len(telling)), [len(own) for _, own in telling])
    start = np.concatenate([starts for starts, _ in telling])
    order = np.argsort(content, kind="stable")  # those of one content in the order of their recordings
    again = order[1:][content[order[1:]] == content[order[:-1]]]
    for index in np.unique(owner[again]):
        found[index] = _covered(start[again[owner[again] == index]], stops[index], length)
    return found


def shared(
    recordings: Sequence[Recording],
    known: Sequence[Bool[np.ndarray, "..."]],
    judged: Sequence[Bool[np.ndarray, "..."]],
    length: int,
) -> list[Bool[np.ndarray, "..."]]:
    """For each recording, which of its judged steps lie in a window that stands among known steps of another, too.

    Windows are the same as for `repeated`.
    """
    telling = [_telling(recording, len(recording), length) for recording in recordings]
    contents = np.concatenate(
        [own[_inside(starts, mask, length)] for (starts, own), mask in zip(telling, known, strict=True)]
    )
    found = []
    for (starts, own), mask in zip(telling, judged, strict=True):
        is_shared = _inside(starts, mask, length) & np.isin(own, contents)
        found.append(_covered(starts[is_shared], len(mask), length))
    return found


def _inside(starts: Integer[np.ndarray, "k"], mask: Bool[np.ndarray, "t"], length: int) -> Bool[np.ndarray, "k"]:
    """Of which windows every step is in the mask."""
    sums = np.concatenate([[0], np.cumsum(mask)])
    inside: Bool[np.ndarray, "k"] = sums[starts + length] - sums[starts] == length
    return inside


def _covered(starts: Integer[np.ndarray, "k"], stop: int, length: int) -> Bool[np.ndarray, "t"]:
    """Which of the steps before `stop` lie in one of the windows."""
    changes = np.zeros(stop + 1, dtype=np.int64)
    changes[starts] += 1
    changes[starts + length] -= 1
    covered: Bool[np.ndarray, "t"] = np.cumsum(changes)[:-1] > 0
    return covered


def _telling(recording: Recording, stop: int, length: int) -> tuple[Integer[np.ndarray, "k"], Integer[np.ndarray, "k"]]:
    """First steps of windows that stand in a recording once, and a hash of what each holds and of when it begins."""
    if stop < length:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    values = recording.values[:stop].astype(np.float64) + 0.0  # of both zeros, one
    hashes = _hashes(values, length)
    _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    changes = np.concatenate([[0], np.cumsum((values[1:] != values[:-1]).any(axis=1))])
    is_moving = changes[length - 1 :] - changes[: len(hashes)] >= CHANGES * length
    starts = np.sort(first[counts == 1])
    starts = starts[is_moving[starts]]
    if recording.times is None:
        return starts, hashes[starts]
    return starts, hashes[starts] ^ recording.times[starts].view(np.uint64) * _TIME


def _hashes(values: np.ndarray, length: int) -> Integer[np.ndarray, "w"]:
    """A hash of the content of every window: a polynomial of its rows, from sums over all rows before its end."""
    rows = np.zeros(len(values), dtype=np.uint64)
    for channel in values.T:
        rows = (rows ^ np.ascontiguousarray(channel).view(np.uint64)) * _CHANNEL
        rows ^= rows >> np.uint64(29)
    powers = np.multiply.accumulate(np.full(len(rows), _STEP))
    backwards = np.multiply.accumulate(np.full(len(rows), _BACK))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(rows * powers, dtype=np.uint64)])
    return (sums[length:] - sums[:-length]) * backwards[: len(rows) - length + 1]
