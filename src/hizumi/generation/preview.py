"""Pictures of what a model makes while it is still learning."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hizumi.data import Window
from hizumi.data.progress import Observer
from hizumi.data.stream import Batches
from hizumi.models import CanReconstruct, CanSample, CanTranslate
from hizumi.preprocessing import Preprocessing
from hizumi.training import Trainable

STEPS_BETWEEN = 300
SHARE_OF_TIME = 0.05  # at most, also where a model draws its samples slowly
SAMPLES, PAIRS = 64, 8

Preview = Callable[[int, np.ndarray], None]
"""Told the step, and pictures (n, h, w, 3) in rows of eight: samples, or items above what they turn into.

Of series, windows (2, n, t, c) in units: some of the data, and samples or what these are rebuilt as.
"""


def previewing(
    model: Trainable, items: Batches, preprocessing: Preprocessing, observe: Observer | None, preview: Preview
) -> Observer:
    """An observer that shows what the model makes every few hundred steps, and passes on what it is told."""
    began, spent = time.monotonic(), 0.0
    shown_at = 0

    def observing(record: Mapping[str, Any]) -> None:
        nonlocal spent, shown_at
        step, ends = int(record["step"]), record["share"] >= 1
        if "losses" in record and record["losses"] and (ends or step - shown_at >= STEPS_BETWEEN):
            started = time.monotonic()
            if ends or spent <= SHARE_OF_TIME * (started - began):
                shown = _windows(model, items) if preprocessing.series is not None else _pictures(model, items)
                if shown is not None:
                    preview(step, _as_seen(shown.float().cpu().numpy(), preprocessing))
                shown_at = step
                spent += time.monotonic() - started
        if observe is not None:
            observe(record)

    return observing


@torch.no_grad()
def _pictures(model: Trainable, items: Batches) -> Tensor | None:
    device = model.device
    model.eval()
    try:
        if isinstance(model, CanSample):
            return model.sample(SAMPLES, seed=0)
        if not isinstance(model, CanTranslate | CanReconstruct):
            return None
        some = items.batch(torch.linspace(0, len(items) - 1, PAIRS).long()).to(device)
        made = model.translate(some) if isinstance(model, CanTranslate) else model.reconstruct(some)
        return torch.cat([_three(some), _three(made)])
    finally:
        model.train()


@torch.no_grad()
def _windows(model: Trainable, items: Batches) -> Tensor | None:
    """Windows of the data, then as many that the model makes."""
    some = items.batch(torch.linspace(0, len(items) - 1, min(SAMPLES, len(items))).long()).to(model.device)
    model.eval()
    try:
        if isinstance(model, CanSample):
            return torch.cat([some, model.sample(len(some), seed=0)])
        return torch.cat([some, model.reconstruct(some)]) if isinstance(model, CanReconstruct) else None
    finally:
        model.train()


def _as_seen(shown: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    if preprocessing.series is None:
        return Window.to_display(shown)
    windows = preprocessing.to_data(shown)[:, 0]
    return windows.reshape(2, -1, *windows.shape[1:])


def _three(images: Tensor) -> Tensor:
    # Grey inputs may turn into colour.
    return images if images.shape[1] == 3 else images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
