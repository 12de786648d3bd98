"""anomalib's models, run by the Python of an environment that has anomalib and nothing of hizumi.

    python anomalib_peer.py step CHANNELS SIDE BATCH     one step of training, model and losses alone
    python anomalib_peer.py predict FOLDER TABLE         scores of all its images of 64 pixels, by Engine.predict
    python anomalib_peer.py cold FOLDER TABLE            the same, once, and done
    python anomalib_peer.py padim NORMAL FOLDER TABLE    scores of a folder, by Engine.predict, once fitted on another
    python anomalib_peer.py patchcore NORMAL FOLDER TABLE
    python anomalib_peer.py fit-padim NORMAL             a fit on a folder, by Engine.fit

All but the third say "ready" when they are, and from then on, for each line with a number of threads, do it once and
answer with seconds of CPU and of the clock. Its GANomaly is not the same network as the paper's and ours: its
adversarial loss compares the discriminator's outputs, its score is the latent distance alone, and there is no map.
"""

import csv
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SIDE = 64
FEATURES_SIDE = 224
BACKBONE, LAYERS = "tf_efficientnet_lite0", ["blocks.2", "blocks.4"]
MEMORY = 4000  # patches
BATCH_SIZE = 32  # anomalib's own; Engine.predict would take images one by one if it were left to itself


def main(way: str, *arguments: str) -> None:
    """Do what was asked."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what its libraries print is no answer
    warnings.simplefilter("ignore")
    logging.disable()
    declare_operators()
    if way == "cold":
        prediction(*arguments)()
        return
    match way:
        case "predict":
            run = prediction(*arguments)
        case "padim" | "patchcore":
            run = features_prediction(way, *arguments)
        case "fit-padim":
            run = features_fit("padim", *arguments)
        case _:
            run = step(*map(int, arguments))
    answers.write("ready\n")
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        cpu, began = time.process_time(), time.perf_counter()
        run()
        answers.write(f"{time.process_time() - cpu} {time.perf_counter() - began}\n")


def declare_operators() -> None:
    """Names that torchvision's Python code asks for at its import: where torch was built for CPUs, its own part that
    has them does not load. Nothing here calls them."""
    for name in ("nms", "qnms"):
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # kept: what it declares goes with it


def step(channels: int, side: int, batch: int) -> Callable[[], None]:
    """As in the training step of its Lightning module."""
    from anomalib.models.image.ganomaly.loss import DiscriminatorLoss, GeneratorLoss
    from anomalib.models.image.ganomaly.torch_model import GanomalyModel

    model = GanomalyModel((side, side), channels, n_features=64, latent_vec_size=100).train()
    generator, discriminator = (
        torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for part in (model.generator, model.discriminator)
    )
    generator_loss, discriminator_loss = GeneratorLoss(wadv=1, wcon=50, wenc=1), DiscriminatorLoss()
    images = torch.rand(batch, channels, side, side) * 2 - 1

    def run() -> None:
        padded, fake, latent, second_latent = model(images)
        real_outputs, _ = model.discriminator(padded)
        fake_outputs, _ = model.discriminator(fake)
        loss = generator_loss(latent, second_latent, padded, fake, real_outputs, fake_outputs)
        generator.zero_grad()
        loss.backward(retain_graph=True)
        generator.step()
        fake_outputs, _ = model.discriminator(fake.detach())
        loss = discriminator_loss(real_outputs, fake_outputs)
        discriminator.zero_grad()
        loss.backward()
        discriminator.step()

    return run


def prediction(folder: str, table: str) -> Callable[[], None]:
    """Its engine on files, with nothing but the scores."""
    from anomalib.models import Ganomaly
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Resize

    preparation = PreProcessor(Resize((SIDE, SIDE)))
    model = Ganomaly(n_features=64, latent_vec_size=100, pre_processor=preparation, visualizer=False, evaluator=False)
    return predicting(engine(), model, folder, table)


def features_prediction(kind: str, normal: str, folder: str, table: str) -> Callable[[], None]:
    """Its engine on files, fitted before."""
    its_engine, model = features_model(kind, len(list(Path(normal).iterdir())))
    its_engine.fit(model, **normal_images(normal))
    return predicting(its_engine, model, folder, table)


def features_fit(kind: str, normal: str) -> Callable[[], None]:
    """A fit from files to the end, its model made anew."""

    def run() -> None:
        its_engine, model = features_model(kind, len(list(Path(normal).iterdir())))
        its_engine.fit(model, **normal_images(normal))

    return run


def features_model(kind: str, images: int) -> Any:
    """An engine and a model on the layers of strides 8 and 16 that hizumi's detectors see, with random weights."""
    from anomalib.models import Padim, Patchcore
    from anomalib.models.components.sampling import KCenterGreedy
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Resize

    shared = {
        "backbone": BACKBONE,
        "layers": LAYERS,
        "pre_trained": False,
        "pre_processor": PreProcessor(Resize((FEATURES_SIDE, FEATURES_SIDE))),
        "visualizer": False,
        "evaluator": False,
    }
    if kind == "padim":
        return engine(), Padim(n_features=100, **shared)
    # Which patches are kept is nothing to a search; its greedy choice of them has taken 20 GB here.
    KCenterGreedy.select_coreset_idxs = lambda self: list(range(self.coreset_size))
    share = min(1.0, MEMORY / (images * (FEATURES_SIDE // 8) ** 2))
    return engine(), Patchcore(coreset_sampling_ratio=share, num_neighbors=1, **shared)


def normal_images(folder: str) -> dict[str, Any]:
    """All images of a folder to fit on, and one of them to validate on."""
    from anomalib.data import Folder
    from torch.utils.data import DataLoader, Subset

    images = Folder(
        "normal",
        root=folder,
        normal_dir=".",
        train_batch_size=BATCH_SIZE,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="none",
    )
    images.setup()
    one = DataLoader(Subset(images.train_data, [0]), collate_fn=images.train_data.collate_fn)
    return {"train_dataloaders": images.train_dataloader(), "val_dataloaders": one}


def engine() -> Any:
    """Its engine, quiet."""
    from anomalib.engine import Engine

    return Engine(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tempfile.gettempdir(),
    )


def predicting(engine: Any, model: Any, folder: str, table: str) -> Callable[[], None]:
    """Scores of all images of a folder, in a table."""
    from anomalib.data import PredictDataset
    from torch.utils.data import DataLoader

    def run() -> None:
        images = PredictDataset(folder)
        loader = DataLoader(images, batch_size=BATCH_SIZE, collate_fn=images.collate_fn)
        with Path(table).open("w", newline="") as lines:
            for batch in engine.predict(model, dataloaders=loader) or []:
                csv.writer(lines).writerows(zip(batch.image_path, batch.pred_score.flatten().tolist(), strict=True))

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
