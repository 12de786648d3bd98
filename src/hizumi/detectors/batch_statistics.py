"""Scoring with the statistics of the batch, as some released code does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

BatchNormMode = Literal["eval", "batch"]


@contextmanager
def batch_norm(network: nn.Module, mode: BatchNormMode) -> Iterator[None]:
    """Let a network in evaluation mode normalise by its running statistics ("eval") or by the batch's ("batch").

    With "batch" an image's score depends on the images beside it, and gives their kind away where all are of one kind:
    only to reproduce numbers that were published so. The running statistics are neither used nor changed.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)] if mode == "batch" else []
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, (training, track_running_stats) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, track_running_stats
