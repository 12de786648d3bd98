"""Folders, CSV files, arrays and data sets, all to one manifest; expected records are written out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from hizumi.data import Manifest, open_source
from hizumi.errors import DataError, ShortageError, UsageError


def write(path: Path, level: int = 0, size: tuple[int, int] = (4, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, level, np.uint8)).save(path)
    return path


def facts(manifest: Manifest) -> dict[str, tuple[str, int | None, str | None]]:
    return {record.name: (record.kind, record.label, record.split) for record in manifest.records}


def test_flat_folder(tmp_path: Path):
    write(tmp_path / "b.png", 2)
    write(tmp_path / "a.JPG", 1)
    write(tmp_path / ".hidden.png")
    (tmp_path / "notes.txt").write_text("not an image")
    manifest = open_source(tmp_path)
    assert facts(manifest) == {"a.JPG": ("good", 0, None), "b.png": ("good", 0, None)}
    assert manifest.notes == ("understood as a folder of good images: 2 good to learn from",)
    assert [each.name for each in manifest.unopened] == [".hidden.png", "notes.txt"]
    assert [each.may_be_part for each in manifest.unopened] == [True, False]
    assert manifest.read(1).pixels[0, 0, 0] == 2


def test_mvtec_layout(tmp_path: Path):
    for name in ("train/good/0.png", "train/good/1.png", "validation/good/7.png", "test/good/0.png"):
        write(tmp_path / name)
    write(tmp_path / "test/scratch/0.png")
    write(tmp_path / "test/scratch/1.png")
    write(tmp_path / "test/broken edge/0.png")
    write(tmp_path / "ground_truth/scratch/0_mask.png", 255)
    write(tmp_path / "ground_truth/broken edge/0.png", 1)
    manifest = open_source(tmp_path)
    assert facts(manifest) == {
        "train/good/0.png": ("good", 0, "train"),
        "train/good/1.png": ("good", 0, "train"),
        "validation/good/7.png": ("good", 0, "calibration"),
        "test/good/0.png": ("good", 0, "test"),
        "test/scratch/0.png": ("scratch", 1, "test"),
        "test/scratch/1.png": ("scratch", 1, "test"),
        "test/broken edge/0.png": ("broken edge", 1, "test"),
    }
    masks = {record.name: manifest.read_mask(index) for index, record in enumerate(manifest.records)}
    assert {name for name, mask in masks.items() if mask is not None} == {
        "test/scratch/0.png",
        "test/broken edge/0.png",
    }
    assert masks["test/broken edge/0.png"].all()
    assert manifest.notes == (
        "understood as MVTec AD: 2 good to learn from, 1 to calibrate with, 4 to test, 2 masks",
        "without a mask, and left out of pixel metrics: 1 of 3 anomalous images",
    )
    assert len(manifest.select(split="test", label=1)) == 3


def test_good_beside_defects(tmp_path: Path):
    for name in ("Normal/0.png", "abnormal/dent/1.png", "abnormal/2.png"):
        write(tmp_path / name)
    assert facts(open_source(tmp_path)) == {
        "Normal/0.png": ("good", 0, None),
        "abnormal/2.png": ("abnormal", 1, None),
        "abnormal/dent/1.png": ("dent", 1, None),
    }


def test_a_mask_of_another_size_is_refused_by_name(tmp_path: Path):
    write(tmp_path / "test/crack/0.png", size=(4, 6))
    write(tmp_path / "ground_truth/crack/0_mask.png", 255, size=(6, 4))
    manifest = open_source(tmp_path)
    with pytest.raises(DataError, match=r"mask of test/crack/0\.png: is 4x6 pixels, its image 6x4"):
        manifest.read_mask(0)


def test_folders_without_use(tmp_path: Path):
    with pytest.raises(DataError, match="holds no PNG"):
        open_source(tmp_path)
    write(tmp_path / "monday/0.png")
    with pytest.raises(DataError, match=r"good or bad \(monday\); put good images directly in it"):
        open_source(tmp_path)
    (tmp_path / "monday/0.png").rename(tmp_path / "monday/0.heic")
    with pytest.raises(DataError, match=r"holds no PNG.* the first, monday/0\.heic, files of the kind \.heic"):
        open_source(tmp_path)


def test_names_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="brik: there is no such file or folder; did you mean 'brick'"):
        open_source("brik")
    with pytest.raises(UsageError, match="built-in sets are digits, brick, gravel, grass"):
        open_source(tmp_path / "zzz")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "digits/mine.png")
    assert facts(open_source("digits")) == {"mine.png": ("good", 0, None)}  # a folder of that name wins
    (tmp_path / "x.docx").write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be opened; give an image"):
        open_source(tmp_path / "x.docx")


def test_files_and_lists_of_files(tmp_path: Path):
    one, two = write(tmp_path / "a/1.png", 1), write(tmp_path / "b/1.png", 2)
    assert facts(open_source(one)) == {"1.png": ("good", 0, None)}
    both = open_source([str(one), two])
    assert [both.read(index).pixels[0, 0, 0] for index in range(2)] == [1, 2]
    with_folder = open_source([one, tmp_path / "b"])
    assert [record.name for record in with_folder.records] == [str(one), f"{tmp_path / 'b'}/1.png"]
    with pytest.raises(DataError, match="list of data is empty"):
        open_source([])


def test_csv_manifest(tmp_path: Path):
    for name in ("画像/1.png", "2.png", "3.png", "4.png", "m.png"):
        write(tmp_path / name, 9)
    text = (
        "path,label,split,mask,group\n画像/1.png,0,train,,A\n2.png,good,,,\n3.png,dent,test,m.png,B\n\n4.png,,val,,\n"
    )
    for encoding in ("utf-8", "utf-8-sig", "cp932"):
        (tmp_path / "list.csv").write_text(text, encoding=encoding)
        manifest = open_source(tmp_path / "list.csv")
        assert facts(manifest) == {
            "画像/1.png": ("good", 0, "train"),
            "2.png": ("good", 0, None),
            "3.png": ("dent", 1, "test"),
            "4.png": ("unlabelled", None, "calibration"),
        }
        assert [record.group for record in manifest.records] == ["A", None, "B", None]
        assert manifest.read(0).pixels[0, 0, 0] == 9
        mask = manifest.read_mask(2)
        assert mask is not None
        assert mask.all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("path,label\n", "has a heading and no line below it"),
        ("path,split\na.png,tset\n", "line 2: split 'tset' is not known"),
        ("path,mask\na.png,none.png\n", "line 2: there is no mask file"),
        ("path,label\n,1\n", "line 2 has no path"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cell, the heading 2"),
        ("a,b\n1,2\n3,tall\n", "line 3, column 'b': 'tall' is not a number"),
        ("label,split\n1,test\n", "has no column of numbers"),
    ],
)
def test_csv_files_that_cannot_be_understood(tmp_path: Path, text: str, words: str):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=words) as error:
        open_source(tmp_path / "x.csv")
    assert "\n" not in str(error.value)


def test_a_csv_in_no_known_encoding(tmp_path: Path):
    (tmp_path / "x.csv").write_bytes(b"a,b\n\x81 ,2\n")
    with pytest.raises(DataError, match="neither UTF-8 nor Shift-JIS"):
        open_source(tmp_path / "x.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_tables(tmp_path: Path, delimiter: str):
    rows = [["speed", "label", "heat", "split"], ["1.5", "0", "-2e3", "train"], ["0", "1", "7", "test"]]
    (tmp_path / "t.csv").write_text("\r\n".join(delimiter.join(row) for row in rows))
    manifest = open_source(tmp_path / "t.csv")
    assert manifest.vectors
    assert manifest.columns == ("speed", "heat")
    np.testing.assert_array_equal(manifest.arrays, [[1.5, -2000], [0, 7]])
    assert facts(manifest) == {"line 2": ("good", 0, "train"), "line 3": ("anomalous", 1, "test")}
    np.testing.assert_array_equal(manifest.read(1).pixels, [0, 7])


def test_a_table_without_heading(tmp_path: Path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    manifest = open_source(tmp_path / "t.csv")
    assert manifest.columns == ("column 1", "column 2")
    np.testing.assert_array_equal(manifest.arrays, [[1, 2], [3, 4]])


def test_arrays_and_tensors_agree():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    from_array, from_tensor = open_source(images), open_source(torch.from_numpy(images).permute(0, 3, 1, 2))
    from_list = open_source(list(images))
    for manifest in (from_array, from_tensor, from_list):
        assert len(manifest) == 5
        assert not manifest.vectors
        for index in range(5):
            np.testing.assert_array_equal(manifest.read(index).pixels, images[index])
        assert manifest.content_hash(2) == from_array.content_hash(2)
    assert open_source(np.zeros((4, 3))).vectors
    assert open_source(torch.zeros(4, 3, dtype=torch.bfloat16)).vectors
    assert open_source(np.zeros((4, 8, 8), np.uint16)).read(0).pixels.shape == (8, 8, 1)
    assert open_source(from_array) is from_array


def test_images_of_several_sizes_in_a_list():
    images = [np.full((height, 5, 1), height, np.uint8) for height in (3, 9)]
    manifest = open_source(images)
    assert [manifest.read(index).pixels.shape for index in range(2)] == [(3, 5, 1), (9, 5, 1)]
    assert manifest.content_hash(0) != manifest.content_hash(1)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((0, 4)), "nothing in it"),
        (np.array([["a"]]), "type <U1"),
    ],
)
def test_arrays_that_are_no_data(array: np.ndarray, words: str):
    with pytest.raises(DataError, match=words):
        open_source(array)


class Pictures(Dataset):
    """Pictures with a class each, as torchvision's data sets give them."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(np.full((4, 5, 3), index, np.uint8)), index % 3


