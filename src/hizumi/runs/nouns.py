"""What one item of a fit is called in sentences for people, and what its threshold is said to be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from hizumi.words import counted

if TYPE_CHECKING:  # which needs numpy, and the command line starts without
    from hizumi.calibration import Calibration

FOLDS_OFFERED = 5  # where there are so many different items or groups


def noun_of(record: Mapping[str, Any]) -> Literal["row", "block", "frame", "image"]:
    """By the record of a fit: row of a table, block of a series, frame of a film with its motion, or image."""
    if len(record.get("shape", ())) == 1:
        return "row"
    if record.get("series") is not None:
        return "block"
    return "image" if record.get("motion") is None else "frame"


def learned_in_words(record: Mapping[str, Any]) -> str:
    """What was learned from: items of shape 1x64x64, and of series windows of 3 channels and 50 steps."""
    if record.get("series") is None:
        return f"items of shape {'x'.join(map(str, record['shape']))}"
    channels, _, steps = record["shape"]
    return f"windows of {counted(channels, 'channel')} and {steps} steps"


def folds_offered(record: Mapping[str, Any]) -> int | None:
    """How many folds the fit could have been by; None of series, and where the data, or a search, say what is held out.

    Bundles of earlier fits do not say how many different ones there were.
    """
    if record.get("series") is not None or record.get("calibration_marked", False):
        return None
    offered: int | None = record.get("folds_offered", FOLDS_OFFERED)
    return offered


def threshold_fact(record: Mapping[str, Any], calibration: "Calibration") -> str:
    """For the model card: what the threshold comes from, and what it promises."""
    held_out = "other" if record["folds"] is None else "cross-fitted"
    items = f"{record['calibration_images']} {held_out} normal items"
    return f"Threshold from {items}. {calibration.promise(noun_of(record))}"
