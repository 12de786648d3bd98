"""Decode image files of the listed formats, at full depth, with a note on everything converted or dropped."""

import io
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from hizumi.data import tiff
from hizumi.data.images import Decoded, as_pixels, only_first
from hizumi.data.missing import Filling
from hizumi.data.rasters import PIXEL_LIMIT, from_ink, over_black, refuse_bomb, upright
from hizumi.data.signatures import LOOKED_AT, kind_of_content
from hizumi.data.silence import silent_libraries
from hizumi.errors import DataError, is_shortage
from hizumi.storage.files import BinaryFile, NotRegularError, open_regular, printable

IMAGE_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".gif", ".pbm", ".pgm", ".ppm", ".pnm"),
    }
)
IMAGE_FORMATS = "PNG, JPEG, BMP, TIFF, WebP, GIF, PGM or PPM"
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
PILLOW_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM")
_OPENING = threading.Lock()
WHOLE_RANGES = (1, 255, 65535)  # of PGM and PPM; Pillow rescales values of any other
ORIENTATION_TAG = 0x0112
PLAIN_MODES = {"1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
EXPANDED_MODES = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}
# Pillow keeps only the first byte of each value of these PNG kinds; under the second name it gives the second byte.
SECOND_BYTE = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}


class Outline(NamedTuple):
    """Size of an image in pixels as it is shown, and the orientation (1 to 8) that its stored pixels are turned by."""

    height: int
    width: int
    orientation: int = 1


def outline_of(path: Path) -> Outline:
    """What the header of an image file says; raises DataError where it says nothing."""
    name = printable(path)
    with _readable(path, name) as file, _opened(file, PILLOW_FORMATS) as image:
        orientation = int(image.getexif().get(ORIENTATION_TAG, 1))
        height, width = image.height, image.width
    if orientation not in range(2, 9):
        return Outline(height, width)
    return Outline(width, height, orientation) if orientation >= 5 else Outline(height, width, orientation)


def decode(
    path: Path, *, name: str | None = None, pixel_limit: int = PIXEL_LIMIT, filling: Filling | None = None
) -> Decoded:
    """The pixels (h, w, c) of an image file as stored: uint8, uint16 or float32, never reduced to 8 bits.

    Palettes are expanded, alpha is laid over black, ink becomes colour, EXIF rotation is applied, missing pixels are
    filled as `filling` says, each with a note.
    Raises DataError, beginning with `name` (by default the path), for a file that cannot be read in full.
    """
    name = printable(path) if name is None else name
    with _readable(path, name) as file:
        return _decoded(file, name, pixel_limit, filling)


def decode_content(
    content: bytes, *, name: str, pixel_limit: int = PIXEL_LIMIT, filling: Filling | None = None
) -> Decoded:
    """As `decode`, of the content of an image file, whose name need not say what kind it is."""
    return decode_fetched(lambda: content, name=name, pixel_limit=pixel_limit, filling=filling)


def decode_fetched(
    fetch: Callable[[], bytes], *, name: str, pixel_limit: int = PIXEL_LIMIT, filling: Filling | None = None
) -> Decoded:
    """As `decode_content`, of content that is fetched first; what goes wrong with that is a DataError likewise."""
    with _explained(name), io.BytesIO(fetch()) as file:
        _refuse_other_kinds(file, name)
        return _decoded(file, name, pixel_limit, filling)


def _decoded(file: BinaryFile, name: str, pixel_limit: int, filling: Filling | None) -> Decoded:
    is_tiff = file.read(4) in tiff.MAGIC
    file.seek(0)
    if not is_tiff:
        return _decode_pillow(file, name, pixel_limit, filling)
    try:
        return tiff.decode_tiff(file, name, pixel_limit, filling)
    except tiff.CodecMissingError:
        pass
    except ModuleNotFoundError:
        _refuse_all_but_plain_tiff(file, name)
    file.seek(0)
    with silent_libraries():
        return _decode_pillow(file, name, pixel_limit, filling)


