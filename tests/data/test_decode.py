"""Files to pixels. Every expected value is the array that was written, or arithmetic on it."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from hizumi.data import decode
from hizumi.data.decoding import outline_of
from hizumi.errors import DataError

RAMP_16_BIT = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def png_bytes(levels: np.ndarray, colour_type: int) -> bytes:
    """A 16-bit PNG, written from the specification: Pillow cannot write one with several channels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_no_level_of_a_16_bit_grey_png_is_lost(tmp_path: Path):
    Image.fromarray(RAMP_16_BIT).save(tmp_path / "ramp.png")
    pixels, notes = decode(tmp_path / "ramp.png")
    assert pixels.dtype == np.uint16
    assert notes == ()
    np.testing.assert_array_equal(pixels[:, :, 0], RAMP_16_BIT)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_no_level_of_a_16_bit_colour_png_is_lost(tmp_path: Path, colour_type: int, channels: int):
    levels = np.random.default_rng(0).permutation(65536 * channels).reshape(256, 256, channels).astype(np.uint16)
    if colour_type in (4, 6):
        levels[:, :, -1] = 65535
    (tmp_path / "deep.png").write_bytes(png_bytes(levels, colour_type))
    pixels, notes = decode(tmp_path / "deep.png")
    expected = levels if colour_type == 2 else levels[:, :, :-1]
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, expected)
    assert notes == (() if colour_type == 2 else ("opaque alpha channel dropped",))


