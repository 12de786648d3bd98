"""What a fit will cost, from a few steps of it."""

import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from hizumi.data.stream import Batches, View
from hizumi.detectors import Detector
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.loop import fit, make_stream

TRIAL_STEPS = 3
TRIAL_IMAGES = 32


def estimate(detector: Detector, source: Batches, options: TrainingOptions, *, fits: int) -> dict[str, Any]:
    """Seconds and memory of fitting a detector, measured on a few steps and extrapolated.

    `fits` is how many of about this size there will be. The detector is used up.
    """
    seconds, steps = training_cost(detector.phases(), source, options)
    few = View(source, indices=torch.arange(min(TRIAL_IMAGES, len(source))))
    started = time.monotonic()
    detector.fit(few, TrainingOptions(budget=Budget(steps=1), batch_size=2))
    # Statistics are estimated on all views of these few items, so only the number of items is extrapolated.
    seconds += (time.monotonic() - started) / len(few) * len(source)
    return {"seconds": round(fits * seconds, 1), "steps": fits * steps, "memory_bytes": peak_memory()}


def training_cost(phases: Sequence[Trainable], source: Batches, options: TrainingOptions) -> tuple[float, int]:
    """Seconds and steps that training these models would take; the models are used up."""
    seconds, steps = 0.0, 0
    budgets = options.budgets([phase.default_budget for phase in phases])
    for phase, budget in zip(phases, budgets, strict=True):
        stream = make_stream(phase, source, options)
        per_step = _seconds_per_step(phase, source, options)
        planned = budget.total_steps(stream.steps_per_epoch)
        by_time = float("inf") if budget.max_minutes is None else 60 * budget.max_minutes
        seconds += min(by_time, float("inf") if planned is None else planned * per_step)
        steps += planned if planned is not None else int(by_time / per_step)
    return seconds, steps


def peak_memory() -> int:
    """Bytes that this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _seconds_per_step(phase: Any, source: Batches, options: TrainingOptions) -> float:
    times: list[float] = []
    trial = TrainingOptions(
        budget=Budget(steps=TRIAL_STEPS),
        batch_size=options.batch_size,
        accumulation=options.accumulation,
        precision=options.precision,
        accelerator=options.accelerator,
    )
    fit([phase], source, trial, observe=lambda record: times.append(record["seconds"]))
    # The first step also makes plans and buffers.
    return (times[-1] - times[0]) / max(1, len(times) - 1) if len(times) > 1 else times[0]
