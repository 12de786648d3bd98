"""Pictures of ribbed plates, good and with a bright spot, and a bundle that knows the good ones."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from hizumi import Inspector, bundles

SIDE = 32


def plate(seed: int, *, defect: bool = False) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 3, (SIDE, SIDE))
    pixels = 120 + 20 * np.sin(np.arange(SIDE) / 3)[None, :] + noise
    if defect:
        pixels[10:16, 17:22] += 90
    return pixels.clip(0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picture(seed: int, *, defect: bool = False) -> bytes:
    return png(plate(seed, defect=defect))


def plates_bundle(folder: Path, *, count: int = 60) -> Path:
    fitted = Inspector("pca", false_alarm_rate=0.05).fit(np.stack([plate(seed) for seed in range(count)]))
    return bundles.save(fitted, folder / "plates.hizumi")
