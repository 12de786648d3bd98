"""The forms in which data sets are published, each read into a pool of items: idx, npz, text, folders of pictures."""

import gzip
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer, Shaped, UInt8

from hizumi.data import IMAGE_SUFFIXES, Manifest, decode, open_source
from hizumi.errors import DataError
from hizumi.storage.files import printable

KDD_COLUMNS = 41
KDD_WORDS = (1, 2, 3)
KDD_SYMBOLIC = (1, 2, 3, 6, 11, 20, 21)  # protocol, service, flag, land, logged in, host login, guest login
PARTS = ("train", "test")
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True, eq=False)
class Pool:
    """All items of a data set, one entry an item in each array.

    `items` are images (n, h, w, c) uint8 or rows (n, d); `kinds` name each item's class, "good" where it is normal in
    a set of parts. `tested` is the official test split; items of one `group` show the same part or belong to one
    clip, in order; those of one `section` belong to one case of a protocol, such as a kind of solar cell; `masks` are
    (n, h, w), True where anomalous.
    """

    items: Shaped[np.ndarray, "n *shape"]
    kinds: Shaped[np.ndarray, "n"]
    tested: Bool[np.ndarray, "n"] | None = None
    groups: Shaped[np.ndarray, "n"] | None = None
    sections: Shaped[np.ndarray, "n"] | None = None
    masks: Bool[np.ndarray, "n h w"] | None = None

    def __len__(self) -> int:
        return len(self.items)


Form = tuple[str, Callable[[Path], Pool | None]]
"""What a form of the data consists of, for an error, and its reader: None where the folder does not hold it."""


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file, as MNIST's, compressed by gzip or not."""
    with _whole(path):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        dimensions = content[3]
        shape = np.frombuffer(content, ">u4", dimensions, 4).astype(int)
        values = np.frombuffer(content, IDX_TYPES[content[2]], offset=4 + 4 * dimensions)
        if content[:2] != b"\0\0" or values.size != shape.prod():
            raise ValueError("it is no idx file, or was cut short")
    return values.reshape(shape).astype(values.dtype.newbyteorder("="))


def one_column_a_value(table: np.ndarray, symbolic: Sequence[int]) -> np.ndarray:
    """A table (n, d) as numbers, each symbolic column replaced by one column of 0 and 1 for each of its values."""
    columns = np.split(table, table.shape[1], axis=1)
    parts = [column == np.unique(column) if n in symbolic else column for n, column in enumerate(columns)]
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


def file_form(names: Sequence[str], read: Callable[[Path], Pool]) -> Form:
    """The first of these files that is there."""

    def reader(folder: Path) -> Pool | None:
        path = first_existing(folder, names)
        return None if path is None else read(path)

    return " or ".join(names), reader


def npz_form(name: str, build: Callable[[Mapping[str, np.ndarray]], Pool]) -> Form:
    """A file of named arrays, from which `build` makes the pool."""

    def read(path: Path) -> Pool:
        with _whole(path), np.load(path, allow_pickle=False) as archive:
            return build({key: archive[key] for key in archive.files})

    return file_form([name], read)


def parts_form(name: str) -> Form:
    """A folder in the MVTec AD layout, under the set's name or given itself."""

    def reader(folder: Path) -> Pool | None:
        place = next((place for place in (folder / name, folder) if (place / "train").is_dir()), None)
        return None if place is None else pool_of(open_source(place))

    return f"train/good, test/<kind> and ground_truth/<kind> (the MVTec AD layout), there or in {name}/", reader


def pool_of(manifest: Manifest) -> Pool:
    """Images of one size that a manifest names, with its splits, kinds and masks."""
    pixels = [manifest.read(index).pixels for index in range(len(manifest))]
    if len({image.shape for image in pixels}) > 1:
        raise DataError(f"{manifest.name}: its images differ in size or channels; bring them to one size first")
    masks = [manifest.read_mask(index) for index in range(len(manifest))]
    size = pixels[0].shape[:2]
    return Pool(
        np.stack(pixels),
        np.array([record.kind for record in manifest.records]),
        np.array([record.split == "test" for record in manifest.records]),
        masks=np.stack([np.zeros(size, bool) if mask is None else mask for mask in masks])
        if any(mask is not None for mask in masks)
        else None,
    )


