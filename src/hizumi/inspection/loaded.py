"""An inspector loaded from its bundle to give verdicts, without scikit-learn and what that imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from hizumi.calibration import Calibration
from hizumi.data import Manifest
from hizumi.detectors import Detector
from hizumi.errors import BundleError, HizumiError, is_shortage
from hizumi.inspection.earlier import renamed
from hizumi.inspection.holding_out import share_held_out
from hizumi.inspection.members import FORMAT, JOURNAL, SCORES, SEEN, WEIGHTS
from hizumi.inspection.scoring import Scorer
from hizumi.inspection.seen import Seen
from hizumi.inspection.verdicts import InspectorBase, opened
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.registry import of_bundle, specify
from hizumi.storage.explained import explained
from hizumi.storage.headers import Header, read_bundle
from hizumi.storage.safe_arrays import unpacked_arrays
from hizumi.storage.weights import unpacked
from hizumi.training.checkpoint import revive
from hizumi.training.health import Finding
from hizumi.training.journal import Journal

if TYPE_CHECKING:
    from hizumi.inspection.inspector import Inspector

    Fitted: TypeAlias = "Inspector | LoadedInspector"


class DetectorHeader(Header):
    """bundle.json."""

    detector: dict[str, Any]
    shape: list[int]
    degrees_of_freedom: int | None
    preprocessing: dict[str, Any]
    calibration: dict[str, Any]
    parameters: dict[str, Any]
    options: dict[str, Any]
    findings: list[dict[str, Any]]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class LoadedInspector(InspectorBase):
    """Inspects as the saved `Inspector` did; `header` and `members` are everything that the file holds.

    `seen_` of bundles of earlier versions, which do not say what the fit has seen, is empty.
    """

    header: DetectorHeader
    members: Mapping[str, bytes]
    detector_: Detector
    preprocessing_: Preprocessing
    calibration_: Calibration
    options_: Mapping[str, Any]
    findings_: list[Finding]
    journal_: Journal
    seen_: Seen

    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""
        return Scorer.of(self.detector_, self.preprocessing_)

    @property
    def held_out_share(self) -> float | None:
        """Share of the normal images that the fit held out for the threshold; None where every fold had its turn."""
        return share_held_out(self.header.parameters.get("calibration_share"), self.options_["folds"])

    def _manifest(self, X: Any) -> Manifest:
        return opened(X, motion=self.uses_motion, **self.preprocessing_.as_learned)


def restore(path: str | Path) -> LoadedInspector:
    """Read a bundle; raises BundleError in one line when it is not whole, not known, or not a bundle."""
    path = Path(path)
    header, members = read_bundle(path, "detector", DetectorHeader, FORMAT, upgraded)
    with explained(path, header.hizumi, "fit the detector again"):
        return _revived(header, members)


def _revived(header: DetectorHeader, members: Mapping[str, bytes]) -> LoadedInspector:
    detector = of_bundle(header.detector, header.hizumi)
    if not isinstance(detector, Detector):
        raise BundleError(f"{header.detector['name']} is no detector; use an unchanged copy of the bundle")
    shape, state = tuple(header.shape), unpacked(members[WEIGHTS])
    preprocessing = Preprocessing.from_dict(header.preprocessing)
    preprocessing.refuse_unfit(shape)
    if revive(detector, shape, renamed(detector, state) if header.format == 1 else state):
        _try(detector, shape)
    detector.degrees_of_freedom = header.degrees_of_freedom
    options = {**header.options, "detector": specify(detector)}
    return LoadedInspector(
        header,
        members,
        detector.eval(),
        preprocessing,
        Calibration.from_dict(header.calibration, unpacked_arrays(members[SCORES])),
        options,
        [Finding(**finding) for finding in header.findings],
        Journal.from_bytes(members[JOURNAL]),
        Seen(**unpacked_arrays(members[SEEN])) if SEEN in members else Seen(),
    )


def _try(detector: Detector, shape: tuple[int, ...]) -> None:
    """Raise BundleError where statistics, whose shapes follow from the data of the fit, do not go together."""
    try:
        anomaly = detector.score(torch.zeros(1, *shape))
        maps = () if anomaly.pixel is None else anomaly.pixel.shape
        if anomaly.image.shape != (1,) or maps not in ((), (1, 1, *shape[1:])):
            raise ValueError("one item has several scores")
    except HizumiError:
        raise
    except Exception as error:  # whatever PyTorch and SciPy raise
        if is_shortage(error):
            raise
        reason = str(error).partition("\n")[0]
        raise BundleError(f"its weights do not go together ({reason}); use an unchanged copy of the bundle") from error
