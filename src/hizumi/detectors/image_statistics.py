"""Statistics of how a picture was taken, which a failing lamp or a defocused lens shifts in all pictures."""

import torch
from jaxtyping import Float
from torch import Tensor

TRIMMED = 0.05  # of the darkest and of the brightest pixels: a flaw is among them
BORDER = 1 / 8  # of each side, for the background
LEVEL = 2 / 255  # one grey level, which keeps logarithms and ratios of black pictures finite

COLOURS = ("red", "green", "blue")


def statistic_names(channels: int) -> list[str]:
    """Names of the columns of `image_statistics`."""
    names = ["brightness", "contrast", "sharpness", "background"]
    if channels == 1:
        return names
    return names + (list(COLOURS) if channels == 3 else [f"channel {number + 1}" for number in range(channels)])


def image_statistics(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
    """Robust statistics of images in [-1, 1], all but the first independent of the lamp.

    Brightness is the trimmed mean of all pixels. In units of it: contrast, between the 5% and 95% quantiles;
    sharpness, the mean size of second differences; background, the median of the border; and each channel's mean. All
    but brightness and background are logarithms.
    """
    images = images.double()
    grey = images.mean(1)
    border = _border(grey).sort(1).values
    background = border[:, (border.shape[1] - 1) // 2]  # the median, the lower of two
    ascending = grey.flatten(1).sort(1).values
    cut = int(TRIMMED * ascending.shape[1])
    # Differences are taken before means, lest an engine in single precision round them away.
    above = (ascending[:, cut : ascending.shape[1] - cut] - background[:, None]).mean(1)
    brightness = background + above
    light = brightness + 1 + LEVEL
    contrast = (ascending[:, -cut - 1] - ascending[:, cut] + LEVEL) / light
    second = _mean_size(grey.diff(n=2, dim=1)) + _mean_size(grey.diff(n=2, dim=2))
    sharpness = (second + LEVEL) / light
    columns = [brightness, contrast.log(), sharpness.log(), -above / light]
    if images.shape[1] > 1:
        tints = (images - brightness[:, None, None, None]).mean((2, 3)) / light[:, None]
        columns += tints.log1p().unbind(1)
    return torch.stack(columns, 1)


def _mean_size(differences: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Mean of |difference|; 0 where a side is too short for any."""
    count = differences.shape[1] * differences.shape[2]
    return differences.abs().sum((1, 2)) / max(1, count)


def _border(grey: Float[Tensor, "n h w"]) -> Float[Tensor, "n k"]:
    rows, columns = (max(1, int(BORDER * side)) for side in grey.shape[1:])
    between = grey[:, rows:-rows]
    parts = grey[:, :rows], grey[:, -rows:], between[:, :, :columns], between[:, :, -columns:]
    return torch.cat([part.flatten(1) for part in parts], 1)
