"""Autoencoder: an encoder squeezes an item into a small code, a decoder rebuilds it."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from hizumi import networks
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.models.abilities import Autoencodes
from hizumi.training import Budget, Card, Preset, TrainingOptions, drop_at


class Autoencoder(Autoencodes):
    """Non-linear principal components, trained on the squared error: plain, denoising or sparse.

    Args:
        code: Size of the code: numbers for a flat one, channels of an (h/8, w/8) map for a spatial one.
        layout: A spatial code keeps texture in its place; a flat one describes the item as a whole. Vectors have
            fully connected networks and a flat code either way.
        width: Channels of the first convolution.
        learning_rate: Of Adam; a tenth of it for the last 30% of the budget.
        noise: Standard deviation of Gaussian noise on the encoder's input in training; the target is the clean item.
        sparsity: Weight of the mean |code| beside the squared error.
    """

    card = Card(
        family="codes",
        idea="squeeze an item through a narrow code and rebuild it",
        paper="Hinton & Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 2006",
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 16
    presets = {
        "fast": Preset(lambda: Autoencoder(), TrainingOptions(budget=Budget(steps=1500), batch_size=16)),
        "small": Preset(lambda: Autoencoder(width=8)),
    }

    def __init__(
        self,
        code: Annotated[PositiveInt, Searched(2, 64, log=True)] = 4,
        layout: Annotated[Literal["spatial", "flat"], Searched(choices=("spatial", "flat"), of_rows=False)] = "spatial",
        width: Annotated[PositiveInt, Searched(8, 64, log=True, of_rows=False)] = 16,
        learning_rate: Annotated[PositiveFloat, Searched(3e-4, 1e-2, log=True)] = 4e-3,
        noise: Annotated[NonNegativeFloat, Searched(0, 0.5)] = 0.0,
        sparsity: NonNegativeFloat = 0.0,
    ) -> None:
        super().__init__()
        self.code = code
        self.layout = layout
        self.width = width
        self.learning_rate = learning_rate
        self.noise = noise
        self.sparsity = sparsity

    def build(self, shape: tuple[int, ...]) -> None:
        self.encoder: nn.Module
        self.decoder: nn.Module
        if self.layout == "spatial" and len(shape) == 3:
            self.encoder = networks.SpatialEncoder(shape, self.code, self.width)
            self.decoder = networks.SpatialDecoder(shape, self.code, self.width)
        else:
            self.encoder = networks.encoder(shape, self.code, self.width)
            self.decoder = networks.generator(shape, self.code, self.width)
        self.optimise("autoencoder", self.parameters(), learning_rate=self.learning_rate, schedule=drop_at(0.7))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        squeezed = batch + self.noise * torch.randn_like(batch) if self.noise else batch
        codes = self.encode(squeezed)
        reconstruction = mse_loss(self.decode(codes), batch)
        if not self.sparsity:
            return {"reconstruction": self.update("autoencoder", reconstruction)}
        size = codes.abs().mean()
        self.update("autoencoder", reconstruction + self.sparsity * size)
        return {"reconstruction": reconstruction.detach(), "code": size.detach()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return mse_loss(self.reconstruct(batch), batch)

    def encode(self, images: Tensor) -> Tensor:
        """Codes, (n, code) or (n, code, h/8, w/8)."""
        return self.encoder(images)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(codes)