@contextmanager
def _readable(path: Path, name: str) -> Iterator[BinaryIO]:
    """The open file; any error while it is read becomes a DataError of one line."""
    if path.suffix.lower() not in IMAGE_SUFFIXES and path.exists():
        raise DataError(f"{name}: is not a {IMAGE_FORMATS} file by its name; convert it, or leave it out")
    with _explained(name), open_regular(path) as file:
        _refuse_other_kinds(file, name)
        yield file


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Any error in reading becomes a DataError of one line, and nothing is warned about."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about metadata that do not affect the pixels
            yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no such file") from error
    except PermissionError as error:
        raise DataError(f"{name}: no permission to read the file; change its access rights") from error
    except NotRegularError as error:
        raise DataError(f"{name}: {error.strerror}") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: is not an image, whatever its name says; leave it out") from error
    except Exception as error:  # on damaged files the decoders raise a dozen unrelated types
        if is_shortage(error):
            short = f"{name}: there is not enough memory to decode it; free some, or cut the image up"
            raise DataError(short) from error
        if isinstance(error, OSError) and error.errno is not None:  # of the system's, not of a decoder's
            raise DataError(f"{name}: cannot be read ({error.strerror})") from error
        reason = printable(error).strip() or type(error).__name__
        raise DataError(f"{name}: is damaged or cut short ({reason}); copy it again") from error


def _refuse_other_kinds(file: BinaryFile, name: str) -> None:
    beginning = file.read(LOOKED_AT)
    if not beginning:
        raise DataError(f"{name}: the file is empty (0 bytes); copy it again")
    if (kind := kind_of_content(beginning)) is not None:
        raise DataError(f"{name}: is {kind}, whatever its name says; convert it to PNG or TIFF, or leave it out")
    file.seek(0)


def _opened(file: BinaryFile, formats: tuple[str, ...]) -> ImageFile:
    """The image behind a header, not yet decoded: our own limit is for the user to raise, Pillow's is not."""
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode_pillow(file: BinaryFile, name: str, pixel_limit: int, filling: Filling | None) -> Decoded:
    with _opened(file, PILLOW_FORMATS) as image:
        refuse_bomb(image.height, image.width, name, pixel_limit)
        frames = getattr(image, "n_frames", 1)
        notes: tuple[str, ...] = (only_first(frames, "pictures"),) if frames > 1 else ()
        if image.format == "PPM":
            _refuse_rescaled(image, name)
        raw_mode = str(image.tile[0].args) if image.format == "PNG" and image.tile else ""
        image.load()
        orientation = int(image.getexif().get(ORIENTATION_TAG, 1))
        if image.format == "TIFF":
            _refuse_shallow(image, name)
        if raw_mode in ("RGB;16B", "RGBA;16B", "LA;16B"):
            raw, mode = _deep_png(file, raw_mode), raw_mode.removesuffix(";16B")
        else:
            raw, mode, expanded = _raster(image, name)
            notes += expanded
        if image.format == "PNG" and "transparency" in image.info and mode[-1] != "A":
            notes += ("a colour that is marked as transparent stays as it is",)
    return _as_shown(raw, mode, notes, orientation, name, filling)


def is_picture(item: object) -> TypeGuard[Image.Image]:
    """Whether this is an image of Pillow's."""
    return isinstance(item, Image.Image)


def decode_picture(image: Image.Image, *, name: str) -> Decoded:
    """As `decode`, of an image that Pillow has opened or made."""
    with _explained(name):
        raw, mode, notes = _raster(image, name)
        return _as_shown(raw, mode, notes, int(image.getexif().get(ORIENTATION_TAG, 1)), name, None)


