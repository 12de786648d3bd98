"""Files damaged at random: whatever they turn into, the ending is a manifest with its items, or one line."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from hizumi.data import open_source
from hizumi.errors import DataError, ShortageError

LEVELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def write_video(path: Path) -> None:
    av = pytest.importorskip("av", reason="video files need the extra")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shift in range(4):
            frame = av.VideoFrame.from_ndarray(np.roll(np.resize(LEVELS, (32, 32, 3)), shift, 0), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_csv(path: Path) -> None:
    path.write_text("a,b,label\n" + "".join(f"{row},{row / 2},good\n" for row in range(9)))


def write_columns(path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9) / 2, "label": "good"})
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_feather(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.png": lambda path: Image.fromarray(LEVELS).save(path),
    "a.jpg": lambda path: Image.fromarray(LEVELS).save(path),
    "a.webp": lambda path: Image.fromarray(LEVELS).save(path),
    "a.bmp": lambda path: Image.fromarray(LEVELS).save(path),
    "plain.tif": lambda path: tifffile.imwrite(path, LEVELS),
    "packed.tif": lambda path: Image.fromarray(LEVELS).save(path, compression="tiff_lzw"),
    "jpeg.tif": lambda path: Image.fromarray(LEVELS).save(path, compression="jpeg"),
    "a.npy": lambda path: np.save(path, LEVELS[:, :, 0].astype(float)),
    "a.npz": lambda path: np.savez_compressed(path, x=LEVELS, y=np.arange(24) % 2),
    "a.csv": write_csv,
    "a.parquet": write_columns,
    "a.feather": write_columns,
    "a.mp4": write_video,
    "a.avi": write_video,
}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Cut, with a piece missing or copied elsewhere, or with a few bytes changed, mostly among the first."""
    changed = bytearray(content)
    place, other = (chance.randrange(len(changed)) for _ in range(2))
    match chance.choices(("cut", "missing", "copied", "changed"), (15, 10, 10, 65))[0]:
        case "cut":
            del changed[place:]
        case "missing":
            del changed[place : place + chance.randrange(1, 9)]
        case "copied":
            changed[place : place + 8] = changed[other : other + 8]
        case _:
            limit = len(changed) if chance.random() < 0.4 else min(len(changed), 300)
            for _ in range(chance.randrange(1, 5)):
                changed[chance.randrange(limit)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(changed)


def endings(path: Path, count: int) -> Iterator[str]:
    """What becomes of so many mutations of a file: "" where it can be read, else the error's words."""
    WRITERS[path.name](path)
    content, chance = path.read_bytes(), random.Random(path.name)
    for _ in range(count):
        path.write_bytes(mutated(content, chance))
        try:
            manifest = open_source(path)
            for index in range(min(3, len(manifest))):
                manifest.read(index)
        except (DataError, ShortageError) as error:
            yield str(error)
        else:
            yield ""


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    words = list(endings(tmp_path / name, 60))
    assert any(words)
    assert not [each for each in words if "\n" in each]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_thousands_of_damaged_files(tmp_path: Path, name: str) -> None:
    assert not [each for each in endings(tmp_path / name, 3000) if "\n" in each]


def stated(path: Path, header: str) -> None:
    content = header.encode().ljust(118)[:117] + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(64))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 2)", "its header is damaged"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2000000000, 1)}", "states 16,000,000,000 bytes"),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (2000000000, 1)}", "holds 64"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -4)}", "its header is damaged"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (8, 1)}", "holds Python objects"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}", "states 32 bytes of values, and it holds 64"),
    ],
)
def test_headers_of_arrays_are_checked_against_the_size_of_the_file(tmp_path: Path, header: str, reason: str) -> None:
    stated(tmp_path / "x.npy", header)
    with pytest.raises(DataError, match=reason) as error:
        open_source(tmp_path / "x.npy")
    assert "\n" not in str(error.value)


def test_a_play_list_called_a_video_opens_nothing(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="video files need the extra")
    write_video(tmp_path / "other.avi")
    (tmp_path / "x.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path / 'other.avi'}\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(DataError, match=r"x\.mp4: cannot be read as video"):
        open_source(tmp_path / "x.mp4")
