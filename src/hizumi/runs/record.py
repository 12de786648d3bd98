"""What a run says of itself: whether it learned, and everything that was decided on the way."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from hizumi.data import Manifest, Store
from hizumi.detectors import Detector
from hizumi.registry.specification import specify
from hizumi.training import Trainable, TrainingOptions
from hizumi.training.health import Finding, check_losses, check_reconstructions, check_scores
from hizumi.training.journal import Journal
from hizumi.version import __version__

HEALTH_IMAGES = 256  # training images that the health check looks at


def check_health(detector: Detector, store: Store, held_out: np.ndarray, journal: Journal) -> list[Finding]:
    """All health checks, from the journal, some training images, and the scores of the held-out ones."""
    items = store.batch(torch.linspace(0, len(store) - 1, min(len(store), HEALTH_IMAGES)).long())
    anomaly = detector.score(items)
    findings = check_losses(journal.records)
    if store.views == 1:  # a tile scores below the worst tile of an image
        findings += check_scores(anomaly.image.double().cpu().numpy(), held_out)
    if anomaly.reconstruction is not None and items.ndim == 4:
        findings += check_reconstructions(items.numpy(), anomaly.reconstruction.float().cpu().numpy())
    return findings


def account(
    role: Literal["detector", "model"],
    part: nn.Module,
    phases: Sequence[Trainable],
    manifest: Manifest,
    store: Store,
    options: TrainingOptions,
) -> dict[str, Any]:
    """Resolved options, versions, seed and data of what is fitted in phases, ready for JSON."""
    described = [
        {
            "model": type(phase).__name__,
            "budget": asdict(budget),
            "batch_size": min(options.batch_size or phase.default_batch_size, len(store)),
        }
        for phase, budget in zip(phases, options.budgets([phase.default_budget for phase in phases]), strict=True)
    ]
    return {
        "hizumi": __version__,
        "torch": torch.__version__,
        role: specify(part),
        "shape": list(store.shape),
        "sizing": None if store.sizing is None else asdict(store.sizing),
        "window": None if store.window is None else asdict(store.window),
        "motion": None if store.manifest.motion is None else asdict(store.manifest.motion),
        "data": manifest.name,
        "source": None if manifest.source is None else manifest.source._asdict(),
        "data_sha256": manifest.data_hash(),
        "training_images": len(store),
        "training": asdict(options),
        "phases": described,
    }