def _as_shown(
    raw: np.ndarray, mode: str, notes: tuple[str, ...], orientation: int, name: str, filling: Filling | None
) -> Decoded:
    """Stored values of a mode of Pillow's as pixels, without alpha and ink, and upright."""
    pixels, depth_notes = as_pixels(raw, name, filling)
    notes += depth_notes
    if mode in ("LA", "RGBA"):
        pixels, note = over_black(pixels)
        notes += (note,)
    if mode == "CMYK":
        pixels, note = from_ink(pixels)
        notes += (note,)
    pixels, turned = upright(pixels, orientation)
    return Decoded(np.ascontiguousarray(pixels), notes + turned)


def _raster(image: Image.Image, name: str) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """The stored values, the mode that they are in, and a note where they had to be expanded."""
    if image.mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
        return np.array(image.convert(mode)), mode, ("palette expanded to colour",)
    if image.mode in EXPANDED_MODES:
        mode = EXPANDED_MODES[image.mode]
        return np.array(image.convert(mode)), mode, (f"{image.mode} expanded to {mode}",)
    if image.mode not in PLAIN_MODES:
        raise DataError(f"{name}: is stored in colour mode {image.mode}; save it as grey or RGB")
    values = np.array(image)
    # Pillow widens PGM of 16 bits to 32.
    return values.astype(np.uint16) if image.format == "PPM" and image.mode == "I" else values, image.mode, ()


def _deep_png(file: BinaryFile, raw_mode: str) -> np.ndarray:
    """A 16-bit PNG of several channels as uint16 (h, w, c), from its first and second bytes."""
    if raw_mode == "LA;16B":  # two values of two bytes fill the four bytes of an 8-bit RGBA pixel
        four = _bytes_of_png(file, "RGBA")
        return np.asarray(four[:, :, 0::2] << 8 | four[:, :, 1::2])
    return np.asarray(_bytes_of_png(file, raw_mode) << 8 | _bytes_of_png(file, SECOND_BYTE[raw_mode]))


def _bytes_of_png(file: BinaryFile, raw_mode: str) -> np.ndarray:
    file.seek(0)
    with _opened(file, ("PNG",)) as image:
        image.tile = [part._replace(args=raw_mode) for part in image.tile]
        return np.array(image, dtype=np.uint16)


def _refuse_all_but_plain_tiff(file: BinaryFile, name: str) -> None:
    """Without tifffile, allow what Pillow reads equally well: one page of 8- or 16-bit grey or 8-bit colour."""
    file.seek(0)
    with _opened(file, ("TIFF",)) as image:
        tags: Mapping[int, Any] = image.tag_v2  # type: ignore[attr-defined]  # only TIFF images have tags
        bits, meaning, sample_format = tags.get(258), tags.get(262), tags.get(339, (1,))
        known = (bits in ((8,), (16,)) and meaning == 1) or (bits == (8, 8, 8) and meaning == 2)
        plain = known and {*sample_format} == {1} and tags.get(284, 1) == 1 and 338 not in tags
        if not plain or getattr(image, "n_frames", 1) > 1:
            raise DataError(f"{name}: reading this kind of TIFF exactly needs tifffile: pip install tifffile")


def _refuse_rescaled(image: Image.Image, name: str) -> None:
    """Raise DataError for PGM and PPM whose values Pillow would rescale, or reduce to 8 bits."""
    codec, *_, arguments = image.tile[0]  # type: ignore[attr-defined]  # images that are not yet loaded have tiles
    largest = arguments[-1] if isinstance(arguments, tuple) else None
    if isinstance(largest, int) and largest not in WHOLE_RANGES and codec.startswith("ppm"):
        raise DataError(f"{name}: has values from 0 to {largest}, which would be rescaled; save it as PNG or TIFF")


def _refuse_shallow(image: Image.Image, name: str) -> None:
    """Raise DataError for 16-bit colour TIFF, which Pillow would reduce to 8 bits."""
    bits = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]  # only TIFF images have tags
    if len(bits) > 1 and max(bits) > 8:
        raise DataError(
            f"{name}: is a TIFF of {max(bits)}-bit colour in a compression that cannot be read at full depth; "
            "save it without compression, or `pip install imagecodecs`"
        )
