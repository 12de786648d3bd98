"""What a run must share with the one that left files behind, from which it would go on."""

from collections.abc import Mapping, Sequence
from typing import Any

from hizumi.data.stream import Batches
from hizumi.errors import UsageError
from hizumi.storage.files import printable
from hizumi.training.options import TrainingOptions
from hizumi.training.trainable import Trainable


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
    }


def refuse_other(file: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise UsageError, naming all that differs, where a file was left by a run with another identity."""
    changed = [f"{name} ({found.get(name)}, now {now})" for name, now in expected.items() if found.get(name) != now]
    if changed:
        raise UsageError(
            f"{printable(file)} is of a run with another {', '.join(changed)}; "
            "resume with the same, or use another folder"
        )
