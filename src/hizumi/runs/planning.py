"""What a fit will cost in time and memory, measured on a few steps and a few items and extrapolated."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from hizumi.data.stream import BATCH_SIZE, Batches, FewerViews, View
from hizumi.detectors import Detector
from hizumi.detectors.abridged import abridged
from hizumi.errors import ShortageError
from hizumi.memory import free_bytes, resident_bytes
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.loop import fit, make_stream

FEW_STEPS, MORE_STEPS = 3, 24
SHORT_SECONDS = 0.5  # what takes less is measured on more steps, or on more items
LONG_SECONDS = 1.5  # of the last trial on ever more items
LIMIT_SECONDS = 10  # of a first trial, after which there is no other
FEW_ITEMS, FEW_VIEWS = 16, 32  # in the first of them: items, or views of items that have several
STEEP = 2.5  # times as long for twice as many items: more than noise does to what is linear
SAMPLING_SECONDS = 0.002
FEWEST_BYTES = 64 * 2**20  # of a trial: how fewer grow with the items says nothing, since buffers come and go


@dataclass(frozen=True)
class Trial:
    """What something took, and the most bytes that the process held meanwhile."""

    seconds: float
    peak_bytes: int
    left_out_seconds: float = 0.0  # what repeats would have taken, which a trial does without


def tried(work: Callable[[], Any]) -> Trial:
    """Do the work and measure it."""
    peak = resident_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLING_SECONDS):
            peak = max(peak, resident_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.monotonic()
    try:
        with abridged() as left_out:
            work()
    finally:
        seconds = time.monotonic() - started
        peak = max(peak, resident_bytes())
        done.set()
        watcher.join()
    return Trial(seconds, peak, sum(left_out))


def of_more(
    work: Callable[[int], Any], count: int, first: int, *, held_at_once: int | None = None, is_warm: bool = False
) -> Trial:
    """What work on `count` items would take, from trials on ever twice as many that end with a long one.

    Memory grows with the items that are `held_at_once`, where these are not all. Work that `is_warm` has been done
    before.
    """
    few = min(first, count)
    before = resident_bytes()
    trials = {few: tried(partial(work, few))}
    if not is_warm:  # this one also imported libraries and made plans
        before = resident_bytes()
        if trials[few].seconds < LIMIT_SECONDS:
            trials[few] = tried(partial(work, few))
    while few < count and trials[few].seconds < (LONG_SECONDS if len(trials) > 1 else LIMIT_SECONDS):
        more = min(2 * few, count)
        try:
            trials[more] = tried(partial(work, more))
            if trials[more].seconds > STEEP * trials[few].seconds:  # or another program took the processor
                trials[more] = min(trials[more], tried(partial(work, more)), key=lambda trial: trial.seconds)
        except ShortageError:
            break
        few = more
    (fewer, short), (few, long) = (
        [*trials.items()][-2:] if len(trials) > 1 else [(0, Trial(0.0, before)), (few, trials[few])]
    )
    seconds = _extrapolated(fewer, short.seconds, few, long.seconds, count)
    if long.left_out_seconds:  # repeats of rounds, of which more items need no more: in proportion
        seconds = (long.seconds + long.left_out_seconds) * count / few
    held = count if held_at_once is None else max(few, min(count, held_at_once))
    extra_bytes = _extrapolated(fewer, short.peak_bytes - before, few, long.peak_bytes - before, held, FEWEST_BYTES)
    return Trial(seconds, before + int(extra_bytes))


def _extrapolated(fewer: int, short: float, few: int, long: float, count: int, least: float = 0.0) -> float:
    """In a straight line, or by a power where it is steeper, from more than `least`; no less than what was measured."""
    straight = long + max(0.0, long - short) / max(1, few - fewer) * (count - few)
    if short > least and few == 2 * fewer and long > STEEP * short:
        return float(max(straight, long * (count / few) ** math.log2(long / short)))
    return straight


@dataclass(frozen=True)
class TrainingCost:
    """What a step of each phase takes, and how many there are for a number of items."""

    phases: Sequence[Trainable]
    budgets: Sequence[Budget]
    per_step: Sequence[Trial]
    source: Batches
    options: TrainingOptions

    @classmethod
    def measured(cls, phases: Sequence[Trainable], source: Batches, options: TrainingOptions) -> "TrainingCost":
        """From a few steps of each phase; the models are used up."""
        budgets = options.budgets([phase.default_budget for phase in phases])
        return cls(phases, budgets, [_step(phase, source, options) for phase in phases], source, options)

    def seconds_and_steps(self, count: int) -> tuple[float, int]:
        """Of training on so many of the items."""
        seconds, steps = 0.0, 0
        items = View(self.source, indices=torch.arange(count))
        for phase, budget, step in zip(self.phases, self.budgets, self.per_step, strict=True):
            planned = budget.total_steps(make_stream(phase, items, self.options).steps_per_epoch)
            by_time = math.inf if budget.max_minutes is None else 60 * budget.max_minutes
            seconds += min(by_time, math.inf if planned is None else planned * step.seconds)
            steps += planned if planned is not None else int(by_time / step.seconds)
        return seconds, steps

    @property
    def peak_bytes(self) -> int:
        """The most that the process held meanwhile."""
        return max((step.peak_bytes for step in self.per_step), default=0)


def cost_of_statistics(detector: Detector, source: Batches) -> Trial:
    """What is left of a fit when its models are trained; the detector is used up, and fitted.

    Where items have several views, trials grow by these: a few images may have thousands of tiles, of which a detector
    takes some.
    """
    options = TrainingOptions(budget=Budget(steps=1), batch_size=2)
    views = source.views if detector.most_crops is None else FewerViews(source, detector.most_crops).views
    at_least = min(views, 2)

    def fitted(few: int) -> None:
        items = View(source, indices=torch.arange(min(len(source), max(2, few // at_least))))
        detector.fit(FewerViews(items, few), options)

    first = FEW_ITEMS if views == 1 else FEW_VIEWS
    held_at_once = None if detector.most_crops is None else BATCH_SIZE  # it keeps no more of many than of some
    return of_more(fitted, len(source) * views, first, held_at_once=held_at_once)


def _step(phase: Trainable, source: Batches, options: TrainingOptions) -> Trial:
    """One step. Where it would not fit into memory, it is extrapolated from steps of small batches."""
    whole = make_stream(phase, source, options).batch_size // options.accumulation
    two, four = (_steps(phase, source, options, FEW_STEPS, min(size, whole)) for size in (2, 4))
    if whole <= 4:
        return four
    for_each = max(0, four.peak_bytes - two.peak_bytes) // 2
    expected = Trial(four.seconds * whole / 4, four.peak_bytes + for_each * (whole - 4))
    if expected.peak_bytes - resident_bytes() > free_bytes():
        return expected
    try:
        measured = _steps(phase, source, options, FEW_STEPS, whole)
        if measured.seconds * FEW_STEPS < SHORT_SECONDS:
            measured = _steps(phase, source, options, MORE_STEPS, whole)
    except ShortageError:
        return expected
    return measured


def _steps(phase: Trainable, source: Batches, options: TrainingOptions, count: int, batch_size: int) -> Trial:
    times: list[float] = []
    trial = replace(options, budget=Budget(steps=count), batch_size=batch_size, devices=1, num_nodes=1)
    taken = tried(lambda: fit([phase], source, trial, observe=lambda record: times.append(record["seconds"])))
    # The first step also makes plans and buffers.
    return Trial((times[-1] - times[0]) / max(1, len(times) - 1) if len(times) > 1 else times[0], taken.peak_bytes)
