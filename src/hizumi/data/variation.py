"""Declared variation: how good parts may differ from those photographed, shown in training by changed copies.

What is declared is learned as normal, so it must be true: a detector that has seen parts turned by up to 5 degrees will
not find one that is turned by 4. Shorten and Khoshgoftaar, "A survey on image data augmentation for deep learning"
(2019).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hizumi.data.stream import Batches
from hizumi.errors import UsageError

Flips = Literal["horizontal", "vertical", "both"]
HALF_A_TURN = 180.0  # degrees: any angle
COPIES = 9  # changed ones of each image, beside itself, where all images are gone through a fixed number of times
DRAWS = 7  # random numbers for each image, whatever is declared


@dataclass(frozen=True)
class Variation:
    """How good parts may lie and look; held-out images are never changed.

    `shifts` is a share of either side of the image, `turns` degrees either way (180: any angle), `brightness` a share
    of the light, by which pixels above the window's dark end are multiplied; what passes its bright end stays there, as
    in a camera. `flips` are "horizontal" (left and right change places), "vertical" or "both". What comes into view at
    a border is the reflection of the image. Raises UsageError for values out of range, and where nothing varies.
    """

    shifts: float = 0.0
    turns: float = 0.0
    flips: Flips | None = None
    brightness: float = 0.0

    def __post_init__(self) -> None:
        for option, value, most in (
            ("--shifts (`shifts`)", self.shifts, 0.5),
            ("--turns (`turns`)", self.turns, HALF_A_TURN),
            ("--brightness (`brightness`)", self.brightness, 0.9),
        ):
            if not 0 <= value <= most:
                raise UsageError(f"{option} is {value:g}; it must lie between 0 and {most:g}")
        if self.flips not in (None, "horizontal", "vertical", "both"):
            raise UsageError(f"--flips (`flips`) is {self.flips!r}; it must be horizontal, vertical or both")
        if not (self.shifts or self.turns or self.flips or self.brightness):
            raise UsageError("a variation in which nothing varies; say how parts may vary, or leave it out")

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is declared, and so will not be found, in sentences."""
        turned = "by any angle" if self.turns == HALF_A_TURN else f"by up to {self.turns:g} degrees"
        sides = {"horizontal": "left to right", "vertical": "top to bottom", "both": "left to right and top to bottom"}
        declared = {
            f"parts may lie up to {100 * self.shifts:g}% of the image's sides elsewhere": self.shifts,
            f"parts may lie turned {turned}": self.turns,
            f"parts may be mirrored {sides.get(self.flips or '')}, and so be of the other hand": self.flips,
            f"the light may be up to {100 * self.brightness:g}% brighter or darker": self.brightness,
        }
        return tuple(
            f"declared that {what}: one like this will not be found" for what, is_so in declared.items() if is_so
        )

    def changed(self, images: Float[Tensor, "n c h w"], draws: Float[Tensor, "n k"]) -> Float[Tensor, "n c h w"]:
        """Images in [-1, 1], each changed by its own `DRAWS` random numbers from 0 to 1."""
        down, right, angle, light, mirror_x, mirror_y, _ = draws.T
        if self.brightness:
            factor = 1 + self.brightness * (2 * light - 1)
            images = ((images + 1) * factor[:, None, None, None] - 1).minimum(images.clamp(min=1))
        if not (self.shifts or self.turns or self.flips):
            return images
        height, width = images.shape[2:]
        turned = math.radians(self.turns) * (2 * angle - 1)
        flip_x = 1 - 2 * ((mirror_x < 0.5) & (self.flips in ("horizontal", "both"))).float()
        flip_y = 1 - 2 * ((mirror_y < 0.5) & (self.flips in ("vertical", "both"))).float()
        # Whole pixels, so that shifts and flips alone leave every value as it is.
        shift_x, shift_y = (
            (side * self.shifts * (2 * each - 1)).round() * 2 / side for side, each in ((width, right), (height, down))
        )
        cos, sin = turned.cos(), turned.sin()
        rows = [
            torch.stack([flip_x * cos, -flip_x * sin * height / width, shift_x], 1),
            torch.stack([flip_y * sin * width / height, flip_y * cos, shift_y], 1),
        ]
        grid = affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        moved = grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        lowest, highest = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
        return moved.clamp(lowest, highest)  # bicubic interpolation overshoots at edges


class Varied:
    """Batches of another source whose images are changed at random, as declared, wherever views are drawn.

    Of the views of each image, one in `COPIES` + 1 stays as it is. A region of interest stays where it is: `frame`
    takes off what a change has moved out of it. What then comes into view at its border is of the colour outside.
    """

    def __init__(self, source: Batches, variation: Variation, frame: Callable[[Tensor], Tensor] | None = None) -> None:
        self.source = source
        self.variation = variation
        self.frame = frame
        self.shape = source.shape

    @property
    def views(self) -> int:
        """Views of the source, each as it is and in changed copies."""
        return self.source.views * (COPIES + 1)

    @property
    def reach(self) -> int:
        """Reach of the source."""
        return self.source.reach

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images `indices`: changed with a generator, as they are without."""
        images: Tensor = self.source.batch(indices, generator)
        if generator is None:
            return images
        draws = torch.rand(len(images), DRAWS, generator=generator)
        is_changed = draws[:, -1] < COPIES / (COPIES + 1)
        changed = self.variation.changed(images, draws)
        if self.frame is not None:
            changed = self.frame(changed)
        return torch.where(is_changed[:, None, None, None], changed, images)


def as_photographed(source: Batches) -> Batches:
    """The source without the changes that are made to its images."""
    return source.source if isinstance(source, Varied) else source
