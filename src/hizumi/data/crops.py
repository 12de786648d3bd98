"""Crops of one photograph in a split: which are dealt by their place, and which are left out beside those held out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hizumi.data.manifest import Manifest
from hizumi.data.photographs import Place, overlapping, strips
from hizumi.shapes import Bool
from hizumi.storage.files import few
from hizumi.words import counted

MOST_NAMED = 3
STRIPS = 5  # of a photograph whose crops are dealt
LEAST_LEFT = 0.25  # of the records, to learn from, where those that overlap with what is held out are left out


def places_to_deal(manifest: Manifest) -> list[Place | None]:
    """Places of good records, but those to test, in photographs of which each strip can be held out unseen."""
    places = _places_to_learn_from(manifest)
    found = [place for place in places if place is not None]
    good = sum(record.label == 0 and record.split != "test" for record in manifest.records)
    too_close = set()
    for strip in strips(found, -(-len(found) // STRIPS)):
        if good - overlapping(found, strip).sum() < LEAST_LEFT * good:
            too_close.add(found[strip[0]].photograph)
    return [None if place is None or place.photograph in too_close else place for place in places]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Which training records overlap with images to test, and which others with good ones that are held out.

    They are left out, unless too few would remain.
    """

    with_test: Bool[np.ndarray, "n"]
    with_held_out: Bool[np.ndarray, "n"]
    leave_enough: bool

    @classmethod
    def of(cls, manifest: Manifest, splits: Sequence[str | None]) -> Self:
        """By the splits that the records are to have."""
        to_learn = _places_to_learn_from(manifest)
        training = np.array([split == "train" for split in splits])
        held_out = [index for index, split in enumerate(splits) if split != "train" and to_learn[index] is not None]
        tested = [index for index, split in enumerate(splits) if split == "test" and to_learn[index] is None]
        with_test = training & overlapping(manifest.places(), tested)
        with_held_out = training & overlapping(places_to_deal(manifest), held_out) & ~with_test
        left = training.sum() - (with_test | with_held_out).sum()
        return cls(with_test, with_held_out, bool(left >= LEAST_LEFT * training.sum()))

    @property
    def left_out(self) -> Bool[np.ndarray, "n"]:
        """Which records are neither learned from nor held out."""
        return (self.with_test | self.with_held_out) & self.leave_enough

    def notes(self, manifest: Manifest, splits: Sequence[str | None]) -> list[str]:
        """What is to be said of crops of one photograph, where there are any."""
        notes = []
        to_learn = _places_to_learn_from(manifest)
        shown = Counter(place.photograph for place in to_learn if place is not None)
        several = {number for number, count in shown.items() if count > 1}
        crops = [index for index, place in enumerate(to_learn) if place is not None and place.photograph in several]
        if crops:
            notes.append(
                f"{len(crops)} good images show parts of {counted(len(several), 'photograph')}, pixel by pixel, such "
                f"as {few(_names(manifest, crops[:2]), 2)}{self._how_dealt(manifest, to_learn, splits)}"
            )
        if self.with_test.any():
            what = "are not learned from" if self.leave_enough else "make figures on these too good"
            some = few(_names(manifest, np.flatnonzero(self.with_test).tolist()), MOST_NAMED)
            notes.append(f"good images that show pixels of images to test, and {what}: {some}")
        return notes

    def _how_dealt(self, manifest: Manifest, to_learn: Sequence[Place | None], splits: Sequence[str | None]) -> str:
        if places_to_deal(manifest) != to_learn or not self.leave_enough:
            return ", and overlap too much to judge all of them unseen: expect more false alarms; add images of others"
        said = ": those that set the threshold are scored unseen, dealt by their place"
        if any(split != "train" and place is not None for split, place in zip(splits, to_learn, strict=True)):
            said += " (expect more false alarms than are promised, for they overlap with one another)"
        if self.with_held_out.any():
            left_out = few(_names(manifest, np.flatnonzero(self.with_held_out).tolist()), MOST_NAMED)
            said += f"; not learned from, as they overlap with such: {left_out}"
        return said


def _places_to_learn_from(manifest: Manifest) -> list[Place | None]:
    return [
        place if record.label == 0 and record.split != "test" else None
        for record, place in zip(manifest.records, manifest.places(), strict=True)
    ]


def _names(manifest: Manifest, indices: Iterable[int]) -> list[str]:
    return [manifest.records[index].name for index in indices]
