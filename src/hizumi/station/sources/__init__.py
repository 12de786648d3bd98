"""Where pictures come from: a watched folder, a replayed folder, a camera or a film. HTTP is the service's own."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hizumi.errors import UsageError
from hizumi.station.settings import refuse_equal_names, settings_from
from hizumi.station.sources.source import (
    Arrival as Arrival,
    Source as Source,
    TakenFor as TakenFor,
    never_taken as never_taken,
)
from hizumi.storage.files import printable

KINDS = ("folder", "replay", "film", "camera")


def source_from(table: Mapping[str, Any], *, taken_for: TakenFor = never_taken, root: Path = Path()) -> Source:
    """The source that a [[sources]] table of the station file describes; nothing is opened yet.

    `taken_for` asks the log which pictures it holds already; relative paths start at `root`. Raises UsageError in one
    line that says which table and key is wrong, and MissingExtraError where a package is not installed.
    """
    kind = table.get("kind")
    where = f"[[sources]] {printable(table.get('name') or kind)}"
    match kind:
        case "folder":
            from hizumi.station.sources.folder import FolderSettings, FolderSource

            return FolderSource(settings_from(FolderSettings, table, where, root), taken_for)
        case "replay":
            from hizumi.station.sources.replay import ReplaySettings, ReplaySource

            return ReplaySource(settings_from(ReplaySettings, table, where, root))
        case "film":
            from hizumi.station.sources.film import FilmSettings, FilmSource

            return FilmSource(settings_from(FilmSettings, table, where, root))
        case "camera":
            from hizumi.station.sources.camera import CameraSettings, CameraSource

            return CameraSource(settings_from(CameraSettings, table, where, root))
    raise UsageError(f"[[sources]]: kind is {kind!r}; it must be {' or '.join(map(repr, KINDS))}")


def sources_from(
    tables: Sequence[Mapping[str, Any]], *, taken_for: TakenFor = never_taken, root: Path = Path()
) -> tuple[Source, ...]:
    """All sources of a station file, as by `source_from`; raises UsageError too where two have one name."""
    found = tuple(source_from(table, taken_for=taken_for, root=root) for table in tables)
    refuse_equal_names("sources", [source.name for source in found])
    return found


def refuse_own_pictures(sources: Sequence[Source], written: Iterable[Path | None]) -> None:
    """Raise UsageError where a source would bring what the station itself writes, which it would judge for ever."""
    for source, folder in product(sources, written):
        if source.looks_through is None or folder is None:
            continue
        outer, inner = source.looks_through.resolve(), folder.resolve()
        if inner.is_relative_to(outer):
            raise UsageError(
                f"[[sources]] {printable(source.name)}: its folder holds {printable(inner.relative_to(outer))}, where "
                "the station itself writes pictures; give the pictures that come a folder of their own"
            )
