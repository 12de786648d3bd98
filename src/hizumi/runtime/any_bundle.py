"""A bundle that gives verdicts, exported or not; torch is imported for one that is not."""

from pathlib import Path

from hizumi.inspection.verdicts import InspectorBase
from hizumi.runtime.bundle import load
from hizumi.storage.archive import kind_of


def load_inspector(path: Path, *, threads: int | None = None) -> InspectorBase:
    """What inspects by this bundle; `threads` compute one operation of an exported one, None: as many as it chooses.

    Raises BundleError when it is not whole, not a bundle, or one of a generative model.
    """
    if kind_of(path) == "exported":
        return load(path, threads=threads)
    from hizumi.inspection.loaded import restore

    return restore(path)
