"""Manifest of a data source: one record per image or table row."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np

from hizumi.data.columns import TableForm
from hizumi.data.decoding import Outline, decode, decode_fetched, outline_of
from hizumi.data.images import Decoded, as_pixels
from hizumi.data.mask_pixels import Mask, read_mask, refuse_inverted
from hizumi.data.missing import Filling
from hizumi.data.motion import Motion
from hizumi.data.photographs import Place, located
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.data.series.form import Recording, SeriesForm, Steps
from hizumi.errors import DataError
from hizumi.shapes import Bool
from hizumi.storage.files import open_regular

GOOD = "good"
UNLABELLED = "unlabelled"
TIFF_SUFFIXES = (".tif", ".tiff")  # whose headers take more to be understood


class Neighbour(NamedTuple):
    """The adjacent frame of a clip that motion is measured against: a file or a row, before (-1) or after (1)."""

    source: Path | int
    step: Literal[-1, 1]


class Source(NamedTuple):
    """Origin of the data: an absolute path or the name of a built-in set, and what `open_source` was told."""

    place: str
    normal_class: int | Literal["all"] | None
    good: tuple[str, ...] = ()
    layout: str = "auto"
    recursive: bool = True


@dataclass(frozen=True)
class Record:
    """One image, table row, or stretch of a recording, and what is known about it.

    `name` is printable and unique; `kind` is "good", a defect's name, or "unlabelled"; `label` is 0 normal, 1
    anomalous, None unknown; `split` is "train", "calibration", "test", or None where not yet assigned; records
    of one `group` show the same part. The pixels are in the file `path` or in row `row` of the manifest's arrays, the
    mask in one or more files or in a row of the manifest's masks. A frame of video may have a neighbour, and one of a
    film the usual time from frame to frame. A stretch has the `steps` of the manifest's recording number `row`.
    """

    name: str
    kind: str = GOOD
    label: int | None = 0
    split: str | None = None
    group: str | None = None
    path: Path | None = None
    row: int | None = None
    mask: Path | tuple[Path, ...] | int | None = None
    neighbour: Neighbour | None = None
    frame_seconds: float | None = None
    steps: Steps | None = None

    @property
    def mask_files(self) -> tuple[Path, ...]:
        """The files that its mask is united from; none where the mask is a row, or there is none."""
        if isinstance(self.mask, tuple):
            return self.mask
        return (self.mask,) if isinstance(self.mask, Path) else ()

    @property
    def source(self) -> Path | int:
        """Where the pixels are: the file, or the row."""
        source = self.path if self.path is not None else self.row
        assert source is not None, "a record has neither file nor row"
        return source


@dataclass(frozen=True)
class Failure:
    """A record that could not be used, and why; `index` is its place in the manifest that it was read from."""

    index: int
    name: str
    reason: str

    @classmethod
    def of(cls, index: int, name: str, error: DataError) -> Self:
        """From the error, whose text may begin with the record's name."""
        return cls(index, name, str(error).removeprefix(f"{name}: "))


class Unopened(NamedTuple):
    """A file (or a folder, whose name ends in a slash) that was found and not opened, and why.

    `may_be_part` is False for what is surely no part to be judged, such as a text file or the mask of a picture.
    """

    name: str
    reason: str
    may_be_part: bool = True


