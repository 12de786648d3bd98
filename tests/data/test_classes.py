"""Labels that name classes, all of them as normal as the others, beside labels that tell of anomalies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import TensorDataset

from hizumi.data import open_source
from hizumi.errors import DataError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), 9).save(path)


def said(data: object) -> list[tuple[str, int | None]]:
    return [(record.kind, record.label) for record in open_source(data, normal_class="all").records]


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("cat", "dog", "cat2"):
        picture(tmp_path / name / "1.png")
    assert said(tmp_path) == [("cat", 0), ("cat2", 0), ("dog", 0)]
    with pytest.raises(DataError, match=r"names of its folders do not say good or bad \(cat, cat2, dog\)"):
        open_source(tmp_path)


def test_classes_in_splits(tmp_path: Path) -> None:
    for name in ("train/0", "train/1", "test/1"):
        picture(tmp_path / name / "1.png")
    manifest = open_source(tmp_path, normal_class="all")
    assert [(record.kind, record.split) for record in manifest.records] == [
        ("1", "test"),
        ("0", "train"),
        ("1", "train"),
    ]
    assert {record.label for record in manifest.records} == {0}


def test_folders_that_say_good_and_bad_mean_it(tmp_path: Path) -> None:
    for name in ("good", "crack"):
        picture(tmp_path / name / "1.png")
    assert said(tmp_path) == [(record.kind, record.label) for record in open_source(tmp_path).records]
    assert sorted(said(tmp_path)) == [("crack", 1), ("good", 0)]


def test_digits_are_ten_classes() -> None:
    manifest = open_source("digits", normal_class="all")
    assert {record.kind for record in manifest.records} == {str(digit) for digit in range(10)}
    assert {record.label for record in manifest.records} == {0}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 3, 7, -1], [("0", 0), ("3", 0), ("7", 0), ("unlabelled", None)]),
        (["a", "b", "a", ""], [("a", 0), ("b", 0), ("a", 0), ("unlabelled", None)]),
        ([0, 1, 0, 1], [("good", 0), ("anomalous", 1), ("good", 0), ("anomalous", 1)]),
        (["good", "rust", "ok", "rust"], [("good", 0), ("rust", 1), ("good", 0), ("rust", 1)]),
    ],
)
def test_labels_of_arrays_and_tables(labels: list, expected: list[tuple[str, int | None]], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(8.0).reshape(4, 2), y=np.array(labels))
    assert said(tmp_path / "a.npz") == expected
    lines = [f"{number},{number},{label}" for number, label in enumerate(labels)]
    (tmp_path / "a.csv").write_text("\n".join(["x,y,label", *lines]))
    assert said(tmp_path / "a.csv") == expected


def test_data_sets() -> None:
    import torch

    dataset = TensorDataset(torch.rand(3, 1, 4, 4), torch.tensor([2, 0, 2]))
    assert said(dataset) == [("2", 0), ("0", 0), ("2", 0)]


def test_unlabelled_training_rows_are_kept(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros((3, 2)), y_train=np.array([5, -1, 2]))
    assert said(tmp_path / "a.npz") == [("5", 0), ("unlabelled", None), ("2", 0)]
