"""Likelihood: what a model of normal items finds improbable is anomalous."""

import io
import math
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from hizumi.arguments import NonNegativeFloat, Searched, Share, clone
from hizumi.data.stream import Batches, View, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.reach import within_reach
from hizumi.errors import DataError, UsageError
from hizumi.models.abilities import CanEncode, CanReconstruct, HasLikelihood
from hizumi.models.autoregressive import Autoregressive, to_levels
from hizumi.models.vae import VAE
from hizumi.networks.parts import is_traced
from hizumi.objectives import smooth
from hizumi.shapes import is_bounded
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

REFERENCE_SHARE = 0.2  # of the normal data, for the likelihood that is typical of items the model has not seen

CARD = Card(
    family="density",
    idea="what a model of normal items finds improbable is anomalous",
    paper="An & Cho, Variational autoencoder based anomaly detection using reconstruction probability, 2015",
    localises=True,
)


class Background(Trainable):
    """Trains a model on items in which a share `mutation` of all numbers is drawn anew, so that it learns the rest.

    What survives is the background: which brightness is common, how smooth pictures are (Ren et al. 2019).
    """

    card = CARD
    default_budget = Budget(steps=3000)

    def __init__(self, model: Trainable, mutation: float) -> None:
        super().__init__()
        self.model, self.mutation = model, mutation
        # For the loop this is that model's training.
        self.default_budget = model.default_budget  # type: ignore[misc]  # of the class elsewhere, of the instance here
        self.default_batch_size = model.default_batch_size  # type: ignore[misc]  # likewise

    def build(self, shape: tuple[int, ...]) -> None:
        self.wrap(self.model, shape)
        self.held_out_share = self.model.held_out_share

    def begin(self, batches: Batches) -> None:
        """The model's own beginning, on items as they are: levels are those of the model that it is compared with."""
        self.model.begin(batches)

    def finish(self, batches: Batches) -> None:
        """The model's own end, on mutated items."""
        self.model.finish(View(batches, function=self.mutated))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """The model's own step, on mutated items."""
        return self.model.step(self.mutated(batch))

    def validation_loss(self, batch: Tensor) -> Tensor | None:
        """The model's own, on mutated items."""
        return self.model.validation_loss(self.mutated(batch))

    def mutated(self, items: Tensor) -> Tensor:
        """Items with some pixels uniform in [-1, 1], or numbers without bounds from N(0, 1), their law one by one."""
        pictures = is_bounded(tuple(items.shape[1:]))
        anew = 2 * torch.rand_like(items) - 1 if pictures else torch.randn_like(items)
        return torch.where(torch.rand_like(items) < self.mutation, anew, items)


