"""The threshold that every rule returns."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from hizumi.calibration.statement import Statement
from hizumi.shapes import Float
from hizumi.words import counted


@dataclass(frozen=True)
class Threshold:
    """A limit on scores, how it was made and what it promises: anything strictly above `value` is anomalous.

    Rates are shares of good images in (0, 1). `promised_rate` is the false-alarm rate that holds on average without
    assumptions on the distribution of the scores, None where the rule promises none. `said` are the sentences of
    `words`; a threshold that was read from a bundle has none, as they follow from its scores.
    """

    value: float
    rule: str
    asked_rate: float
    promised_rate: float | None
    words: str
    said: tuple[Statement, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def saying(
        cls, value: float, rule: str, asked_rate: float, *said: Statement, promised_rate: float | None = None
    ) -> Self:
        """A threshold whose words are these sentences."""
        return cls(value, rule, asked_rate, promised_rate, " ".join(each.words for each in said), said)

    def to_dict(self) -> dict[str, Any]:
        """What is kept of it."""
        return {name: value for name, value in asdict(self).items() if name != "said"}


def parting(values: Float[np.ndarray, "k"], place: int) -> float:
    """A threshold between the lowest `place` of distinct ascending values and the others, in the middle of the gap."""
    if place == 0:
        return math.nextafter(float(values[0]), -math.inf)
    below = float(values[place - 1])
    if place == len(values):
        return below
    middle = below + (float(values[place]) - below) / 2
    return middle if middle < values[place] else below


def percent(rate: float) -> str:
    """A share in (0, 1) in words: 0.01 is "1%"."""
    return f"{100 * rate:.3g}%"


def good_images(count: int, kind: str = "") -> str:
    """A number of good images in words: "1 good image", "40 held-out good images"."""
    return counted(count, f"{kind}{' ' if kind else ''}good image")
