"""Reconstruction: what a model of normal items cannot rebuild is anomalous."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from hizumi.arguments import NonNegativeFloat
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.models.abilities import CanEncode, CanReconstruct
from hizumi.models.autoencoder import Autoencoder
from hizumi.objectives import (
    absolute_difference,
    contrast_difference,
    smooth,
    squared_difference,
    structural_dissimilarity,
)
from hizumi.training import Budget, Card, Preset, TrainingOptions

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
            1 - SSIM), "l1" or "l2". Vectors have neither contrast nor structure: theirs is "l2" in their place.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = Card(
        family="reconstruction",
        idea="what a model of normal items cannot rebuild is anomalous",
        paper="Hinton & Salakhutdinov, Science 2006; SSIM as score: Bergmann et al., VISAPP 2019",
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
        difference: Literal["contrast", "ssim", "l1", "l2"] = "contrast",
        smoothing: NonNegativeFloat = 4.0,
    ) -> None:
        super().__init__()
        self.model = Autoencoder() if model is None else model
        self.difference = difference
        self.smoothing = smoothing

    def score_batch(self, images: Tensor) -> Anomaly:
        rebuilt = self.model.reconstruct(images)
        if images.ndim == 2:
            terms = {"l1": (images - rebuilt).abs().mean(1), "l2": (images - rebuilt).square().mean(1)}
            return Anomaly(terms["l1" if self.difference == "l1" else "l2"], None, terms, reconstruction=rebuilt)
        maps = {name: difference(images, rebuilt) for name, difference in DIFFERENCES.items()}
        terms = {name: pixel.flatten(1).mean(1) for name, pixel in maps.items()}
        pixel = smooth(maps[self.difference], self.smoothing)
        return Anomaly(terms[self.difference], pixel, terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.encode(images).flatten(1) if isinstance(self.model, CanEncode) else images.flatten(1)
