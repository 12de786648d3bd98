"""Reinitialising a discriminator whose loss has collapsed."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hizumi.training import Trainable
from hizumi.training.randomness import own_random_numbers

DEAD_DISCRIMINATOR_LOSS = 1e-5


def revive(training: Trainable, discriminator: nn.Module, loss: Tensor, make: Callable[[], nn.Module]) -> None:
    """Reinitialise a discriminator, with the weights of the one that `make` returns, once its loss has collapsed.

    One that is always right gives the generator no gradient; the released code of GANomaly and Skip-GANomaly does so.
    """
    if training.mean_over_processes(loss) < DEAD_DISCRIMINATOR_LOSS:
        with own_random_numbers():
            torch.manual_seed(training.images_seen)  # the same in every process
            discriminator.load_state_dict(make().state_dict())
