"""What an inspector has seen, by content: the good images of its fit, known defects, and what chose its settings."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from hizumi.data import Manifest
from hizumi.errors import DataError
from hizumi.shapes import Integer
from hizumi.words import counted

DIGITS = 16  # of a SHA-256 in hex, 8 bytes: of a million images two are taken for one in one of 10^7 cases


def _none() -> Integer[np.ndarray, "0"]:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class Seen:
    """The first 8 bytes of the SHA-256 of each record's content, as numbers; bundles of earlier versions lack some.

    `learned` are those of the good ones that were trained on or set the threshold, `tuned_on` labelled records that
    settings were chosen by.
    """

    good: Integer[np.ndarray, "n"] = field(default_factory=_none)
    known_defects: Integer[np.ndarray, "m"] = field(default_factory=_none)
    tuned_on: Integer[np.ndarray, "k"] = field(default_factory=_none)
    learned: Integer[np.ndarray, "l"] = field(default_factory=_none)

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The good records of what was learned from, whatever their split."""
        good = [index for index, record in enumerate(manifest.records) if record.label == 0]
        learned = [index for index in good if manifest.records[index].split != "test"]
        return cls(_contents(manifest, good), learned=_contents(manifest, learned))

    def arrays(self) -> dict[str, Integer[np.ndarray, "n"]]:
        """For a bundle; `Seen(**arrays)` is the way back."""
        always = {"good": self.good, "known_defects": self.known_defects}
        return always | {name: some for name in ("tuned_on", "learned") if len(some := getattr(self, name))}


def without(manifest: Manifest, seen: Integer[np.ndarray, "n"], what: str, why: str) -> Manifest:
    """The records of a test set whose content is none of these, with a note on what those left out are, and why.

    Raises DataError where nothing is left.
    """
    is_seen = np.isin(contents(manifest), seen)
    if not is_seen.any():
        return manifest
    if is_seen.all():
        raise DataError(f"{manifest.name}: holds only {what}; give others")
    note = f"left out as {what}: {counted(int(is_seen.sum()), manifest.noun)}; {why}"
    left = manifest.only(np.flatnonzero(~is_seen).tolist())
    return replace(left, notes=(*manifest.notes, note))


def contents(manifest: Manifest) -> Integer[np.ndarray, "n"]:
    """One number for each record; records of the same content have the same."""
    return _contents(manifest, range(len(manifest)))


def _contents(manifest: Manifest, indices: Iterable[int]) -> Integer[np.ndarray, "n"]:
    return np.array([int(manifest.content_hash(index)[:DIGITS], 16) for index in indices], dtype=np.uint64)
