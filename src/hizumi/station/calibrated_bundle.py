"""A bundle's calibration, read and replaced without its detector, whose every byte stays."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import safetensors.numpy

from hizumi.calibration import Calibration
from hizumi.errors import BundleError
from hizumi.inspection import members as of_detector
from hizumi.inspection.seen import Seen
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.runs.nouns import noun_of, threshold_fact
from hizumi.runtime import bundle as of_export
from hizumi.runtime.limits import with_threshold
from hizumi.station.shelf import bundle_sha256
from hizumi.storage.archive import HEADERS, kind_of, read_archive, write_archive
from hizumi.storage.explained import explained
from hizumi.storage.safe_arrays import unpacked_arrays
from hizumi.storage.statements import HEADER

FORMATS = {"detector": of_detector.FORMAT, "exported": of_export.FORMAT}


@dataclass(frozen=True, eq=False)
class CalibratedBundle:
    """What a bundle of a detector, exported or not, holds; `sha256` is that of its file."""

    sha256: str
    kind: Literal["detector", "exported"]
    header: Mapping[str, Any]
    members: Mapping[str, bytes]
    calibration: Calibration

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a bundle; raises BundleError in one line where it is damaged, or holds no detector."""
        kind = kind_of(path)
        if kind == "model":
            raise BundleError(f"{path}: holds a model, which gives no verdicts; name the bundle of a detector")
        header, members = read_archive(path, kind, FORMATS[kind], upgraded)
        if kind == "detector" and header["format"] < of_detector.FORMAT:
            return cls._renewed(path)
        with explained(path, header["hizumi"], "fit the detector again, or export it again"):
            calibration = Calibration.from_dict(dict(header["calibration"]), _arrays(kind, members))
        return cls(bundle_sha256(path), kind, header, members, calibration)

    @classmethod
    def _renewed(cls, path: Path) -> Self:
        """Of a bundle whose detector an earlier version wrote under other names, which takes torch."""
        from hizumi import bundles

        with tempfile.TemporaryDirectory() as folder:
            estimator = bundles.load(path)
            assert not hasattr(estimator, "engine"), "it is a detector's bundle"
            newer = cls.read(bundles.save(estimator, Path(folder) / "renewed.hizumi"))  # type: ignore[arg-type]  # see above
        return cls(bundle_sha256(path), newer.kind, newer.header, newer.members, newer.calibration)

    @property
    def options(self) -> Mapping[str, Any]:
        """The record of the fit."""
        return self.header["options"]

    @property
    def noun(self) -> Literal["row", "block", "frame", "image"]:
        """What one item is called."""
        return noun_of(self.options)

    def seen(self) -> frozenset[int]:
        """The good pictures of its fit, by the first digits of their SHA-256 as numbers; exported bundles know none."""
        content = self.members.get(of_detector.SEEN)
        return frozenset() if content is None else frozenset(Seen(**unpacked_arrays(content)).good.tolist())

    def write(self, path: Path, calibration: Calibration, recalibrated: Mapping[str, Any]) -> Path:
        """Write it with another calibration, and with what the header says of where that came from."""
        fields, arrays = calibration.to_dict()
        options = {
            **self.options,
            "rule": calibration.rule,
            "false_alarm_rate": calibration.false_alarm_rate,
            "calibration_images": len(calibration.scores),
            "recalibrated": recalibrated,
        }
        statements = {name: value for name, value in self.header.items() if name not in HEADER}
        kept = {name: content for name, content in self.members.items() if name != HEADERS[self.kind]}
        members = kept | _packed(self.kind, arrays)
        card = members[of_detector.CARD].decode()
        before, after = threshold_fact(self.options, self.calibration), threshold_fact(options, calibration)
        members[of_detector.CARD] = card.replace(before, after).encode()
        if self.kind == "exported":
            members = with_threshold(members, self.header["outputs"][0]["dtype"], calibration.threshold.value)
        statements |= {"calibration": fields, "options": options}
        return write_archive(path, self.kind, statements, members, FORMATS[self.kind])


def _arrays(kind: str, members: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    return of_export.arrays_of(members) if kind == "exported" else unpacked_arrays(members[of_detector.SCORES])


def _packed(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    if kind == "exported":
        return of_export.members_of(arrays)
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return {of_detector.SCORES: safetensors.numpy.save(plain)}
