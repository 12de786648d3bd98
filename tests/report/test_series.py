"""Reports on series: what their pictures show of recordings, and the words that fit them."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from hizumi.calibration import Calibration, Verdict
from hizumi.data import Manifest
from hizumi.data.scaling import Scaler
from hizumi.data.series.blocks import of_recordings
from hizumi.data.series.form import Recording, SeriesForm, Steps
from hizumi.data.series.options import SeriesOptions
from hizumi.evaluation.series import series_measures
from hizumi.inspection import Inspector
from hizumi.report import write_report
from hizumi.report.assessment import assess
from hizumi.report.content import ReportContent
from hizumi.report.envelopes import envelope, highest_in_bins, runs_of
from hizumi.report.series_figures import (
    ALARM,
    CHANNELS_IN_LINES,
    LABELLED,
    brightest_of,
    recording_figure,
    windows_figure,
)
from hizumi.report.trace_words import describe_trace
from hizumi.report.traces import Trace, finished_traces, with_usual
from hizumi.report.words import facts, few_held_out

FORM = SeriesForm(("bar", "rpm", "noise"), None, length=16, hop=4)
UNITS = np.array([1.0, 200.0, 0.1])
EVENT = slice(210, 226)


def recording(name: str, steps: int, *, event: bool = False, seed: int = 0) -> Recording:
    generator = np.random.default_rng([seed, steps])
    turns = 2 * np.pi * np.arange(steps) / 20
    values = np.stack([np.sin(turns), np.cos(turns), generator.normal(size=steps)], axis=1)
    marks = np.zeros(steps, dtype=bool)
    if event:
        marks[EVENT] = True
        values[EVENT, 1] *= -0.5
    return Recording(name, (values + 0.02 * generator.normal(size=values.shape)) * UNITS + [0, 1000, 0], None, marks)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector("pca", false_alarm_rate=0.1).fit(of_recordings((recording("train", 1500),), FORM, "train"))


@pytest.fixture(scope="module")
def tested() -> Manifest:
    return of_recordings((recording("broken", 420, event=True, seed=1), recording("sound", 300, seed=2)), FORM, "new")


@pytest.fixture(scope="module")
def content(inspector: Inspector, tested: Manifest) -> ReportContent:
    return assess(inspector, tested)


def trace(**changes: object) -> Trace:
    generator = np.random.default_rng(3)
    steps, channels = 400, 8
    scores = generator.uniform(0, 1, steps)
    scores[50:60], scores[399] = 3, 4
    labelled = np.zeros(steps, dtype=bool)
    labelled[40:70] = labelled[399] = True
    scaler = Scaler(np.full(channels, 5.0), np.arange(1.0, 9.0), np.zeros(channels, dtype=bool))
    values = generator.normal(5, 1, (steps, channels))
    fields = {"expected": values - np.arange(1.0, 9.0) * np.arange(8), "labelled": labelled} | changes
    names = tuple(f"channel {number}" for number in range(channels))
    return Trace("pump", names, 100, values, scores, 2.0, scaler, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 9, 10, 11, 1000, 1003])
def test_an_envelope_holds_the_extremes_of_every_bin_in_order(steps: int) -> None:
    values = np.random.default_rng(steps).normal(size=steps)
    kept = envelope(values, 5)
    assert (np.diff(kept) > 0).all()
    if steps <= 10:
        assert len(kept) == steps
        return
    edges = [steps * number // 5 for number in range(6)]
    for start, stop in pairwise(edges):
        inside = kept[(start <= kept) & (kept < stop)]
        assert len(inside) == 2
        assert {*values[inside]} == {values[start:stop].min(), values[start:stop].max()}


def test_a_gap_in_scores_stays_one_and_hides_no_extreme_beside_it() -> None:
    values = np.arange(100.0)
    values[40:61] = np.nan
    kept = envelope(values, 10)
    assert np.isnan(values[kept]).any()
    assert {39.0, 61.0, 0.0, 99.0} <= {*values[kept]}
    binned = highest_in_bins(np.stack([values, -values], axis=1), 10)
    np.testing.assert_array_equal(binned[:, 0], [9, 19, 29, 39, np.nan, np.nan, 69, 79, 89, 99])
    assert binned[6, 1] == -61


def test_runs_of_marked_steps() -> None:
    assert runs_of(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)) == [Steps(0, 2), Steps(3, 4), Steps(6, 7)]
    assert runs_of(np.zeros(3, dtype=bool)) == []


def test_contributions_are_distances_from_what_is_expected_in_standard_deviations() -> None:
    drawn = trace()
    assert drawn.contributions is not None
    np.testing.assert_allclose(drawn.contributions, np.tile(np.arange(8.0), (400, 1)), atol=1e-5)
    assert drawn.by_distance == [7, 6, 5, 4, 3, 2, 1, 0]
    assert drawn.cut(Steps(50, 60)).start == 150
    assert trace(expected=None).contributions is None


def test_a_channel_that_is_always_off_says_less_than_one_that_is_off_in_the_alarm() -> None:
    plain = trace()
    assert plain.expected is not None
    expected = plain.expected.copy()
    expected[50:60, 1] -= 2.0 * 3  # channel 1 is off by 4 standard deviations there, by 1 elsewhere
    (drawn,) = with_usual([trace(expected=expected)])
    assert drawn.usual is not None
    np.testing.assert_allclose(drawn.usual[1:], np.arange(1.0, 8.0), atol=1e-4)
    assert drawn.contributions is not None
    np.testing.assert_allclose(drawn.contributions[50:60, 1], 4, atol=1e-4)
    np.testing.assert_allclose(drawn.contributions[50:60, 7], 1, atol=1e-4)
    assert drawn.cut(Steps(0, 399)).by_distance[0] == 1
    (alone,) = with_usual([trace(expected=expected).cut(Steps(40, 80))])
    assert alone.usual is None


def test_shares_of_the_score_come_before_distances_and_say_since_when() -> None:
    shares = np.full((400, 8), 1e-6) * np.arange(1, 9)
    shares[54:60, 2] *= 1000
    plain = trace(shares=shares)
    np.testing.assert_array_equal(plain.contributions, shares)
    assert plain.unit == "shares of the score"
    (drawn,) = with_usual([plain])
    np.testing.assert_allclose(drawn.usual, np.arange(1, 9) * 1e-6)
    assert drawn.cut(Steps(0, 399)).by_distance[0] == 2
    words = describe_trace(drawn.cut(Steps(0, 399)))
    assert words.endswith("multiples of what is usual for them: channel 2 (600 since step 154).")  # no other is off
    assert brightest_of([plain]) == pytest.approx(3e-3)  # whatever the score's scale


def test_the_sensor_of_an_alarm_is_named_where_nothing_is_expected() -> None:
    generator = np.random.default_rng(0)
    good, new = generator.normal(size=(4000, 3)), generator.normal(size=(1000, 3))
    new[500:540, 1] += 6
    fitted = Inspector("mahalanobis", series=SeriesOptions(length=16, overlap=0.75)).fit(good)
    manifest = fitted.to_inspect(new)
    ((_, found),) = finished_traces(fitted.inspect_each(manifest), manifest, fitted)
    assert found.expected is None
    (known,) = with_usual([found])
    alarm = next(run for run in known.alarms if run.start <= 520 < run.stop)
    assert alarm.start < 500  # windows that reach into what is wrong cover steps before it
    assert known.by_distance[0] == 1
    named = describe_trace(known).partition("what is usual for them: ")[2]
    assert named.startswith(f"{manifest.columns[1]} (")
    assert "since step 500)" in named.partition(",")[0]
    # Shares of a window's numbers add up to its score: over whole windows, so do those of steps.
    scorer = fitted.scorer()
    crops = generator.normal(size=(5, 3, 1, 16))
    np.testing.assert_allclose(scorer.shares(crops).sum((1, 2, 3)), scorer.scores(crops)["score"], rtol=1e-6)


def test_the_newest_windows_scores_are_those_that_end_at_each_step(inspector: Inspector, tested: Manifest) -> None:
    blocks = list(inspector.inspect_each(tested.only(range(4)), pictures=False))
    newest = np.concatenate([each.newest for each in blocks if isinstance(each, Verdict)])
    values = tested.recordings[0].values[: len(newest)]
    scorer = inspector.scorer()
    ends = np.arange(FORM.length - 1, len(values), FORM.hop)
    windows = np.stack([values[end - FORM.length + 1 : end + 1].T[:, np.newaxis] for end in ends])
    np.testing.assert_allclose(newest[ends], scorer.scores(windows)["score"], rtol=1e-6)
    assert np.isnan(newest[: FORM.length - 1]).all()
    assert np.isfinite(newest[FORM.length - 1 :: FORM.hop]).all()


def test_a_recording_is_shaded_at_labelled_steps_and_barred_at_alarms() -> None:
    figure = recording_figure(trace())
    *lines, _, score = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert len(lines) == CHANNELS_IN_LINES
    for axes in (*lines, score):
        patches = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        spans = [(patch.get_x(), patch.get_x() + patch.get_width(), patch.get_y() >= 1) for patch in patches]
        # The last step alone is as wide as can be seen.
        assert [span for span in spans if span[1] - span[0] > 1] == [(140, 169, False), (150, 159, True)]
        assert all(left <= 499 <= right for left, right, _ in spans if right - left < 1)
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {LABELLED, ALARM, "expected", "channel 7"} <= words
    assert any(word.startswith("6 of 8 channels are drawn") for word in words)


def test_the_map_of_contributions_shows_the_highest_of_each_bin_on_a_scale_that_is_shared() -> None:
    drawn, calm = trace(), trace(expected=trace().values)
    figure = recording_figure(calm, brightest_of([drawn, calm]))
    (image,) = [image for axes in figure.axes for image in axes.images if axes.get_label() != "<colorbar>"]
    assert image.get_clim() == pytest.approx((0, 7), abs=1e-4)
    assert np.max(image.get_array()) < 1e-5
    assert brightest_of([calm]) == 1


def test_times_are_dates_or_the_seconds_of_a_clock_without_one() -> None:
    dated = trace(times=np.datetime64("2026-03-01T12:00:00", "ns").astype(np.int64) + np.arange(400) * 10**9)
    assert "2026-03-01 12:00:50" in describe_trace(dated.cut(Steps(0, 200)))
    labels = [text.get_text() for axes in recording_figure(dated).axes for text in [axes.xaxis.get_offset_text()]]
    clock = trace(times=np.arange(400) * 10**9)
    assert {"time (s)"} == {axes.get_xlabel() for axes in recording_figure(clock).axes} - {""}
    assert labels


def test_a_recording_in_words_names_its_alarms_and_the_channels_that_are_off() -> None:
    words = describe_trace(trace().cut(Steps(0, 399)))
    assert "1 alarm in 399 steps, 1 of 1 labelled event within an alarm." in words
    assert "from step 150 to step 159" in words
    assert words.endswith("channel 7 (7), channel 6 (6), channel 5 (5).")


def test_expected_values_are_the_overlap_mean_of_rebuilt_windows(inspector: Inspector, tested: Manifest) -> None:
    place = 5
    (item,) = inspector.inspect_each(tested.only([place]))
    assert isinstance(item, Verdict)
    assert item.expected is not None
    steps, scaler = tested.records[place].steps, inspector.preprocessing_.scaler
    assert steps is not None
    assert scaler is not None
    values = tested.recordings[0].values
    total, count = np.zeros((420, 3)), np.zeros((420, 1))
    for start in range(0, 420 - 15, 4):
        if start < steps.stop and start + 16 > steps.start:
            window = torch.tensor(((values[start : start + 16] - scaler.mean) / scaler.scale).T, dtype=torch.float32)
            rebuilt = inspector.detector_.score(window[None, :, None]).expected
            assert rebuilt is not None
            total[start : start + 16] += rebuilt[0, :, 0].numpy().T * scaler.scale + scaler.mean
            count[start : start + 16] += 1
    own = slice(*steps)
    np.testing.assert_allclose(item.expected, (total / np.maximum(count, 1))[own], rtol=1e-5)
    (plain,) = inspector.inspect_each(tested.only([place]), pictures=False)
    assert isinstance(plain, Verdict)
    assert plain.expected is None


def test_an_assessment_draws_the_recordings_of_its_cases_with_their_own_scores(
    inspector: Inspector, tested: Manifest, content: ReportContent
) -> None:
    assert {drawn.name for drawn in content.traces} == {"broken", "sound"}
    for drawn in content.traces:
        row = [each.name for each in tested.recordings].index(drawn.name)
        verdicts = [*inspector.inspect_each(tested.only([p for p, r in enumerate(tested.records) if r.row == row]))]
        maps = [each.map for each in verdicts if isinstance(each, Verdict) and each.map is not None]
        np.testing.assert_array_equal(drawn.scores, np.concatenate(maps, axis=1)[0])
        np.testing.assert_array_equal(drawn.values, tested.recordings[row].values)
    broken = next(drawn for drawn in content.traces if drawn.name == "broken")
    assert broken.events == [Steps(EVENT.start, EVENT.stop)]
    assert broken.columns[broken.by_distance[0]] == "rpm"
    assert content.windows is not None
    typical, worst = content.windows
    assert len(typical) == len(worst) == FORM.length
    assert np.nanmax(worst.scores) == max(verdict.score for verdict in content.verdicts)
    assert not typical.over.any()
    assert len(windows_figure(typical, worst).axes) == 6


def test_a_report_on_series_has_pictures_and_no_word_of_images(content: ReportContent, tmp_path: Path) -> None:
    source = write_report(tmp_path / "report.html", content).read_text()
    assert source.count('class="figure broad"') == 3
    words = source.partition("<body")[2].lower()
    for wrong in ("pixel", "aupro", "csv manifest", "--folds", "camera", " images", "image size"):
        assert wrong not in words, wrong
    assert "Step AUROC" in source
    assert content.evaluation is not None
    assert content.evaluation.aupro is None
    names = [fact.name for fact in facts(content.evaluation, content.noun)]
    assert {"Block AUROC", "Step AUROC", "Step average precision"} <= set(names)


def test_one_false_alarm_is_one(content: ReportContent) -> None:
    scores, labels = np.zeros(300), np.zeros(300, dtype=bool)
    scores[50], labels[200:210] = 1, True
    assert content.evaluation is not None
    found = facts(content.evaluation, content.noun, series_measures([scores], [labels], 0.5, FORM.length))
    assert "1 alarm; those less than a window apart are one" in [fact.note for fact in found]


def test_a_median_is_of_the_recordings_that_have_an_event(content: ReportContent) -> None:
    scores = np.random.default_rng(0).random((4, 300))
    labels = [np.arange(300) // 10 == place for place in (5, 20, 40, 40)]  # two of them without an event
    assert content.evaluation is not None
    found = facts(content.evaluation, content.noun, series_measures([*scores], labels, 0.5, FORM.length))
    notes = {fact.name: fact.note for fact in found}
    assert "median of 2 recordings" in notes["VUS-PR"]
    assert "median of 2 recordings" in notes["VUS-ROC"]


def test_more_held_out_blocks_come_from_longer_recordings_and_not_from_folds() -> None:
    few = few_held_out(Calibration.fit(np.arange(9.0), false_alarm_rate=0.01), "block", folds=None)
    assert "--length" in few
    assert "folds" not in few
