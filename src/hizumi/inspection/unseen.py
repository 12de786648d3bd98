"""Which records an inspector may be judged on."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hizumi.data import Manifest, split
from hizumi.data.series.blocks import notes_on_shared_steps
from hizumi.errors import DataError
from hizumi.inspection.seen import Seen, contents, without
from hizumi.words import counted

if TYPE_CHECKING:
    from hizumi.inspection.loaded import Fitted

OF_LABELLED = "labelled data: "  # how notes begin on those that set a threshold


def held_out(inspector: "Fitted", manifest: Manifest) -> Manifest:
    """The records that the fit has not seen.

    Those marked as test where the data say so, and good ones that the fit has kept beside these where none is marked;
    of the very data it was fitted on, the rest; of other data, all but images that are among those by their content.
    Known defects are left out where they have set the threshold, and labelled records that settings were chosen by.
    """
    seen = inspector.seen_
    unseen = without_learned(_not_learned_from(inspector, manifest), seen)
    if inspector.calibration_.rule == "cost":
        what = "known defects, which set the threshold"
        unseen = without(unseen, seen.known_defects, what, "what it finds among them says nothing of new ones")
    if len(seen.tuned_on):
        what = "what the settings were chosen by, in tuning"
        unseen = without(unseen, seen.tuned_on, what, "how it does on them says nothing of new ones")
    return unseen


def _not_learned_from(inspector: "Fitted", manifest: Manifest) -> Manifest:
    marked = manifest.select(split="test")
    if any(record.label == 0 for record in marked.records):
        notes = () if manifest.series is None else notes_on_shared_steps(manifest)
        return replace(marked, notes=(*marked.notes, *notes))
    others = marked if len(marked) else manifest  # of which the fit may have kept good ones beside those marked
    try:
        as_fitted = split(
            manifest, calibration_share=inspector.held_out_share, seed=inspector.options_["training"]["seed"]
        )
    except DataError:  # too little to fit on, so it was not what the inspector was fitted on
        return others
    if as_fitted.data_hash() != inspector.options_["data_sha256"]:
        return others
    unseen = as_fitted.select(split="test")
    if not len(unseen):
        raise DataError(f"{manifest.name}: all of it was used in the fit; evaluate on other {manifest.noun}s")
    return unseen


def without_learned(manifest: Manifest, seen: Seen) -> Manifest:
    """Without images that were learned from; rows of a table may equal such by chance, and there is a note.

    Stretches of recordings are cut anew, and have to be kept apart by their recordings.
    """
    if manifest.series is not None:
        return manifest
    if not manifest.vectors:
        what = f"{manifest.noun}s of its fit, which it has learned from or which set its threshold"
        return without(manifest, seen.learned, what, "new ones score otherwise")
    equal = int(np.isin(contents(manifest), seen.learned).sum())
    if not equal:
        return manifest
    note = (
        f"equal to a row of its fit: {counted(equal, 'row')}; where they are the same, and not equal by chance, what "
        "is measured is too good: leave them out"
    )
    return replace(manifest, notes=(*manifest.notes, note))