def test_datasets():
    manifest = open_source(Pictures(), normal_class=2)
    assert [(record.kind, record.label) for record in manifest.records][:3] == [("0", 1), ("1", 1), ("good", 0)]
    assert manifest.read(4).pixels.shape == (4, 5, 3)
    assert manifest.read(4).pixels.max() == 4
    with pytest.raises(DataError, match="labels are 0, 1, 2, not 0 and 1; say which is normal"):
        open_source(Pictures())
    tensors = open_source(TensorDataset(torch.rand(7, 2, 4, 5), torch.tensor([0, 0, 1, 0, 0, 0, 1])))
    assert [record.label for record in tensors.records] == [0, 0, 1, 0, 0, 0, 1]
    assert tensors.read(0).pixels.shape == (4, 5, 2)
    assert open_source(TensorDataset(torch.rand(7, 3))).vectors

    class Endless(IterableDataset):
        def __iter__(self):
            return iter(int, 1)

    with pytest.raises(UsageError, match="without a length"):
        open_source(Endless())


def test_npz_with_all_there_is_to_say(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (4, 10, 12), dtype=np.uint8)
    masks = np.zeros((4, 10, 12), bool)
    masks[2, 3:5, 4:7] = True
    split, group = np.array(["train", "train", "test", "test"]), np.array([7, 7, 8, 9])
    np.savez(tmp_path / "a.npz", x=images, y=[0, 0, 1, 0], split=split, group=group, mask=masks)
    np.savez(tmp_path / "b.npz", x=images, split=split, group=group, mask=np.packbits(masks, axis=-1))
    for name in ("a.npz", "b.npz"):  # in b the bits are packed, and the labels follow from the masks
        manifest = open_source(tmp_path / name)
        assert facts(manifest) == {
            "row 0": ("good", 0, "train"),
            "row 1": ("good", 0, "train"),
            "row 2": ("anomalous", 1, "test"),
            "row 3": ("good", 0, "test"),
        }
        assert [record.group for record in manifest.records] == ["7", "7", "8", "9"]
        np.testing.assert_array_equal(manifest.read_mask(2), masks[2])
        np.testing.assert_array_equal(manifest.read(3).pixels[:, :, 0], images[3])


