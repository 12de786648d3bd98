"""What a search for settings has tried and found, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Settings = Mapping[str, Any]
"""Values of arguments by their full path, such as {"model.latent": 16}."""


@dataclass(frozen=True)
class Trial:
    """One choice of settings. `rounds` are its values in each round; the `value` is their mean, None where it failed.

    Of a trial that ended early it is the mean of the rounds that there were.
    """

    number: int
    state: Literal["complete", "ended early", "failed", "unfinished"]
    value: float | None
    settings: Settings
    rounds: Sequence[float] = ()
    reason: str = ""


@dataclass(frozen=True)
class Study:
    """All trials, of which the first has the settings that the search began with; higher values are better.

    `importances` are shares, adding up to 1, of what in the values follows from each setting; empty where trials are
    too few to say. `logarithmic` names the settings that are searched in equal ratios.
    """

    detector: str
    data: str
    objective: str
    trials: Sequence[Trial]
    rounds: int
    importances: Mapping[str, float] = field(default_factory=dict)
    logarithmic: Sequence[str] = ()

    @property
    def begun(self) -> Trial:
        """The settings that the search began with."""
        return self.trials[0]

    @property
    def best(self) -> Trial | None:
        """The complete trial of the highest value, the first of several; None where none is complete."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        return max(complete, key=lambda trial: trial.value or 0.0, default=None)

    @property
    def changed(self) -> dict[str, Any]:
        """What of the best trial's settings is not as it was at first."""
        best = self.best
        return {} if best is None else {k: v for k, v in best.settings.items() if v != self.begun.settings.get(k)}

    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        states = [trial.state for trial in self.trials]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        best = self.best
        return {**asdict(self), "best": None if best is None else best.number, "changed": self.changed}


def tuned_fact(tuned: Mapping[str, Any]) -> str:
    """How a bundle's settings were chosen, as its record says, in a sentence."""
    changed = ", ".join(f"{path}={value!r}" for path, value in tuned["changed"].items()) or "none is changed"
    begun = "" if tuned["begun"] is None else f", against {tuned['begun']:.3f} before"
    return (
        f"Settings chosen among {tuned['trials']} trials by the {tuned['objective']}: {tuned['value']:.3f}{begun} "
        f"({changed}); being the best of many, it is too good to be expected again. No trial saw what set the "
        "threshold."
    )
