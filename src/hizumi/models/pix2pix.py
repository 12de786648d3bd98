"""pix2pix: a generator learns from pairs what an image turns into, and a discriminator keeps its answers sharp."""

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from hizumi import networks, objectives
from hizumi.arguments import Halvings, Momentum, NonNegativeFloat, PositiveFloat, PositiveInt, ShareBelowOne
from hizumi.errors import DataError
from hizumi.models.abilities import CanTranslate, HasTargetChannels
from hizumi.networks.normalisation import Normalisation
from hizumi.training import Budget, Card, Preset, TrainingOptions, linear_to_zero
from hizumi.training.randomness import own_random_numbers


class Pix2Pix(CanTranslate, HasTargetChannels):
    """Conditional GAN from an image to its partner, with an L1 term and a discriminator of patches.

    Differences from the paper: no jitter, which resizes, crops and mirrors each pair at random; batches of 8 with
    instance norm, where the paper mostly has batches of 1; `translate` leaves dropout out unless asked.

    Args:
        target_channels: Channels of what the images turn into; None for as many as they have.
        width: Channels of the first convolution of both networks.
        layers: Halving layers of the discriminator, 1 to 3 for patches of 16, 34 or 70 pixels; None to go by the size.
        normalisation: "instance" is what the paper's batch norm amounts to at its batch size of 1, there for training
            and for testing, and treats an image alike in any batch.
        dropout: On the three innermost levels up: the only noise there is. `translate` leaves it out unless asked.
        l1_weight: Of the mean absolute error, beside the adversarial term's 1.
        learning_rate: Of both Adam optimisers; in the second half of the budget it falls to 0.
        beta1: Their first momentum.
    """

    card = Card(
        family="image to image",
        idea="a U-Net turns an image into its partner; a discriminator judges patches of the pair",
        paper="Isola, Zhu, Zhou & Efros, Image-to-image translation with conditional adversarial networks, CVPR 2017",
        inputs=("images",),
        needs=("pairs",),
        no_series="it translates pictures",
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 8
    presets = {
        "fast": Preset(
            lambda: Pix2Pix(width=16, learning_rate=1e-3), TrainingOptions(budget=Budget(steps=1000), batch_size=4)
        ),
        "small": Preset(lambda: Pix2Pix(width=8)),
    }

    def __init__(
        self,
        target_channels: PositiveInt | None = None,
        width: PositiveInt = 64,
        layers: Halvings | None = None,
        normalisation: Normalisation = "instance",
        dropout: ShareBelowOne = 0.5,
        l1_weight: NonNegativeFloat = 100.0,
        learning_rate: PositiveFloat = 2e-4,
        beta1: Momentum = 0.5,
    ) -> None:
        super().__init__()
        self.target_channels = target_channels
        self.width = width
        self.layers = layers
        self.normalisation = normalisation
        self.dropout = dropout
        self.l1_weight = l1_weight
        self.learning_rate = learning_rate
        self.beta1 = beta1

    def build(self, shape: tuple[int, ...]) -> None:
        channels, height, width = shape
        outputs = self.target_channels or channels
        layers = self.layers or networks.patch_layers(height, width)
        self.generator = networks.UNet(shape, outputs, self.width, self.normalisation, self.dropout)
        self.discriminator = networks.PatchGAN(channels + outputs, self.width, layers, self.normalisation)
        for name, network in (("discriminator", self.discriminator), ("generator", self.generator)):
            self.optimise(
                name,
                network.parameters(),
                learning_rate=self.learning_rate,
                betas=(self.beta1, 0.999),
                schedule=linear_to_zero(0.5),
            )

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, targets = batch
        fakes = self.generator(images)
        if fakes.shape != targets.shape:
            made, wanted = ("x".join(map(str, each.shape[1:])) for each in (fakes, targets))
            raise DataError(
                f"Pix2Pix answers with images of {made}, and targets are of {wanted}; "
                "set target_channels to theirs, and bring both to one size"
            )
        real_logits, fake_logits = self._judge(images, targets), self._judge(images, fakes.detach())
        discriminator = self.update("discriminator", 0.5 * objectives.discriminator_loss(real_logits, fake_logits))
        fooling = objectives.non_saturating_loss(self._judge(images, fakes))
        difference = l1_loss(fakes, targets)
        self.update("generator", fooling + self.l1_weight * difference)
        return {"discriminator": discriminator, "fooling": fooling.detach(), "l1": difference.detach()}

    def validation_loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, targets = batch
        return l1_loss(self.generator(images), targets)

    def translate(self, images: Tensor, seed: int | None = None) -> Tensor:
        """What the images turn into: always the same, or with a seed one of several answers.

        The paper leaves dropout on, for want of another source of noise, and so does a seed. Without one the whole
        network answers, and each image by itself.
        """
        if seed is None:
            return self.generator(images)
        dropouts = [module for module in self.generator.modules() if isinstance(module, nn.Dropout)]
        with own_random_numbers():
            torch.manual_seed(seed)
            try:
                for module in dropouts:
                    module.train()
                return self.generator(images)
            finally:
                for module in dropouts:
                    module.eval()

    def _judge(self, images: Tensor, partners: Tensor) -> Tensor:
        return self.discriminator(torch.cat([images, partners], 1)).flatten()
