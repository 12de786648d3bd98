"""Image to image on MNIST: pix2pix takes noise away, CycleGAN finds the way to turned and inverted digits unpaired."""

import math
from typing import Any

import torch
from common import main, mnist
from torch import Tensor

from hizumi.data import Denoise, ReadyMade
from hizumi.data.stream import in_order
from hizumi.models import Pix2Pix
from hizumi.training import Budget, TrainingOptions

NOISE = 0.5  # standard deviation where the images' range is [0, 1], that is 1 where it is [-1, 1]; nothing is clipped


def pix2pix_denoise(seed: int, smoke: bool) -> dict[str, Any]:
    """Gaussian noise on grey digits; peak signal-to-noise ratios over all pixels of the test images, peak 1."""
    (train, _), (test, _) = mnist("train"), mnist("test")
    model = Pix2Pix(width=16, learning_rate=1e-3)
    options = TrainingOptions(budget=Budget(steps=20 if smoke else 2500), batch_size=16, seed=seed)
    model.fit(ReadyMade(train, Denoise(NOISE)), options)
    noisy, clean, rebuilt = [], [], []
    with torch.no_grad():
        for inputs, targets in in_order(ReadyMade(test[:500] if smoke else test, Denoise(NOISE))):
            noisy.append(inputs)
            clean.append(targets)
            rebuilt.append(model.translate(inputs))
    before, target, after = torch.cat(noisy), torch.cat(clean), torch.cat(rebuilt)
    clipped = before.clamp(-1, 1)
    return {
        "noise_sd_on_0_to_1": NOISE,
        "psnr_input_db": _psnr(before, target),
        "psnr_input_clipped_db": _psnr(clipped, target),
        "psnr_output_db": _psnr(after, target),
        "gain_db": _psnr(after, target) - _psnr(before, target),
        "gain_over_clipped_db": _psnr(after, target) - _psnr(clipped, target),
        "test_images": len(target),
    }


def _psnr(images: Tensor, targets: Tensor) -> float:
    error = float(((images - targets) / 2).square().mean())  # in units of [0, 1]
    return round(-10 * math.log10(error), 3)


if __name__ == "__main__":
    main({"pix2pix_denoise": pix2pix_denoise})
