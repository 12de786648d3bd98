"""Parts of an archive's result: Parquet files with a row for each image of a block, whole or not there at all."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from hizumi.errors import DataError
from hizumi.scale.items import pyarrow
from hizumi.storage.files import atomic_file, encodable, first_line, printable

FOLDER, ASIDE = "parts", ".damaged"
IDENTITY, UNREACHED = b"hizumi.part", b"hizumi.unreached"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a part is the result of: a block of a listing, by hash, and a bundle, by hash."""

    block: int
    digest: str
    bundle: str


@dataclass(frozen=True)
class Tally:
    """What rows say; of the failures, `unreached` counts images that could not be fetched and are tried again."""

    images: int = 0
    alarms: int = 0
    failures: int = 0
    unreached: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Tally":
        """Counts of rows as they are given to `write_part`."""
        each = [(1, row["anomalous"] is True, row["anomalous"] is None, row.get("unreached", False)) for row in rows]
        return cls(*map(sum, zip(*each, strict=True))) if each else cls()


def schema() -> Any:
    """Columns of a part, and of what parts are merged into.

    `sha256` is that of the image file's content, None where it could not be fetched; `anomalous` and what follows it
    are None where `reason` says why there is no verdict.
    """
    arrow = pyarrow()
    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    box = [(name, whole) for name in ("left", "top", "width", "height", "area")]
    return arrow.schema(
        [
            ("name", text),
            ("sha256", text),
            ("anomalous", arrow.bool_()),
            ("score", real),
            ("p_value", real),
            ("threshold", real),
            ("rule", text),
            ("terms", arrow.map_(text, real)),
            ("regions", whole),
            ("boxes", arrow.list_(arrow.struct([*box, ("peak", real)]))),
            ("notes", arrow.list_(text)),
            ("reason", text),
        ]
    )


def write_part(folder: Path, identity: Identity, rows: Sequence[Row]) -> None:
    """Write one part: it is there whole, or not at all. A row that is `unreached` is to be tried again."""
    arrow = pyarrow()
    again = [place for place, row in enumerate(rows) if row.get("unreached", False)]
    stated = {IDENTITY: json.dumps(asdict(identity)).encode(), UNREACHED: json.dumps(again).encode()}
    table = arrow.Table.from_pylist([_encodable(row) for row in rows], schema().with_metadata(stated))
    with atomic_file(path_of(folder, identity.block)) as file:
        arrow.parquet.write_table(table, file, compression="zstd", write_page_checksum=True)


def left_in(folder: Path, identity: Identity) -> list[int] | None:
    """Rows of a part that are to be tried again; None where it has not been written. Looks at its end alone."""
    try:
        metadata = pyarrow().parquet.read_schema(path_of(folder, identity.block)).metadata
        return _unreached(metadata) if json.loads(metadata[IDENTITY]) == asdict(identity) else None
    except (OSError, KeyError, TypeError, ValueError, pyarrow().ArrowException):
        return None


def read_part(folder: Path, identity: Identity, names: list[str]) -> Any:
    """The rows of a part, all of whose bytes are as they were written; raises DataError where it is not what it should.

    `names` are those that the block lists.
    """
    path = path_of(folder, identity.block)
    try:
        table = pyarrow().parquet.read_table(path, page_checksum_verification=True)
        stated = json.loads(table.schema.metadata[IDENTITY])
    except (OSError, KeyError, TypeError, ValueError, pyarrow().ArrowException) as error:
        reason = first_line(error)
        raise DataError(f"{printable(path)}: is damaged ({reason})") from error
    if stated != asdict(identity):
        raise DataError(f"{printable(path)}: belongs to another archive")
    if table.column("name").to_pylist() != names:
        raise DataError(f"{printable(path)}: its rows are not the images that were listed")
    return table


def set_aside(folder: Path, block: int) -> Path:
    """Rename a damaged part, so that the next run makes it anew."""
    path = path_of(folder, block)
    return path.replace(path.with_name(path.name + ASIDE))


def tally_of(table: Any) -> Tally:
    """Counts of a part's rows."""
    anomalous = table.column("anomalous")
    alarms = pyarrow().compute.sum(anomalous).as_py() or 0
    return Tally(table.num_rows, int(alarms), anomalous.null_count, len(_unreached(table.schema.metadata)))


def path_of(folder: Path, block: int) -> Path:
    """Where the part of a block lies."""
    return folder / FOLDER / f"{block:08d}.parquet"


def _unreached(metadata: Mapping[bytes, bytes]) -> list[int]:
    places: list[int] = json.loads(metadata.get(UNREACHED, b"[]"))
    return places


def _encodable(row: Row) -> dict[str, Any]:
    return {name: encodable(value) if isinstance(value, str) else value for name, value in row.items()}
