"""The judge of generated digits: a classifier trained on real ones, once for each way of showing them.

It is kept in the folder that HIZUMI_JUDGE names, or else in the system's temporary folder.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from common import mnist, padded
from safetensors.torch import load_file, save_file
from torch import Tensor

from hizumi.models import EncoderClassifier
from hizumi.registry import specify
from hizumi.training import TrainingOptions

Transform = Callable[[Tensor], Tensor]
"""Images (n, 1, 32, 32) to images of the same shape."""


def inverted_and_rotated(images: Tensor) -> Tensor:
    """Dark on bright, turned by a quarter."""
    return -images.rot90(1, (2, 3))


def judge(transform: Transform | None = None) -> EncoderClassifier:
    """A classifier of digits at 32 pixels, trained on the training images, transformed where a function is given."""
    images, digits = mnist("train")
    images = padded(images) if transform is None else transform(padded(images))
    model = EncoderClassifier()
    path = _folder() / f"judge-{_fingerprint(model, images)}.safetensors"
    if path.exists():
        model.prepare((1, 32, 32)).load_state_dict(load_file(path))
        return model.eval()
    model.fit((images, digits), TrainingOptions(seed=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    save_file(model.state_dict(), partial)
    partial.replace(path)
    return model


@torch.no_grad()
def digits_of(judge: EncoderClassifier, images: Tensor) -> Tensor:
    """The digit seen in each image (n, 1, 28 or 32, 28 or 32); smaller images are given a border."""
    images = images if images.shape[-1] == 32 else padded(images)
    return torch.cat([judge.classify(part).argmax(1) for part in torch.split(images, 256)])


def agreement(judge: EncoderClassifier, images: Tensor, digits: Tensor) -> float:
    """Share of images that show the digit they should."""
    return float((digits_of(judge, images) == digits).float().mean())


def accuracy(judge: EncoderClassifier, transform: Transform | None = None) -> float:
    """Share of MNIST's test images, shown as in training, that the judge reads right."""
    images, digits = mnist("test")
    return agreement(judge, padded(images) if transform is None else transform(padded(images)), digits)


def shares(judge: EncoderClassifier, images: Tensor) -> list[float]:
    """Share of images in which each of the ten digits is seen."""
    return (torch.bincount(digits_of(judge, images), minlength=10) / len(images)).tolist()


def _folder() -> Path:
    return Path(os.environ.get("HIZUMI_JUDGE") or Path(tempfile.gettempdir()) / "hizumi-judge")


def _fingerprint(model: EncoderClassifier, images: Tensor) -> str:
    # Another data set, transformation or network gets a judge of its own.
    settings = f"{specify(model)} {model.default_budget} {model.default_batch_size}"
    return hashlib.sha256(settings.encode() + images[::100].contiguous().numpy().tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    for transform in (None, inverted_and_rotated):
        print(transform.__name__ if transform else "plain", accuracy(judge(transform), transform))
