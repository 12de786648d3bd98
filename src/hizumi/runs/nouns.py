"""What one item of a fit is called in sentences for people."""

from collections.abc import Mapping
from typing import Any, Literal


def noun_of(record: Mapping[str, Any]) -> Literal["row", "frame", "image"]:
    """By the record of the fit: a row of a table, a frame of a film with its motion, or an image."""
    if len(record.get("shape", ())) == 1:
        return "row"
    return "image" if record.get("motion") is None else "frame"