def test_npz_in_parts_with_classes(tmp_path: Path):
    images = np.arange(8, dtype=np.uint8).repeat(64).reshape(8, 8, 8)
    np.savez(
        tmp_path / "m.npz",
        x_train=images[:5],
        y_train=[3, 3, 1, 3, 1],
        x_test=images[5:],
        y_test=[1, 3, 3],
        kind_test=[*"abc"],
    )
    manifest = open_source(tmp_path / "m.npz", normal_class=3)
    assert facts(manifest) == {
        "train row 0": ("good", 0, "train"),
        "train row 1": ("good", 0, "train"),
        "train row 3": ("good", 0, "train"),
        "test row 0": ("a", 1, "test"),
        "test row 1": ("good", 0, "test"),
        "test row 2": ("good", 0, "test"),
    }
    assert manifest.notes == ("left out: 2 training rows of other classes than 3",)
    assert [int(manifest.read(index).pixels[0, 0, 0]) for index in range(6)] == [0, 1, 3, 5, 6, 7]
    with pytest.raises(UsageError, match="has no class 9; it holds 1, 3"):
        open_source(tmp_path / "m.npz", normal_class=9)


def test_npy_and_npz_with_one_array(tmp_path: Path):
    table = np.random.default_rng(0).random((6, 3))
    np.save(tmp_path / "t.npy", table)
    np.savez(tmp_path / "t.npz", whatever=table)
    for name in ("t.npy", "t.npz"):
        manifest = open_source(tmp_path / name)
        assert manifest.vectors
        np.testing.assert_array_equal(manifest.arrays, table)


