"""Mosaics of images, and animations."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from hizumi.data import Window
from hizumi.report.style import MUTED

MILLISECONDS = 120  # per frame; the last one stays for two seconds
GAP = 1  # pixels between images


def mosaic(images: Float[Tensor, "rows columns c h w"]) -> UInt8[np.ndarray, "height width 3"]:
    """Images in [-1, 1] as one picture, with white gaps."""
    rows, columns, _, height, width = images.shape
    pixels = Window.to_display(images.flatten(0, 1).float().cpu().numpy()).reshape(rows, columns, height, width, 3)
    cells = np.pad(pixels, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)], constant_values=255)
    sheet = cells.transpose(0, 2, 1, 3, 4).reshape(rows * (height + GAP), columns * (width + GAP), 3)
    return np.asarray(sheet[:-GAP, :-GAP])


def show(
    axes: Axes,
    images: Float[Tensor, "rows columns c h w"],
    *,
    title: str = "",
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> None:
    """A mosaic in a plot of its own, with names beside its rows and above its columns."""
    height, width = images.shape[3] + GAP, images.shape[4] + GAP
    axes.imshow(mosaic(images), interpolation="nearest")
    axes.set_title(title)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([(place + 0.5) * width - 1 for place in range(len(columns))], columns)
    axes.set_yticks([(place + 0.5) * height - 1 for place in range(len(rows))], rows)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=9, labelcolor=MUTED)


def gif(frames: Sequence[bytes]) -> bytes:
    """PNG frames of one size as an endless animation."""
    images = [Image.open(io.BytesIO(frame)).convert("P", palette=Image.Palette.ADAPTIVE, colors=64) for frame in frames]
    file = io.BytesIO()
    durations = [MILLISECONDS] * (len(images) - 1) + [2000]
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    return file.getvalue()
