"""A second life for a discriminator that has won."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hizumi.training import Trainable

DEAD_DISCRIMINATOR_LOSS = 1e-5


def revive(training: Trainable, discriminator: nn.Module, loss: Tensor, make: Callable[[], nn.Module]) -> None:
    """Give a discriminator new weights, those that `make` gives it, where its loss has come down to nothing.

    One that is always right teaches nothing: the released code of GANomaly and Skip-GANomaly starts it anew.
    """
    if training.mean_over_processes(loss) < DEAD_DISCRIMINATOR_LOSS:
        with torch.random.fork_rng():
            torch.manual_seed(training.images_seen)  # the same in every process
            discriminator.load_state_dict(make().state_dict())
