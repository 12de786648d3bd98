"""What detectors that contain other detectors share."""

from collections.abc import Sequence

import torch

from hizumi.data.stream import Batches, View
from hizumi.detectors.detector import Detector
from hizumi.errors import DataError


def fit_references(members: Sequence[Detector], batches: Batches) -> Batches:
    """Give half of the held-out data to the members that ask for such, and return what no member has seen."""
    asking = [member for member in members if member.reference_share > 0]
    if not asking:
        return batches
    if len(batches) < 2:
        raise DataError("one held-out item is too few for a detector and those in it; give more normal data")
    order = torch.arange(len(batches))
    for member in asking:
        member.fit_reference(View(batches, indices=order[::2]))
    return View(batches, indices=order[1::2])
