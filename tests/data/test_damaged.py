"""Damaged, unreadable and strangely named files: one clear line each."""

import hashlib
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from hizumi.data import Sizing, Store, decode, open_source, split
from hizumi.errors import DataError

SUFFIXES = (".png", ".jpg", ".bmp", ".tif", ".webp")


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (24, 24)) -> np.ndarray:
    levels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)
    return levels


def attempt(path: Path) -> np.ndarray | str:
    """The pixels, or the words of the refusal; any other error fails the test."""
    try:
        return decode(path, name="image").pixels
    except DataError as error:
        return str(error)


def one_line(error: pytest.ExceptionInfo[DataError], name: str) -> None:
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(name)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "compressed.tif", "tiled.tif", "deep.png"])
def test_a_file_cut_anywhere_is_refused_or_gives_the_whole_image(tmp_path: Path, suffix: str):
    path = tmp_path / f"image{suffix}"
    if suffix == "compressed.tif":
        tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (64, 64), np.uint8), compression="zlib")
    elif suffix == "tiled.tif":
        tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (64, 64), np.uint8), tile=(16, 16))
    elif suffix == "deep.png":
        Image.fromarray(np.random.default_rng(0).integers(0, 65536, (24, 24), np.uint16)).save(path)
    else:
        write_image(path)
    whole, content = decode(path).pixels, path.read_bytes()
    refused = 0
    for length in np.linspace(1, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:length])
        outcome = attempt(path)
        if isinstance(outcome, np.ndarray):
            np.testing.assert_array_equal(outcome, whole)
        else:
            refused += 1
            assert outcome.startswith("image: ")
            assert "\n" not in outcome
    assert refused > 25


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_noise_in_a_file_never_ends_in_another_error(tmp_path: Path, suffix: str):
    path = tmp_path / f"image{suffix}"
    write_image(path)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    for _ in range(40):
        noisy = content.copy()
        places = generator.integers(0, min(len(noisy), 400), 6)
        noisy[places] = generator.integers(0, 256, 6)
        path.write_bytes(noisy.tobytes())
        outcome = attempt(path)
        assert isinstance(outcome, np.ndarray) or (outcome.startswith("image: ") and "\n" not in outcome)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"not an image at all", "is not an image"),
        (b"GIF89a" + bytes(99), "not an"),
    ],
)
def test_empty_and_foreign_files(tmp_path: Path, content: bytes, words: str):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=words) as error:
        decode(tmp_path / "x.png", name="x.png")
    one_line(error, "x.png: ")


def test_formats_that_are_not_on_the_list(tmp_path: Path):
    for name in ("renamed.png", "x.tga"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name, format="TGA")
    with pytest.raises(DataError, match="is not an image"):
        decode(tmp_path / "renamed.png")
    with pytest.raises(DataError, match="is not a PNG, JPEG, BMP, TIFF, WebP, GIF, PGM or PPM file by its name"):
        decode(tmp_path / "x.tga")


def test_missing_file_and_folder_named_like_an_image(tmp_path: Path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match="there is no such file"):
        decode(tmp_path / "missing.png")
    with pytest.raises(DataError, match="folder"):
        decode(tmp_path / "folder.png")


def test_no_permission_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_image(tmp_path / "secret.png")
    if os.geteuid() == 0:  # root may read everything, so the refusal has to be played

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("os.open", refuse)
    else:
        (tmp_path / "secret.png").chmod(0)
    with pytest.raises(DataError, match="no permission to read the file") as error:
        decode(tmp_path / "secret.png", name="secret.png")
    one_line(error, "secret.png: ")


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_image(tmp_path / "a.png")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be listed \(Permission denied\)"):
        open_source(tmp_path)


def test_nan_in_an_image(tmp_path: Path):
    levels = np.zeros((5, 5), np.float32)
    levels[2, 3] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", levels)
    with pytest.raises(DataError, match="contains NaN"):
        decode(tmp_path / "nan.tif")


def test_damaged_images_among_good_ones_are_counted_and_the_rest_is_used(tmp_path: Path):
    for index in range(4):
        write_image(tmp_path / f"{index}.png", index)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"hello")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    manifest = open_source(tmp_path)
    store = Store.build(manifest, None)
    assert [failure.name for failure in store.failures] == ["cut.png", "empty.png", "text.png"]
    assert store.failures[1].reason == "the file is empty (0 bytes); copy it again"
    assert [manifest.records[index].name for index in store.kept] == ["0.png", "1.png", "2.png", "3.png"]
    with pytest.raises(DataError, match=r"^cut\.png: is damaged"):
        Store.build(manifest, None, strict=True)