class Likelihood(Detector):
    """A(x) from -log p(x) in nats; the map is each pixel's share of it, smoothed.

    Likelihood alone can find simple anomalies *more* probable than normal images (Nalisnick et al. 2019), hence:

    - "plain": -log p(x).
    - "typicality": | -log p(x) - H |, H the mean of -log p over normal items that were not trained on: too probable is
      as suspicious as too improbable (Nalisnick et al. 2019, for single items). The map compares pixel by pixel.
    - "ratio": log p0(x) - log p(x), p0 a background model trained on mutated items (Ren et al. 2019).
    - "complexity": -log p(x) - L(x), L the size of x as a PNG file (Serrà et al. 2020); the map has L spread evenly.

    Args:
        model: Any model with a likelihood: `VAE()`, `PixelCNN()`; its own arguments choose the bound.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
        image_score: Which of the four.
        background: The model for p0; one like `model` where not given.
        mutation: Share of the pixels that are drawn anew for it.
    """

    card = CARD
    presets = {
        "fast": Preset(
            lambda: Likelihood(VAE(latent=16, width=16)), TrainingOptions(budget=Budget(steps=1500), batch_size=64)
        ),
        "small": Preset(lambda: Likelihood(VAE(latent=4, width=8))),
    }
    typical: Tensor
    typical_map: Tensor | None  # None for vectors
    _second: tuple[Background, ...]

    def __init__(
        self,
        model: HasLikelihood | None = None,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8, of_rows=False)] = 2.0,
        image_score: Literal["plain", "typicality", "ratio", "complexity"] = "plain",
        background: HasLikelihood | None = None,
        mutation: Share = 0.2,
    ) -> None:
        super().__init__()
        self.model = VAE() if model is None else model
        self.smoothing = smoothing
        self.image_score = image_score
        self.background = background
        self.mutation = mutation
        self.own_background: HasLikelihood | None = None
        self._second = ()
        if image_score == "ratio":
            # An argument keeps what was given: a clone with another model compares that with one like it.
            self.own_background = clone(self.model) if background is None else None
            self._second = (Background(self.background_model, mutation),)  # in a tuple: not registered twice
        if image_score == "typicality":
            self.reference_share = REFERENCE_SHARE
        self.register_buffer("typical", None)
        self.register_buffer("typical_map", None)

    def check(self) -> None:
        if self.background is not None and self.image_score != "ratio":
            raise UsageError(f'image_score {self.image_score} has no background model; set image_score="ratio" with it')

    @property
    def background_model(self) -> HasLikelihood:
        """p0 of "ratio": the model given for it, or else one like `model`."""
        model = self.own_background if self.background is None else self.background
        assert model is not None, "only a ratio has two models"
        return model

    def phases(self) -> tuple[Trainable, ...]:
        """The model, then for "ratio" the background model, on mutated items."""
        return (self.model, *self._second)

    def check_items(self, shape: tuple[int, ...]) -> None:
        if self.image_score == "complexity" and not is_bounded(shape):
            raise DataError("image_score complexity compresses images; all else has plain, typicality and ratio")

    def fit_reference(self, batches: Batches) -> None:
        likelihoods = [self.model.log_likelihood(batch) for batch in in_order(batches)]
        self.typical = -torch.cat([each.image for each in likelihoods]).double().mean()
        maps = [each.pixel for each in likelihoods if each.pixel is not None]
        self.typical_map = -torch.cat(maps).mean(0) if maps else None

    def score_batch(self, images: Tensor) -> Anomaly:
        likelihood = self.model.log_likelihood(images)
        terms = {name: -value for name, value in likelihood.terms.items()}
        image, pixel = -likelihood.image, None if likelihood.pixel is None else -likelihood.pixel
        if self.image_score != "plain":
            terms["likelihood"] = image
            image = image.double()  # a difference of large numbers follows
        match self.image_score:
            case "plain":
                pass
            case "typicality":
                image = (image - self.typical).abs()
                pixel = None if pixel is None or self.typical_map is None else (pixel - self.typical_map).abs()
            case "ratio":
                # What lies beyond all that either model learned from would cancel out; only the first is told of it.
                within = images.clamp(-1, 1) if is_bounded(tuple(images.shape[1:])) else within_reach(images).items
                background = self.background_model.log_likelihood(within)
                terms["background"] = -background.image
                image = image + background.image.double()
                pixel = None if pixel is None or background.pixel is None else pixel + background.pixel
            case "complexity":
                nats = self._compressed(images)
                terms["complexity"] = nats
                image = image - nats
                if pixel is not None:
                    pixel = pixel - (nats / pixel[0].numel()).to(pixel.dtype)[:, None, None, None]
        rebuilt = self.model.reconstruct(images) if isinstance(self.model, CanReconstruct) else None
        return Anomaly(image, None if pixel is None else smooth(pixel, self.smoothing), terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.encode(images).flatten(1) if isinstance(self.model, CanEncode) else images.flatten(1)

    def _compressed(self, images: Tensor) -> Tensor:
        """Sizes in nats, in the levels whose likelihood it is."""
        if is_traced(images):
            raise UsageError("no graph writes PNG files, whose sizes image_score complexity takes; try typicality")
        levels = self.model.levels if isinstance(self.model, Autoregressive) else 256
        pictures = to_levels(images, levels).to(torch.uint8).cpu().numpy()
        sizes = [compressed_bytes(picture) for picture in pictures]
        return torch.tensor(sizes, dtype=torch.float64, device=images.device) * (8 * math.log(2))


def compressed_bytes(picture: UInt8[np.ndarray, "c h w"]) -> int:
    """Size of a picture as a PNG file, three channels together and any others one by one."""
    from PIL import Image

    parts = [picture.transpose(1, 2, 0)] if len(picture) == 3 else list(picture)
    file = io.BytesIO()
    for part in parts:
        Image.fromarray(part).save(file, format="PNG", optimize=True)
    return len(file.getvalue())