def from_arrays(arrays: Mapping[str, np.ndarray], defect: str = "defect") -> Pool:
    """x_train, x_test, and y_train, y_test: classes. Without y_train all of x_train is good, and 1 is a defect."""
    train, test = _channels_last(arrays["x_train"]), _channels_last(arrays["x_test"])
    if "y_train" in arrays:
        kinds = np.concatenate([arrays["y_train"].ravel(), arrays["y_test"].ravel()]).astype(int).astype(str)
    else:
        kinds = np.concatenate([np.full(len(train), "good"), np.where(arrays["y_test"] == 1, defect, "good")])
    masks = None
    if "mask_test" in arrays:
        marked = unpacked(arrays["mask_test"], test.shape[2])
        masks = np.concatenate([np.zeros(train.shape[:3], bool), marked])
    return Pool(np.concatenate([train, test]), kinds, _last(len(train), len(test)), masks=masks)


def from_clips(arrays: Mapping[str, np.ndarray]) -> Pool:
    """As `from_arrays`, with the clip of each frame in clip_train and clip_test."""
    pool = from_arrays(arrays)
    clips = [f"{part} {clip}" for part in PARTS for clip in arrays[f"clip_{part}"]]
    return Pool(pool.items, pool.kinds, pool.tested, groups=np.array(clips), masks=pool.masks)


def from_jpegs(arrays: Mapping[str, np.ndarray]) -> Pool:
    """JPEG files one after another in jpeg_train and jpeg_test, and where each begins."""
    images = {f"x_{part}": np.stack(decoded(arrays[f"jpeg_{part}"], arrays[f"offset_{part}"])) for part in PARTS}
    return from_arrays({**images, **arrays})


def decoded(
    stream: UInt8[np.ndarray, "bytes"], starts: Integer[np.ndarray, "n"], mode: str = "RGB"
) -> list[np.ndarray]:
    """Pictures, in a mode of Pillow's, from files one after another; `starts` ends with where the last one ends."""
    from PIL import Image

    content = stream.tobytes()
    return [np.asarray(Image.open(io.BytesIO(content[start:end])).convert(mode)) for start, end in pairwise(starts)]


def cifar_binary(folder: Path) -> Pool | None:
    """Records of a label byte and 3,072 bytes of colour planes."""
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for place in (folder, folder / "cifar-10-batches-bin"):
        if all((place / name).is_file() for name in names):
            parts = [np.frombuffer((place / name).read_bytes(), np.uint8).reshape(-1, 3073) for name in names]
            records = np.concatenate(parts)
            images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            tests = len(parts[-1])
            return Pool(np.ascontiguousarray(images), records[:, 0].astype(str), _last(len(records) - tests, tests))
    return None


def kdd_table(path: Path) -> Pool:
    """Lines of 41 values and a label, with commas between."""
    # Each column numbers its words in the order in which they come.
    codes = {column: defaultdict[str, int](count().__next__) for column in (*KDD_WORDS, KDD_COLUMNS)}
    coders: dict[int | str, Callable[[str], int]] = {column: known.__getitem__ for column, known in codes.items()}
    with _whole(path):
        table = np.loadtxt(path, np.float32, delimiter=",", converters=coders, encoding="latin1", ndmin=2)
        labels = np.array(list(codes[KDD_COLUMNS]))[table[:, KDD_COLUMNS].astype(int)]
    return Pool(one_column_a_value(table[:, :KDD_COLUMNS], KDD_SYMBOLIC), labels)


def from_kdd_arrays(arrays: Mapping[str, np.ndarray]) -> Pool:
    """x (n, 41) in which words are coded as numbers, label, and which columns are symbolic."""
    return Pool(one_column_a_value(arrays["x"], arrays["columns_symbolic"].tolist()), arrays["label"])


def from_rows(arrays: Mapping[str, np.ndarray]) -> Pool:
    """X (n, d), and y, which is 1 for the rare classes."""
    return Pool(arrays["X"].astype(np.float32), np.where(arrays["y"].ravel() == 1, "rare", "good"))


