"""The record of a run: everything that was decided on the way, ready for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from hizumi.data import Manifest, Store
from hizumi.preprocessing import Preprocessing
from hizumi.registry import specify
from hizumi.training import Trainable, TrainingOptions
from hizumi.version import __version__
from hizumi.words import counted


def run_record(
    role: Literal["detector", "model"],
    part: nn.Module,
    phases: Sequence[Trainable],
    manifest: Manifest,
    store: Store,
    preprocessing: Preprocessing,
    options: TrainingOptions,
) -> dict[str, Any]:
    """Resolved options, versions, seed and data of a detector or model that is fitted in phases."""
    budgets = options.budgets([phase.default_budget for phase in phases])
    plain = preprocessing.to_dict()
    return {
        "hizumi": __version__,
        "torch": torch.__version__,
        role: specify(part),
        "shape": list(store.shape),
        **{name: plain[name] for name in ("sizing", "window", "motion", "series")},
        "data": manifest.name,
        "source": None if manifest.source is None else manifest.source._asdict(),
        "data_sha256": manifest.data_hash(),
        "training_images": len(store),
        "training": asdict(options),
        "phases": [
            {
                "model": type(phase).__name__,
                "budget": asdict(budget),
                "batch_size": min(options.batch_size or phase.default_batch_size, len(store)),
            }
            for phase, budget in zip(phases, budgets, strict=True)
        ],
    }


def without_place(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as a bundle carries it to others: without the folder of this machine that the data lay in."""
    source = record.get("source")
    if source is None or not Path(source.get("place", "")).is_absolute():
        return dict(record)
    return {**record, "source": {name: value for name, value in source.items() if name != "place"}}


def notes_on(manifest: Manifest, store: Store) -> tuple[str, ...]:
    """Sentences for the user on what was assumed about the data, or done to them."""
    if manifest.series is not None:  # what is said of series holds for all of them
        return (*manifest.notes, *store.notes)
    return (*manifest.notes, *(f"{note}: {counted(count, manifest.noun)}" for note, count in store.notes.items()))
