"""Flow: an invertible network turns items into independent Gaussian numbers, so that their density is known exactly."""

import math
from typing import Annotated, Literal

import torch
from torch import Tensor

from hizumi import objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.stream import Batches
from hizumi.models.abilities import CanEncode, HasLikelihood, HasPrior, LogLikelihood
from hizumi.networks.flow import FlowNetwork
from hizumi.training import Budget, Card, Preset, TrainingOptions, cosine_to_zero

FIRST_ITEMS = 64  # that actnorm begins with


class Flow(HasPrior, CanEncode, HasLikelihood):
    """log p(x) = log N(f(x); 0, I) + log |det df/dx|, f invertible: exact, and so are codes and samples.

    "multiscale" is the flow for images: each level halves the sides and takes its steps, and one half of the channels
    is set aside as latents. "positions" is the flow for maps of features: log p(x) = Σ log p(x(p) | p) over the places
    p, whose channels are one item with its place as a condition (Gudovskiy et al., CFLOW-AD, 2022). Rows have the same
    steps, at one place.

    Differences from the papers: no learned prior of the latents that are set aside; Glow takes 32 steps at each level,
    of 512 channels. Where a side is odd, nothing is halved, and steps see a checkerboard as in Real NVP.

    Args:
        layout: "multiscale" or "positions"; rows are one place either way.
        levels: Of "multiscale", at most; each needs even sides.
        steps: Of each level: a scale and shift, a mix of channels, and a coupling each.
        width: Channels of the hidden layers of a coupling.
        dequantisation: Width of the uniform noise on images in training, in units of [-1, 1], without which the density
            of discrete brightness has no upper bound: 2/255 is the step of 8 bits. Windows of series have it too, in
            standard deviations: sensors have steps, and stand still.
        learning_rate: Of Adam; decays to 0.
    """

    card = Card(
        family="explicit, tractable",
        idea="an invertible network to independent Gaussian numbers, with the exact density",
        paper="Kingma & Dhariwal, Glow: generative flow with invertible 1x1 convolutions, NeurIPS 2018",
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 16
    presets = {
        "fast": Preset(lambda: Flow(steps=4, width=32), TrainingOptions(budget=Budget(steps=1500), batch_size=16)),
        "small": Preset(lambda: Flow(levels=2, steps=2, width=8)),
    }
    latent: int

    def __init__(
        self,
        layout: Literal["multiscale", "positions"] = "multiscale",
        levels: PositiveInt = 3,
        steps: Annotated[PositiveInt, Searched(2, 12)] = 8,
        width: Annotated[PositiveInt, Searched(16, 256, log=True)] = 64,
        dequantisation: NonNegativeFloat = 2 / 255,
        learning_rate: Annotated[PositiveFloat, Searched(1e-4, 5e-3, log=True)] = 1e-3,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.levels = levels
        self.steps = steps
        self.width = width
        self.dequantisation = dequantisation
        self.learning_rate = learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        channels, height, columns = shape if len(shape) == 3 else (shape[0], 1, 1)
        by_place = self.layout == "positions" or len(shape) == 1
        self.body = FlowNetwork((channels, height, columns), 0 if by_place else self.levels, self.steps, self.width)
        self.latent = math.prod(shape)
        self.optimise(
            "flow", self.body.parameters(), learning_rate=self.learning_rate, schedule=cosine_to_zero, clip_norm=1.0
        )

    def begin(self, batches: Batches) -> None:
        """Let every actnorm standardise some items, taken evenly."""
        places = torch.linspace(0, len(batches) - 1, min(len(batches), FIRST_ITEMS)).long()
        self.body.begin(_as_maps(batches.batch(places, torch.Generator().manual_seed(0))))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Step down the negative log-likelihood, reported in nats per item."""
        if batch.ndim == 4 and self.dequantisation:
            batch = batch + self.dequantisation * (torch.rand_like(batch) - 0.5)
        loss = self.update("flow", -self.log_likelihood(batch).image.mean() / self.latent)
        return {"nats": loss * self.latent}

    def validation_loss(self, batch: Tensor) -> Tensor:
        """Negative log-likelihood in nats per item."""
        return -self.log_likelihood(batch).image.mean()

    def encode(self, images: Tensor) -> Tensor:
        """Latents, (n, latent), as many as an item has numbers; N(0, I) for items that the model knows."""
        latents, _ = self.body(_as_maps(images))
        return torch.cat([each.flatten(1) for each in latents], 1)

    def decode(self, codes: Tensor) -> Tensor:
        """The items of these latents, (n, latent)."""
        shapes = self.body.latent_shapes
        parts = torch.split(codes, [math.prod(shape) for shape in shapes], 1)
        items = self.body.inverse([part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)])
        return items.reshape(-1, *self.require_built())

    def log_likelihood(self, images: Tensor) -> LogLikelihood:
        """Exact log-densities in nats; a latent's share is spread evenly over the pixels that it belongs to."""
        latents, volumes = self.body(_as_maps(images))
        # The latents that were set aside lie where their level's volume does.
        densities = [_log_density(each) for each in latents]
        terms = {
            "latent": torch.stack([each.flatten(1).sum(1) for each in densities]).sum(0),
            "volume": torch.stack([each.flatten(1).sum(1) for each in volumes]).sum(0),
        }
        image = terms["latent"] + terms["volume"]
        if images.ndim == 2:
            return LogLikelihood(image, None, terms)
        shares = [density + volume for density, volume in zip(densities, volumes, strict=True)]
        pixel = torch.stack([_spread(share, images) for share in shares]).sum(0)
        return LogLikelihood(image, pixel, terms)


def _as_maps(items: Tensor) -> Tensor:
    return items[:, :, None, None] if items.ndim == 2 else items


def _log_density(latents: Tensor) -> Tensor:
    zero = torch.zeros((), dtype=latents.dtype, device=latents.device)
    return objectives.gaussian_log_density(latents, zero, zero).sum(1, keepdim=True)


def _spread(shares: Tensor, images: Tensor) -> Tensor:
    """Each place's share, divided evenly over the pixels of the images that it stands for."""
    rows, columns = (images.shape[side] // shares.shape[side] for side in (2, 3))
    return shares.repeat_interleave(rows, 2).repeat_interleave(columns, 3) / (rows * columns)
