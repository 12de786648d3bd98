"""The card of a model or detector: what catalogues, pages and reports say about it."""

from dataclasses import dataclass
from typing import Literal

from hizumi.errors import DataError
from hizumi.shapes import is_series

FAMILIES = ("explicit, tractable", "explicit, approximate", "implicit", "codes", "image to image")
"""Families of generative models, by how they treat the density of the data, in the order of catalogues."""
PARTS = {"labels": "(items, labels)", "pairs": "(inputs, targets)", "two sets": "(items, others)"}
"""What batches are, by what a model needs, where they are not items alone."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts about a method that do not depend on its arguments.

    `needs` may hold "labels" (batches are items and integer labels), "pairs" (inputs and targets), "two sets" (items
    of two sets, unpaired), "motion" (frames with their optical flow), "reference set" (labelled images of other
    things; a built-in set by default), or the extra that must be installed.
    `one_pass` names detectors that compute in one pass what a method of cost "search" searches for.
    `no_series` says why windows of series, (c, 1, t), are not taken; it is empty where they are.
    """

    family: str
    idea: str
    paper: str
    inputs: tuple[Literal["images", "vectors"], ...] = ("images", "vectors")
    localises: bool = False
    cost: Literal["one pass", "search"] = "one pass"
    needs: tuple[str, ...] = ()
    one_pass: tuple[str, ...] = ()
    no_series: str = ""

    @property
    def takes(self) -> tuple[str, ...]:
        """The kinds of items that it works on."""
        return self.inputs if self.no_series else (*self.inputs, "series")

    @property
    def profile(self) -> dict[str, bool]:
        """What guides the choice of a method: whether it draws maps, searches, and what it needs."""
        asked = {
            need.replace(" ", "_"): need in self.needs
            for need in ("labels", "pairs", "two sets", "motion", "reference set")
        }
        extra = any(need.startswith("hizumi[") for need in self.needs)
        return {"map": self.localises, "search": self.cost == "search", "extra": extra, **asked}

    @property
    def parts(self) -> str:
        """What batches are, where they are not items alone."""
        return next((PARTS[need] for need in self.needs if need in PARTS), "")

    def check_shape(self, shape: tuple[int, ...], name: str) -> None:
        """Raise DataError where the method `name` does not work on items of this shape."""
        if is_series(shape):
            if self.no_series:
                raise DataError(f"{name} does not work on series: {self.no_series}")
            return
        kind = "vectors" if len(shape) == 1 else "images"
        if kind not in self.inputs:
            raise DataError(f"{name} works on {' and '.join(self.inputs) or 'series'}, not on {kind}")
