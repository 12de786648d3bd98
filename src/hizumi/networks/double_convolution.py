"""The hourglass of DRAEM (Zavrtanik et al. 2021): two convolutions at each size, with or without skip connections."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from hizumi.networks.dcgan import Pyramid, initialise, widths


class DoubleConvolutions(nn.Module):
    """Image (n, c, h, w) to maps (n, outputs, h, w), linear at the end; downwards by pooling, upwards bilinearly.

    Args:
        shape: (c, h, w) of the inputs.
        outputs: Channels of the maps.
        width: Channels at the full size; they double with each halving, up to eight times.
        halvings: How often the image is halved; sides are padded to what so many halvings divide.
        skips: Whether each size on the way up also sees the maps of that size on the way down.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int, halvings: int, *, skips: bool) -> None:
        super().__init__()
        inputs, self.height, self.width = shape
        self.pyramid = Pyramid.of(self.height, self.width, halvings)
        self.skips = skips
        sizes = widths(width, halvings + 1)
        self.down = nn.ModuleList(_twice(above, below, below) for above, below in pairwise([inputs, *sizes]))
        self.raised, self.up = nn.ModuleList(), nn.ModuleList()
        rising = sizes[-1]
        for stage in reversed(range(halvings)):
            here, narrower = sizes[stage], sizes[max(0, stage - 1)]
            raised, seen, middle = (narrower, narrower + here, narrower) if skips else (here, here, here)
            self.raised.append(_once(rising, raised))
            self.up.append(_twice(seen, middle, narrower))
            rising = narrower
        self.head = nn.Conv2d(width, outputs, 3, 1, 1)
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        maps = [self.down[0](self.pyramid.pad(images))]
        for block in list(self.down)[1:]:
            maps.append(block(max_pool2d(maps[-1], 2)))
        rising = maps.pop()
        for raised, block in zip(self.raised, self.up, strict=True):
            enlarged = raised(interpolate(rising, scale_factor=2, mode="bilinear", align_corners=True))
            beside = maps.pop()
            rising = block(torch.cat([enlarged, beside], 1) if self.skips else enlarged)
        return self.head(rising)[:, :, : self.height, : self.width]


def _once(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def _twice(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_once(inputs, middle), *_once(middle, outputs))