def test_only_damaged_images(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of 2 images can be used; the first is a\.png: the file is empty"):
        Store.build(open_source(tmp_path), Sizing(16, 16))


def test_two_empty_files_are_not_taken_for_copies_of_one_image(tmp_path: Path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    manifest = open_source(tmp_path)
    assert manifest.content_hash(0) != manifest.content_hash(1)
    assert {record.split for record in split(manifest).records} == {"train", "calibration"}


def test_a_file_without_a_stated_size_is_hashed_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As on file systems that make their files' content when it is read, and state a size of 0."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"one content")
    manifest = open_source(tmp_path)
    stated = os.stat_result((0o100644, *[0] * 9))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: stated)
    assert manifest.content_hash(0) == manifest.content_hash(1) == hashlib.sha256(b"one content").hexdigest()


@pytest.mark.parametrize("name", ["two words.png", "良品 一号.png", "ok\nbad.png", "<b>&.png", "'\"$(x).png"])
def test_names_of_every_kind(tmp_path: Path, name: str):
    levels = write_image(tmp_path / name)
    manifest = open_source(tmp_path)
    np.testing.assert_array_equal(manifest.read(0).pixels, levels)
    shown = manifest.records[0].name
    assert shown == name.replace("\n", "\\x0a")
    assert shown.isprintable()


def test_a_name_that_is_not_utf_8(tmp_path: Path):
    raw = os.fsencode(tmp_path) + b"/bad\xff\xfe.png"
    try:
        with open(raw, "wb"):  # noqa: PTH123 - a path of bytes
            pass
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    levels = np.full((4, 4), 7, np.uint8)
    Image.fromarray(levels).save(os.fsdecode(raw))
    manifest = open_source(tmp_path)
    shown = manifest.records[0].name
    assert shown.isprintable()
    shown.encode("utf-8")
    np.testing.assert_array_equal(Store.build(manifest, None).pixels(0)[:, :, 0], levels)
    assert len(manifest.data_hash()) == 64
    Path(os.fsdecode(raw)).write_bytes(b"")
    with pytest.raises(DataError) as error:
        decode(Path(os.fsdecode(raw)))
    assert str(error.value).isprintable()


def endless_tiff(path: Path) -> None:
    """A valid first page, then an empty directory whose next pointer is itself."""
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), metadata=None)
    content = bytearray(path.read_bytes())
    place = int.from_bytes(content[4:8], "little")
    link = place + 2 + 12 * int.from_bytes(content[place : place + 2], "little")
    content[link : link + 4] = len(content).to_bytes(4, "little")
    content += b"\0\0" + len(content).to_bytes(4, "little")
    path.write_bytes(content)


def looped_tiff(path: Path) -> None:
    """Two pages, the second of which names the first as the next."""
    tifffile.imwrite(path, np.zeros((2, 4, 4), np.uint8), metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        first, second = (page.offset for page in file.pages)
    content = bytearray(path.read_bytes())
    link = second + 2 + 12 * int.from_bytes(content[second : second + 2], "little")
    content[link : link + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "reason"), [(endless_tiff, "page 2 is empty"), (looped_tiff, "its pages form a loop")]
)
def test_a_tiff_without_end_is_refused_at_once(tmp_path: Path, write: Callable[[Path], None], reason: str):
    write(tmp_path / "x.tif")
    started = time.monotonic()
    with pytest.raises(DataError, match=reason) as error:
        decode(tmp_path / "x.tif", name="x.tif")
    one_line(error, "x.tif: ")
    assert time.monotonic() - started < 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.csv", "x.npy", "x.npz", "x.mp4"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_nothing_but_regular_files_is_opened(tmp_path: Path, kind: str, name: str):
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is a pipe, device or socket, not a regular file") as error:
        open_source(path).read(0)
    assert "\n" not in str(error.value)


def test_links_in_a_folder_are_called_what_they_lead_to(tmp_path: Path):
    Image.new("L", (8, 8), 9).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    (tmp_path / "c.png").symlink_to("nowhere")
    reasons = {each.name: each.reason for each in open_source(tmp_path).unopened}
    assert reasons == {"b.png": "is not a regular file", "c.png": "is a link to nothing"}


def test_libraries_write_nothing_of_their_own_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Of a TIFF with damaged JPEG data, libjpeg says so on standard error by itself."""
    path = tmp_path / "x.tif"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path, compression="jpeg")
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start + 6 : start + 40] = bytes(34)
    path.write_bytes(content)
    assert isinstance(attempt(path), str | np.ndarray)
    assert capfd.readouterr().err == ""
    sys.stderr.write("seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_film_whose_headers_ask_for_any_memory_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av", reason="video files are read with the extra hizumi[video]")

    def asking(*_: object, **__: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    path = tmp_path / "film.mp4"
    path.write_bytes(b"\0" * 64)
    monkeypatch.setattr(av, "open", asking)
    with pytest.raises(DataError, match="FFmpeg could not get the memory"):
        open_source(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIC image"),
        (b"\0\0\0\x1cftypavif" + bytes(40), "an AVIF image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "a JPEG 2000 image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL image"),
        (bytes(128) + b"DICM" + bytes(40), "a DICOM image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_images_of_kinds_that_are_not_read_are_called_what_they_are(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.jpg: is {kind}.*, whatever its name says; convert it"):
        decode(tmp_path / "a.jpg")
