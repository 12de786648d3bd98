"""CycleGAN: translation between two sets of images that were never paired; a round trip must return the image."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from hizumi import networks, objectives
from hizumi.arguments import Halvings, Momentum, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hizumi.models.abilities import CanTranslateBack
from hizumi.models.image_pool import ImagePool
from hizumi.training import Budget, Card, Preset, linear_to_zero


class CycleGAN(CanTranslateBack):
    """Two generators, G from X to Y and F back, two discriminators, and the demand that F(G(x)) is x and G(F(y)) is y.

    Differences from the paper: half its channels, four images of either set a step where it takes one, and on images
    below 128 pixels fewer blocks and discriminators of smaller patches; images are not moved or mirrored on the way.

    Args:
        width: Channels of the first convolution of all four networks; the paper's 64.
        body: Of the generators: "resnet" keeps things where they are; "unet" narrows the image to a point and can move
            them.
        warp: Begin each generator with one learned affine map of the plane, for sets that differ in position, turn or
            scale; convolutions by themselves hold on to where things are.
        blocks: Residual blocks of a "resnet"; None for 9 from 256 pixels on, 6 from 128 on, 3 below.
        layers: Halving layers of the discriminators, 1 to 3 for patches of 16, 34 or 70 pixels; None to go by the size.
        cycle_weight: Of the mean absolute error of both round trips, beside the adversarial terms' 1.
        identity_weight: As a share of `cycle_weight`, of the demand that G leaves Y alone and F leaves X; 0 to drop it.
        pool: How many generated images of each kind are kept to be shown to the discriminators again.
        learning_rate: Of both Adam optimisers; in the second half of the budget it falls to 0.
        beta1: Their first momentum.
    """

    card = Card(
        family="image to image",
        idea="two generators between two unpaired sets, each the other's way back",
        paper="Zhu, Park, Isola & Efros, Unpaired image-to-image translation using cycle-consistent adversarial "
        "networks, ICCV 2017",
        inputs=("images",),
        needs=("two sets",),
        no_series="it translates pictures",
    )
    default_budget = Budget(steps=5000)
    default_batch_size = 4
    presets = {"small": Preset(lambda: CycleGAN(width=8, blocks=1, pool=4, warp=True))}

    def __init__(
        self,
        width: PositiveInt = 32,
        body: Literal["resnet", "unet"] = "resnet",
        warp: bool = False,
        blocks: PositiveInt | None = None,
        layers: Halvings | None = None,
        cycle_weight: NonNegativeFloat = 10.0,
        identity_weight: NonNegativeFloat = 0.5,
        pool: NonNegativeInt = 50,
        learning_rate: PositiveFloat = 2e-4,
        beta1: Momentum = 0.5,
    ) -> None:
        super().__init__()
        self.width = width
        self.body = body
        self.warp = warp
        self.blocks = blocks
        self.layers = layers
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool = pool
        self.learning_rate = learning_rate
        self.beta1 = beta1

    def build(self, shape: tuple[int, ...]) -> None:
        channels, height, width = shape
        layers = self.layers or networks.patch_layers(height, width)
        self.to_y, self.to_x = self._generator(shape), self._generator(shape)
        self.judge_y = networks.PatchGAN(channels, self.width, layers, "instance")
        self.judge_x = networks.PatchGAN(channels, self.width, layers, "instance")
        self.pool_y, self.pool_x = ImagePool(shape, self.pool), ImagePool(shape, self.pool)
        pairs = {"generators": (self.to_y, self.to_x), "discriminators": (self.judge_y, self.judge_x)}
        for name, (first, second) in pairs.items():
            self.optimise(
                name,
                [*first.parameters(), *second.parameters()],
                learning_rate=self.learning_rate,
                betas=(self.beta1, 0.999),
                schedule=linear_to_zero(0.5),
            )

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x, y = batch

        # Both generators: fool the other set's discriminator, return from the round trip, leave the own set alone.
        fake_y, fake_x = self.to_y(x), self.to_x(y)
        fooling = self._fooled(self.judge_y, fake_y) + self._fooled(self.judge_x, fake_x)
        cycle = l1_loss(self.to_x(fake_y), x) + l1_loss(self.to_y(fake_x), y)
        losses = {"fooling": fooling, "cycle": cycle}
        total = fooling + self.cycle_weight * cycle
        if self.identity_weight:
            losses["identity"] = l1_loss(self.to_y(y), y) + l1_loss(self.to_x(x), x)
            total = total + self.cycle_weight * self.identity_weight * losses["identity"]
        self.update("generators", total)

        # Both discriminators: tell the sets from what was made now or some steps ago.
        shown_y, shown_x = self._now_or_earlier(self.pool_y, fake_y), self._now_or_earlier(self.pool_x, fake_x)
        judged = self._told_apart(self.judge_y, y, shown_y) + self._told_apart(self.judge_x, x, shown_x)
        losses["discriminators"] = self.update("discriminators", judged)
        return {name: loss.detach() for name, loss in losses.items()}

    def translate(self, images: Tensor) -> Tensor:
        return self.to_y(images)

    def translate_back(self, images: Tensor) -> Tensor:
        return self.to_x(images)

    def _generator(self, shape: tuple[int, ...]) -> nn.Module:
        body: nn.Module
        if self.body == "unet":
            body = networks.UNet(shape, shape[0], self.width, "instance")
        else:
            body = networks.ResNet(shape, shape[0], self.width, self.blocks)
        return nn.Sequential(networks.AffineWarp(), body) if self.warp else body

    def _now_or_earlier(self, pool: ImagePool, fakes: Tensor) -> Tensor:
        # The pool is one for all processes, so that they stay equal: all exchange everyone's images, and take theirs.
        draws = torch.rand(len(fakes), 2, device=fakes.device)
        return self.own_part(pool.exchange(self.from_all_processes(fakes), self.from_all_processes(draws)))

    def _fooled(self, judge: nn.Module, fake: Tensor) -> Tensor:
        return 2 * objectives.least_squares_generator_loss(judge(fake).flatten())  # CycleGAN's has no half before it

    def _told_apart(self, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        return objectives.least_squares_discriminator_loss(judge(real).flatten(), judge(fake).flatten())
