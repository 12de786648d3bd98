"""Built-in sets: seeded, without a download, and honest: what trains is not what calibrates or tests."""

import socket
from collections import Counter

import numpy as np
import pytest

from hizumi.data import BUILTIN_NAMES, Manifest, builtin, check_disjoint, open_source, split
from hizumi.data.defects import DEFECTS, draw
from hizumi.errors import UsageError


@pytest.fixture(scope="module")
def brick() -> Manifest:
    return builtin("brick")


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the net was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in BUILTIN_NAMES:
        assert open_source(name).name == name


def test_the_photograph_is_cut_as_said(brick: Manifest):
    counted = Counter((record.split, record.label) for record in brick.records)
    assert counted == {("train", 0): 2400, ("calibration", 0): 600, ("test", 0): 200, ("test", 1): 200}
    assert Counter(record.kind for record in brick.records if record.label) == dict.fromkeys(DEFECTS, 40)
    assert brick.arrays is not None
    assert (brick.arrays.shape, brick.arrays.dtype) == ((3400, 64, 64, 1), np.uint8)
    assert split(brick).records == brick.records


def test_crops_of_two_splits_share_no_row_of_the_photograph(brick: Manifest):
    """Each crop is looked up in the photograph by its first row of pixels, which is unique there."""
    import skimage.data

    photograph = skimage.data.brick()
    windows = np.lib.stride_tricks.sliding_window_view(photograph, 64, axis=1)
    places: dict[bytes, list[int]] = {}
    for top in range(512):
        for window in windows[top]:
            places.setdefault(window.tobytes(), []).append(top)
    rows: dict[str, set[int]] = {"train": set(), "calibration": set(), "test": set()}
    for record in brick.records:
        if record.label == 0 and record.split is not None:
            (top,) = places[brick.arrays[record.row, 0, :, 0].tobytes()]
            rows[record.split].update(range(top, top + 64))
    assert max(rows["train"]) < min(rows["calibration"])
    assert max(rows["calibration"]) < min(rows["test"])
    assert min(rows["test"]) >= round(0.62 * 512)


def test_a_seed_gives_the_same_set(brick: Manifest):
    again, other = builtin("brick"), builtin("brick", seed=1)
    assert again.data_hash() == brick.data_hash()
    np.testing.assert_array_equal(again.masks, brick.masks)
    assert other.data_hash() != brick.data_hash()


@pytest.mark.parametrize("kind", DEFECTS)
def test_masks_are_exact_and_defects_visible(kind: str):
    import skimage.data

    photograph = skimage.data.brick()
    generator = np.random.default_rng(0)
    for _ in range(40):
        top, left = generator.integers(0, 448, 2)
        clean = photograph[top : top + 64, left : left + 64]
        damaged, mask = draw(kind, clean, generator)
        change = np.abs(damaged.astype(int) - clean.astype(int))
        assert not change[~mask].any()
        assert 0.01 < mask.mean() < 0.1
        assert change[mask].mean() > 4


def test_masks_cover_about_as_much_as_real_defects(brick: Manifest):
    assert brick.masks is not None
    assert 0.03 < brick.masks.mean() < 0.04
    for index, record in enumerate(brick.records):
        assert (brick.read_mask(index) is not None) == (record.label == 1)


def test_digits():
    from sklearn.datasets import load_digits

    digits = load_digits()
    manifest = builtin("digits")
    assert manifest.arrays is not None
    np.testing.assert_allclose(manifest.arrays[:, :, :, 0] / 255 * 16, digits.images, atol=0.04)
    for record in manifest.records:
        assert (record.label == 1) == (digits.target[record.row] == 4)
    one = builtin("digits", normal_class=1)
    assert {record.kind for record in one.records if record.label} == set("023456789")
    done = split(manifest)
    check_disjoint(done)
    assert {record.label for record in done.records if record.split != "test"} == {0}
    assert Counter(record.label for record in done.select(split="test").records)[0] > 200


def test_names_and_classes_that_are_not_there():
    with pytest.raises(UsageError, match="is not a built-in set"):
        builtin("sand")
    with pytest.raises(UsageError, match="has no class 10"):
        builtin("digits", normal_class=10)
    with pytest.raises(UsageError, match="has no classes"):
        builtin("brick", normal_class=1)