def matlab_rows(path: Path) -> Pool:
    """As `from_rows`, from a file of MATLAB."""
    from scipy.io import loadmat

    with _whole(path):
        return from_rows(loadmat(path, variable_names=["X", "y"]))


def from_tiles(arrays: Mapping[str, np.ndarray]) -> Pool:
    """x, cls ("Free" is good), packed mask, split, and group: the tile that is seen."""
    images = _channels_last(arrays["x"])
    kinds = np.where(arrays["cls"] == "Free", "good", np.char.lower(arrays["cls"]))
    masks = unpacked(arrays["mask"], images.shape[2])
    return Pool(images, kinds, arrays["split"] == "test", groups=arrays["group"].astype(str), masks=masks)


def from_elpv_arrays(arrays: Mapping[str, np.ndarray]) -> Pool:
    """x, prob (of a defect) and type."""
    return Pool(_channels_last(arrays["x"]), _probabilities(arrays["prob"]), sections=arrays["type"])


def elpv_folder(folder: Path) -> Pool | None:
    """Lines of a file's name, the probability of a defect, and mono or poly."""
    table = folder / "labels.csv"
    if not (table.is_file() and (folder / "images").is_dir()):
        return None
    lines = [line.split() for line in table.read_text().splitlines() if line.strip()]
    images = np.stack([_grey(folder / name) for name, _, _ in lines])
    shares, sections = np.array([float(share) for _, share, _ in lines]), np.array([kind for *_, kind in lines])
    return Pool(images, _probabilities(shares), sections=sections)


def _probabilities(shares: np.ndarray) -> np.ndarray:
    return np.array([f"probability {share:.2f}" if share else "good" for share in shares])


def from_medmnist(arrays: Mapping[str, np.ndarray]) -> Pool:
    """MedMNIST's own form: train, val and test, label 1 being pneumonia; validation images are left out."""
    kinds = [np.where(arrays[f"{part}_labels"].ravel() == 1, "pneumonia", "good") for part in PARTS]
    images = [_channels_last(arrays[f"{part}_images"]) for part in PARTS]
    return Pool(np.concatenate(images), np.concatenate(kinds), _last(*map(len, images)))


def ucsd_folder(folder: Path) -> Pool | None:
    """A folder of frames for each clip; a mask for each frame of those test clips that have them."""
    root = next((place for place in (folder, folder / "UCSDped2") if (place / "Train").is_dir()), None)
    if root is None or not (root / "Test").is_dir():
        return None
    frames, kinds, tested, clips, masks = [], [], [], [], []
    for part in ("Train", "Test"):
        for clip in sorted(place for place in (root / part).iterdir() if place.is_dir() and place.name[-1].isdigit()):
            marked = sorted((clip.parent / f"{clip.name}_gt").glob("*.bmp"))
            images = sorted(path for path in clip.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
            for position, path in enumerate(images):
                frames.append(_grey(path))
                masks.append(_grey(marked[position])[:, :, 0] > 0 if marked else np.zeros(frames[-1].shape[:2], bool))
                kinds.append("event" if masks[-1].any() else "good")
                tested.append(part == "Test")
                clips.append(f"{part.lower()} {clip.name}")
    return Pool(np.stack(frames), np.array(kinds), np.array(tested), groups=np.array(clips), masks=np.stack(masks))


def _grey(path: Path) -> np.ndarray:
    return decode(path, name=printable(path)).pixels[:, :, :1]


def unpacked(masks: UInt8[np.ndarray, "n h bytes"], width: int) -> Bool[np.ndarray, "n h w"]:
    """Masks of this width, of which each byte has eight pixels of a row."""
    return np.unpackbits(masks, axis=-1, count=width).astype(bool)


def _channels_last(images: np.ndarray) -> np.ndarray:
    return images[..., np.newaxis] if images.ndim == 3 else images


def _last(training: int, testing: int) -> np.ndarray:
    return np.repeat([False, True], [training, testing])


def first_existing(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that is there."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """What reading a damaged file may raise, as a DataError that names it."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{printable(path)}: cannot be read ({error}); get a whole copy") from error
