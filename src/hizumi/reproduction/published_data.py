"""The data sets of published protocols, in whatever form a folder holds them. Nothing is downloaded."""

from collections.abc import Sequence
from pathlib import Path

from hizumi.errors import DataError
from hizumi.reproduction.published_forms import (
    Form,
    Pool,
    cifar_binary,
    elpv_folder,
    first_existing,
    first_file,
    from_arrays,
    from_clips,
    from_elpv_arrays,
    from_jpegs,
    from_kdd_arrays,
    from_medmnist,
    from_pneumonia,
    from_rows,
    from_tiles,
    kdd_table,
    matlab_rows,
    npz_form,
    parts_form,
    read_idx,
    ucsd_folder,
)
from hizumi.storage.files import printable

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_first(folder: Path, forms: Sequence[Form], what: str) -> Pool:
    """The data in the first of these forms that the folder holds; DataError naming all of them where it holds none."""
    if not folder.is_dir():
        raise DataError(f"{printable(folder)}: there is no such folder; give the one that holds {what}")
    for _, reader in forms:
        if (pool := reader(folder)) is not None:
            return pool
    wanted = "; or ".join(form for form, _ in forms)
    raise DataError(f"{printable(folder)}: holds no {what}; looked for {wanted}")


def read_mnist(folder: Path) -> Pool:
    """MNIST: 70,000 digits at 28 pixels, the last 10,000 for testing."""
    return read_first(folder, _mnist_forms("mnist", "MNIST"), "MNIST")


def read_fashion_mnist(folder: Path) -> Pool:
    """Fashion-MNIST, in MNIST's own form; a set of 10,000 + 10,000 where the folder holds that one."""
    whole, idx = _mnist_forms("fashion_mnist", "FashionMNIST")
    return read_first(folder, [whole, npz_form("fashion_mnist_20k.npz", from_arrays), idx], "Fashion-MNIST")


def read_cifar10(folder: Path) -> Pool:
    """CIFAR-10: 32-pixel colour images; the python version is pickled and therefore not read."""
    batches = "data_batch_1.bin to data_batch_5.bin and test_batch.bin (the binary version)"
    forms: list[Form] = [
        (batches, cifar_binary),
        npz_form("cifar10.npz", from_arrays),
        npz_form("cifar10_20k_jpeg.npz", from_jpegs),
    ]
    return read_first(folder, forms, "CIFAR-10")


def read_kdd99(folder: Path) -> Pool:
    """KDD Cup 1999, the 10 % set: 494,021 connections; 41 columns become 121, seven of them one column a value."""
    tables = [f"kddcup.data_10_percent{ending}" for ending in ("", ".gz", "_corrected")]
    forms: list[Form] = [
        (" or ".join(tables), lambda place: first_file(place, tables, kdd_table)),
        npz_form("kddcup99_10pct.npz", from_kdd_arrays),
    ]
    return read_first(folder, forms, "KDD Cup 1999")


def read_arrhythmia(folder: Path) -> Pool:
    """Arrhythmia: 452 patients, 274 numbers each, 66 of them of the rare classes that are taken for anomalies."""
    return read_first(
        folder, [npz_form("arrhythmia.npz", from_rows), ("arrhythmia.mat", matlab_rows)], "the arrhythmia set"
    )


def read_magnetic_tile(folder: Path) -> Pool:
    """Magnetic tiles: photographs of good and defective ones, with masks, and which show the same tile."""
    return read_first(
        folder, [npz_form("magnetic_tile_128.npz", from_tiles), parts_form("magnetic_tile")], "the magnetic tile set"
    )


def read_elpv(folder: Path) -> Pool:
    """ELPV: solar cells by electroluminescence; the kind is how probable a defect is, the section mono or poly."""
    forms: list[Form] = [("labels.csv beside images/", elpv_folder), npz_form("elpv_96.npz", from_elpv_arrays)]
    return read_first(folder, forms, "the ELPV set")


def read_deeppcb(folder: Path) -> Pool:
    """DeepPCB, as tiles: binarised circuit boards with marked defects."""
    return read_first(folder, [npz_form("deeppcb_tiles_64.npz", from_arrays), parts_form("deeppcb")], "DeepPCB")


def read_pneumoniamnist(folder: Path) -> Pool:
    """PneumoniaMNIST: chest X-rays at 28 pixels, healthy or with pneumonia."""
    forms: list[Form] = [
        npz_form("pneumoniamnist.npz", from_medmnist),
        npz_form("pneumoniamnist_ad.npz", from_pneumonia),
    ]
    return read_first(folder, forms, "PneumoniaMNIST")


def read_ped2(folder: Path) -> Pool:
    """UCSD Ped2: frames of a walkway; the group is the clip."""
    forms: list[Form] = [
        ("Train/Train001/*.tif, Test/Test001/*.tif and Test/Test001_gt/*.bmp (UCSDped2)", ucsd_folder),
        npz_form("ucsd_ped2_80x120_half.npz", from_clips),
    ]
    return read_first(folder, forms, "UCSD Ped2")


def _mnist_forms(name: str, raw: str) -> list[Form]:
    parts = {"train": "train", "test": "t10k"}
    files = [f"{part}-{what}-ubyte" for part in parts.values() for what in ("images-idx3", "labels-idx1")]

    def from_idx(folder: Path) -> Pool | None:
        for place in (folder / name, folder / raw / "raw", folder):  # their names do not say which set they are
            found = [first_existing(place, (file, f"{file}.gz")) for file in files]
            if all(found):
                train_x, train_y, test_x, test_y = (read_idx(path) for path in found if path is not None)
                return from_arrays({"x_train": train_x, "y_train": train_y, "x_test": test_x, "y_test": test_y})
        return None

    return [npz_form(f"{name}.npz", from_arrays), (f"{', '.join(files)} (idx files, .gz or not)", from_idx)]
