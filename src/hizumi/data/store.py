"""Batches of a manifest: every image is decoded once, sized, cached on disk, and served in [-1, 1]."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from hizumi.data.alignment import Alignment
from hizumi.data.cache import PixelCache
from hizumi.data.columns import OTHER, named
from hizumi.data.images import Decoded, Window, match_channels, type_in_words
from hizumi.data.looking import seen_of
from hizumi.data.manifest import Failure, Manifest
from hizumi.data.missing import not_finite
from hizumi.data.region import Region, frame_of
from hizumi.data.scaling import Scaler
from hizumi.data.series.windows import Windows
from hizumi.data.sizing import Sizing
from hizumi.errors import DataError


class Store:
    """Images, vectors, or windows of series of a manifest, ready to be batched; made by `Store.build`.

    `shape` is (c, h, w) of a batch item or (d,); `kept` are the manifest's indices that can be used, in order;
    `failures` the others, with reasons; `notes` counts images by conversion; `decoded_count` is the
    number of images that had to be decoded. `window` and `channels` are None for vectors and series,
    `scaler` for images. Of series, an item is a window, and `kept` has the stretch that each one lies in.
    """

    def __init__(
        self,
        manifest: Manifest,
        items: Sequence[np.ndarray] | np.ndarray,
        kept: Sequence[int],
        *,
        sizing: Sizing | None = None,
        window: Window | None = None,
        channels: int | None = None,
        scaler: Scaler | None = None,
        alignment: Alignment | None = None,
        region: Region | None = None,
        failures: Sequence[Failure] = (),
        notes: dict[str, int] | None = None,
        cache: PixelCache | None = None,
        decoded_count: int = 0,
    ) -> None:
        self.manifest = manifest
        self.kept = tuple(kept)
        self.sizing = sizing
        self.window = window
        self.channels = channels
        self.scaler = scaler
        self.alignment = alignment
        self.region = region
        self.failures = tuple(failures)
        self.notes = notes or {}
        self.decoded_count = decoded_count
        self._items = items
        self._cache = cache  # keeps a temporary cache alive while its views are in use

    @classmethod
    def build(
        cls,
        manifest: Manifest,
        sizing: Sizing | None,
        *,
        window: Window | None = None,
        channels: int | None = None,
        scaler: Scaler | None = None,
        alignment: Alignment | None = None,
        region: Region | None = None,
        folder: Path | None = None,
        strict: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> "Store":
        """Read all records. With sizing None, images keep their size, which must be equal for all.

        Without `window`, `channels` and `scaler`, all are found from these records: pass those of the training set to
        every other store. `folder` keeps decoded pixels for the next build; without it they go to a temporary folder.
        `on_progress` is called with the number of images read and their total. Images that cannot be used become
        `failures`; with `strict` the first one raises DataError, as does an empty result, and NaN or infinity in a
        table.
        """
        if not len(manifest):
            raise DataError(f"{manifest.name}: holds no record; there is nothing to read")
        if strict:
            manifest.refuse_unopened()
        if manifest.series is not None:
            return cls._of_series(manifest, scaler)
        if manifest.vectors:
            table = _checked_table(manifest)
            scaler = scaler or Scaler.of(table)
            return cls(manifest, table, range(len(manifest)), scaler=scaler, notes=_notes_on_columns(manifest, scaler))
        builder = _Builder(manifest, sizing, window, channels, alignment, region, strict, PixelCache(folder))
        return builder.build(on_progress)

    @classmethod
    def _of_series(cls, manifest: Manifest, scaler: Scaler | None) -> "Store":
        assert manifest.series is not None, "series have a form"
        stretches = [(r.row, r.steps) for r in manifest.records if r.row is not None and r.steps is not None]
        windows = Windows(manifest.recordings, stretches, manifest.series)
        if not len(windows):
            longest = max(len(steps) for _, steps in stretches)
            raise DataError(
                f"{manifest.name}: no stretch of {manifest.series.length} steps, a window, is left to learn from, the "
                f"longest has {longest}; give longer recordings, or shorter windows (--length)"
            )
        values = [manifest.read(index).pixels[0] for index in range(len(manifest))]
        scaler = scaler or Scaler.of(np.concatenate(values))
        notes = _notes_on_columns(manifest, scaler)
        return cls(manifest, windows, windows.stretch.tolist(), scaler=scaler, notes=notes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one item: (c, h, w) or (d,)."""
        if self.manifest.series is not None:
            return self.manifest.series.shape
        if self.channels is None:
            return tuple(self._items[0].shape)
        if self.sizing is not None:
            return self.channels, self.sizing.height, self.sizing.width
        return self.channels, *self._items[0].shape[:2]

    @property
    def views(self) -> int:
        """Number of crops that cover an image: 1, or in tile mode the number of tiles of an image of median size."""
        if self.sizing is None or self.sizing.mode == "resize":
            return 1
        heights, widths = zip(*(item.shape[:2] for item in self._items), strict=True)
        return len(self.sizing.tiles(int(np.median(heights)), int(np.median(widths))))

    @property
    def reach(self) -> int:
        """Places from a window of a series to the next that surely shares no step with it; 1 for other items."""
        return 1 if self.manifest.series is None else self.manifest.series.length // self.manifest.series.hop

    @property
    def mapped_bytes(self) -> int:
        """Size of the decoded images in the cache, which count as memory once they have been looked at."""
        return 0 if self._cache is None else sum(item.nbytes for item in self._items if not item.flags.writeable)

    def __len__(self) -> int:
        return len(self.kept)

    def name(self, index: int) -> str:
        """Name of the record of item `index`."""
        return self.manifest.records[self.kept[index]].name

    def pixels(self, index: int) -> Shaped[np.ndarray, "h w c"]:
        """One image at its working size (its own size in tile mode), in the source's dtype, channels matched."""
        assert self.channels is not None, "vectors have no pixels"
        item: np.ndarray = self._items[index]
        return item if item.shape[2] == self.channels else match_channels(item, self.channels, self.name(index))[0]

    def crop(self, index: int) -> Shaped[np.ndarray, "c h w"] | Float[np.ndarray, "d"]:
        """One item as it enters a batch, but in the source's dtype; in tile mode the middle of the image."""
        if self.window is None:
            item = np.asarray(self._items[index])
            return item if self.manifest.series is None else item.transpose(2, 0, 1)
        return np.ascontiguousarray(_crop(self.pixels(index), self.sizing, None).transpose(2, 0, 1))

    def batch(
        self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n c h w"] | Float[Tensor, "n d"]:
        """Items as float32: images in [-1, 1], vectors standardised.

        In tile mode, one crop of the tile's size per image: random with a generator, central without.
        """
        chosen = torch.as_tensor(indices).tolist()
        if self.window is None:
            assert self.scaler is not None, "rows have a scaler"
            scaled = torch.from_numpy(self.scaler.standardise(np.stack([self._items[index] for index in chosen])))
            return scaled if self.manifest.series is None else scaled.permute(0, 3, 1, 2).contiguous()
        places = self._places(chosen, generator)
        crops = [_crop(self.pixels(index), self.sizing, place) for index, place in zip(chosen, places, strict=True)]
        return torch.from_numpy(np.ascontiguousarray(self.window.to_unit(np.stack(crops).transpose(0, 3, 1, 2))))

    def _places(self, chosen: Sequence[int], generator: torch.Generator | None) -> Sequence[list[float] | None]:
        """Where in each image its crop lies, as shares of the room down and right; None: in the middle.

        They are drawn for all items, so that those of one do not depend on who else is in the batch.
        """
        if generator is None or self.sizing is None or self.sizing.mode == "resize":
            return [None] * len(chosen)
        times: Counter[int] = Counter()
        turns = []  # of an item that comes several times
        for index in chosen:
            turns.append(times[index])
            times[index] += 1
        drawn: list[list[float]] = torch.rand(max(turns) + 1, len(self), 2, generator=generator)[turns, chosen].tolist()
        return drawn


@dataclass
class _Builder:
    """The steps of `Store.build` for images, and their intermediate results."""

    manifest: Manifest
    sizing: Sizing | None
    window: Window | None
    channels: int | None
    alignment: Alignment | None
    region: Region | None
    strict: bool
    cache: PixelCache
    sized: dict[int, Decoded | str] = field(default_factory=dict)  # pixels, or the key of those in the cache
    failures: dict[int, Failure] = field(default_factory=dict)
    decoded_count: int = 0

    def build(self, on_progress: Callable[[int, int], None] | None) -> Store:
        try:
            for index in range(len(self.manifest)):
                self._attempt(index, self._read, index)
                if on_progress is not None:
                    on_progress(index + 1, len(self.manifest))
            self.cache.finish()
        except BaseException:
            self.cache.discard()
            raise
        found = {index: self._found(entry) for index, entry in self.sized.items()}
        self._refuse_empty(found)
        channels = self.channels or _common_channels(found)
        dtypes = Counter(decoded.pixels.dtype.name for decoded in found.values())
        dtype = self.window.dtype if self.window else dtypes.most_common(1)[0][0]
        notes: Counter[str] = Counter()
        for index in list(found):
            self._attempt(index, self._check, index, found, channels, dtype, notes)
        self._refuse_empty(found)
        self._refuse_mixed_sizes(found)
        items = [decoded.pixels for decoded in found.values()]
        return Store(
            self.manifest,
            items,
            tuple(found),
            sizing=self.sizing,
            window=self.window or Window.of(items),
            channels=channels,
            alignment=self.alignment,
            region=self.region,
            failures=[failure for _, failure in sorted(self.failures.items())],
            notes=dict(notes),
            cache=self.cache,
            decoded_count=self.decoded_count,
        )

    def _attempt(self, index: int, step: Callable[..., None], *arguments: object) -> None:
        """Run one step on one record; its DataError is recorded as a failure, or raised when strict."""
        try:
            step(*arguments)
        except DataError as error:
            if self.strict:
                raise
            self.failures[index] = Failure.of(index, self.manifest.records[index].name, error)

    def _read(self, index: int) -> None:
        """Find the record's pixels at their working size: in memory, in the cache, or by decoding."""
        record = self.manifest.records[index]
        motion = self.manifest.motion
        as_it_lies = motion is None and self.alignment is None and self.region is None
        if record.path is None and as_it_lies and (view := self._in_memory(index)) is not None:
            self.sized[index] = view
            return
        sizing = self.sizing
        form = "native" if sizing is None else f"{sizing.mode}-{sizing.height}x{sizing.width}"
        if motion is not None:
            form = f"{form}-{motion}"
        if self.manifest.filling is not None:
            form = f"{form}-{self.manifest.filling}"
        if self.alignment is not None:
            form = f"{form}-aligned-{self.alignment.key}"
        if self.region is not None:
            form = f"{form}-region-{self.region.key}"
        key = f"{self.manifest.content_hash(index)}-{form}"
        if not self.cache.holds(key):
            decoded = self._seen(self.manifest.read(index), record.name)
            self.decoded_count += 1
            pixels = decoded.pixels if sizing is None else sizing.fit(decoded.pixels)
            shrunk = () if sizing is None else sizing.notes_on(*decoded.pixels.shape[:2])
            self.cache.add(key, Decoded(pixels, (*decoded.notes, *shrunk)))
        self.sized[index] = key

    def _seen(self, decoded: Decoded, name: str) -> Decoded:
        seen = seen_of(decoded.pixels, name, self.alignment, self.region)
        pixels = seen.pixels
        if seen.inside is not None and self.sizing is not None and self.sizing.mode == "tile":
            pixels = pixels[frame_of(seen.inside)]  # crops of nothing but what lies outside teach nothing
        return Decoded(pixels, (*decoded.notes, *seen.notes))

    def _in_memory(self, index: int) -> Decoded | None:
        """The manifest's own row, where it needs neither conversion nor sizing."""
        decoded = self.manifest.read(index)
        height, width = decoded.pixels.shape[:2]
        fits = self.sizing is None or self.sizing.keeps(height, width)
        arrays, row = self.manifest.arrays, self.manifest.records[index].row
        shared = arrays is not None and row is not None and np.may_share_memory(decoded.pixels, arrays[row])
        return decoded if fits and shared else None

    def _found(self, entry: Decoded | str) -> Decoded:
        if isinstance(entry, Decoded):
            return entry
        decoded = self.cache.get(entry)
        assert decoded is not None, "a finished cache holds what was added"
        return decoded

    def _check(self, index: int, found: dict[int, Decoded], channels: int, dtype: str, notes: Counter[str]) -> None:
        """Drop an image of another depth or other channels than the set's; count the notes of the rest."""
        name, decoded = self.manifest.records[index].name, found.pop(index)
        if decoded.pixels.dtype.name != dtype:
            found_type = type_in_words(decoded.pixels.dtype, decoded.notes)
            raise DataError(f"{name}: is {found_type}, the others are {dtype}; save all at one depth")
        _, note = match_channels(decoded.pixels, channels, name)
        notes.update(decoded.notes)
        notes.update([note] if note else [])
        found[index] = decoded

    def _refuse_empty(self, found: dict[int, Decoded]) -> None:
        if not found:
            first, count = self.failures[min(self.failures)], f"{len(self.manifest)} {self.manifest.noun}s"
            raise DataError(
                f"{self.manifest.name}: none of {count} can be used; the first is {first.name}: {first.reason}"
            )

    def _refuse_mixed_sizes(self, found: dict[int, Decoded]) -> None:
        if self.sizing is not None:
            return
        (name, height, width), *others = (
            (self.manifest.records[index].name, *decoded.pixels.shape[:2]) for index, decoded in found.items()
        )
        for other, its_height, its_width in others:
            if (its_height, its_width) != (height, width):
                raise DataError(
                    f"{name} is {width}x{height} pixels and {other} {its_width}x{its_height}: set an image size for all"
                )


def _common_channels(found: dict[int, Decoded]) -> int:
    """The channel count that most images have; three for a mixture of grey and colour, since grey can be repeated."""
    counts = Counter(decoded.pixels.shape[2] for decoded in found.values())
    return 3 if set(counts) == {1, 3} else counts.most_common(1)[0][0]


def _crop(image: np.ndarray, sizing: Sizing | None, place: Sequence[float] | None) -> np.ndarray:
    """In tile mode the window of the image at a place, without one the middle; else all of it."""
    if sizing is None or sizing.mode == "resize":
        return image
    room_down, room_right = image.shape[0] - sizing.height, image.shape[1] - sizing.width
    if place is None:
        top, left = room_down // 2, room_right // 2
    else:
        top, left = int(place[0] * (room_down + 1)), int(place[1] * (room_right + 1))
    return image[top : top + sizing.height, left : left + sizing.width]


def _checked_table(manifest: Manifest) -> Float[np.ndarray, "n d"]:
    """The manifest's rows in double precision; all finite, but for numbers that may be missing."""
    assert manifest.arrays is not None, "vectors lie in an array"
    table = manifest.arrays[[record.row for record in manifest.records if record.row is not None]].astype(np.float64)
    wrong = ~np.isfinite(table)
    if manifest.table is not None:
        wrong &= ~(np.isnan(table) & np.array(manifest.table.may_miss))
    if wrong.any():
        row, position = np.argwhere(wrong)[0]
        or_impute = ", or use --impute" if np.isnan(table[row, position]) else ""
        raise DataError(
            f"{manifest.name}: {manifest.records[row].name}, {_columns(manifest)[position]!r} is "
            f"{not_finite(table[row, position])}; fill in or leave out the row or column{or_impute}"
        )
    return table


def _notes_on_columns(manifest: Manifest, scaler: Scaler) -> dict[str, int]:
    """A note on the columns that never change, which nobody would want to read one by one."""
    if len(manifest) < 2 and manifest.series is None:
        return {}
    columns, constant = _columns(manifest), np.flatnonzero(scaler.constant)
    names = [columns[place] for place in constant if not columns[place].endswith(f"={OTHER}")]
    if not names:
        return {}
    kind = "column" if manifest.series is None else "channel"
    one, many = f"{kind} {named(names)} never changes", f"{kind}s {named(names)} never change"
    which, there = (one, "it") if len(names) == 1 else (many, "them")
    return {f"{which}, so any other value in {there} lies far outside what was learned": len(manifest)}


def _columns(manifest: Manifest) -> tuple[str, ...]:
    if manifest.columns:
        return manifest.columns
    assert manifest.arrays is not None, "vectors lie in an array"
    return tuple(f"column {position}" for position in range(manifest.arrays.shape[1]))
