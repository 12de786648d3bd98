"""Parquet, Feather and Arrow files, whose columns have types: tables of rows and time series are read from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from hizumi.data.columns import named, refuse_doubles
from hizumi.errors import DataError, HizumiError, MissingExtraError, ShortageError, is_shortage
from hizumi.memory import refuse_beyond_free
from hizumi.storage.files import first_line, open_regular, printable

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN_SUFFIXES = (".parquet", ".feather", ".arrow")
UNNAMED_INDEX = "__index_level_0__"  # as pandas calls an index of one level without a name
BYTES_OF_CELL = 8
IPC_MAGIC = b"ARROW1"  # of an Arrow file; without it, one batch follows another in a stream


@dataclass(frozen=True, eq=False)
class ColumnFile:
    """The columns of a file, and those columns in which pandas kept the index of its frame."""

    where: str
    columns: dict[str, np.ndarray]
    index: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter([*self.columns.values(), *self.index.values()])))


def is_column_file(path: Path) -> bool:
    """Whether the file's name is one of a file of columns."""
    return path.name.lower().endswith(COLUMN_SUFFIXES)


def read_columns(path: Path) -> ColumnFile:
    """Read all columns.

    Raises DataError for a damaged file, one without rows, and one with several values in a cell; MissingExtraError
    where pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(f"{path.suffix.lower()} files take one more package: pip install pyarrow") from error
    where = printable(path)
    try:
        with open_regular(path) as file:
            table = _parquet(file, where) if path.suffix.lower() == ".parquet" else _arrow(file)
        table.validate(full=True)  # what a damaged file states of offsets and lengths would be followed anywhere
        names, nested = (
            list(table.column_names),
            [field.name for field in table.schema if pa.types.is_nested(field.type)],
        )
        cells = [column.to_numpy() for column in table.columns]
        kept = (table.schema.pandas_metadata or {}).get("index_columns", [])
        index = [name for name in kept if isinstance(name, str)]
    except HizumiError:
        raise
    except (pa.ArrowException, AttributeError, OSError, TypeError, ValueError) as error:
        if is_shortage(error):
            raise ShortageError.of(error, f"{where}: to read it", "split it, or copy it again") from error
        if isinstance(error, OSError) and error.strerror:  # of the system, not of what the file holds
            raise DataError(f"{where}: cannot be read ({error.strerror})") from error
        raise DataError(f"{where}: cannot be read ({first_line(error)}); copy it again") from error
    refuse_doubles(names, where)
    if nested:
        raise DataError(
            f"{where}: column {named(nested[:1])} holds several values in each row; give each a column of its own"
        )
    if not table.num_columns or not table.num_rows:
        raise DataError(f"{where}: holds no rows")
    columns = dict(zip(names, cells, strict=True))
    return ColumnFile(where, columns, {name: columns.pop(name) for name in index if name in columns})


def _parquet(file: BinaryIO, where: str) -> "pa.Table":
    import pyarrow.parquet as pq

    reader = pq.ParquetFile(file)
    stated = reader.metadata  # a small file may unfold to any size
    cells = stated.num_rows * stated.num_columns
    refuse_beyond_free(cells * BYTES_OF_CELL, f"{where}: a table of {stated.num_rows:,} rows", "split it")
    return reader.read()


def _arrow(file: BinaryIO) -> "pa.Table":
    import pyarrow as pa

    is_file = file.read(len(IPC_MAGIC)) == IPC_MAGIC
    file.seek(0)
    reader: Any = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
    return reader.read_all()
