"""Each published form is written out by hand here, and must give what a plain form of the same items gives."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.errors import DataError
from hizumi.reproduction import published_data, published_forms
from hizumi.reproduction.protocols import find_protocol
from hizumi.reproduction.published_forms import Pool

GENERATOR = np.random.default_rng(0)


def grey(*shape: int) -> np.ndarray:
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def same(one: Pool, other: Pool) -> bool:
    assert one.tested is not None
    return (
        np.array_equal(one.items, other.items)
        and np.array_equal(one.kinds, other.kinds)
        and np.array_equal(one.tested, other.tested)
    )


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_give_what_npz_gives(tmp_path: Path, ending: str) -> None:
    arrays = {"x_train": grey(7, 5, 4), "y_train": np.arange(7), "x_test": grey(3, 5, 4), "y_test": np.arange(3)}
    (tmp_path / "idx").mkdir()
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "mnist.npz", **arrays)
    for part, file in (("train", "train"), ("test", "t10k")):
        write_idx(tmp_path / "idx" / f"{file}-images-idx3-ubyte{ending}", arrays[f"x_{part}"])
        write_idx(tmp_path / "idx" / f"{file}-labels-idx1-ubyte{ending}", arrays[f"y_{part}"].astype(np.uint8))
    from_idx, from_npz = (published_data.read_mnist(tmp_path / form) for form in ("idx", "npz"))
    assert from_idx.items.shape == (10, 5, 4, 1)
    assert same(from_idx, from_npz)
    assert same(published_data.read_fashion_mnist(tmp_path / "idx"), from_npz)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no MNIST; looked for mnist.npz; or train-images-idx3-ubyte"):
        published_data.read_mnist(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        published_data.read_kdd99(tmp_path / "nowhere")
    write_idx(tmp_path / "cut", grey(4, 5, 5))
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-3])
    with pytest.raises(DataError, match="cut: cannot be read"):
        published_forms.read_idx(tmp_path / "cut")
    (tmp_path / "cifar10.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"cifar10.npz: cannot be read"):
        published_data.read_cifar10(tmp_path)


def test_cifar_planes_become_colour_images(tmp_path: Path) -> None:
    images, labels = grey(12, 32, 32, 3), np.arange(12) % 10
    records = np.concatenate([labels[:, None].astype(np.uint8), images.transpose(0, 3, 1, 2).reshape(12, -1)], 1)
    for number in range(5):
        (tmp_path / f"data_batch_{number + 1}.bin").write_bytes(records[2 * number : 2 * number + 2].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(records[10:].tobytes())
    pool = published_data.read_cifar10(tmp_path)
    assert np.array_equal(pool.items, images)
    assert pool.kinds.tolist() == [str(label) for label in labels]
    assert pool.tested is not None
    assert pool.tested.tolist() == 10 * [False] + 2 * [True]


def test_kdd_table_and_its_numbers_agree(tmp_path: Path) -> None:
    words = (("tcp", "udp", "icmp"), ("http", "smtp"), ("SF", "REJ", "S0"))
    count = 40
    coded = GENERATOR.integers(0, 5, (count, 41)).astype(np.float32)
    for column, levels in zip((1, 2, 3), words, strict=True):
        coded[:, column] = np.arange(count) % len(levels)
    for column in (6, 11, 20, 21):
        coded[:, column] = np.arange(count) % 2
    labels = np.where(np.arange(count) % 5 == 0, "normal.", "smurf.")
    lines = []
    for row, label in zip(coded, labels, strict=True):
        values = [f"{value:g}" for value in row]
        for column, levels in zip((1, 2, 3), words, strict=True):
            values[column] = levels[int(row[column])]
        lines.append(",".join([*values, label]))
    for form in ("text", "npz"):
        (tmp_path / form).mkdir()
    (tmp_path / "text" / "kddcup.data_10_percent.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    symbolic = np.array([1, 2, 3, 6, 11, 20, 21])
    np.savez(tmp_path / "npz" / "kddcup99_10pct.npz", x=coded, label=labels, columns_symbolic=symbolic)
    text, npz = (published_data.read_kdd99(tmp_path / form) for form in ("text", "npz"))
    assert text.items.shape == npz.items.shape == (count, 34 + 3 + 2 + 3 + 4 * 2)
    assert text.kinds.tolist() == npz.kinds.tolist() == labels.tolist()
    # A word's column may stand elsewhere: the same columns, in some order.
    assert sorted(map(tuple, text.items.T)) == sorted(map(tuple, npz.items.T))


def test_folders_of_parts_cells_and_frames(tmp_path: Path) -> None:
    good, bad, mask = grey(6, 6), grey(6, 6), np.zeros((6, 6), np.uint8)
    mask[1, 2] = 255
    parts = tmp_path / "parts"
    save(parts / "train" / "good" / "a.png", good)
    save(parts / "test" / "short" / "b.png", bad)
    save(parts / "ground_truth" / "short" / "b_mask.png", mask)
    pool = published_data.read_deeppcb(parts)
    assert pool.kinds.tolist() == ["short", "good"] or pool.kinds.tolist() == ["good", "short"]
    assert pool.masks is not None
    assert pool.masks[pool.kinds == "short"][0].tolist() == (mask > 0).tolist()

    cells = tmp_path / "cells"
    save(cells / "images" / "cell0001.png", good)
    save(cells / "images" / "cell0002.png", bad)
    (cells / "labels.csv").write_text(
        "images/cell0001.png  0.0  mono\nimages/cell0002.png  0.6666666666666666   poly\n"
    )
    pool = published_data.read_elpv(cells)
    assert pool.kinds.tolist() == ["good", "probability 0.67"]
    assert pool.sections is not None
    assert pool.sections.tolist() == ["mono", "poly"]
    assert np.array_equal(pool.items[:, :, :, 0], np.stack([good, bad]))

    video = tmp_path / "UCSDped2"
    save(video / "Train" / "Train001" / "001.tif", good)
    save(video / "Test" / "Test001" / "001.tif", good)
    save(video / "Test" / "Test001" / "002.tif", bad)
    save(video / "Test" / "Test001_gt" / "001.bmp", np.zeros((6, 6), np.uint8))
    save(video / "Test" / "Test001_gt" / "002.bmp", mask)
    pool = published_data.read_ped2(tmp_path)
    assert pool.kinds.tolist() == ["good", "good", "event"]
    assert pool.groups is not None
    assert pool.groups.tolist() == ["train Train001", "test Test001", "test Test001"]


def test_medmnist_leaves_validation_out(tmp_path: Path) -> None:
    arrays = {f"{part}_images": grey(4, 28, 28) for part in ("train", "val", "test")}
    labels = {f"{part}_labels": np.array([[0], [1], [0], [1]]) for part in ("train", "val", "test")}
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays, **labels)
    pool = published_data.read_pneumoniamnist(tmp_path)
    assert len(pool) == 8
    assert pool.kinds.tolist() == 2 * ["good", "pneumonia", "good", "pneumonia"]


def test_kinds_of_parts_are_read_from_folders_and_files_alike(tmp_path: Path) -> None:
    smooth = [np.kron(grey(16, 16), np.ones((32, 32), np.uint8)) for _ in range(3)]  # 512 pixels, in blocks of 32
    mask = np.zeros((512, 512), np.uint8)
    mask[64:128, 32:64] = 255
    for name, image in zip(("train/good/a", "test/good/b", "test/cut/c"), smooth, strict=True):
        save(tmp_path / "mvtec" / "screw" / f"{name}.png", image)
    save(tmp_path / "mvtec" / "screw" / "ground_truth" / "cut" / "c_mask.png", mask)
    files = [png(np.repeat(grey(256, 256)[..., None], 3, 2)) for _ in range(2)]
    np.savez(
        tmp_path / "mvtec_bottle_256.npz",
        **one_after_another(files),
        split=np.array(["train", "test"]),
        kind=np.array(["good", "broken"]),
        mask=np.packbits(mask[None, ::2, ::2] > 0, axis=-1),
        mask_of=np.array([1]),
    )
    pool = published_data.read_mvtec(tmp_path)
    protocol = find_protocol("mvtec")
    assert protocol.cases_in(pool) == ("bottle", "screw")
    assert pool.items.shape == (5, 256, 256, 3)
    assert pool.sections is not None
    assert pool.masks is not None
    cut, broken = pool.kinds == "cut", pool.kinds == "broken"
    inside = slice(2, -2)  # of a block, where nothing of its neighbours is averaged in
    assert np.array_equal(pool.items[cut][0][:16, :16, 0][inside, inside], smooth[2][:32:2, :32:2][inside, inside])
    assert np.array_equal(pool.masks[cut][0], mask[::2, ::2] > 0)
    assert np.array_equal(pool.masks[broken][0], mask[::2, ::2] > 0)
    assert not pool.masks[~cut & ~broken].any()
    split = protocol.split(pool, "bottle", 0, "paper", "pca")
    assert set(pool.sections[split.test]) == set(pool.sections[split.train]) == {"bottle"}
    with pytest.raises(DataError, match="holds nothing of cable; it holds bottle, screw"):
        protocol.split(pool, "cable", 0, "honest", "pca")
    with pytest.raises(DataError, match=r"holds no MVTec AD; looked for folders such as bottle/train/good"):
        published_data.read_mvtec(tmp_path / "mvtec" / "screw")


def test_the_height_of_a_weld_tells_nothing(tmp_path: Path) -> None:
    heights, splits = (100, 300, 256, 256, 256, 200), ("train", "train", "test", "test", "test", "test")
    images = [grey(height, 400) for height in heights]
    kinds = np.array(["good", "good", "good", "defective", "good", "good"])
    marked = np.zeros((1, 256, 400), bool)
    marked[0, 10:20, 30:50] = True
    np.savez(
        tmp_path / "battery_weld.npz",
        **one_after_another([png(image) for image in images]),
        split=np.array(splits),
        kind=kinds,
        group=np.arange(6).astype(str),
        leak=np.arange(6) == 4,
        mask=np.packbits(marked, axis=-1),
        mask_of=np.array([3]),
    )
    pool = published_data.read_welds(tmp_path)
    assert pool.groups is not None
    assert pool.tested is not None
    assert pool.masks is not None
    # The short one is mirrored at its lower edge, the tall one cut; another height and a leak do not test.
    assert pool.groups.tolist() == ["0", "1", "2", "3"]
    assert pool.tested.tolist() == [False, False, True, True]
    assert np.array_equal(pool.items[0, :, :, 0], np.concatenate([images[0], images[0][::-1], images[0][:56]]))
    assert np.array_equal(pool.items[1, :, :, 0], images[1][22:278])
    assert np.array_equal(pool.masks, np.concatenate([np.zeros((3, 256, 400), bool), marked]))


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def one_after_another(files: list[bytes]) -> dict[str, np.ndarray]:
    return {
        "image": np.frombuffer(b"".join(files), np.uint8),
        "offset": np.cumsum([0, *(len(file) for file in files)]),
    }
