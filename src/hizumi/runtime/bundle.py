"""An exported bundle in one file (see `hizumi.storage.archive`): all that it takes to inspect, but the engine.

export.json                the detector, its preprocessing, what goes in and comes out, calibration, parity, hashes
graph.onnx                 for ONNX Runtime; or graph.xml and graph.bin for OpenVINO
calibration-<name>.npy     scores of held-out normal items, ascending, as the graph gives them, and maxima of their maps
model-card.md              a summary for people
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.errors import UsageError
from hizumi.preprocessing.preprocessing import Preprocessing, upgraded
from hizumi.runtime.engines import UNSTATED_BYTES, start
from hizumi.runtime.inspector import ExportedInspector
from hizumi.storage.archive import read_archive
from hizumi.storage.explained import explained
from hizumi.storage.npy import read_npy

FORMAT = 2
CARD = "model-card.md"
CALIBRATION = "calibration-{}.npy"


def load(path: str | Path, *, threads: int | None = None) -> ExportedInspector:
    """Read an exported bundle and start its engine; `threads` compute one operation, None: as many as it chooses.

    Raises BundleError in one line when it is not whole or not an exported bundle, and MissingExtraError where its
    engine is not installed.
    """
    most = os.cpu_count() or 1
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= most):
        raise UsageError(
            f"--threads (`threads`) is {threads}; give a whole number from 1 to {most}, as many as this machine runs "
            "at once, or leave it out"
        )
    path = Path(path)
    header, members = read_archive(path, "exported", FORMAT, upgraded)
    with explained(path, header["hizumi"], "export it again"):
        return revived(header, members, threads)


def revived(header: Mapping[str, Any], members: Mapping[str, bytes], threads: int | None = None) -> ExportedInspector:
    """The inspector that a header and members describe."""
    shape, preprocessing = tuple(header["shape"]), Preprocessing.from_dict(header["preprocessing"])
    preprocessing.refuse_unfit(shape)
    return ExportedInspector(
        engine=start(
            header["engine"], members, threads, header["precision"], header.get("memory_bytes", UNSTATED_BYTES)
        ),
        shape=shape,
        preprocessing_=preprocessing,
        calibration_=Calibration.from_dict(header["calibration"], arrays_of(members)),
        options_=header["options"],
        parity_=header["parity"],
    )


def arrays_of(members: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """The arrays of the calibration by name."""
    prefix, suffix = CALIBRATION.split("{}")
    return {
        name.removeprefix(prefix).removesuffix(suffix): read_npy(io.BytesIO(content), len(content))
        for name, content in members.items()
        if name.startswith(prefix)
    }


def members_of(arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The inverse of `arrays_of`."""
    return {CALIBRATION.format(name): _npy(array) for name, array in arrays.items()}


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
