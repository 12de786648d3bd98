"""Reconstruction: what a model of normal items cannot rebuild is anomalous."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

from torch import Tensor

from hizumi.arguments import NonNegativeFloat, Searched
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.shrunk_gaussian import LARGEST
from hizumi.detectors.whitening import ResidualWhitening
from hizumi.errors import DataError
from hizumi.models.abilities import CanEncode, CanReconstruct
from hizumi.models.autoencoder import Autoencoder
from hizumi.objectives import (
    absolute_difference,
    contrast_difference,
    smooth,
    squared_difference,
    structural_dissimilarity,
)
from hizumi.shapes import is_series
from hizumi.training import Budget, Card, Preset, TrainingOptions

Difference = Literal["contrast", "ssim", "l1", "l2", "whitened"]

DIFFERENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": absolute_difference,
    "l2": squared_difference,
    "ssim": structural_dissimilarity,
    "contrast": contrast_difference,
}


class Reconstruction(Detector):
    """A(x) = mean of a difference map between x and its reconstruction; the map is that difference, smoothed.

    Args:
        model: Any model that reconstructs: `Autoencoder()`, `VAE()`.
        difference: "contrast" (squared error in units of the reconstruction's local contrast), "ssim" (structure,
            1 - SSIM), "l1", "l2", or "whitened": squared error after a whitening that gives the training items'
            residuals mean 0 and covariance 1, so that the score is a residual's squared Mahalanobis distance over its
            length, and an error counts by how unusual it is, with those beside it; for items of at most 8,192 numbers.
            None: "whitened" for windows of series of such a length, "contrast" for images, "l2" for all else. Vectors
            have neither contrast nor structure: theirs is "l2" in place of those.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = Card(
        family="reconstruction",
        idea="what a model of normal items cannot rebuild is anomalous",
        paper="Hinton & Salakhutdinov, Science 2006; SSIM as score: Bergmann et al., VISAPP 2019; "
        "distance of residuals: Malhotra et al., LSTM-based encoder-decoder for multi-sensor anomaly detection, 2016",
        localises=True,
    )
    presets = {
        "fast": Preset(
            # At 32 pixels an image is one thing; a code with places suits textures and rebuilds any stroke.
            lambda: Reconstruction(Autoencoder(code=16, layout="flat")),
            TrainingOptions(budget=Budget(steps=1500), batch_size=64),
        ),
        "small": Preset(lambda: Reconstruction(Autoencoder(width=8))),
    }

    def __init__(
        self,
        model: CanReconstruct | None = None,
        difference: Difference | None = None,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8, of_rows=False)] = 4.0,
    ) -> None:
        super().__init__()
        self.model = Autoencoder() if model is None else model
        self.difference = difference
        self.smoothing = smoothing
        self.residuals = ResidualWhitening()

    def check_items(self, shape: tuple[int, ...]) -> None:
        if self.difference == "whitened" and math.prod(shape) > LARGEST:
            raise DataError(
                f"Reconstruction: difference='whitened' takes items of at most {LARGEST:,} numbers, and these are "
                f"{'x'.join(map(str, shape))}; give smaller items, shorter windows, or difference='l2'"
            )

    def build(self, shape: tuple[int, ...]) -> None:
        self.measured = self._measured(shape)

    def fit_statistics(self, batches: Batches) -> None:
        self.residuals = ResidualWhitening()
        if self.measured == "whitened":
            self.residuals.fit(batches, self.model.reconstruct)

    def score_batch(self, images: Tensor) -> Anomaly:
        rebuilt = self.model.reconstruct(images)
        maps = self._maps(images, rebuilt)
        terms = {name: each.flatten(1).mean(1) for name, each in maps.items()}
        pixel = smooth(maps[self.measured].to(images), self.smoothing) if images.ndim == 4 else None
        return Anomaly(terms[self.measured], pixel, terms, reconstruction=rebuilt)

    def contribution_batch(self, images: Tensor) -> Tensor | None:
        rebuilt = self.model.reconstruct(images)
        match self.measured:
            case "l1":
                errors = (images - rebuilt).abs()
            case "l2":
                errors = (images - rebuilt).square()
            case "whitened":
                errors = self.residuals(images, rebuilt)
            case "contrast" | "ssim":  # which are of a pixel among its neighbours
                return None
        return errors / math.prod(images.shape[1:])

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.encode(images).flatten(1) if isinstance(self.model, CanEncode) else images.flatten(1)

    def _measured(self, shape: tuple[int, ...]) -> Difference:
        """The difference that makes the score, for items of this shape."""
        if len(shape) == 1:
            return self.difference if self.difference in ("l1", "whitened") else "l2"
        if self.difference is not None:
            return self.difference
        if not is_series(shape):
            return "contrast"
        return "whitened" if math.prod(shape) <= LARGEST else "l2"

    def _maps(self, items: Tensor, rebuilt: Tensor) -> dict[str, Tensor]:
        """Every difference, (n, 1, h, w) or (n, d)."""
        if items.ndim == 2:
            maps = {"l1": (items - rebuilt).abs(), "l2": (items - rebuilt).square()}
        else:
            maps = {name: difference(items, rebuilt) for name, difference in DIFFERENCES.items()}
        if self.measured == "whitened":
            squares = self.residuals(items, rebuilt)
            maps["whitened"] = squares.mean(1, keepdim=True) if items.ndim == 4 else squares
        return maps
