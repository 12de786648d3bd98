"""What a run must share with the one that left files behind, from which it would go on."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from hizumi.arguments import flat, parameters_of, plain
from hizumi.data.stream import Batches
from hizumi.errors import UsageError
from hizumi.storage.files import printable
from hizumi.training.options import TrainingOptions
from hizumi.training.trainable import Trainable

COMPARED = 64  # items, taken evenly, by which other data are told


def names_of(phases: Sequence[Trainable]) -> list[str]:
    """Those of the phases, numbered where there are several."""
    names = [type(model).__name__ for model in phases]
    return [f"{number} {name}" for number, name in enumerate(names, 1)] if len(names) > 1 else names


def identity_of(
    phases: Sequence[Trainable], source: Batches, options: TrainingOptions, processes: int
) -> dict[str, Any]:
    """What a run must share with the one whose journal it goes on with; a budget may be longer."""
    return {
        "phases": names_of(phases),
        "seed": options.seed,
        "batch_size": [options.batch_size or model.default_batch_size for model in phases],
        "accumulation": options.accumulation,
        "precision": options.precision,
        "processes": processes,
        "items": len(source),
        "shape": list(source.shape),
        "settings": {name: _settings(model) for name, model in zip(names_of(phases), phases, strict=True)},
    }


def refuse_other(file: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise UsageError, naming all that differs, where a file was left by a run with another identity.

    What is nested is compared where all else is the same, and where the file has it: earlier versions left it out.
    """
    nested = {name: now for name, now in expected.items() if isinstance(now, Mapping)}
    changed = _changed(found, {name: now for name, now in expected.items() if name not in nested}) or _changed(
        flat(found), flat({name: now for name, now in nested.items() if name in found})
    )
    if changed:
        raise UsageError(
            f"{printable(file)} is of a run with another {', '.join(changed)}; "
            "resume with the same, or use another folder"
        )


def _changed(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return [f"{name} ({found.get(name)}, now {now})" for name, now in expected.items() if found.get(name) != now]


def checksum_of(source: Batches) -> int:
    """Of some items, read one at a time, with labels or counterparts where they have such."""
    generator, checksum = torch.Generator().manual_seed(0), 0
    for place in torch.linspace(0, len(source) - 1, min(len(source), COMPARED)).long()[:, None]:
        batch = source.batch(place, generator)
        for part in batch if isinstance(batch, tuple) else (batch,):
            assert isinstance(part, Tensor)
            checksum = crc32(part.detach().cpu().contiguous().numpy().tobytes(), checksum)
    return checksum


def _settings(value: Any) -> Any:
    """An argument of a model as JSON has it; models among them by their kinds and their own arguments."""
    if isinstance(value, nn.Module):
        own = {name: _settings(getattr(value, name, None)) for name in parameters_of(type(value))}
        return {"kind": type(value).__name__} | own
    if isinstance(value, list | tuple):
        return [_settings(each) for each in value]
    value = plain(value)
    return value if isinstance(value, int | float | str | None) else type(value).__name__
