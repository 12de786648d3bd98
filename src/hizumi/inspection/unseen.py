"""Which records an inspector may be judged on."""

from typing import TYPE_CHECKING

from hizumi.data import Manifest, split
from hizumi.errors import DataError
from hizumi.inspection.seen import without

if TYPE_CHECKING:
    from hizumi.inspection.loaded import Fitted


def held_out(inspector: "Fitted", manifest: Manifest) -> Manifest:
    """The records that the fit has not seen.

    Those marked as test where the data say so; of the very data it was fitted on, the rest; of other data, all. Known
    defects are left out where they have set the threshold, and labelled records that settings were chosen by.
    """
    unseen, seen = _not_learned_from(inspector, manifest), inspector.seen_
    if inspector.calibration_.rule == "cost":
        what = "known defects, which set the threshold"
        unseen = without(unseen, seen.known_defects, what, "what it finds among them says nothing of new ones")
    if len(seen.tuned_on):
        what = "what the settings were chosen by, in tuning"
        unseen = without(unseen, seen.tuned_on, what, "how it does on them says nothing of new ones")
    return unseen


def _not_learned_from(inspector: "Fitted", manifest: Manifest) -> Manifest:
    if any(record.split == "test" for record in manifest.records):
        return manifest.select(split="test")
    try:
        as_fitted = split(
            manifest, calibration_share=inspector.held_out_share, seed=inspector.options_["training"]["seed"]
        )
    except DataError:  # too little to fit on, so it was not what the inspector was fitted on
        return manifest
    if as_fitted.data_hash() != inspector.options_["data_sha256"]:
        return manifest
    unseen = as_fitted.select(split="test")
    if not len(unseen):
        raise DataError(f"{manifest.name}: all of it was used in the fit; evaluate on other {manifest.noun}s")
    return unseen
