"""What a bundle holds, at work: a fitted detector that gives verdicts, without scikit-learn and what it imports."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
import safetensors.torch
from safetensors import SafetensorError

from hizumi.calibration import Calibration
from hizumi.data import Manifest, Motion, Sizing, Window
from hizumi.detectors import Detector
from hizumi.errors import BundleError, UsageError
from hizumi.inspection.detecting import DetectorScores
from hizumi.inspection.scoring import Scorer
from hizumi.inspection.verdicts import Judge, opened
from hizumi.registry.specification import construct
from hizumi.storage.headers import Header, read_bundle
from hizumi.training.checkpoint import load_fitted

FORMAT = 1
WEIGHTS, SCORES = "weights.safetensors", "calibration.safetensors"


class DetectorHeader(Header):
    """bundle.json."""

    detector: dict[str, Any]
    shape: list[int]
    degrees_of_freedom: int | None
    sizing: dict[str, Any] | None
    window: dict[str, Any] | None
    motion: dict[str, Any] | None = None
    channels: int | None
    calibration: dict[str, Any]
    parameters: dict[str, Any]
    options: dict[str, Any]
    findings: list[dict[str, Any]]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Restored(Judge):
    """It inspects as the `Inspector` did that was saved; `header` and `members` are all that the file holds."""

    header: DetectorHeader
    members: Mapping[str, bytes]
    detector: Detector
    sizing_: Sizing | None
    window_: Window | None
    motion_: Motion | None
    calibration_: Calibration
    options_: Mapping[str, Any]

    @property
    def moving(self) -> bool:
        """Whether the items are frames of video, each with its motion."""
        return self.motion_ is not None

    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""
        scores = DetectorScores(self.detector, self.window_)
        channels = self.header.channels
        return Scorer(scores, self.detector.shape, self.sizing_, self.window_, channels, self.motion_)

    def _manifest(self, X: Any) -> Manifest:
        return opened(X, moving=self.moving)


def restore(path: str | Path) -> Restored:
    """Read a bundle; raises BundleError in one line when it is not whole, not known, or not a bundle."""
    path = Path(path)
    header, members = read_bundle(path, "detector", DetectorHeader, FORMAT)
    with explained(path, "fit the detector again"):
        return _revive(header, members)


@contextmanager
def explained(path: Path, remedy: str) -> Iterator[None]:
    """Whatever goes wrong while a bundle's parts are put together, in one line that ends with what to do."""
    try:
        yield
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: its parts do not fit each other ({reason}); {remedy}") from error


def _revive(header: DetectorHeader, members: Mapping[str, bytes]) -> Restored:
    try:
        detector = construct(header.detector)
    except UsageError as error:
        raise BundleError(f"{error}; install the package that has it") from error
    detector.prepare(tuple(header.shape))
    load_fitted(detector, safetensors.torch.load(members[WEIGHTS]))
    detector.degrees_of_freedom = header.degrees_of_freedom
    return Restored(
        header,
        members,
        detector.eval(),
        None if header.sizing is None else Sizing(**header.sizing),
        None if header.window is None else Window(**header.window),
        None if header.motion is None else Motion.from_dict(header.motion),
        Calibration.from_dict(header.calibration, safetensors.numpy.load(members[SCORES])),
        header.options,
    )