def test_16_bit_alpha_is_applied_at_full_depth(tmp_path: Path):
    levels = np.random.default_rng(1).integers(0, 65536, (9, 5, 4), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(png_bytes(levels, 6))
    wanted = np.rint(levels[:, :, :3].astype(np.float64) * levels[:, :, 3:] / 65535)
    np.testing.assert_array_equal(decode(tmp_path / "deep.png").pixels, wanted)


def test_no_level_of_a_float_tiff_is_lost(tmp_path: Path):
    levels = (RAMP_16_BIT.astype(np.float32) - 30000) * np.float32(1e-3)
    tifffile.imwrite(tmp_path / "float.tif", levels)
    pixels, notes = decode(tmp_path / "float.tif")
    assert pixels.dtype == np.float32
    assert notes == ()
    np.testing.assert_array_equal(pixels[:, :, 0], levels)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int16", "float64"])
def test_tiff_of_any_depth_and_byte_order(tmp_path: Path, dtype: str, compression: str | None, byte_order: str):
    levels = np.random.default_rng(2).integers(0, 256, (7, 11, 3)).astype(dtype)
    tifffile.imwrite(tmp_path / "image.tif", levels, photometric="rgb", compression=compression, byteorder=byte_order)
    pixels, notes = decode(tmp_path / "image.tif")
    np.testing.assert_array_equal(pixels, levels)
    assert pixels.dtype.name in ("uint8", "uint16", "float32")
    assert pixels.dtype.isnative
    assert bool(notes) == (dtype in ("int16", "float64"))


@pytest.mark.parametrize("channels", [2, 3, 4, 5, 12])
@pytest.mark.parametrize("layout", ["last", "first", "planar"])
def test_tiff_of_many_channels(tmp_path: Path, channels: int, layout: str):
    levels = np.random.default_rng(3).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    path = tmp_path / "many.tiff"
    if layout == "last":
        tifffile.imwrite(path, levels, photometric="minisblack", planarconfig="contig")
    elif layout == "planar":
        tifffile.imwrite(path, levels.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    else:
        tifffile.imwrite(path, levels.transpose(2, 0, 1), photometric="minisblack")
    np.testing.assert_array_equal(decode(path).pixels, levels)


def test_only_the_first_page_of_a_sequence_is_read_and_that_is_said(tmp_path: Path):
    pages = [Image.fromarray(np.full((4, 6), level, np.uint8)) for level in (10, 20, 30)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    pixels, notes = decode(tmp_path / "scan.tif")
    np.testing.assert_array_equal(pixels, np.full((4, 6, 1), 10))
    assert notes == ("only the first of 3 pages was read",)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_tiff_compressions(tmp_path: Path, compression: str, mode: str):
    shape = (30, 20, 3) if mode == "RGB" else (30, 20)
    levels = np.random.default_rng(4).integers(0, 256, shape).astype(np.uint16 if mode == "I;16" else np.uint8)
    levels = levels * 200 if mode == "I;16" else levels
    Image.fromarray(levels).save(tmp_path / "image.tif", compression=compression)
    np.testing.assert_array_equal(decode(tmp_path / "image.tif").pixels, levels.reshape(30, 20, -1))


def test_a_negative_tiff_is_inverted_with_a_note(tmp_path: Path):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tifffile.imwrite(tmp_path / "negative.tif", levels, photometric="miniswhite")
    pixels, notes = decode(tmp_path / "negative.tif")
    np.testing.assert_array_equal(pixels[:, :, 0], 255 - levels)
    assert notes == ("stored as a negative, inverted",)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palette_gives_the_colours_of_the_palette(tmp_path: Path, suffix: str):
    generator = np.random.default_rng(5)
    colours, indices = generator.integers(0, 256, (256, 3), dtype=np.uint8), generator.integers(0, 256, (8, 9))
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(colours.tobytes())
    image.save(tmp_path / f"palette{suffix}")
    pixels, notes = decode(tmp_path / f"palette{suffix}")
    np.testing.assert_array_equal(pixels, colours[indices])
    assert notes == ("palette expanded to colour",)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_transparent_parts_become_black(tmp_path: Path, suffix: str):
    levels = np.full((6, 6, 4), 200, np.uint8)
    levels[:, :3, 3], levels[:, 3:, 3] = 0, 255
    Image.fromarray(levels).save(tmp_path / f"cut{suffix}", lossless=True)
    pixels, notes = decode(tmp_path / f"cut{suffix}")
    np.testing.assert_array_equal(pixels[:, :3], np.zeros((6, 3, 3)))
    np.testing.assert_array_equal(pixels[:, 3:], np.full((6, 3, 3), 200))
    assert notes == ("transparent parts laid over black",)


@pytest.mark.parametrize(("dtype", "colour"), [(np.uint8, (255,)), (np.uint16, (255,)), (np.uint8, (255, 0, 255))])
def test_a_colour_that_is_marked_as_transparent_is_kept_with_a_note(tmp_path: Path, dtype, colour: tuple[int, ...]):
    levels = np.broadcast_to(np.array(colour, dtype), (4, 5, len(colour)))
    keyed = Image.fromarray(levels if len(colour) == 3 else levels[:, :, 0])
    keyed.save(tmp_path / "keyed.png", transparency=colour if len(colour) == 3 else colour[0])
    pixels, notes = decode(tmp_path / "keyed.png")
    np.testing.assert_array_equal(pixels, levels)
    assert notes == ("a colour that is marked as transparent stays as it is",)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_ink_becomes_colour(tmp_path: Path, suffix: str):
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, 8:] = (0, 255, 255, 0)  # magenta and yellow print red
    ink[8:] = (0, 0, 0, 255)
    Image.fromarray(ink, "CMYK").save(tmp_path / f"ink{suffix}", **({"quality": 100} if suffix == ".jpg" else {}))
    pixels, notes = decode(tmp_path / f"ink{suffix}")
    assert "CMYK ink converted to colour" in notes
    for place, colour in ((pixels[3, 3], (255, 255, 255)), (pixels[3, 12], (255, 0, 0)), (pixels[12, 3], (0, 0, 0))):
        np.testing.assert_allclose(place, colour, atol=6)


ORIENTED = {  # what a viewer shows for stored rows [[1, 2, 3], [4, 5, 6]], from the TIFF 6.0 and EXIF definitions
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, orientation: int, suffix: str):
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    path = tmp_path / f"turned{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, stored, extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored).save(path, exif=exif)
    pixels, notes = decode(path)
    np.testing.assert_array_equal(pixels[:, :, 0], ORIENTED[orientation])
    assert bool(notes) == (orientation != 1)


def test_bilevel_images_use_the_whole_range(tmp_path: Path):
    truth = np.random.default_rng(6).random((10, 13)) > 0.5
    Image.fromarray(truth).save(tmp_path / "bits.png")
    tifffile.imwrite(tmp_path / "bits.tif", truth, photometric="minisblack")
    for name in ("bits.png", "bits.tif"):
        np.testing.assert_array_equal(decode(tmp_path / name).pixels[:, :, 0], truth * 255)


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".jpg", ".jpeg", ".JPG"])
def test_other_formats_open(tmp_path: Path, suffix: str):
    levels = np.full((8, 8, 3), 90, np.uint8)
    Image.fromarray(levels).save(tmp_path / f"image{suffix}")
    np.testing.assert_allclose(decode(tmp_path / f"image{suffix}").pixels, levels, atol=2)


