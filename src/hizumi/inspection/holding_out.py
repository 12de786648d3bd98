"""Which normal images set the threshold: a share that is held out, or, where these are few, all of them by folds."""

from collections.abc import Sequence
from dataclasses import replace

from hizumi.calibration.conformal import images_needed
from hizumi.data import Manifest, deal_folds
from hizumi.data.splitting import count_different

CALIBRATION_SHARE = 0.2
FOLDS = 10


def share_held_out(asked: float | None, folds: int | None) -> float | None:
    """Share of the normal images that is held out for the threshold; None with folds, each of which has its turn."""
    return (asked or CALIBRATION_SHARE) if folds is None else None


def folds_for(manifest: Manifest, false_alarm_rate: float) -> int | None:
    """How many folds are to set the threshold; None where a share that is held out can promise the rate.

    Copies, and images of one group, count as one. None, too, where the data mark what is held out, and where there are
    no two different images or groups. Crops of one photograph take folds whatever their number: those held out together
    would come from one place of it.
    """
    if any(record.split == "calibration" for record in manifest.records):
        return None
    normal = replace(manifest, records=tuple(r for r in manifest.records if r.label == 0 and r.split != "test"))
    different = count_different(normal)
    if int(CALIBRATION_SHARE * different) >= images_needed(false_alarm_rate) and not any(manifest.places()):
        return None
    most = min(FOLDS, different)
    return most if most > 1 else None


def deal_at_most(manifest: Manifest, count: int, *, seed: int) -> list[list[int]]:
    """Indices of all records in `count` folds, or in as many as there are different images or groups."""
    return deal_folds(manifest, max(2, min(count, count_different(manifest))), seed=seed)


def groups_of(manifest: Manifest, names: Sequence[str]) -> int | None:
    """Of how many groups the images of these names are, each that is of none being one; None where no two share one.

    Copies of one image are a group. Series have blocks in place of groups, and promises of their own.
    """
    if manifest.series is not None:
        return None
    named = set(names)
    count = count_different(manifest.only([n for n, record in enumerate(manifest.records) if record.name in named]))
    return count if count < len(names) else None
