"""Defects made up from normal images: masks of Perlin noise, filled with other images that are changed beyond knowing.

Brightness is in [0, 1] here. The random numbers are torch's own.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

MOST_CELLS = 32  # of the noise, along a side
LEAST_CELL = 8  # pixels
THRESHOLD = 0.5  # of the noise, above which it is a defect
MOST_OPACITY_LOST = 0.8
CHANGES = 3  # of brightness, to each texture
LARGEST_ZOOM = 2.0  # of a texture, in or out


def perlin_noise(
    cells: Int[Tensor, "n 2"], turns: Float[Tensor, " n"], height: int, width: int
) -> Float[Tensor, "n h w"]:
    """Perlin's gradient noise of `cells` (rows, columns) a side, turned by so many radians; within [-1, 1].

    At the corners of its lattice it is 0 with a random slope, and between them it follows the fade of Perlin (2002).
    """
    rows = (torch.arange(height, device=turns.device) + 0.5) / height - 0.5
    columns = (torch.arange(width, device=turns.device) + 0.5) / width - 0.5
    sine, cosine = turns.sin()[:, None, None], turns.cos()[:, None, None]
    turned = torch.stack(
        [cosine * rows[:, None] - sine * columns, sine * rows[:, None] + cosine * columns], 1
    )  # (n, 2, h, w), within half a diagonal of 0
    places = (turned + math.sqrt(0.5)) * cells[:, :, None, None]
    corner = places.floor()
    within = places - corner
    corners = math.ceil(math.sqrt(2) * MOST_CELLS) + 2
    angles = 2 * math.pi * torch.rand(len(cells), corners**2, device=turns.device)
    fade = within**3 * (within * (within * 6 - 15) + 10)

    def ramp(down: int, right: int) -> Tensor:
        at = (corner[:, 0].long() + down) * corners + corner[:, 1].long() + right
        angle = angles.gather(1, at.flatten(1)).view_as(within[:, 0])
        return (within[:, 0] - down) * angle.sin() + (within[:, 1] - right) * angle.cos()

    above = torch.lerp(ramp(0, 0), ramp(0, 1), fade[:, 1])
    below = torch.lerp(ramp(1, 0), ramp(1, 1), fade[:, 1])
    return math.sqrt(2) * torch.lerp(above, below, fade[:, 0])


def with_defects(images: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Bool[Tensor, "n 1 h w"]]:
    """Images in [0, 1], about half of them with a made-up defect, and where it is (Zavrtanik et al. 2021).

    Inside of the mask the image is mixed with a texture, of which at least a fifth is seen: another image of the batch,
    turned, zoomed, moved and changed in brightness.
    """
    count, _, height, width = images.shape
    noise = perlin_noise(_cells(count, height, width, images), _turns(count, images), height, width)
    damaged = torch.rand(count, 1, 1, 1, device=images.device) < 0.5
    mask = (noise > THRESHOLD)[:, None] & damaged
    kept = MOST_OPACITY_LOST * torch.rand(count, 1, 1, 1, device=images.device, dtype=images.dtype)
    return torch.where(mask, torch.lerp(textures(images), images, kept), images), mask


def textures(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Each a random image of the batch, turned, zoomed and moved, and changed in brightness in three random ways."""
    count = len(images)
    angles = 2 * _turns(count, images)
    zoom = LARGEST_ZOOM ** (2 * torch.rand(count, device=images.device, dtype=images.dtype) - 1)
    shift = 2 * torch.rand(count, 2, device=images.device, dtype=images.dtype) - 1
    rows = [torch.stack([zoom * angles.cos(), -zoom * angles.sin(), shift[:, 0]], 1)]
    rows.append(torch.stack([zoom * angles.sin(), zoom * angles.cos(), shift[:, 1]], 1))
    grid = affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    chosen = images[torch.randint(count, (count,), device=images.device)]
    moved = grid_sample(chosen, grid, padding_mode="reflection", align_corners=False)
    ways = torch.rand(count, len(WAYS), device=images.device).argsort(1).argsort(1) < CHANGES
    for number, way in enumerate(WAYS):
        moved = torch.where(ways[:, number, None, None, None], way(moved).clamp(0, 1), moved)
    return moved


def _cells(count: int, height: int, width: int, like: Tensor) -> Int[Tensor, "n 2"]:
    """Powers of two, each equally likely, that leave a cell no smaller than LEAST_CELL pixels."""
    most = [min(MOST_CELLS, max(1, side // LEAST_CELL)).bit_length() for side in (height, width)]
    return torch.stack([2 ** torch.randint(each, (count,), device=like.device) for each in most], 1)


def _turns(count: int, like: Tensor) -> Float[Tensor, " n"]:
    """Radians, within a quarter turn to either side."""
    return math.pi * (torch.rand(count, device=like.device, dtype=like.dtype) - 0.5)


def _draw(images: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    drawn = torch.rand(len(images), channels, 1, 1, device=images.device, dtype=images.dtype)
    return low + (high - low) * drawn


def _gamma(images: Tensor) -> Tensor:
    return images.clamp(min=1e-4) ** _draw(images, 0.5, 2.0, images.shape[1])


def _brightness(images: Tensor) -> Tensor:
    return images * _draw(images, 0.8, 1.2) + _draw(images, -0.12, 0.12)


def _sharpness(images: Tensor) -> Tensor:
    return images + _draw(images, 0.5, 3.0) * (images - avg_pool2d(images, 3, 1, 1, count_include_pad=False))


def _colour(images: Tensor) -> Tensor:
    return images + _draw(images, -0.3, 0.3, images.shape[1])


def _solarised(images: Tensor) -> Tensor:
    return torch.where(images > _draw(images, 0.12, 0.5), 1 - images, images)


def _posterised(images: Tensor) -> Tensor:
    levels = _draw(images, 2.0, 8.0).floor()
    return (images * levels).round() / levels


def _inverted(images: Tensor) -> Tensor:
    return 1 - images


def _stretched(images: Tensor) -> Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=1e-4)


WAYS = (_gamma, _brightness, _sharpness, _colour, _solarised, _posterised, _inverted, _stretched)
