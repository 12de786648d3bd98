"""From records to crops at the working size, and from maps of these crops back to the size of the record."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hizumi.data import Manifest, Sizing, Window
from hizumi.data.images import match_channels, prepare
from hizumi.data.looking import seen_of
from hizumi.data.manifest import Failure
from hizumi.data.missing import not_finite
from hizumi.data.pose import UPRIGHT, Pose
from hizumi.data.series.form import Steps
from hizumi.data.series.windows import overlap_mean, steps_scored
from hizumi.errors import DataError
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.shapes import Bool, Float, Integer, Shaped, UInt8
from hizumi.storage.files import printable

if TYPE_CHECKING:
    from hizumi.data import Store


@dataclass(frozen=True, eq=False)
class Piece:
    """One record at the working size: one crop, or one for each tile.

    Crops of images have the values and dtype of the record; rows of numbers and windows of series are float64, in their
    own units. `size` is the (height, width) of the maps that belong to the record. Of a stretch of a recording, crops
    are the windows that cover any of it, and tiles their places, which may reach beyond either end.
    """

    index: int
    name: str
    crops: Shaped[np.ndarray, "t c h w"] | Shaped[np.ndarray, "1 d"]
    size: tuple[int, int] | None = None
    tiles: tuple[tuple[int, int], ...] | None = None
    whole: Shaped[np.ndarray, "H W c"] | None = None  # the record's pixels, where pictures may be wanted
    notes: tuple[str, ...] = ()  # on what was converted
    pose: Pose = UPRIGHT  # of the record, whose crops are those of the aligned image
    inside: Bool[np.ndarray, "H W"] | None = None  # the record's region of interest, as it lies; None: all of it


@dataclass(frozen=True)
class Reader:
    """Reads records as they reach a fitted detector or model for items of `shape`; `fitted` names it in errors."""

    preprocessing: Preprocessing
    shape: tuple[int, ...] | None
    fitted: str = "detector"

    def pieces(self, manifest: Manifest, *, pictures: bool = False, strict: bool = False) -> Iterator[Piece | Failure]:
        """All records in order; one that cannot be read is a Failure.

        Where `strict`, it raises DataError, and so does a file that may be a part and was not opened.
        """
        manifest = self.preprocessing.decoding(manifest)
        if strict:
            manifest.refuse_unopened()
        for index, record in enumerate(manifest.records):
            try:
                yield self.piece(manifest, index, pictures)
            except DataError as error:
                if strict:
                    raise
                yield Failure.of(index, record.name, error)

    def piece(self, manifest: Manifest, index: int, pictures: bool) -> Piece:
        """One record; raises DataError where it cannot be read, or is unlike the training data."""
        name = manifest.records[index].name
        if (manifest.series is None) != (self.preprocessing.series is None):
            raise DataError(
                f"{name}: is {'no series' if manifest.series is None else 'a series'}, unlike the training data"
            )
        if manifest.series is not None:
            return self._stretch(manifest, index)
        pixels, notes = manifest.read(index)
        sizing, window = self.preprocessing.sizing, self.preprocessing.window
        if manifest.vectors != self.preprocessing.vectors:
            found = "a row of numbers" if manifest.vectors else "an image"
            advice = "; one image alone is an array (1, h, w[, c])" if manifest.vectors else ""
            raise DataError(f"{name}: is {found}, unlike the training data{advice}")
        channels = self.preprocessing.channels
        if window is None or channels is None:
            return Piece(index, name, self._row(pixels, name))
        pixels, converted = match_channels(pixels, channels, name)  # at full size: resizing may average colours away
        self.preprocessing.refuse_other_form(pixels.shape[0], pixels.shape[1], name)
        shown = pixels
        seen = seen_of(pixels, name, self.preprocessing.alignment, self.preprocessing.region)
        pixels, notes = seen.pixels, (*notes, *([converted] if converted else []), *seen.notes)
        size = pixels.shape[0] * self.preprocessing.enlarge, pixels.shape[1] * self.preprocessing.enlarge
        if self.preprocessing.enlarge > 1:
            shown = pixels = Sizing(*size).fit(pixels)
        sized = pixels if sizing is None else sizing.fit(pixels)
        image = prepare(sized, channels=channels, window=window, name=name, notes=notes)
        if sizing is None and image.shape != self.shape:
            raise DataError(
                f"{name}: is {size[1]}x{size[0]} pixels, the {self.fitted} was fitted on another size; set image_size"
            )
        _refuse_overflow(image, window, name)
        crops, tiles = image[np.newaxis], None
        if sizing is not None and self.preprocessing.tiled:
            tiles = _with_something(sizing.tiles(*size), sizing, seen.inside)
            crops = np.stack([image[:, top : top + sizing.height, left : left + sizing.width] for top, left in tiles])
        whole = shown if pictures else None
        return Piece(index, name, crops, size, tiles, whole, notes, seen.pose, seen.region)

    def picture(self, piece: Piece) -> UInt8[np.ndarray, "H W 3"] | None:
        """A record as people see it; None of one that is no image, or was read without pictures."""
        window, channels = self.preprocessing.window, self.preprocessing.channels
        if piece.whole is None or window is None or channels is None:
            return None
        return self.displayed(window.to_unit(prepare(piece.whole, channels=channels, window=window, name=piece.name)))

    def restored(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k height width"]:
        """Planes of a record's crops, such as maps, at the size of the record and as it lies.

        Of a stretch, each step's mean over the windows that cover it.
        """
        assert piece.size is not None, "only images have planes"
        return np.stack([piece.pose.back(plane) for plane in self._whole(piece, planes)])

    def restored_map(self, piece: Piece, planes: Float[np.ndarray, "t 1 h w"]) -> Float[np.ndarray, "height width"]:
        """A record's map at its size, as it lies; outside its region, which was not looked at, its least value."""
        (whole,) = self.restored(piece, planes)
        if piece.inside is None:
            return whole
        return np.where(piece.inside, whole, whole[piece.inside].min())

    def _whole(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k height width"]:
        assert piece.size is not None, "only images have planes"
        sizing = self.preprocessing.sizing
        if self.preprocessing.series is not None:
            starts, _, steps = _places(piece, planes.shape[-1])
            return overlap_mean(planes[:, :, 0].swapaxes(1, 2), starts, steps).T[:, np.newaxis].astype(planes.dtype)
        if sizing is None:
            restored: np.ndarray = planes[0]
            return restored
        if piece.tiles is None:
            return np.stack([sizing.restore_map(plane, *piece.size) for plane in planes[0]])
        return np.stack([sizing.stitch(plane, piece.tiles, *piece.size) for plane in planes.swapaxes(0, 1)])

    def restored_unscaled(self, piece: Piece, planes: Float[np.ndarray, "t k h w"]) -> Float[np.ndarray, "k h2 w2"]:
        """Planes of a record without their padding, at the working size where the record was scaled to it."""
        sizing = self.preprocessing.sizing
        if sizing is None or piece.tiles is not None:
            return self.restored(piece, planes)
        assert piece.size is not None, "only images have planes"
        return np.stack([piece.pose.back(sizing.without_padding(plane, *piece.size)) for plane in planes[0]])

    def displayed(self, image: Float[np.ndarray, "c h w"]) -> np.ndarray:
        """An image in [-1, 1] as people see it, (h, w, 3) uint8: of a frame with its motion, the frame alone."""
        motion = self.preprocessing.motion
        return Window.to_display(image[np.newaxis, : None if motion is None else motion.channels])[0]

    def _stretch(self, manifest: Manifest, index: int) -> Piece:
        """All windows that cover any of a stretch, some of whose steps are those before and after it."""
        form, record = self.preprocessing.series, manifest.records[index]
        assert form is not None, "series have a form"
        assert record.steps is not None, "a record of series is a stretch"
        recording = manifest.recording(index)
        if len(recording) < form.length:
            raise DataError(
                f"{record.name}: the recording has {len(recording)} steps, fewer than a window's {form.length}; "
                "give a longer one"
            )
        starts = form.starts(record.steps, Steps(0, len(recording)))
        windows = np.lib.stride_tricks.sliding_window_view(recording.values, form.length, axis=0)
        crops = np.ascontiguousarray(windows[starts][:, :, np.newaxis], dtype=np.float64)
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(crops) | ~np.isfinite(self.preprocessing.to_model(crops))
        if wrong.any():
            window, channel, _, step = np.argwhere(wrong)[0]
            raise DataError(
                f"{record.name}: {printable(form.columns[channel])!r} is {not_finite(crops[window, channel, 0, step])} "
                f"at step {starts[window] + step}; fill in such values, or leave the steps out"
            )
        places = tuple((0, start) for start in (starts - record.steps.start).tolist())
        return Piece(index, record.name, crops, (1, len(record.steps)), places)

    def record_score(self, piece: Piece, scores: Float[np.ndarray, " crops"]) -> float:
        """Of a stretch the score of its worst step, of other records that of the worst crop."""
        return float((scores if self.preprocessing.series is None else self.step_scores(piece, scores)).max())

    def step_scores(self, piece: Piece, scores: Float[np.ndarray, "w"]) -> Float[np.ndarray, "t"]:
        """Of a stretch, the score of each step: the mean of the windows that cover it, steadied near an end."""
        form = self.preprocessing.series
        assert form is not None, "series have a form"
        return steps_scored(scores.astype(np.float64), *_places(piece, form.length), self.preprocessing.steadying)

    def by_step(self, piece: Piece, values: Float[np.ndarray, "w"]) -> Float[np.ndarray, "t"]:
        """Of a stretch, each step's mean over the windows that cover it, of what is known of windows."""
        form = self.preprocessing.series
        assert form is not None, "series have a form"
        return steps_scored(values.astype(np.float64), *_places(piece, form.length))

    def newest(self, piece: Piece, values: Float[np.ndarray, "w"]) -> Float[np.ndarray, "t"]:
        """Of a stretch, what is known of the last window that has ended at each step; NaN before the first one has."""
        form = self.preprocessing.series
        assert form is not None, "series have a form"
        starts, length, steps = _places(piece, form.length)
        place = np.searchsorted(starts + length - 1, np.arange(*steps), side="right") - 1
        return np.where(place < 0, np.nan, values.astype(np.float64)[place])

    def stretch_made(self, piece: Piece, made: Float[np.ndarray, "w c 1 length"]) -> Float[np.ndarray, "t c"]:
        """What was made of a stretch's windows, such as what is expected in their place, in the data's own units."""
        return np.asarray(self.preprocessing.to_data(self._whole(piece, made)[np.newaxis])[0, 0])

    def _row(self, row: np.ndarray, name: str) -> Float[np.ndarray, "1 d"]:
        if row.shape != self.shape:
            raise DataError(f"{name}: has {len(row)} columns, the {self.fitted} was fitted on {self.shape}")
        row = np.asarray(row, dtype=np.float64)
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(row) | ~np.isfinite(self.preprocessing.to_model(row[np.newaxis])[0])
        table = self.preprocessing.table
        if table is not None:
            wrong &= ~(np.isnan(row) & np.array(table.may_miss))
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            column = repr(printable(table.columns[place])) if table is not None else place
            raise DataError(f"{name}: column {column} is {not_finite(row[place])}; fill in or leave out the row")
        return row[np.newaxis]


def _places(piece: Piece, length: int) -> tuple[Integer[np.ndarray, "w"], int, Steps]:
    """Where the windows of a stretch begin, how long they are, and the steps of the stretch."""
    assert piece.size is not None, "a stretch has a size"
    assert piece.tiles is not None, "a stretch has windows"
    return np.array([left for _, left in piece.tiles]), length, Steps(0, piece.size[1])


def _with_something(
    tiles: tuple[tuple[int, int], ...], sizing: Sizing, inside: Bool[np.ndarray, "h w"] | None
) -> tuple[tuple[int, int], ...]:
    """The tiles that show anything of it: the worst tile decides, and others show one colour, or what was made up."""
    if inside is None:
        return tiles
    return tuple(
        tile for tile in tiles if inside[tile[0] : tile[0] + sizing.height, tile[1] :][:, : sizing.width].any()
    )


def stored_pieces(store: "Store", count: int) -> Iterator[Piece]:
    """Up to so many items of a store, evenly spread, without decoding them again; of a tiled image, its middle."""
    for item in np.linspace(0, len(store) - 1, min(len(store), count)).astype(np.int64).tolist():
        yield Piece(store.kept[item], store.name(item), store.crop(item)[np.newaxis])


def _refuse_overflow(image: Shaped[np.ndarray, "c h w"], window: Window, name: str) -> None:
    """Raise DataError for a pixel that leaves the range of float32 once it is mapped to the window."""
    if image.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(window.unit_of(image))
    if wrong.any():
        channel, row, column = np.argwhere(wrong)[0]
        low, high = window.ranges(len(image))[channel]
        raise DataError(
            f"{name}: has a pixel of {image[channel, row, column]:g}, too far from the window {low:g} to {high:g} to "
            "be computed with; repair or leave out the image"
        )
