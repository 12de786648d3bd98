"""Bundles of detectors that hizumi 0.1.0 wrote, in format 1."""

from collections.abc import Mapping

from torch import Tensor

from hizumi.detectors import Detector

TRAINED = ("networks", "network", "encoding", "ball")
"""What detectors called the model that they train, which is now an argument of theirs and called `model`."""


def renamed(detector: Detector, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with today's names, for the detector and those it is made of."""
    paths = [path for path, part in detector.named_modules() if isinstance(part, Detector)]
    owners = [f"{path}." if path else "" for path in paths]
    changed = dict(state)
    for old, new in ((f"{owner}{name}.", f"{owner}model.") for owner in owners for name in TRAINED):
        changed = {f"{new}{key.removeprefix(old)}" if key.startswith(old) else key: v for key, v in changed.items()}
    return changed
