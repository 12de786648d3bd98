"""Series through the whole line: blocks judged by steps, saved, exported, and compared by independent routes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hizumi import Inspector, load, save
from hizumi.data.series.blocks import of_recordings
from hizumi.data.series.form import Recording
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import DataError, UsageError
from hizumi.inspection import held_out

LENGTH, HOP = 16, 4
OPTIONS = SeriesOptions(length=LENGTH, overlap=1 - HOP / LENGTH)


def waves(steps: int, seed: int) -> np.ndarray:
    """Two channels of very different units that follow one another, (t, 2)."""
    step, generator = np.arange(steps), np.random.default_rng(seed)
    first = 230 + 3 * np.sin(step / 5) + generator.normal(0, 0.3, steps)
    second = 0.05 + 0.004 * np.cos(step / 5) + generator.normal(0, 0.0004, steps)
    return np.stack([first, second], axis=1)


def broken() -> np.ndarray:
    """The small channel stands still from step 400 to 440, at a value that is nothing special."""
    values = waves(640, 1)
    values[400:440, 1] = 0.05
    return values


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector("mahalanobis", series=OPTIONS, false_alarm_rate=0.1).fit(waves(3000, 0))


def test_the_score_of_each_step_is_the_mean_of_the_windows_over_it(inspector: Inspector) -> None:
    values = broken()
    scaler = inspector.preprocessing_.scaler
    assert scaler is not None
    starts = np.arange(0, len(values) - LENGTH + 1, HOP)
    windows = np.stack([((values[s : s + LENGTH] - scaler.mean) / scaler.scale).T[:, None] for s in starts])
    scores = inspector.detector_.score(torch.from_numpy(windows.astype(np.float32))).image.double().numpy()
    blocks = inspector.inspect(values)
    found = np.concatenate([block.map[0] for block in blocks])
    covering = [scores[(starts <= step) & (step < starts + LENGTH)] for step in range(len(values))]
    steadying = inspector.preprocessing_.steadying
    assert steadying is not None
    expected = [
        steadying.usual + steadying.factors[len(over) - 1] * (over.mean() - steadying.usual) for over in covering
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert [block.score for block in blocks] == [block.map.max() for block in blocks]
    assert [block.name for block in blocks][:2] == ["array 0:32", "array 32:64"]


def test_what_is_said_of_new_recordings_holds_for_arrays_too(inspector: Inspector) -> None:
    values = waves(64, 1)
    held, values[10] = values[9].copy(), np.nan
    with pytest.raises(DataError, match="the value is missing"):
        inspector.to_inspect(values)
    (recording,) = inspector.to_inspect(values, series=SeriesOptions(missing="hold")).recordings
    np.testing.assert_array_equal(recording.values[10], held)


def test_a_channel_of_small_numbers_that_stands_still_is_found(inspector: Inspector) -> None:
    blocks = inspector.inspect(broken())
    ranked = sorted(blocks, key=lambda block: -block.score)
    assert {block.name for block in ranked[:2]} == {"array 384:416", "array 416:448"}
    assert all(block.anomalous for block in ranked[:2])


def test_a_block_scores_the_same_by_itself(inspector: Inspector) -> None:
    whole = inspector.to_inspect(broken())
    alone = next(inspector.inspect_each(whole.only([12])))
    assert alone.score == pytest.approx(inspector.inspect(broken())[12].score, rel=1e-12)


def test_a_bundle_gives_the_same_scores_and_knows_its_form(inspector: Inspector, tmp_path: Path) -> None:
    again = load(save(inspector, tmp_path / "series.hizumi"))
    assert again.preprocessing_.steadying == inspector.preprocessing_.steadying
    assert again.preprocessing_.series == inspector.preprocessing_.series
    assert again.series is True
    assert [b.score for b in again.inspect(broken())] == [b.score for b in inspector.inspect(broken())]


def test_an_export_has_the_threshold_of_its_own_steps(inspector: Inspector, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="exports need it: pip install 'hizumi[onnx]'")
    from hizumi import runtime
    from hizumi.export import export

    written = export(inspector, tmp_path / "series.onnx.hizumi", waves(3000, 0))
    assert written.parity.as_fitted
    exported = runtime.load(tmp_path / "series.onnx.hizumi")
    assert exported.calibration_.threshold.value == pytest.approx(inspector.calibration_.threshold.value, rel=1e-6)
    ours, theirs = inspector.inspect(broken()), exported.inspect(broken())
    assert [block.anomalous for block in theirs] == [block.anomalous for block in ours]
    np.testing.assert_allclose([b.score for b in theirs], [b.score for b in ours], rtol=1e-6)
    for mine, its in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(its.shares, mine.shares, rtol=1e-5, atol=1e-6 * mine.shares.max())


def test_an_evaluation_names_steps_for_test_that_were_learned_from(inspector: Inspector) -> None:
    values = waves(3400, 0)
    form = inspector.preprocessing_.series
    assert form is not None
    given = (Recording("old", values[:3000], split="train"), Recording("new", values[2900:], split="test"))
    tested = held_out(inspector, of_recordings(given, form, "given"))
    assert {record.group for record in tested.records} == {"new"}
    assert "has, too: new 0:100; what is measured on them is too good" in tested.notes[-1]


def test_what_is_for_images_is_refused_for_series() -> None:
    for wrong in ({"image_size": 32}, {"sizing": "tile"}, {"align": True}):
        with pytest.raises(UsageError, match="for images, and these are series"):
            Inspector("mahalanobis", series=OPTIONS, **wrong).fit(waves(600, 0))
    with pytest.raises(UsageError, match="folds"):
        Inspector("mahalanobis", series=OPTIONS, folds=5).fit(waves(600, 0))
    with pytest.raises(DataError, match="too short"):
        Inspector("mahalanobis", series=OPTIONS).fit(waves(40, 0))


def test_a_detector_that_asks_for_motion_by_itself_says_why_it_takes_no_series() -> None:
    with pytest.raises(DataError, match="CrossChannel does not work on series: it looks at frames of video"):
        Inspector("cross_channel", series=True).fit(np.random.default_rng(0).normal(size=(2000, 2)))


def test_images_are_refused_by_what_was_fitted_on_series(inspector: Inspector, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "plate.png")
    with pytest.raises(DataError, match=r"plate\.png"):
        inspector.inspect(tmp_path / "plate.png")


def test_known_defects_need_labels_that_say_which_steps_are_good(tmp_path: Path) -> None:
    path, steps = tmp_path / "broken.csv", np.arange(640)
    for words, problem in ((("leak", "running"), "none is known to mean normal"), (("leak", "normal"), "")):
        label = np.where((steps >= 400) & (steps < 440), *words)
        rows = [f"{a},{b},{word}" for (a, b), word in zip(broken().tolist(), label, strict=True)]
        path.write_text("\n".join(["channel 1,channel 2,label", *rows]))
        fit = Inspector("mahalanobis", series=OPTIONS, false_alarm_rate=0.1)
        if problem:
            with pytest.raises(DataError, match=problem):
                fit.fit(waves(3000, 0), known_defects=str(path))
        else:
            fit.fit(waves(3000, 0), known_defects=str(path))
            assert any(
                "known defects: left out of the known defects, as not called defective: 18 blocks of broken" in note
                for note in fit.notes_
            )
