"""Recordings of any length from a model of windows: each window continues the last from its middle on."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hizumi.models.abilities import CanContinue


def long_samples(model: CanContinue, count: int, steps: int, seed: int) -> Float[Tensor, "count c 1 steps"]:
    """New series of so many steps, determined by the seed; what lies further back than half a window is forgotten.

    The first window, which is made with none before it and may be unlike those that go on, is left out.
    """
    _, _, length = model.require_built()
    known = length // 2
    windows = 1 + math.ceil(steps / (length - known))
    first, *others = np.random.SeedSequence(seed).generate_state(windows).tolist()
    parts = [model.sample(count, first)]
    for each in others:
        parts.append(model.continued(parts[-1][..., -known:], each)[..., known:])
    return torch.cat(parts[1:], dim=3)[..., :steps]
