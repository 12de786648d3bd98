"""Whether an encoder and a generator that learned in one game are each other's inverse."""

import torch
from torch import Tensor

from hizumi.models.abilities import JudgesPairs
from hizumi.training.health import Finding, check_pairs
from hizumi.training.randomness import own_random_numbers


@torch.no_grad()
def check_inversion(model: JudgesPairs, items: Tensor, noun: str = "image") -> list[Finding]:
    """Let the model's critic compare items with as many generated ones; determined by the items, each a `noun`."""
    with own_random_numbers():
        torch.manual_seed(0)
        logits = model.eval().pair_logits(items.to(model.device))
    data, generated = (each.double().cpu().numpy() for each in logits)
    return check_pairs(data, generated, noun)
