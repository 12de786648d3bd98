"""Damaged files of every kind: each is read, or refused in words of our own, in bounded time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi import open_source
from hizumi.errors import HizumiError
from hizumi.inspection import Inspector, load, save
from tests.hard.conftest import stripes

SLOWEST_SECONDS = 5.0
IMAGES, OTHERS, FLIPS = 10_000, 2_000, 5_000
FORMATS = {
    "png": {}, "16-bit.png": {}, "jpg": {"quality": 90}, "bmp": {}, "webp": {"lossless": True},
    "tif": {}, "deflate.tif": {"compression": "tiff_adobe_deflate"},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_mutated_images(form: str, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    path = tmp_path / f"picture.{form.rpartition('.')[2]}"
    picture = stripes(np.random.default_rng(0), 1)[0]
    Image.fromarray(picture.astype(np.uint16) * 257 if "16" in form else picture).save(path, **FORMATS[form])
    _measured(f"{IMAGES:,} mutated files: {form}", path, IMAGES, _read_all, catalogue)


@pytest.mark.parametrize("form", ["csv", "npy", "npz"])
def test_mutated_arrays(form: str, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    path, rows = tmp_path / f"rows.{form}", np.random.default_rng(0).normal(size=(12, 4))
    if form == "csv":
        np.savetxt(path, rows, delimiter=",", header="a,b,c,d", comments="")
    elif form == "npy":
        np.save(path, rows)
    else:
        np.savez(path, x=rows, y=np.arange(12) % 2)
    _measured(f"{OTHERS:,} mutated files: {form}", path, OTHERS, _read_all, catalogue)


def test_mutated_film(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    av = pytest.importorskip("av", reason="video files are read with the extra hizumi[video]")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for picture in stripes(np.random.default_rng(0), 12):
            frame = av.VideoFrame.from_ndarray(np.repeat(picture[:, :, None], 3, 2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    _measured(f"{OTHERS:,} mutated files: film", path, OTHERS, _read_all, catalogue)


def test_flipped_bits_of_a_bundle(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    path = tmp_path / "parts.hizumi"
    save(Inspector("mahalanobis").fit(np.random.default_rng(0).normal(size=(40, 3))), path)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    loaded, foreign, slowest = 0, [], 0.0
    for bit in generator.choice(8 * len(content), min(FLIPS, 8 * len(content)), replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        began = time.monotonic()
        try:
            load(path)
            loaded += 1
        except HizumiError:
            pass
        except Exception as error:  # whatever it is, it should have been one of ours
            foreign.append(f"{type(error).__name__}: {error}")
        slowest = max(slowest, time.monotonic() - began)
    catalogue(
        f"{FLIPS:,} flips of single bits of a bundle",
        f"{loaded} loaded, {len(foreign)} foreign errors, slowest {slowest:.2f} s",
        mark="0 loaded, 0 foreign",
        holds=not loaded and not foreign,
    )


def _read_all(path: Path) -> None:
    manifest = open_source(path)
    for index in range(len(manifest)):
        manifest.read(index)


def _measured(what: str, path: Path, count: int, read: Callable[[Path], None], catalogue: Callable[..., None]) -> None:
    good, foreign, slowest, refused = path.read_bytes(), [], 0.0, 0
    for content in _mutations(good, count):
        path.write_bytes(content)
        began = time.monotonic()
        try:
            read(path)
        except HizumiError:
            refused += 1
        except Exception as error:  # whatever it is, it should have been one of ours
            foreign.append(f"{type(error).__name__}: {error}")
        slowest = max(slowest, time.monotonic() - began)
    kinds = f" ({', '.join(sorted({error.partition(':')[0] for error in foreign}))})" if foreign else ""
    catalogue(
        what,
        f"{refused:,} refused, {len(foreign)} foreign errors{kinds}, slowest {slowest:.2f} s",
        mark=f"0 foreign, {SLOWEST_SECONDS:.0f} s",
        holds=not foreign and slowest <= SLOWEST_SECONDS,
    )


def _mutations(good: bytes, count: int) -> Iterator[bytes]:
    """Bytes changed, taken out, put in, cut off and swapped, a few at a time."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        content = bytearray(good)
        for _ in range(int(generator.integers(1, 5))):
            place = int(generator.integers(len(content)))
            match int(generator.integers(6)):
                case 0:
                    content[place] = int(generator.integers(256))
                case 1:
                    content[place] ^= 1 << int(generator.integers(8))
                case 2:
                    del content[place : place + int(generator.integers(1, 9))]
                case 3:
                    content[place:place] = generator.bytes(int(generator.integers(1, 9)))
                case 4:
                    content[place : place + 4] = b"\xff\xff\xff\xff"
                case _:
                    content = content[: max(1, place)]
            if not content:
                content = bytearray(b"\0")
        yield bytes(content)
