"""Declared variation acts on what is learned from alone, is kept and said, and resumes bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from hizumi import Inspector, load, save
from hizumi.data.variation import Variation
from hizumi.errors import UsageError
from hizumi.training import Budget, TrainingOptions

SIDE = 16


def parts(count: int, *, row: int = 6, seed: int = 0) -> np.ndarray:
    """A bright bar in one place on noise."""
    images = np.random.default_rng(seed).normal(100, 6, (count, SIDE, SIDE))
    images[:, row : row + 4] += 80
    return images.clip(0, 255).astype(np.uint8)


def test_what_is_declared_is_no_longer_found_and_what_is_held_out_is_as_photographed() -> None:
    good, moved = parts(40), parts(10, row=8, seed=1)
    plain = Inspector("pca").fit(good)
    varied = Inspector("pca", variation=Variation(shifts=2 / SIDE)).fit(good)
    over = [
        float(np.median(-each.score_samples(moved)) / each.calibration_.threshold.value) for each in (plain, varied)
    ]
    assert over[0] > 3
    assert over[1] < 1.5
    held_out = varied.split_as_fitted(good).select(split="calibration")
    scores = sorted(item.score for item in varied.inspect_each(held_out))
    assert np.allclose(scores, varied.calibration_.scores, rtol=1e-5)


def test_it_is_kept_and_said(tmp_path: Path) -> None:
    variation = Variation(turns=5, flips="horizontal")
    inspector = Inspector("pca", variation=variation).fit(parts(20))
    again = load(save(inspector, tmp_path / "a.hizumi"))
    assert again.variation == variation
    assert again.options_["variation"]["turns"] == 5
    for words in ("turned by up to 5 degrees", "mirrored left to right", "will not be found"):
        assert any(words in note for note in again.notes_)
    assert Inspector("pca").fit(parts(20)).options_["variation"] is None


def test_an_interrupted_training_goes_on_with_the_same_changes(tmp_path: Path) -> None:
    options = TrainingOptions(budget=Budget(steps=12), batch_size=4, checkpoint_seconds=0.0)
    inspector = Inspector("reconstruction", variation=Variation(shifts=0.1, brightness=0.2), training=options)
    straight = inspector.fit(parts(20)).detector_.state_dict()

    def interrupt(record: dict) -> None:
        if record["step"] >= 8 and record["phase"] not in ("reading", "scoring"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspector.fit(parts(20), run_folder=tmp_path / "run", observe=interrupt)
    resumed = inspector.fit(parts(20), run_folder=tmp_path / "run").detector_.state_dict()
    assert all((weights == resumed[name]).all() for name, weights in straight.items())
    other = Inspector("reconstruction", training=options).fit(parts(20)).detector_.state_dict()
    assert not all((weights == other[name]).all() for name, weights in straight.items())


def test_rows_and_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="rows of numbers"):
        Inspector(variation=Variation(turns=5)).fit(np.zeros((20, 3)))
    with pytest.raises(UsageError, match="frames with their motion"):
        Inspector("reconstruction", variation=Variation(turns=5), motion=True).plan(parts(20))
