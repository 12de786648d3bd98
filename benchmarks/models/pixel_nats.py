"""Autoregressive models on binarised MNIST: nats per test image, and what a cache saves in sampling."""

import time
from functools import partial
from typing import Any

import torch
from common import binarised, main, mnist

from hizumi.models import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM
from hizumi.models.autoregressive import Autoregressive, draw
from hizumi.networks import AutoregressiveNetwork, Recomputed
from hizumi.training import Budget, TrainingOptions
from hizumi.training.options import Precision

SHAPE = (1, 28, 28)


def nats_of(model: Autoregressive, images: torch.Tensor) -> float:
    """Mean negative log-likelihood of images."""
    with torch.no_grad():
        return -float(
            torch.cat([model.log_likelihood(part).image for part in torch.split(images, 250)]).double().mean()
        )


def sampling(model: Autoregressive, smoke: bool) -> dict[str, Any]:
    """Seconds for samples from the cache, and whether they are what the whole network draws from the same uniforms."""
    started = time.monotonic()
    model.sample(64)
    seconds = {"seconds for 64 cached samples": round(time.monotonic() - started, 2)}
    network = model.average.network
    assert isinstance(network, AutoregressiveNetwork)
    count = 1 if smoke else 2
    uniforms = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))
    cached = draw(network.incremental(count, *SHAPE[1:]), uniforms, model.levels)
    started = time.monotonic()
    naive = draw(Recomputed(network, (count, *SHAPE)), uniforms, model.levels)
    return seconds | {
        "naive samples": count,
        "seconds for naive samples": round(time.monotonic() - started, 1),
        "cached pixels equal naive": bool(torch.equal(cached, naive)),
    }


def nats(model: Autoregressive, steps: int, precision: Precision, seed: int, smoke: bool) -> dict[str, Any]:
    """Train on 60,000 binarised digits and measure on all 10,000 test digits, in single precision."""
    train, test = binarised(mnist("train")[0]), binarised(mnist("test")[0])
    steps = 10 if smoke else steps
    options = TrainingOptions(budget=Budget(steps=steps), seed=seed, precision=precision)
    started, processor = time.monotonic(), time.process_time()
    model.fit(train, options)
    minutes, processor_minutes = (time.monotonic() - started) / 60, (time.process_time() - processor) / 60
    return {
        "test nats": round(nats_of(model, test[:500] if smoke else test), 3),
        "nats of 10,000 training images": round(nats_of(model, train[: 500 if smoke else 10_000]), 3),
        "parameters": sum(parameter.numel() for parameter in model.body.parameters()),
        "steps": steps,
        "precision": precision,
        "batch size": model.default_batch_size,
        "training minutes": round(minutes, 2),
        "training processor minutes": round(processor_minutes, 2),
    } | sampling(model, smoke)


if __name__ == "__main__":
    main(
        {
            "pixel_cnn_nats": partial(nats, PixelCNN(levels=2), 5000, "bf16-mixed"),
            "gated_pixel_cnn_nats": partial(nats, GatedPixelCNN(levels=2), 6000, "bf16-mixed"),
            "row_lstm_nats": partial(nats, RowLSTM(levels=2), 3000, "32-true"),
            "diagonal_bilstm_nats": partial(nats, DiagonalBiLSTM(levels=2), 3000, "32-true"),
        }
    )
