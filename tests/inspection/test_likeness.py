import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, shift

from hizumi.data import Manifest, Store, open_source
from hizumi.inspection import Inspector
from hizumi.preprocessing.likeness_health import check_likeness

COUNT, SIDE = 40, 96
FOUND = "images nearly alike"


def parts(seed: int = 0, count: int = COUNT) -> np.ndarray:
    """(count, 96, 96) photographs of as many parts: one shape that lies a little otherwise, and own grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    shape = np.where((rows - 48) ** 2 + (columns - 48) ** 2 < 30**2, 140.0, 60.0)
    photographs = []
    for _ in range(count):
        grain = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5) * 40
        photographs.append(shift(shape, rng.normal(0, 1, 2), order=1, mode="nearest") + grain)
    return np.clip(photographs, 0, 255).astype(np.uint8)


def as_jpeg(image: np.ndarray) -> np.ndarray:
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=75)
    return np.asarray(Image.open(written))


def scaled(image: np.ndarray) -> np.ndarray:
    half = Image.fromarray(image).resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)
    return np.asarray(half.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def photographed_again(image: np.ndarray) -> np.ndarray:
    """Under a brighter light from one side, with the noise of another exposure."""
    light = np.linspace(1.0, 1.3, SIDE)
    return np.clip(image * light + np.random.default_rng(7).normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def of_images(images: np.ndarray, groups: list[str] | None = None) -> Store:
    manifest = open_source(images)
    if groups is not None:
        named = zip(manifest.records, groups, strict=True)
        manifest = replace(manifest, records=tuple(replace(record, group=group) for record, group in named))
    return Store.build(manifest, None)


@pytest.mark.parametrize("again", [as_jpeg, scaled, photographed_again])
def test_photographs_of_one_part_are_found_and_named(again: Callable[[np.ndarray], np.ndarray]):
    originals = parts()
    copied = [3, 8, 21, 30]
    both = np.concatenate([originals, np.stack([again(originals[place]) for place in copied])])
    (finding,) = check_likeness(of_images(both))
    assert finding.name == FOUND
    assert finding.message.startswith("8 of 44 good images")
    manifest = open_source(originals)
    for place in copied[:3]:
        assert f"{manifest.records[place].name} and " in finding.message
    assert "and 1 more" in finding.message


@pytest.mark.parametrize("count", [3, COUNT, 300])
def test_parts_of_one_shape_are_no_copies(count: int):
    assert not check_likeness(of_images(parts(count=count)))


def test_equal_images_count_as_one_already_and_so_do_those_of_a_group():
    originals = parts()
    again = np.stack([photographed_again(image) for image in originals[:10]])
    both = np.concatenate([originals, again])
    groups = [f"part {number}" for number in (*range(COUNT), *range(10))]
    assert check_likeness(of_images(both))
    assert not check_likeness(of_images(both, groups))
    assert not check_likeness(of_images(np.concatenate([originals, originals[:10]])))


def test_copies_are_found_beside_equal_images():
    originals = parts()
    again = np.stack([as_jpeg(image) for image in originals[:10]])
    (finding,) = check_likeness(of_images(np.concatenate([originals, originals[:10], again, again])))
    assert finding.message.startswith("40 of 70")


def test_one_copy_among_many_is_not_told():
    originals = parts()
    assert not check_likeness(of_images(np.concatenate([originals, as_jpeg(originals[0])[None]])))


def test_other_items_are_not_looked_at():
    rows = np.random.default_rng(0).normal(size=(30, 5))
    manifest: Manifest = open_source(np.concatenate([rows, rows + 1e-9]))
    assert not check_likeness(Store.build(manifest, None))


def test_a_fit_tells_of_them():
    originals = parts()
    again = np.stack([as_jpeg(image) for image in originals])
    assert FOUND in {finding.name for finding in Inspector("pca").fit(np.concatenate([originals, again])).findings_}
    assert FOUND not in {finding.name for finding in Inspector("pca").fit(originals).findings_}
