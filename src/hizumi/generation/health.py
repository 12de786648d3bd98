"""Did a generative model learn? Looked at after every fit."""

import numpy as np
import torch

from hizumi.data.stream import Batches
from hizumi.evaluation.collapse import check_samples
from hizumi.evaluation.extractors import extractor
from hizumi.models import CanReconstruct, CanSample
from hizumi.training import Trainable
from hizumi.training.health import Finding, check_losses, check_reconstructions
from hizumi.training.journal import Journal

ITEMS = 1024  # training items that samples are compared with
SAMPLES = 256


@torch.no_grad()
def check_model(model: Trainable, items: Batches, journal: Journal) -> list[Finding]:
    """All checks that apply: losses, reconstructions all alike, clusters of the data that no sample reaches."""
    findings = check_losses(journal.records)
    crops = torch.Generator().manual_seed(0) if items.views > 1 else None
    some = items.batch(torch.linspace(0, len(items) - 1, min(len(items), ITEMS)).long(), crops)
    if isinstance(model, CanSample):
        features = extractor("pixels")
        findings += check_samples(features(some), features(model.sample(SAMPLES, seed=0)))
    if isinstance(model, CanReconstruct) and some.ndim == 4:
        few = some[: min(len(some), SAMPLES)]
        findings += check_reconstructions(few.numpy(), np.asarray(model.reconstruct(few).float()))
    return findings