def test_npz_files_that_do_not_fit_together(tmp_path: Path):
    images = np.zeros((4, 10, 12), np.uint8)
    cases = {
        "y has 3 rows, x has 4": {"x": images, "y": [0, 1, 0]},
        r"mask has shape \(4, 10, 11\)": {"x": images, "mask": np.zeros((4, 10, 11))},
        "name the images or vectors x": {"a": images, "b": images},
        "its parts differ in size": {"x_train": images, "x_test": images[:, 1:]},
        "holds -1 and 1": {"x": images, "y": [1, 1, -1, 1]},
        "holds Python objects": {"x": images, "y": np.array([None] * 4)},
    }
    for words, arrays in cases.items():
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(DataError, match=words):
            open_source(tmp_path / "x.npz")


def test_1_and_minus_1_hinder_nothing_where_all_are_to_be_judged(tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 10, 12), np.uint8), y=[1, 1, -1, 1])
    assert len(open_source(tmp_path / "x.npz", normal_class="all")) == 4


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_damaged_numpy_files(tmp_path: Path, suffix: str):
    path = tmp_path / f"x{suffix}"
    saved = np.random.default_rng(0).random((40, 30))
    np.savez(path, x=saved) if suffix == ".npz" else np.save(path, saved)
    content = path.read_bytes()
    for length in (0, 1, 60, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError) as error:
            open_source(path)
        assert "\n" not in str(error.value)


def test_the_data_hash_depends_on_everything_that_matters(tmp_path: Path):
    write(tmp_path / "a.png", 1)
    write(tmp_path / "b.png", 2)
    first = open_source(tmp_path).data_hash()
    assert open_source(tmp_path).data_hash() == first
    write(tmp_path / "b.png", 3)
    assert open_source(tmp_path).data_hash() != first
    write(tmp_path / "b.png", 2)
    assert open_source(tmp_path).data_hash() == first
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert open_source(tmp_path).data_hash() != first


@pytest.mark.parametrize("name", ["y", "label", "Labels", "target"])
def test_labels_of_a_file_of_arrays_are_read_under_their_usual_names(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(12.0).reshape(4, 3), **{name: np.array([0, 1, 0, 1])})
    assert [record.label for record in open_source(tmp_path / "a.npz").records] == [0, 1, 0, 1]


def test_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    rows = np.arange(12.0).reshape(4, 3)
    np.savez(tmp_path / "a.npz", x=rows, y_test=rows[:, 0], scale=rows)
    assert open_source(tmp_path / "a.npz").notes == (
        "arrays that are not read, as their names say nothing: y_test, scale",
    )
    np.savez(tmp_path / "b.npz", x_train=rows, x_val=rows + 1, x_test=rows + 2)
    assert [record.split for record in open_source(tmp_path / "b.npz").records] == 4 * ["train"] + 4 * [
        "calibration"
    ] + 4 * ["test"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": 0, "X": 0}, "several of its arrays have one name"),
        ({"x": 0, "y": 0, "labels": 0}, "y and labels both hold labels"),
        ({"data": 0, "labels": 0}, "holds data, labels; name the images or vectors x"),
    ],
)
def test_arrays_that_contradict_one_another_are_refused(arrays: dict[str, int], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{name: np.eye(3) for name in arrays})
    with pytest.raises(DataError, match=said):
        open_source(tmp_path / "a.npz")


def test_why_a_file_of_arrays_is_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects.npy: holds Python objects; save plain numbers or text$"):
        open_source(tmp_path / "objects.npy")
    np.save(tmp_path / "one.npy", np.eye(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(DataError, match=r"one.npz: holds one array by itself; give it the ending .npy$"):
        open_source(tmp_path / "one.npz")


@pytest.mark.parametrize("shape", [(32, 40, 3), (32, 32)])
def test_one_image_given_as_many_items_is_named(shape: tuple[int, ...]) -> None:
    (note,) = open_source(np.zeros(shape, np.uint8)).notes
    assert note.startswith(f"an array of shape {shape} was read as 32 ")
    assert open_source([np.zeros(shape, np.uint8)]).notes == ()


def test_more_rows_than_memory_has_room_for_are_refused_at_once(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 3), }".ljust(117) + b"\n"
    with (tmp_path / "a.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        file.truncate(128 + 240_000_000_000)  # a file with a hole: it takes no room on the disk
    with pytest.raises(ShortageError, match=r"a: to keep track of its 10,000,000,000 items takes 2,794 GiB"):
        open_source(tmp_path / "a.npy")
