"""Did a generative model learn? Looked at after every fit."""

import numpy as np
import torch
from torch import Tensor

from hizumi.data.guard import trusted
from hizumi.data.stream import Batches
from hizumi.evaluation.collapse import check_samples
from hizumi.evaluation.extractors import extractor
from hizumi.evaluation.inversion import check_inversion
from hizumi.models import CanReconstruct, CanSample
from hizumi.models.abilities import JudgesPairs
from hizumi.shapes import noun_of_item
from hizumi.training import Trainable
from hizumi.training.health import Finding, Rebuilt, check_losses, check_reconstructions
from hizumi.training.journal import Journal

ITEMS = 1024  # training items that samples are compared with
SAMPLES = 256


@torch.no_grad()
def check_model(model: Trainable, items: Batches, journal: Journal, held_out: Batches | None = None) -> list[Finding]:
    """All checks that apply: losses, clusters of the data that no sample reaches, reconstructions, and inversion.

    `held_out` are normal items that no step has seen, where there are any.
    """
    with trusted():  # pixels may lie far outside of a window that was given, which is found elsewhere
        return check_losses(journal.records) + _of_items(model, items, held_out)


def _of_items(model: Trainable, items: Batches, held_out: Batches | None) -> list[Finding]:
    findings: list[Finding] = []
    crops = torch.Generator().manual_seed(0) if items.views > 1 else None
    some = _spread(items, ITEMS, crops)
    noun = noun_of_item(tuple(some.shape[1:]))
    if len(some) > 1 and bool((some == some[0]).all()):  # distances from these have no unit to be told in
        return [
            Finding(
                "items all the same",
                "problem",
                f"all {len(some)} {noun}s looked at are the same, number by number: there is nothing to learn",
                f"look at the {noun}s, and at the window that they were read with",
            )
        ]
    if isinstance(model, CanSample):
        features = extractor("pixels")
        findings += check_samples(features(some), features(model.sample(SAMPLES, seed=0)))
    few = some[: min(len(some), SAMPLES)]
    if isinstance(model, CanReconstruct) and some.ndim == 4:
        unseen = None if held_out is None else _rebuilt(model, _spread(held_out, SAMPLES, crops))
        findings += check_reconstructions(_rebuilt(model, few), unseen, noun)
    if isinstance(model, JudgesPairs):
        findings += check_inversion(model, few, noun)
    return findings


def _spread(items: Batches, most: int, crops: torch.Generator | None) -> Tensor:
    batch = items.batch(torch.linspace(0, len(items) - 1, min(len(items), most)).long(), crops)
    some: Tensor = batch[0] if isinstance(batch, tuple) else batch
    return some


def _rebuilt(model: CanReconstruct, items: Tensor) -> Rebuilt:
    return Rebuilt(items.numpy(), np.asarray(model.reconstruct(items).float()))
