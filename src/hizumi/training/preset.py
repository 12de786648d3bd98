"""Ready-made settings of a class, by name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from hizumi.arguments import OF_TESTS, no_preset
from hizumi.errors import UsageError
from hizumi.training.options import TrainingOptions


class Preset(NamedTuple):
    """A ready-made detector or model, with the training options of its phases.

    "fast" takes minutes on two cores: a detector's two at 32 pixels, a model's three at 64. "small" takes well under a
    second a step, for tests. `departure` says in the ledger where the settings make another method than the paper's.
    """

    make: Callable[[], Any]
    options: TrainingOptions = TrainingOptions()
    departure: str = ""

    def completing(self, options: TrainingOptions) -> TrainingOptions:
        """The options given, with this preset's budget and batch size where they leave them open."""
        batch_size = options.batch_size or self.options.batch_size
        return replace(options, budget=options.budget or self.options.budget, batch_size=batch_size)


def made(found: Any, preset: str | None) -> Any:
    """An object of this class: with its defaults, or its preset of this name."""
    return found() if preset is None else preset_of(found, preset).make()


def preset_of(found: Any, preset: str) -> Preset:
    """A class's preset by name; its defaults are "small" unless declared, and "fast" where nothing is trained."""
    if preset in found.presets:
        chosen: Preset = found.presets[preset]
        return chosen
    if preset == OF_TESTS or (preset == "fast" and _trains_nothing(found)):
        return Preset(found)
    raise UsageError(no_preset(found.__name__, preset, found.presets))


def _trains_nothing(found: Any) -> bool:
    return hasattr(found, "phases") and not found().phases()
