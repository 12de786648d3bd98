"""Known defects: nothing is trained on them; they say what a threshold finds, and at stated costs they set it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.data import Failure, Manifest, Record
from hizumi.data.labels import is_anomalous, is_normal
from hizumi.errors import DataError
from hizumi.inspection.holding_out import groups_of
from hizumi.inspection.scoring import Scored
from hizumi.inspection.seen import Seen, contents
from hizumi.inspection.verdicts import opened
from hizumi.shapes import Float
from hizumi.words import counted

OF_DEFECTS = "known defects: "  # how notes on them begin
NAMED = 3  # records in an error


def open_defects(data: Any, seen: Seen, *, motion: bool, **learned: Any) -> Manifest:
    """The known defects among what a user gives: the records labelled anomalous, or all where nothing is labelled.

    Folders called good are left out, with a note. Raises DataError where none is left, and where an image is among
    the good ones too; equal rows of a table occur by chance and give a note.
    """
    are_files = isinstance(data, str | Path | list | tuple)
    is_series = "series_form" in learned  # whose steps have labels of their own, which are to be clear
    unlabelled = {"layout": "unlabelled"} if are_files and not is_series else {}
    manifest = _only_defects(opened(data, motion=motion, **unlabelled, **learned))
    learned_from = np.flatnonzero(np.isin(contents(manifest), seen.good)).tolist()
    if not learned_from:
        return manifest
    noun = manifest.noun
    if manifest.vectors:
        note = f"{len(learned_from)} of the known defects equal a good {noun}"
        return replace(manifest, notes=(*manifest.notes, note))
    names = ", ".join(manifest.records[index].name for index in learned_from[:NAMED])
    raise DataError(
        f"{manifest.name}: {len(learned_from)} of the known defects are among the good {noun}s too, by their content "
        f"({names}{', ...' if len(learned_from) > NAMED else ''}); take each out of one of them"
    )


def scores_of_defects(
    items: Iterable[Scored | Failure], manifest: Manifest
) -> tuple[Float[np.ndarray, "m"], int, list[Failure]]:
    """The scores of known defects, of how many groups these are, and what has none.

    Raises DataError where that is all.
    """
    items = list(items)
    scored = [item for item in items if isinstance(item, Scored)]
    scores = [item.score for item in scored]
    unread = [item for item in items if isinstance(item, Failure)]
    if not scores:
        raise DataError(
            f"{manifest.name}: none of {len(unread)} known defects can be scored; the first is {unread[0].name}: "
            f"{unread[0].reason}"
        )
    groups = groups_of(manifest, [manifest.records[item.index].name for item in scored])
    return np.array(scores), len(scores) if groups is None else groups, unread


def _only_defects(manifest: Manifest) -> Manifest:
    says = any(record.label == 1 for record in manifest.records) or (
        manifest.table is not None and manifest.table.label_column is not None
    )
    kept = tuple(r for r in manifest.records if (r.label == 1 if says else not _is_called_good(r)))
    others = len(manifest) - len(kept)
    if not kept:
        raise DataError(f"{manifest.name}: all of its {others} {manifest.noun}s are called good, so none is a defect")
    note = (
        f"left out of the known defects, as not called defective: {counted(others, manifest.noun)} of {manifest.name}"
    )
    return replace(manifest, records=kept, notes=(*manifest.notes, note) if others else manifest.notes)


def _is_called_good(record: Record) -> bool:
    folders = Path(record.name).parts[:-1]
    return any(map(is_normal, folders)) and not any(map(is_anomalous, folders))
