"""Ready-made settings of a class, by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

from hizumi.errors import UsageError
from hizumi.training.options import TrainingOptions


class Preset(NamedTuple):
    """A ready-made detector or model, with the training options of its phases.

    "fast" trains on 32-pixel images in about two minutes on two cores. "small" takes well under a second a step, for
    tests.
    """

    make: Callable[[], Any]
    options: TrainingOptions = TrainingOptions()


def preset_of(found: Any, preset: str) -> Preset:
    """A class's preset by name; its defaults are "small" unless declared, and "fast" where nothing is trained."""
    if preset in found.presets:
        chosen: Preset = found.presets[preset]
        return chosen
    if preset == "small" or (preset == "fast" and not found().phases()):
        return Preset(found)
    known = f"it has {', '.join(found.presets)}" if found.presets else "it has none"
    raise UsageError(f"{found.__name__} has no preset {preset!r}; {known}")
