"""Encode pixels at full depth and with all channels: the counterpart of `decoding.decode`."""

import io

import numpy as np
import tifffile
from jaxtyping import Shaped
from PIL import Image


def encoded(pixels: Shaped[np.ndarray, "h w c"]) -> tuple[str, bytes]:
    """Suffix and content of a file that holds these pixels without loss: PNG where possible, TIFF otherwise."""
    channels = pixels.shape[2]
    file = io.BytesIO()
    if pixels.dtype == np.uint8 and channels in (1, 3):
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, "png")
        return ".png", file.getvalue()
    if pixels.dtype == np.uint16 and channels == 1:
        Image.fromarray(pixels[:, :, 0]).save(file, "png")
        return ".png", file.getvalue()
    if channels == 1:
        tifffile.imwrite(file, pixels[:, :, 0], photometric="minisblack")
    elif channels == 3:
        tifffile.imwrite(file, pixels, photometric="rgb")
    else:  # separate planes, so that no channel is mistaken for alpha
        tifffile.imwrite(file, pixels.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    return ".tif", file.getvalue()
