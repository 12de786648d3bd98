"""A bundle that gives verdicts, exported or not; torch is imported for one that is not."""

from pathlib import Path

from hizumi.errors import UsageError
from hizumi.inspection.verdicts import InspectorBase
from hizumi.runtime.bundle import load
from hizumi.storage.archive import kind_of
from hizumi.storage.files import printable


def load_inspector(path: Path, *, threads: int | None = None) -> InspectorBase:
    """What inspects by this bundle; `threads` compute one operation of an exported one, None: as many as it chooses.

    Raises BundleError when it is not whole or not a bundle, and UsageError for one of a generative model.
    """
    match kind_of(path):
        case "exported":
            return load(path, threads=threads)
        case "detector":
            from hizumi.inspection.loaded import restore

            return restore(path)
        case "model":
            raise UsageError(
                f"{printable(path.name)} holds a generative model, which gives no verdicts; fit a detector"
            )
