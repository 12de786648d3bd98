"""The data sets of published protocols, in whatever form a folder holds them. Nothing is downloaded."""

from functools import partial
from pathlib import Path

from hizumi.errors import DataError
from hizumi.reproduction import published_forms as forms
from hizumi.reproduction.published_forms import Form, Pool, file_form, npz_form, parts_form
from hizumi.reproduction.published_photographs import from_welds, photographs_form, read_categories
from hizumi.storage.files import printable

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

MVTEC_AD = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw", "tile"),
    *("toothbrush", "transistor", "wood", "zipper"),
)


def read_first(folder: Path, what: str, *known: Form) -> Pool:
    """The data in the first of these forms that the folder holds; DataError naming all of them where it holds none."""
    if not folder.is_dir():
        raise DataError(f"{printable(folder)}: there is no such folder; give the one that holds {what}")
    for _, reader in known:
        if (pool := reader(folder)) is not None:
            return pool
    wanted = "; or ".join(form for form, _ in known)
    raise DataError(f"{printable(folder)}: holds no {what}; looked for {wanted}")


def read_mnist(folder: Path) -> Pool:
    """MNIST: 70,000 digits at 28 pixels, the last 10,000 for testing."""
    return read_first(folder, "MNIST", *_mnist_forms("mnist", "MNIST"))


def read_fashion_mnist(folder: Path) -> Pool:
    """Fashion-MNIST, in MNIST's own form; a set of 10,000 + 10,000 where the folder holds that one."""
    whole, idx = _mnist_forms("fashion_mnist", "FashionMNIST")
    return read_first(folder, "Fashion-MNIST", whole, npz_form("fashion_mnist_20k.npz", forms.from_arrays), idx)


def read_cifar10(folder: Path) -> Pool:
    """CIFAR-10: 32-pixel colour images; the python version is pickled and therefore not read."""
    binary = ("data_batch_1.bin to data_batch_5.bin and test_batch.bin (the binary version)", forms.cifar_binary)
    jpegs = npz_form("cifar10_20k_jpeg.npz", forms.from_jpegs)
    return read_first(folder, "CIFAR-10", binary, npz_form("cifar10.npz", forms.from_arrays), jpegs)


def read_kdd99(folder: Path) -> Pool:
    """KDD Cup 1999, the 10% set: 494,021 connections; 41 columns become 121, seven of them one column a value."""
    table = file_form([f"kddcup.data_10_percent{ending}" for ending in ("", ".gz", "_corrected")], forms.kdd_table)
    return read_first(folder, "KDD Cup 1999", table, npz_form("kddcup99_10pct.npz", forms.from_kdd_arrays))


def read_arrhythmia(folder: Path) -> Pool:
    """Arrhythmia: 452 patients, 274 numbers each, 66 of them of the rare classes that are taken for anomalies."""
    matlab = file_form(["arrhythmia.mat"], forms.matlab_rows)
    return read_first(folder, "the arrhythmia set", npz_form("arrhythmia.npz", forms.from_rows), matlab)


def read_magnetic_tile(folder: Path) -> Pool:
    """Magnetic tiles: photographs of good and defective ones, with masks, and which show the same tile."""
    tiles = npz_form("magnetic_tile_128.npz", forms.from_tiles)
    return read_first(folder, "the magnetic tile set", tiles, parts_form("magnetic_tile"))


def read_elpv(folder: Path) -> Pool:
    """ELPV: solar cells by electroluminescence; the kind is how probable a defect is, the section mono or poly."""
    cells = ("labels.csv beside images/", forms.elpv_folder)
    return read_first(folder, "the ELPV set", cells, npz_form("elpv_96.npz", forms.from_elpv_arrays))


def read_deeppcb(folder: Path) -> Pool:
    """DeepPCB, as tiles: binarised circuit boards with marked defects."""
    return read_first(folder, "DeepPCB", npz_form("deeppcb_tiles_64.npz", forms.from_arrays), parts_form("deeppcb"))


def read_pneumoniamnist(folder: Path) -> Pool:
    """PneumoniaMNIST: chest X-rays at 28 pixels, healthy or with pneumonia."""
    own = npz_form("pneumoniamnist.npz", forms.from_medmnist)
    arrays = npz_form("pneumoniamnist_ad.npz", partial(forms.from_arrays, defect="pneumonia"))
    return read_first(folder, "PneumoniaMNIST", own, arrays)


def read_mvtec(folder: Path) -> Pool:
    """MVTec AD: 15 kinds of parts and textures, of which those that are there are read, at 256 pixels."""
    return read_categories(folder, "MVTec AD", MVTEC_AD, ("mvtec", "mvtec_ad", "mvtec_anomaly_detection"))


def read_cookies(folder: Path) -> Pool:
    """Biscuits photographed again and again, whole and cracked."""
    return read_first(folder, "the biscuits", photographs_form("cookie_256.npz"), parts_form("cookies"))


def read_welds(folder: Path) -> Pool:
    """Height maps of battery welds; the group is the weld."""
    return read_first(folder, "the battery welds", npz_form("battery_weld.npz", from_welds))


def read_ped2(folder: Path) -> Pool:
    """UCSD Ped2: frames of a walkway; the group is the clip."""
    frames = ("Train/Train001/*.tif, Test/Test001/*.tif and Test/Test001_gt/*.bmp (UCSDped2)", forms.ucsd_folder)
    return read_first(folder, "UCSD Ped2", frames, npz_form("ucsd_ped2_80x120_half.npz", forms.from_clips))


def _mnist_forms(name: str, raw: str) -> list[Form]:
    files = [f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]

    def from_idx(folder: Path) -> Pool | None:
        for place in (folder / name, folder / raw / "raw", folder):  # their names do not say which set they are
            found = [forms.first_existing(place, (file, f"{file}.gz")) for file in files]
            if all(found):
                arrays = [forms.read_idx(path) for path in found if path is not None]
                return forms.from_arrays(dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
        return None

    return [npz_form(f"{name}.npz", forms.from_arrays), (f"{', '.join(files)} (idx files, .gz or not)", from_idx)]
