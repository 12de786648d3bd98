"""Sentences whose figures can be read apart from them, so that they can be said in other languages too."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """One thing that is said.

    Attributes:
        code: Stable name of what is said.
        figures: By name. Names that end in `rate` are of shares in [0, 1].
        words: In English.
    """

    code: str
    figures: Mapping[str, float]
    words: str
