"""The VAE's pixel variance, learned by Adam and at its optimum: digits and bottles at 32 pixels, its preset "fast".

The bound is the evidence lower bound in its strict sense, nats an image of held-out ones. A dimension of the code is
active where the variance of its mean over held-out images is above 0.01 (Burda et al. 2016).
"""

import io
import itertools
import os
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from common import main, mnist, padded
from PIL import Image

from hizumi.arguments import clone
from hizumi.models import VAE
from hizumi.training import Budget, TrainingOptions

SIZE = 32
ACTIVE = 0.01
DIGITS_TO_LEARN, DIGITS_TO_TEST = 5000, 1000


def digits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Some to learn from, others to test."""
    chosen = torch.randperm(60_000, generator=torch.Generator().manual_seed(seed))[:DIGITS_TO_LEARN]
    return padded(mnist("train")[0][chosen]), padded(mnist("test")[0][:DIGITS_TO_TEST])


def bottles(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Good ones: four of five to learn from, the fifth to test."""
    with np.load(Path(os.environ["HIZUMI_DATA"]) / "mvtec_bottle_256.npz", allow_pickle=False) as archive:
        good = archive["split"] == "train"
        encoded = [archive["image"][start:end].tobytes() for start, end in itertools.pairwise(archive["offset"])]
    pictures = [
        Image.open(io.BytesIO(encoded[index])).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
        for index in np.flatnonzero(good)
    ]
    images = torch.from_numpy(np.stack([np.asarray(each) for each in pictures])).movedim(3, 1).float() / 127.5 - 1
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    count = len(images) // 5
    return images[order[count:]], images[order[:count]]


SETS = {"digits": digits, "bottles": bottles}


@torch.no_grad()
def figures_of(model: VAE, held_out: torch.Tensor) -> dict[str, float]:
    likelihood = model.eval().log_likelihood(held_out)
    divergence = likelihood.terms["divergence"]  # minus that from the prior
    error = (model.reconstruct(held_out) - held_out).square().mean()
    return {
        "bound, nats": round(float((likelihood.image + divergence).mean()), 1),
        "divergence, nats": round(-float(divergence.mean()), 2),
        "pixel variance": float(f"{float(model.log_variance.exp()):.3g}"),
        "squared error": float(f"{float(error):.3g}"),
        "active dimensions": int((model.encode(held_out).var(0) > ACTIVE).sum()),
        "dimensions": model.latent,
    }


def variance(name: str, how: Literal["learned", "optimal"], seed: int, smoke: bool) -> dict[str, Any]:
    train, held_out = SETS[name](seed)
    preset = VAE.presets["fast"]
    model = clone(preset.make(), variance=how, bound="reconstruction")
    options = preset.completing(TrainingOptions(seed=seed, budget=Budget(steps=10) if smoke else None))
    model.fit(train, options)
    return figures_of(model, held_out)


if __name__ == "__main__":
    main(
        {f"vae_variance_{name}_{how}": partial(variance, name, how) for name in SETS for how in ("learned", "optimal")}
    )