def test_the_content_counts_not_the_suffix(tmp_path: Path):
    levels = np.random.default_rng(7).integers(0, 65536, (5, 6), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "really_a_tiff.png", levels)
    np.testing.assert_array_equal(decode(tmp_path / "really_a_tiff.png").pixels[:, :, 0], levels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / f"large{suffix}"
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(path)

    def decoding(*_: object, **__: object) -> None:
        raise AssertionError("was decoded")

    monkeypatch.setattr(Image.Image, "load", decoding)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", decoding)
    with pytest.raises(DataError, match=r"has 50x40 pixels, more than the limit of 1,999"):
        decode(path, pixel_limit=1999)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_a_raised_limit_is_the_only_limit(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # twice as many are an error to Pillow
    path = tmp_path / f"scan{suffix}"
    Image.new("L", (500, 40), 90).save(path)
    assert decode(path, pixel_limit=20_000).pixels.shape[:2] == (40, 500)
    assert outline_of(path)[:2] == (40, 500)
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(DataError, match="fit with --pixel-limit 20000 "):
        decode(path, pixel_limit=19_999)


def test_a_bomb_that_claims_a_huge_size_is_refused(tmp_path: Path):
    content = bytearray(png_bytes(np.zeros((4, 4, 3), np.uint16), 2))
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(DataError, match="pixels"):
        decode(tmp_path / "bomb.png")


def test_16_bit_colour_is_never_read_as_8_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from hizumi.data import tiff

    levels = np.random.default_rng(8).integers(0, 65536, (5, 6, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", levels, photometric="rgb")

    def missing(*_: object, **__: object) -> None:
        raise tiff.CodecMissingError

    monkeypatch.setattr(tiff, "decode_tiff", missing)
    with pytest.raises(DataError, match=r"16-bit colour in a compression.*pip install imagecodecs"):
        decode(tmp_path / "deep.tif")


def kinds_of_tiff(folder: Path) -> dict[str, Path]:
    """Files by what they hold; the first four are those that Pillow reads as tifffile does."""
    levels = np.random.default_rng(0).integers(0, 65536, (9, 13, 3)).astype(np.uint16)
    bytes_, grey = (levels >> 8).astype(np.uint8), levels[:, :, 0]
    written = {
        "8-bit grey": (bytes_[:, :, 0], {}),
        "16-bit grey": (grey, {}),
        "16-bit grey, big end first": (grey, {"byteorder": ">"}),
        "8-bit colour, compressed": (bytes_, {"compression": "zlib", "photometric": "rgb"}),
        "16-bit colour": (levels, {"photometric": "rgb"}),
        "negative": (grey, {"photometric": "miniswhite"}),
        "floats": (grey.astype(np.float32), {}),
        "signed": (grey.astype(np.int16), {}),
        "colour with alpha": (bytes_.repeat(2, 2)[:, :, :4], {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "pages": (levels.transpose(2, 0, 1), {"photometric": "minisblack"}),
    }
    for name, (pixels, arguments) in written.items():
        tifffile.imwrite(folder / f"{name}.tif", pixels, **arguments)
    return {name: folder / f"{name}.tif" for name in written}


def test_without_tifffile_pixels_are_the_same_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = kinds_of_tiff(tmp_path)
    expected = {name: decode(path) for name, path in files.items()}
    monkeypatch.setitem(sys.modules, "tifffile", None)
    for name, path in list(files.items())[:4]:
        np.testing.assert_array_equal(decode(path).pixels, expected[name].pixels)
        assert decode(path).pixels.dtype == expected[name].pixels.dtype
    for path in list(files.values())[4:]:
        with pytest.raises(DataError, match="pip install tifffile"):
            decode(path)


def test_a_shortage_of_memory_is_not_blamed_on_the_file(tmp_path, monkeypatch):
    path = tmp_path / "sound.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)

    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("hizumi.data.decoding._raster", exhausted)
    with pytest.raises(DataError, match=r"sound\.png: there is not enough memory to decode it"):
        decode(path)