@dataclass(frozen=True, eq=False)
class Manifest:
    """All records of a source, in a fixed order, with the arrays that hold their rows.

    `arrays` is (n, h, w, c) images, (n, d) vectors, or an object array of (h, w, c) images of several sizes; `masks`
    is (n, h, w), True where anomalous. `columns` names the d columns of a table, and `table` says how they came to be,
    where the source has names or words. `notes` are sentences for the user on what was assumed while the source was
    read, `unopened` the files in it that are not among the records. With `motion`, each record is a frame together with
    its motion; missing pixels are filled as `filling` says, and files of more than `pixel_limit` pixels refused.
    `source` is None for data in memory. Records of `series`, which say how, are stretches of `recordings`. Where there
    is `fetch`, it gives the content of a row's image file, which lies neither in arrays nor at a path.
    """

    records: tuple[Record, ...]
    arrays: np.ndarray | None = None
    masks: np.ndarray | None = None
    name: str = "data"
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    motion: Motion | None = None
    source: Source | None = None
    unopened: tuple[Unopened, ...] = ()
    table: TableForm | None = None
    filling: Filling | None = None
    pixel_limit: int = PIXEL_LIMIT
    series: SeriesForm | None = None
    recordings: tuple[Recording, ...] = ()
    fetch: Callable[[int], bytes] | None = None
    _hashes: dict[Path | int, str] = field(default_factory=dict, repr=False)
    _places: dict[Path | int, Place | None] = field(default_factory=dict, repr=False)

    @property
    def vectors(self) -> bool:
        """Whether the records are rows of a table of numbers instead of images."""
        return self.arrays is not None and self.arrays.ndim == 2

    @property
    def noun(self) -> Literal["row", "block", "frame", "image"]:
        """What one record is."""
        if self.vectors:
            return "row"
        if self.series is not None:
            return "block"
        return "frame" if any(record.neighbour for record in self.records) else "image"

    @property
    def item_noun(self) -> str:
        """What one item that a model takes is: blocks of a series go through it as windows."""
        return "window" if self.series is not None else self.noun

    def __len__(self) -> int:
        return len(self.records)

    def refuse_unopened(self) -> None:
        """Raise DataError for a file that was not opened and may be a part, where nothing may be passed over."""
        for each in self.unopened:
            if each.may_be_part:
                raise DataError(f"{each.name}: {each.reason}; leave it out")

    def read(self, index: int) -> Decoded:
        """Pixels (h, w, c) of one image at full depth, the (d,) numbers of a row, or the (1, t, c) of a stretch.

        With `motion`, (h, w, c + 3) float32 in [-1, 1]: a frame and its optical flow. Raises DataError, beginning with
        the record's name, when the file cannot be read.
        """
        record = self.records[index]
        image = self.read_still(index)
        if self.motion is None:
            return image
        if record.neighbour is None:
            raise DataError(f"{record.name}: belongs to no clip, so it has no motion; open the data with motion")
        source, step = record.neighbour
        beside = f"{record.name}: the frame {'before' if step < 0 else 'after'} it"
        return self.motion.join(image, self._decoded(source, beside), step, record.name)

    def read_still(self, index: int) -> Decoded:
        """Pixels (h, w, c) of one image without its motion, or the numbers of a row or stretch, as for `read`."""
        record = self.records[index]
        if record.steps is not None:
            return Decoded(self.recording(index).values[np.newaxis, record.steps.start : record.steps.stop], ())
        return self._decoded(record.source, record.name)

    def outline(self, index: int) -> Outline:
        """Size of an image as it is shown, from its file's header where that can be understood."""
        path = self.records[index].path
        if path is not None and path.suffix.lower() not in TIFF_SUFFIXES:
            return outline_of(path)
        return Outline(*self.read_still(index).pixels.shape[:2])

    def recording(self, index: int) -> Recording:
        """The recording that a record of series is a stretch of."""
        row = self.records[index].row
        assert row is not None, "a stretch has a recording"
        return self.recordings[row]

    def read_mask(self, index: int) -> Bool[np.ndarray, "h w"] | None:
        """True where the image is anomalous, at the image's size; None without a mask. Raises as `mask_with_notes`."""
        mask = self.mask_with_notes(index)
        return None if mask is None else mask.marks

    def mask_with_notes(self, index: int) -> Mask | None:
        """The mask of one image, of several files their union, and how it was read; None without a mask.

        Raises DataError when a mask cannot be read, is not of its image's size, or marks the background.
        """
        record = self.records[index]
        if record.steps is not None:
            labels = self.recording(index).anomalous
            return None if labels is None else Mask(labels[np.newaxis, record.steps.start : record.steps.stop], ())
        if record.mask is None:
            return None
        name = f"mask of {record.name}"
        if isinstance(record.mask, int):
            assert self.masks is not None, "a record points into masks that the manifest lacks"
            marks = np.asarray(self.masks[record.mask], dtype=bool)
            refuse_inverted(marks, name, levels=len(np.unique(marks)))
            return Mask(marks, ())
        files = record.mask if isinstance(record.mask, tuple) else (record.mask,)
        return read_mask(files, self.outline(index), name, self.pixel_limit)

    def select(self, *, split: str | None = None, label: int | None = None) -> "Manifest":
        """The records of one split, of one label, or both; the arrays are shared, not copied."""
        chosen = tuple(
            record
            for record in self.records
            if (split is None or record.split == split) and (label is None or record.label == label)
        )
        return replace(self, records=chosen)

    def only(self, places: Sequence[int]) -> "Manifest":
        """The records in some places, in the order of these; the arrays are shared, not copied."""
        return replace(self, records=tuple(self.records[place] for place in places))

    def content_hash(self, index: int) -> str:
        """SHA-256 (hex) of the file's bytes, or of the row's values, shape and dtype.

        A file that is empty or cannot be read is hashed by its name, so that two damaged files are not taken for copies
        of one image; decoding it raises the error. A frame that has a neighbour is hashed together with it.
        """
        record = self.records[index]
        own = self._hash(record.source)
        if record.steps is not None:  # a signal may stand still for long, and its stretches are no copies of each other
            return hashlib.sha256(f"{own}{record.steps.start}:{record.steps.stop}".encode()).hexdigest()
        if record.neighbour is None:
            return own
        source, step = record.neighbour
        return hashlib.sha256(f"{own}{step:+d}{self._hash(source)}".encode()).hexdigest()

    def places(self) -> list[Place | None]:
        """Where each record lies in a photograph that others show parts of, too; None for those of which none is known.

        Looked for where no groups say already what belongs together; see `located`.
        """
        if self.noun != "image" or self.motion is not None or any(record.group for record in self.records):
            return [None] * len(self)
        if not all(record.source in self._places for record in self.records):
            found = located(self, range(len(self)))
            self._places.update({record.source: found.get(index) for index, record in enumerate(self.records)})
        return [self._places[record.source] for record in self.records]

    def recording_hash(self, row: int) -> str:
        """SHA-256 (hex) of a recording's values."""
        return self._hash(row)

    def data_hash(self) -> str:
        """One SHA-256 (hex) over names, labels, splits and contents of all records, in order."""
        digest = hashlib.sha256()
        for index, record in enumerate(self.records):
            digest.update(f"{record.name}\0{record.label}\0{record.split}\0{self.content_hash(index)}\n".encode())
        return digest.hexdigest()

    def _decoded(self, source: Path | int, name: str) -> Decoded:
        if isinstance(source, Path):
            return decode(source, name=name, pixel_limit=self.pixel_limit, filling=self.filling)
        if self.fetch is not None:
            content = partial(self.fetch, source)
            return decode_fetched(content, name=name, pixel_limit=self.pixel_limit, filling=self.filling)
        row = self._row(source)
        return Decoded(row, ()) if self.vectors else as_pixels(row, name, self.filling)

    def _hash(self, source: Path | int) -> str:
        if source not in self._hashes:
            self._hashes[source] = self._hash_anew(source)
        return self._hashes[source]

    def _hash_anew(self, source: Path | int) -> str:
        if isinstance(source, Path):
            return _file_hash(source)
        return _row_hash(self._row(source)) if self.fetch is None else hashlib.sha256(self.fetch(source)).hexdigest()

    def _row(self, row: int) -> np.ndarray:
        if self.recordings:
            return self.recordings[row].values
        assert self.arrays is not None, "a record points into arrays that the manifest lacks"
        return np.asarray(self.arrays[row])


def _file_hash(path: Path) -> str:
    try:
        with open_regular(path) as file:
            if file.read(1):  # the size that a file system states may be 0 for a file with content
                file.seek(0)
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return hashlib.sha256(b"unreadable " + bytes(path)).hexdigest()


def _row_hash(row: np.ndarray) -> str:
    digest = hashlib.sha256(f"{row.dtype.str}{row.shape}".encode())
    digest.update(np.ascontiguousarray(row).data)
    return digest.hexdigest()
