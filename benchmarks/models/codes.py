"""What models with codes reach on MNIST: rebuilding, bounds on the likelihood, and encoders reused with few labels."""

import statistics
import time
from typing import Any

import torch
from common import main, mnist
from torch import Tensor

from hizumi.models import VAE, Autoencoder, CanReconstruct, DeepAutoencoder, DeepBeliefNetwork, EncoderClassifier
from hizumi.training import Budget, Trainable, TrainingOptions

CODE = 30
LABELS = (10, 100, 1000)
DRAWS = 5  # of the labelled images, for each number of them


def autoencoder_mnist(seed: int, smoke: bool) -> dict[str, Any]:
    """Squared error per test image, summed over its pixels in [0, 1], with 30 numbers as code; principal components."""
    model = Autoencoder(code=CODE, layout="flat", width=32, learning_rate=2e-3)
    seconds = _fit(model, seed, Budget(steps=20 if smoke else 5000), 128)
    return {
        "training seconds": seconds,
        "squared error": _squared_error(model),
        "squared error of principal components": _squared_error_of_components(),
    }


def deep_autoencoder_mnist(seed: int, smoke: bool) -> dict[str, Any]:
    """The same by 784-1000-500-250-30 as in 2006: machines first, then the whole."""
    model = DeepAutoencoder()
    seconds = _fit(model, seed, Budget(steps=20 if smoke else 9000), 100)
    return {"training seconds": seconds, "squared error": _squared_error(model)}


def deep_belief_network_mnist(seed: int, smoke: bool) -> dict[str, Any]:
    """Squared error after a way up through 784-500-500-2000 binary layers and down again, trained greedily."""
    model = DeepBeliefNetwork()
    seconds = _fit(model, seed, Budget(steps=20 if smoke else 9000), 100)
    return {"training seconds": seconds, "squared error": _squared_error(model)}


def vae_mnist(seed: int, smoke: bool) -> dict[str, Any]:
    """Bounds on the log-likelihood of test images, nats an image, grey values as chances, 20 numbers as code."""
    model = _vae()
    seconds = _fit(model, seed, Budget(steps=20 if smoke else 5000), 128)
    images = mnist("test")[0][: 200 if smoke else None]
    model.bound = "reconstruction"
    drawn = _likelihood(model, images)
    model.bound = "importance"
    return {
        "training seconds": seconds,
        "elbo, codes drawn": drawn["image"] + drawn["divergence"],
        "elbo, codes at their means": drawn["reconstruction"] + drawn["divergence"],
        "divergence": -drawn["divergence"],
        "importance-weighted bound, 50 draws": _likelihood(model, images)["image"],
    }


def encoder_reuse(seed: int, smoke: bool) -> dict[str, Any]:
    """Test accuracy with few labels: an encoder trained without any, against the same network from scratch.

    Each has the settings that suit it: reuse gains from dropout and a higher rate, training from scratch does not.
    """
    images, digits = mnist("train")
    pretrained = _vae()
    seconds = _fit(pretrained, seed, Budget(steps=20 if smoke else 3000), 128)
    options = TrainingOptions(seed=seed, batch_size=50, budget=Budget(steps=20 if smoke else 400))
    figures: dict[str, Any] = {"training seconds": seconds}
    for count in LABELS:
        reused, scratch = [], []
        for draw in range(1 if smoke else DRAWS):
            generator = torch.Generator().manual_seed(1000 * seed + draw)
            chosen = torch.randperm(len(images), generator=generator)[:count]
            few = images[chosen], digits[chosen]
            reused.append(_accuracy(EncoderClassifier(encoder=pretrained, learning_rate=5e-3).fit(few, options)))
            scratch.append(_accuracy(EncoderClassifier(encoder=_vae(), dropout=0.0).fit(few, options)))
        figures[f"{count} labels"] = {
            "reused": _mean_and_deviation(reused),
            "from scratch": _mean_and_deviation(scratch),
            "margin": _mean_and_deviation([a - b for a, b in zip(reused, scratch, strict=True)]),
        }
    return figures


def _vae() -> VAE:
    return VAE(latent=20, density="bernoulli", width=32, learning_rate=2e-3, draws=50)


def _fit(model: Trainable, seed: int, budget: Budget, batch_size: int) -> float:
    started = time.monotonic()
    model.fit(mnist("train")[0], TrainingOptions(seed=seed, budget=budget, batch_size=batch_size))
    return round(time.monotonic() - started, 1)


@torch.no_grad()
def _squared_error(model: CanReconstruct) -> float:
    images = mnist("test")[0]
    rebuilt = torch.cat([model.reconstruct(part) for part in torch.split(images, 500)])
    return float(((rebuilt - images) / 2).square().flatten(1).sum(1).mean())


def _squared_error_of_components() -> float:
    train, test = (mnist(split)[0].flatten(1).double() / 2 for split in ("train", "test"))
    mean = train.mean(0)
    components = torch.linalg.eigh((train - mean).T @ (train - mean)).eigenvectors[:, -CODE:]
    codes = (test - mean) @ components
    return float((test - mean - codes @ components.T).square().sum(1).mean())


@torch.no_grad()
def _likelihood(model: VAE, images: Tensor) -> dict[str, float]:
    parts = [model.log_likelihood(part) for part in torch.split(images, 500)]
    means = {"image": float(torch.cat([part.image for part in parts]).mean())}
    for term in parts[0].terms:
        means[term] = float(torch.cat([part.terms[term] for part in parts]).mean())
    return means


@torch.no_grad()
def _accuracy(model: EncoderClassifier) -> float:
    images, digits = mnist("test")
    seen = torch.cat([model.classify(part).argmax(1) for part in torch.split(images, 500)])
    return float((seen == digits).float().mean())


def _mean_and_deviation(values: list[float]) -> dict[str, float]:
    return {"mean": round(statistics.mean(values), 4), "standard deviation": round(statistics.pstdev(values), 4)}


if __name__ == "__main__":
    cases = (autoencoder_mnist, deep_autoencoder_mnist, deep_belief_network_mnist, vae_mnist, encoder_reuse)
    main({case.__name__: case for case in cases})
