"""Setting of a figure of the gallery: seed, data, and training effort."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hizumi.data import Sizing, Store, open_source
from hizumi.data.progress import Observer
from hizumi.errors import DataError
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.loop import fit
from hizumi.words import counted

DIGITS_SIZE = 16  # pixels; scikit-learn's digits have 8
LARGEST = 32  # pixels of the user's own images: a figure is trained in minutes, on a CPU


@dataclass(frozen=True)
class Setting:
    """Seed, data and effort of a figure; equal settings give equal figures.

    Args:
        seed: Of the training and of everything drawn.
        data: Images with kinds (a folder a kind, a manifest, an array); None for scikit-learn's handwritten digits.
        effort: Factor on the number of training steps; 1 for the figures in the documentation.
        observe: Called with the record of every training step.
    """

    seed: int = 0
    data: str | Path | None = None
    effort: float = 1.0
    observe: Observer | None = None

    def images(self) -> tuple[Tensor, Tensor, list[str]]:
        """Images (n, c, h, w) in [-1, 1], the kind of each as a number (n,), and the kinds' names."""
        if self.data is None:
            return _digits()
        manifest = open_source(self.data)
        if manifest.vectors:
            raise DataError(f"{manifest.name}: holds rows of numbers; this figure needs images")
        height, width = manifest.read(0).pixels.shape[:2]
        scale = min(1.0, LARGEST / max(height, width))
        store = Store.build(manifest, Sizing(max(4, round(height * scale)), max(4, round(width * scale)), "resize"))
        kinds = [manifest.records[index].kind for index in store.kept]
        names = sorted(set(kinds))
        return store.batch(range(len(store))), torch.tensor([names.index(kind) for kind in kinds]), names

    def shuffled_images(self, least: int) -> Tensor:
        """The images, at `least` so many, in an order that follows from the seed."""
        images, _, _ = self.images()
        if len(images) < least:
            raise DataError(f"{self.data}: holds {counted(len(images), 'image')}; this figure needs {least} or more")
        return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(self.seed))]

    def train(
        self,
        model: Trainable,
        data: Tensor | tuple[Tensor, ...],
        steps: int,
        *,
        batch_size: int | None = None,
        watch: Callable[[int], None] | None = None,
    ) -> None:
        """Train a model for `steps` times the effort; `watch` is called after each step with the number of steps."""

        def observe(record: Mapping[str, Any]) -> None:
            if self.observe is not None:
                self.observe(record)
            if watch is not None:
                watch(record["step"])

        options = TrainingOptions(budget=Budget(steps=self.steps(steps)), batch_size=batch_size, seed=self.seed)
        fit([model], data, options, observe=observe)

    def steps(self, steps: int) -> int:
        """Training steps at this effort."""
        return max(2, round(self.effort * steps))


def _digits() -> tuple[Tensor, Tensor, list[str]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = torch.from_numpy(digits.images.astype(np.float32))[:, None] / 16
    images = interpolate(small, (DIGITS_SIZE, DIGITS_SIZE), mode="bicubic", antialias=True).clamp(0, 1)
    return 2 * images - 1, torch.from_numpy(digits.target).long(), [str(digit) for digit in range(10)]
