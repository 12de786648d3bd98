"""One image of an archive: where its content lies, and how it is fetched from there."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hizumi.data.manifest import UNLABELLED, Manifest, Record
from hizumi.errors import MissingExtraError
from hizumi.storage.files import open_regular, printable

ROWS_AHEAD = 32  # of a Parquet file, decoded together
ABSENT = "absent"  # the stamp of a listed file that is not there
BYTES_COLUMNS = ("bytes", "image", "content", "data", "jpg", "png")


class Item(NamedTuple):
    """An image before it is read.

    `name` is printable and unique in its archive; `place` is a path, or a URL with a scheme, of a file that is the
    image, or in which the image is `size` bytes from `offset` on (a tar file), or the bytes in row `row` (Parquet).
    `stamp` changes when the file does: its size and the time of its last change, or what its storage gives.
    """

    name: str
    place: str
    stamp: str
    offset: int | None = None
    size: int | None = None
    row: int | None = None

    def line(self) -> bytes:
        """What a listing's hash is made of."""
        return "\0".join("" if value is None else str(value) for value in self).encode(errors="surrogatepass") + b"\n"


class NoContentError(ValueError):
    """An image's place was reached, and does not hold it."""


class Contents:
    """The contents of some images, fetched one after another; their hashes are kept, and which were not reached.

    What was not reached may be another time: that says nothing of the image, as what it holds, or lacks, does.

    Rows of one Parquet file come a few at a time, so that memory holds those, and neither the file nor a row group.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.sha256: dict[int, str] = {}
        self.unreached: set[int] = set()
        self._rows: tuple[str, int, Iterator[bytes | None]] | None = None

    def manifest(self) -> Manifest:
        """Records of these images, to be scored."""
        records = (Record(item.name, UNLABELLED, None, row=row) for row, item in enumerate(self.items))
        return Manifest(tuple(records), name="archive", fetch=self.fetch)

    def fetch(self, row: int) -> bytes:
        """The content of an image file; raises whatever its storage raises."""
        try:
            content = self._fetched(self.items[row])
        except Exception as error:  # of any file system
            is_known = isinstance(error, FileNotFoundError) and self.items[row].stamp == ABSENT
            if not (is_known or isinstance(error, NoContentError)):
                self.unreached.add(row)
            raise
        self.sha256[row] = hashlib.sha256(content).hexdigest()
        return content

    def _fetched(self, item: Item) -> bytes:
        if item.row is not None:
            return self._row(item.place, item.row)
        if is_url(item.place):
            system, path = file_system(item.place)
            end = None if item.offset is None or item.size is None else item.offset + item.size
            content: bytes = system.cat_file(path, start=item.offset, end=end)
        else:
            with open_regular(Path(item.place)) as file:
                file.seek(item.offset or 0)
                content = file.read(-1 if item.size is None else item.size)
        if item.size is not None and len(content) != item.size:
            raise NoContentError("its tar file is cut short")
        return content

    def _row(self, place: str, row: int) -> bytes:
        if self._rows is None or self._rows[0] != place or self._rows[1] > row:
            self._rows = (place, row, rows_of(place, row))
        _, at, rows = self._rows
        self._rows = None  # after an error there is nothing more to come of these
        content = None
        for _ in range(row + 1 - at):
            content = next(rows, None)
        self._rows = (place, row + 1, rows)
        if content is None:
            raise NoContentError("the row holds no bytes")
        return content


def rows_of(place: str, first: int) -> Iterator[bytes | None]:
    """The bytes in the rows of a Parquet file, from one row on."""
    with opened_parquet(place) as file:
        column = bytes_column(file.schema_arrow)
        assert column is not None, "rows were listed of a file with bytes"
        metadata, before = file.metadata, 0
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            if before + count > first:
                batches = file.iter_batches(ROWS_AHEAD, row_groups=[group], columns=[column])
                for batch in batches:
                    for value in batch.column(0):
                        if before >= first:
                            yield _bytes_in(value.as_py())
                        before += 1
            else:
                before += count


def opened_parquet(place: str) -> Any:
    """A Parquet file, of which only what is asked for is read; closes it at the end of a `with`."""
    parquet = pyarrow().parquet
    source = place
    if is_url(place):
        system, path = file_system(place)
        source = system.open(path, "rb")
    return parquet.ParquetFile(source, pre_buffer=False, buffer_size=2**20)


def bytes_column(schema: Any) -> str | None:
    """The column that holds image files, of bytes or of structures with `bytes` as Hugging Face writes them; or None.

    By its name, of these in turn; else the only column of bytes.
    """
    types = pyarrow().types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(field.name == "bytes" and holds_bytes(field.type) for field in kind)
        return types.is_binary(kind) or types.is_large_binary(kind)

    found = [field.name for field in schema if holds_bytes(field.type)]
    named = [name for name in BYTES_COLUMNS if name in found]
    return (named or found)[0] if named or len(found) == 1 else None


def is_url(place: str) -> bool:
    """Whether it has a scheme; a drive's letter is none."""
    scheme, separator, _ = place.partition("://")
    return bool(separator) and len(scheme) > 1


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL by fsspec, which keeps one of each kind, and the path on it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("object storage needs more packages: pip install 'hizumi[scale]'") from error
    try:
        return url_to_fs(url)
    except ImportError as error:  # of the package for this kind of storage, which fsspec names
        scheme = url.partition("://")[0]
        raise MissingExtraError(f"{scheme}:// needs a package of fsspec's: {printable(error)}") from error


def pyarrow() -> Any:
    """The module with what else of it is used here."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
        import pyarrow.types
    except ImportError as error:
        raise MissingExtraError("archives need more packages: pip install 'hizumi[scale]'") from error
    return pyarrow


def _bytes_in(value: Any) -> bytes | None:
    return value.get("bytes") if isinstance(value, dict) else value
