from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import open_source, split
from hizumi.data.masks import MaskReader, check_masks, is_mask_folder, pair
from hizumi.errors import DataError

SIZE = (32, 32)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path, **options)
    return path


def texture(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, size)


def square(value: int = 255, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask of 144 pixels, off the middle."""
    mask = np.zeros(size)
    mask[2:14, 4:16] = value
    return mask


MARKED = square() > 0


def test_names_that_mean_masks():
    for name in ("ground_truth", "Ground_Truth", "GROUND TRUTH", "mask", "Masks", "gt", "label", "labels", "anno"):
        assert is_mask_folder(name)
    for name in ("defect_no_mask", "good", "unlabelled", "crack", "without_mask", "test"):
        assert not is_mask_folder(name)


@pytest.mark.parametrize(
    "mask",
    [
        "ground_truth/crack/000_mask.png",
        "ground_truth/crack/000.png",
        "ground_truth/crack/000_gt.png",
        "Ground_Truth/Crack/000_GT.PNG",
        "ground_truth/crack/000-mask.bmp",
        "gt/crack/000_label.tif",
        "mask/crack/000_anno.png",
        "masks/test/crack/mask_000.png",
        "labels/000.png",
        "test/crack/mask/000.png",
        "ground_truth/crack/000/000.png",
        "annotations/crack/000 ground truth.png",
    ],
)
def test_masks_are_found_by_stem(mask: str, tmp_path: Path):
    save(tmp_path / "train/good/000.png", texture())
    save(tmp_path / "test/good/000.png", texture(1))
    save(tmp_path / "test/crack/000.png", texture(2))
    save(tmp_path / mask, square())
    manifest = open_source(tmp_path)
    assert [record.name for record in manifest.records if record.label == 1] == ["test/crack/000.png"]
    assert len(manifest) == 3
    np.testing.assert_array_equal(manifest.select(label=1).read_mask(0), MARKED)
    assert len(manifest.notes) == 1  # how the folder was understood


def test_several_masks_of_one_image_are_united(tmp_path: Path):
    save(tmp_path / "train/good/000.png", texture())
    save(tmp_path / "test/logical_anomalies/000.png", texture(1))
    halves = np.zeros((2, *SIZE))
    halves[0, 2:8, 4:16], halves[1, 8:14, 4:16] = 254, 255
    for number, half in enumerate(halves):
        save(tmp_path / f"ground_truth/logical_anomalies/000/00{number}.png", half)
    np.testing.assert_array_equal(open_source(tmp_path).select(label=1).read_mask(0), MARKED)


def test_masks_that_belong_to_nothing_are_named(tmp_path: Path):
    save(tmp_path / "train/good/0.png", texture())
    save(tmp_path / "test/crack/0.png", texture(1))
    save(tmp_path / "ground_truth/crack/other.png", square())
    notes = open_source(tmp_path).notes
    assert "without a mask, and left out of pixel metrics: 1 of 1 anomalous image" in notes
    assert "masks that belong to no image, or to several: 1 (ground_truth/crack/other.png)" in notes


def test_one_mask_is_not_given_to_two_images(tmp_path: Path):
    images = [tmp_path / "test/crack/0.png", tmp_path / "test/dent/0.png"]
    mask = tmp_path / "masks/0.png"
    assert pair(tmp_path, images, [mask]).masks == {}
    assert pair(tmp_path, images, [mask]).unmatched == (mask,)


def test_masks_beside_the_images_are_no_images(tmp_path: Path):
    for number in range(4):
        save(tmp_path / f"0{number}.jpg", texture(number))
        save(tmp_path / f"0{number}.png", np.zeros(SIZE) if number else square())
        save(tmp_path / f"1{number}.png", texture(10 + number))
        save(tmp_path / f"1{number}_GT.png", np.zeros(SIZE))
    manifest = open_source(tmp_path)
    assert {record.name for record in manifest.records} == {f"0{n}.jpg" for n in range(4)} | {
        f"1{n}.png" for n in range(4)
    }
    assert [record.name for record in manifest.records if record.label == 1] == ["00.jpg"]
    np.testing.assert_array_equal(manifest.select(label=1).read_mask(0), MARKED)
    [note] = manifest.notes
    assert note.endswith("a folder of good images: 7 good to learn from, 1 to test, 1 mask, 7 masks of good images")


def marked(tmp_path: Path, mask: str, array: np.ndarray | None = None, **options: object):
    """A defective image with one mask."""
    save(tmp_path / "test/crack/0.png", texture())
    if array is not None:
        save(tmp_path / "ground_truth/crack" / mask, array, **options)
    return open_source(tmp_path)


def test_a_lossy_mask_is_cut_at_half_of_its_range(tmp_path: Path):
    manifest = marked(tmp_path, "0.jpg", square())
    masks = MaskReader(manifest)
    assert masks.read(0).sum() == 144
    assert masks.notes == ("smooth or lossy mask cut at half of its range: 1 image",)


def test_faint_drawn_masks_keep_all_their_levels(tmp_path: Path):
    assert marked(tmp_path, "0.png", square(1)).read_mask(0).sum() == 144


def inverted(tmp_path: Path) -> None:
    save(tmp_path / "ground_truth/crack/0.png", 255 - square())


def palette(tmp_path: Path) -> None:
    image = Image.fromarray((square() > 0).astype(np.uint8), mode="P")
    image.putpalette([255, 255, 255, 255, 0, 0])
    (tmp_path / "ground_truth/crack").mkdir(parents=True)
    image.save(tmp_path / "ground_truth/crack/0.png")


def of_another_size(tmp_path: Path) -> None:
    save(tmp_path / "ground_truth/crack/0.png", np.zeros((16, 16)))


def damaged(tmp_path: Path) -> None:
    save(tmp_path / "ground_truth/crack/0.png", square()).write_bytes(b"\x89PNG\r\n\x1a\nno more")


def faint_and_lossy(tmp_path: Path) -> None:
    save(tmp_path / "ground_truth/crack/0.jpg", square(100))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (inverted, "marks 86% of the image and most of its border"),
        (palette, "marks 100% of the image"),
        (of_another_size, "is 16x16 pixels, its image 32x32"),
        (damaged, "mask of test/crack/0.png"),
        (faint_and_lossy, "no value above half"),
    ],
)
def test_a_mask_that_cannot_be_used_is_left_out_and_named(make, reason: str, tmp_path: Path):
    save(tmp_path / "test/crack/0.png", texture())
    make(tmp_path)
    manifest = open_source(tmp_path)
    masks = MaskReader(manifest)
    assert masks.read(0) is None
    assert masks.refused == 1
    [note] = masks.notes
    assert "left out of the pixel metrics" in note
    assert reason in note
    with pytest.raises(DataError, match=r"mask of test/crack/0\.png"):
        check_masks(manifest)


def turned(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "test/crack/0.jpg", texture(size=size), exif=exif)
    save(tmp_path / "ground_truth/crack/0.png", square(size=size))


@pytest.mark.parametrize(("orientation", "turns"), [(6, -1), (8, 1)])
def test_a_mask_drawn_on_stored_pixels_is_turned_like_its_image(orientation: int, turns: int, tmp_path: Path):
    turned(tmp_path, orientation, (24, 40))
    mask = open_source(tmp_path).read_mask(0)
    np.testing.assert_array_equal(mask, np.rot90(square(size=(24, 40)) > 0, turns))


@pytest.mark.parametrize(("orientation", "size"), [(3, (24, 40)), (6, (32, 32))])
def test_a_mask_whose_place_is_unknown_is_refused(orientation: int, size: tuple[int, int], tmp_path: Path):
    turned(tmp_path, orientation, size)
    with pytest.raises(DataError, match="turned by an orientation tag"):
        open_source(tmp_path).read_mask(0)


def test_a_mask_of_arrays_that_marks_the_background_is_refused(tmp_path: Path):
    images = np.stack([texture(0), texture(1)]).astype(np.uint8)
    masks = np.stack([np.zeros(SIZE), 255 - square()])
    np.savez(tmp_path / "a.npz", x=images, y=[0, 1], mask=masks)
    masks = MaskReader(open_source(tmp_path / "a.npz"))
    assert masks.read(1) is None
    assert any("marks 86% of the image" in note for note in masks.notes)


def contradicting(folder: Path, layout: str) -> Path:
    """Twelve good pictures, of which number 3 has a mask with a defect, and the others an empty one."""
    images = np.stack([texture(number) for number in range(12)]).astype(np.uint8)
    masks = np.stack([square() * (number == 3) for number in range(12)])
    if layout == "npz":
        np.savez(folder / "a.npz", x=images, y=np.zeros(12), mask=masks > 0)
        return folder / "a.npz"
    good, of_good = {
        "mvtec": ("test/good/{}.png", "ground_truth/good/{}_mask.png"),
        "beside": ("good/{}.jpg", "good/{}_mask.png"),
        "list": ("pictures/{}.png", "drawn/{}.png"),
        "film": ("Train/Train001/{}.png", "Train/Train001_gt/{}.bmp"),
    }[layout]
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        save(folder / good.format(number), image)
        save(folder / of_good.format(number), mask)
    if layout == "list":
        lines = [f"{good.format(number)},good,{of_good.format(number)}" for number in range(12)]
        (folder / "list.csv").write_text("\n".join(["path,label,mask", *lines]))
        return folder / "list.csv"
    return folder


@pytest.mark.parametrize("layout", ["mvtec", "beside", "list", "npz", "film"])
def test_a_good_picture_whose_mask_marks_a_defect_is_named(layout: str, tmp_path: Path):
    manifest = open_source(contradicting(tmp_path, layout), motion=layout == "film")
    [unknown] = [record for record in manifest.records if record.label is None]
    assert "3" in unknown.name
    noted = [note for note in manifest.notes if "a mask that marks a defect" in note]
    assert len(noted) == 1
    assert unknown.name in noted[0]
    assert layout == "npz" or "/3" in noted[0].split("(")[1]  # the file of the mask
    others = [record for record in manifest.records if record is not unknown]
    assert {record.label for record in others} == {0}
    assert all(record.mask is not None for record in others)
    assert manifest.unopened == ()
    if layout != "mvtec":  # whose good pictures here are all to test on
        assert [record.split for record in split(manifest).records if record.label is None] == ["test"]
    masks = MaskReader(manifest)
    assert [masks.read(index).any() for index in range(12) if manifest.records[index] is not unknown] == [0] * 11


def test_masks_of_good_pictures_are_of_the_test_split_where_names_agree(tmp_path: Path):
    for place in ("train/good/0", "test/good/0", "test/crack/0"):
        save(tmp_path / f"{place}.png", texture())
    save(tmp_path / "ground_truth/good/0_mask.png", square(0))
    save(tmp_path / "ground_truth/crack/0_mask.png", square())
    manifest = open_source(tmp_path)
    masked = {record.name: record.mask is not None for record in manifest.records}
    assert masked == {"train/good/0.png": False, "test/good/0.png": True, "test/crack/0.png": True}
    assert manifest.notes[0].endswith("2 to test, 1 mask, 1 mask of good images")


def test_numbered_marks_keep_all_their_numbers(tmp_path: Path):
    numbers = np.zeros(SIZE)
    for number in range(1, 21):
        numbers[number, 2:22] = number
    assert marked(tmp_path, "0.png", numbers).read_mask(0).sum() == 400


def test_a_mask_that_marks_nothing_of_a_defect_is_left_out_and_named(tmp_path: Path):
    masks = MaskReader(marked(tmp_path, "0.png", square(0)))
    assert masks.read(0) is None
    assert masks.refused == 1
    assert masks.notes == ("anomalous, but with a mask that marks nothing: 1 image (test/crack/0.png)",)
