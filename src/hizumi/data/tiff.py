"""Decode TIFF files at full depth and with any number of channels."""

import logging
import struct
from typing import TYPE_CHECKING

import numpy as np

from hizumi.data.images import Decoded, as_pixels, only_first
from hizumi.data.missing import Filling, is_nodata
from hizumi.data.rasters import from_ink, over_black, refuse_bomb, upright
from hizumi.errors import DataError
from hizumi.storage.files import BinaryFile

if TYPE_CHECKING:
    from tifffile import TiffPage

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BIG_VERSION = 43  # of BigTIFF, with offsets of 8 bytes
MOST_PAGES = 10_000
CHANNEL_AXES = "SCQ"
PHOTOMETRICS = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "SEPARATED")

# Damage raises an error of our own; tifffile would also log it to the user's terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class CodecMissingError(Exception):
    """The file has a compression or colour space that tifffile cannot decode by itself."""


def decode_tiff(file: BinaryFile, name: str, pixel_limit: int, filling: Filling | None = None) -> Decoded:
    """The first image of a TIFF file: (h, w, c), planar and one-page-per-channel files included.

    Raises CodecMissingError where another decoder has to try, DataError for a damaged file, and ImportError where
    tifffile is not installed.
    """
    import tifffile

    _refuse_endless(file, name)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page, series = tiff.pages.first, tiff.series[0]
        refuse_bomb(page.imagelength, page.imagewidth, name, pixel_limit)
        if _photometric(page) not in PHOTOMETRICS:
            raise CodecMissingError
        stacked = _is_channel_stack(series.axes)
        pages = [part for part in series.pages if part is not None] if stacked else [page]
        if any(_cut_short(part, tiff.filehandle.size) for part in pages):
            raise DataError(f"{name}: the file is cut short; copy it again")
        refuse_bomb(
            page.imagelength, page.imagewidth * max(1, len(pages) * page.samplesperpixel // 4), name, pixel_limit
        )
        try:
            raw = series.asarray() if stacked else page.asarray()
        except (KeyError, ValueError, ImportError) as error:
            if "imagecodecs" in str(error):
                raise CodecMissingError from error
            raise
        axes = series.axes if stacked else page.axes
        notes = () if stacked or len(tiff.pages) == 1 else (only_first(len(tiff.pages), "pages"),)
        return _as_levels(_channels_last(raw, axes, name), page, notes, name, filling)


def _refuse_endless(file: BinaryFile, name: str) -> None:
    """Raise DataError where the chain of directories, one for each page, is empty somewhere, too long, or a loop."""
    file.seek(0)
    sign = "<" if file.read(2) == b"II" else ">"
    big = struct.unpack(f"{sign}H", file.read(2)) == (BIG_VERSION,)
    file.seek(8 if big else 4)
    count_size, entry_size, link_size, link = (8, 20, 8, f"{sign}Q") if big else (2, 12, 4, f"{sign}I")
    seen: set[int] = set()
    while len(content := file.read(link_size)) == link_size and (place := struct.unpack(link, content)[0]):
        if place in seen or len(seen) == MOST_PAGES:
            reason = "its pages form a loop" if place in seen else f"it has more than {MOST_PAGES:,} pages"
            raise DataError(f"{name}: is a TIFF that cannot be read ({reason}); save the first page by itself")
        seen.add(place)
        file.seek(place)
        count = int.from_bytes(file.read(count_size), "little" if sign == "<" else "big")
        if not count:
            raise DataError(f"{name}: is damaged or cut short (page {len(seen)} is empty); copy it again")
        file.seek(place + count_size + entry_size * count)


def _photometric(page: "TiffPage") -> str:
    return str(getattr(page.photometric, "name", page.photometric))  # a bare number where tifffile knows no name


def _is_channel_stack(axes: str) -> bool:
    """Whether the pages of a series are the channels of one image, not a sequence of images."""
    return len(axes) == 3 and axes.endswith("YX") and axes[0] in CHANNEL_AXES


def _cut_short(page: "TiffPage", file_size: int) -> bool:
    ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    return max(ends, default=0) > file_size


def _channels_last(raw: np.ndarray, axes: str, name: str) -> np.ndarray:
    if len(axes) == 2:
        return raw[:, :, np.newaxis]
    if len(axes) == 3 and axes.endswith("YX"):
        return np.ascontiguousarray(raw.transpose(1, 2, 0))
    if len(axes) == 3 and axes.startswith("YX"):
        return raw
    raise DataError(f"{name}: is a TIFF with axes {axes}; save one image of height, width and channels a file")


def _as_levels(
    raw: np.ndarray, page: "TiffPage", notes: tuple[str, ...], name: str, filling: Filling | None
) -> Decoded:
    """Convert stored values to levels by palette, inverted grey, ink, alpha and orientation."""
    meaning = _photometric(page)
    depth_notes: tuple[str, ...] = ()
    if meaning == "PALETTE":
        raw, notes = _through_palette(raw, page), (*notes, "palette expanded to colour")
    else:
        nodata = _nodata(page) if filling is None or filling.nodata is None else None
        if nodata is not None and is_nodata(raw, nodata).any():
            notes = (
                *notes,
                f"{nodata:.10g} is no measurement as the tag GDAL_NODATA says; fit with --nodata={nodata:.10g}",
            )
        raw, depth_notes = as_pixels(raw, name, filling)
    if meaning == "MINISWHITE" and raw.dtype.kind in "u":
        raw, notes = np.iinfo(raw.dtype).max - raw, (*notes, "stored as a negative, inverted")
    alpha = [int(kind) for kind in page.extrasamples if int(kind) in (1, 2)]
    if alpha and raw.shape[2] in (2, 4, 5):
        raw, note = over_black(raw, premultiplied=alpha[-1] == 1)
        notes = (*notes, note)
    if meaning == "SEPARATED" and raw.shape[2] == 4 and raw.dtype.kind == "u":
        raw, note = from_ink(raw)
        notes = (*notes, note)
    tag = page.tags.get("Orientation")
    raw, turned = upright(raw, 1 if tag is None else int(tag.value))
    return Decoded(raw, (*depth_notes, *notes, *turned))


def _nodata(page: "TiffPage") -> float | None:
    """The value that GDAL's tag names as standing for no data."""
    tag = page.tags.get("GDAL_NODATA")
    try:
        value = float(str(tag.value).strip("\0 ")) if tag is not None else np.nan
    except ValueError:
        return None
    return None if np.isnan(value) else value


def _through_palette(indices: np.ndarray, page: "TiffPage") -> np.ndarray:
    table = np.asarray(page.colormap)  # (3, entries), 16 bits
    if not (table % 257).any():
        table = table // 257
    elif not (table % 256).any():
        table = table // 256
    depth = np.uint8 if table.max() < 256 else np.uint16
    return np.ascontiguousarray(table.T[indices[:, :, 0]].astype(depth))
