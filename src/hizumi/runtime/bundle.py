"""An exported bundle in one file (see `hizumi.storage.archive`): all that it takes to inspect, but the engine.

export.json                the detector, how items reach it, what goes in and comes out, calibration, parity, hashes
graph.onnx                 for ONNX Runtime; or graph.xml and graph.bin for OpenVINO
calibration-<name>.npy     scores of held-out normal items, ascending, as the graph gives them, and maxima of their maps
model-card.md              the same for people
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.data import Motion, Sizing, Window
from hizumi.errors import BundleError, MissingExtraError
from hizumi.runtime.engines import start
from hizumi.runtime.inspector import ExportedInspector
from hizumi.storage.archive import read_archive

FORMAT = 1
CARD = "model-card.md"
CALIBRATION = "calibration-{}.npy"


def load(path: str | Path, *, threads: int | None = None) -> ExportedInspector:
    """Read an exported bundle and start its engine; `threads` compute one operation, None: as many as it chooses.

    Raises BundleError in one line when it is not whole or not an exported bundle, and MissingExtraError where its
    engine is not installed.
    """
    path = Path(path)
    header, members = read_archive(path, "exported", FORMAT)
    try:
        return revive(header, members, threads)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except MissingExtraError as error:
        raise MissingExtraError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: its parts do not fit each other ({reason}); export it again") from error


def revive(header: Mapping[str, Any], members: Mapping[str, bytes], threads: int | None = None) -> ExportedInspector:
    """The inspector that a header and members describe."""
    sizing, window, motion = (header[name] for name in ("sizing", "window", "motion"))
    prefix, suffix = CALIBRATION.split("{}")
    arrays = {
        name.removeprefix(prefix).removesuffix(suffix): np.load(io.BytesIO(content), allow_pickle=False)
        for name, content in members.items()
        if name.startswith(prefix)
    }
    return ExportedInspector(
        engine=start(header["engine"], members, threads, header["precision"]),
        shape=tuple(header["shape"]),
        sizing_=None if sizing is None else Sizing(**sizing),
        window_=None if window is None else Window(**window),
        motion_=None if motion is None else Motion.from_dict(motion),
        channels_=header["channels"],
        calibration_=Calibration.from_dict(header["calibration"], arrays),
        options_=header["options"],
        parity_=header["parity"],
    )
