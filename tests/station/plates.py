"""Pictures of ribbed plates, good and with a bright spot, and a bundle that knows the good ones."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from hizumi import Inspector, bundles

SIDE = 32


def plate(seed: int, *, defect: bool = False, side: int = SIDE) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 3, (side, side))
    pixels = 120 + 20 * np.sin(np.arange(side) / 3)[None, :] + noise
    if defect:
        scale = side // SIDE
        pixels[10 * scale : 16 * scale, 17 * scale : 22 * scale] += 90
    return pixels.clip(0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picture(seed: int, *, defect: bool = False, side: int = SIDE) -> bytes:
    return png(plate(seed, defect=defect, side=side))


def plates_bundle(folder: Path, *, count: int = 60, side: int = SIDE) -> Path:
    fitted = Inspector("pca", false_alarm_rate=0.05).fit(np.stack([plate(seed, side=side) for seed in range(count)]))
    return bundles.save(fitted, folder / "plates.hizumi")
