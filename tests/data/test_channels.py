from pathlib import Path

import numpy as np
import pytest
import torch

from hizumi.data import open_source
from hizumi.inspection import Inspector, restore, save


def bands(count: int, height: int, width: int) -> np.ndarray:
    """(4, count, height, width): band k of every image holds k throughout, plus the row number."""
    planes = np.arange(count, dtype=np.float32)[:, None, None] + np.zeros((height, width), np.float32)
    return np.stack([planes + 100 * row for row in range(4)])


@pytest.mark.parametrize("shape", [(13, 64, 64), (3, 32, 48), (1, 20, 20), (5, 17, 17)])
def test_channels_first_are_recognised_and_said(shape: tuple[int, int, int], tmp_path: Path):
    array = bands(*shape)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", x_train=array, x_test=array)
    for data in (array, tmp_path / "a.npy", tmp_path / "b.npz", list(array)):
        manifest = open_source(data)
        pixels = manifest.read(2).pixels
        assert pixels.shape == (*shape[1:], shape[0])
        assert (pixels == 200 + np.arange(shape[0])).all()
        [note] = manifest.notes
        assert f"read as {shape[0]} channels of {shape[2]}x{shape[1]} pixels, channels first" in note
        assert "--channels last" in note


def test_plain_channels_last_need_no_note_and_others_have_one():
    for shape in ((32, 32, 3), (64, 48, 1), (3, 5, 4), (2, 3, 3)):
        assert open_source(np.zeros((4, *shape))).notes == ()
    [note] = open_source(np.zeros((4, 20, 30, 7))).notes
    assert "read as 7 channels of 30x20 pixels, channels last" in note
    assert open_source(torch.zeros(4, 7, 20, 30)).notes == ()


def test_channels_can_be_said(tmp_path: Path):
    array = bands(6, 8, 12)
    np.save(tmp_path / "a.npy", array)
    for data in (array, tmp_path / "a.npy", [array[0], array[1][:, :7]]):
        manifest = open_source(data, channels="first")
        assert manifest.notes == ()
        assert (manifest.read(0).pixels == np.arange(6)).all()
    assert open_source(bands(13, 64, 64), channels="last").read(0).pixels.shape == (13, 64, 64)


def test_a_fit_says_how_bands_were_read():
    inspector = Inspector("pca").fit(np.random.default_rng(0).random((60, 13, 64, 64), dtype=np.float32))
    assert inspector.preprocessing_.channels == 13
    assert any("channels first" in note for note in inspector.notes_)


def test_with_as_many_channels_as_a_fit_has_seen_nothing_has_to_be_said_again(tmp_path: Path):
    array = np.random.default_rng(0).normal(size=(20, 6, 8, 12)).astype(np.float32)
    np.save(tmp_path / "first.npy", array)
    np.save(tmp_path / "last.npy", np.moveaxis(array, 1, -1))
    inspector = Inspector("pca").fit(open_source(tmp_path / "first.npy", channels="first"))
    judge = restore(save(inspector, tmp_path / "a.hizumi"))
    verdicts = [
        each.inspect(data).verdicts
        for each in (inspector, judge)
        for data in (tmp_path / "first.npy", tmp_path / "last.npy", array)
    ]
    assert all([one.score for one in found] == [one.score for one in verdicts[0]] for found in verdicts)
    assert len(verdicts[0]) == 20
