"""Recordings cut into windows and blocks: which windows cover which steps, what a step scores, what trains."""

import numpy as np
import pandas as pd
import pytest

from hizumi.data import Record, Store, check_disjoint, open_source, split
from hizumi.data.series.blocks import of_recordings
from hizumi.data.series.form import Recording, SeriesForm, Steps
from hizumi.data.series.gaps import runs
from hizumi.data.series.options import SeriesOptions
from hizumi.data.series.overlaps import repeated
from hizumi.data.series.steadying import Steadying
from hizumi.data.series.windows import steps_scored
from hizumi.errors import DataError, UsageError

FORM = SeriesForm(("a", "b"), None, length=16, hop=4)


def recording(
    name: str, steps: int, *, anomalous: slice | None = None, seed: int = 0, split: str | None = None
) -> Recording:
    values = np.random.default_rng([seed, steps]).normal(size=(steps, 2)) * [1, 200]
    marks = None
    if anomalous is not None:
        marks = np.zeros(steps, dtype=bool)
        marks[anomalous] = True
    return Recording(name, values, anomalous=marks, split=split)


@pytest.mark.parametrize("total", [16, 17, 31, 32, 47, 64, 100, 129])
def test_every_step_of_every_block_is_covered_by_windows_of_the_recording(total: int) -> None:
    for block in FORM.blocks(Steps(0, total)):
        starts = FORM.starts(block, Steps(0, total))
        covered = np.zeros(total, dtype=bool)
        for start in starts.tolist():
            assert 0 <= start <= total - FORM.length
            assert start < block.stop, "it covers a step of the block"
            assert start + FORM.length > block.start, "it covers a step of the block"
            covered[start : start + FORM.length] = True
        assert covered[block.start : block.stop].all()
        assert len(set(starts.tolist())) == len(starts)


def test_windows_on_the_grid_that_touch_a_block_are_all_there() -> None:
    total, block = 400, Steps(64, 96)
    expected = [start for start in range(0, total - 15, 4) if start < block.stop and start + 16 > block.start]
    assert FORM.starts(block, Steps(0, total)).tolist() == expected


def test_a_step_scores_the_mean_of_the_windows_over_it() -> None:
    generator = np.random.default_rng(1)
    block = Steps(64, 96)
    starts = FORM.starts(block, Steps(0, 200))
    scores = generator.normal(size=len(starts))
    found = steps_scored(scores, starts, 16, block)
    for step in range(*block):
        over = scores[[index for index, start in enumerate(starts.tolist()) if start <= step < start + 16]]
        np.testing.assert_allclose(found[step - block.start], over.mean(), rtol=1e-13)


def test_a_step_near_an_end_is_steadied_by_how_many_windows_cover_it() -> None:
    scores, steadying = np.random.default_rng(1).normal(size=5), Steadying(0.5, (0.4, 0.6, 0.9, 1.0))
    starts = FORM.starts(Steps(0, 30), Steps(0, 30))
    assert starts.tolist() == [0, 4, 8, 12, 14]
    found = steps_scored(scores, starts, 16, Steps(0, 30), steadying)
    for step in range(30):
        over = [score for start, score in zip(starts.tolist(), scores, strict=True) if start <= step < start + 16]
        factor = (0.4, 0.6, 0.9, 1.0, 1.0)[len(over) - 1]
        np.testing.assert_allclose(found[step], 0.5 + factor * (np.mean(over) - 0.5), rtol=1e-12)


def test_means_over_any_number_of_windows_scatter_alike_once_steadied() -> None:
    generator = np.random.default_rng(3)
    # Windows of a step each share all but one of their four steps with the next one.
    scores = np.convolve(3 + generator.normal(size=200_003), np.full(4, 0.5), "valid")
    steadying = Steadying.of([scores[:100_000], scores[100_000:]], 4)
    means = [np.lib.stride_tricks.sliding_window_view(scores, count).mean(1) for count in range(1, 5)]
    expected = [np.sqrt(_variance(4) / _variance(count)) for count in range(1, 5)]
    np.testing.assert_allclose(steadying.factors, expected, rtol=0.01)
    for count, each in enumerate(means, 1):
        assert steadying(each, np.full(len(each), count)).std() == pytest.approx(means[-1].std(), rel=0.01)
    assert steadying.usual == pytest.approx(6, rel=0.01)


def _variance(count: int) -> float:
    """Of a mean over so many windows, correlated by the share of their four steps that they have in common."""
    lags = np.abs(np.subtract.outer(range(count), range(count)))
    return float((1 - lags / 4).mean())


def test_scores_that_do_not_vary_or_whose_means_scatter_more_are_left_as_they_are() -> None:
    assert Steadying.of([np.full(9, 2.0)], 3) == Steadying(2.0, (1.0, 1.0, 1.0))
    assert Steadying.of([np.full(2, 1.0), np.full(2, -1.0), np.zeros(1)], 2).factors == (1.0, 1.0)
    assert Steadying.of([np.array([1.0, -1.0] * 4)], 2).factors == (0.0, 1.0)  # two of these always even out
    means = np.array([1.0, 2.0])
    assert Steadying(5.0, (1.0, 1.0))(means, np.array([1, 2])).tolist() == means.tolist()


def test_the_store_serves_the_standardised_windows_of_each_stretch() -> None:
    manifest = of_recordings((recording("x", 50), recording("y", 40, seed=3)), FORM, "both")
    whole = [np.flatnonzero([record.row == row for record in manifest.records]) for row in (0, 1)]
    store = Store.build(manifest, None)
    both = np.concatenate([each.values for each in manifest.recordings])
    mean, deviation = both.mean(0), both.std(0)
    expected = [
        ((manifest.recordings[record.row].values[start : start + 16] - mean) / deviation).T[:, None]
        for record in manifest.records
        for start in range(record.steps.start, record.steps.stop - 15, 4)
    ]
    assert store.shape == (2, 1, 16)
    np.testing.assert_allclose(store.batch(range(len(store))).numpy(), np.stack(expected), rtol=1e-5, atol=1e-6)
    assert len(whole[0]) == 2


def test_what_trains_and_what_sets_the_threshold_lie_a_window_apart() -> None:
    dealt = split(of_recordings((recording("x", 3000),), FORM, "x"), seed=4)
    used = {name: np.zeros(3000, dtype=bool) for name in ("train", "calibration")}
    for record in dealt.records:
        used[record.split][record.steps.start : record.steps.stop] = True
    for step in np.flatnonzero(used["calibration"]).tolist():
        assert not used["train"][max(0, step - 16) : step + 17].any()
    assert all(len(record.steps) == FORM.block for record in dealt.records if record.split == "calibration")
    assert used["train"].sum() > 5 * used["calibration"].sum() / 2


def test_recordings_with_an_anomaly_are_tested_whole_where_others_have_none() -> None:
    good, bad = recording("good", 800), recording("bad", 500, anomalous=slice(300, 320), seed=5)
    dealt = split(of_recordings((good, bad), FORM, "both"))
    tested = [record for record in dealt.records if record.split == "test"]
    assert {record.group for record in tested} == {"bad"}
    assert sum(len(record.steps) for record in tested) == 500
    assert [record.label for record in tested].count(1) == 1  # steps 288 to 320
    assert check_disjoint(dealt) == ()


def test_of_a_recording_with_an_anomaly_what_comes_well_before_it_is_learned_from() -> None:
    dealt = split(of_recordings((recording("x", 900, anomalous=slice(700, 720)),), FORM, "x"))
    learned = [record for record in dealt.records if record.split != "test"]
    tested = [record for record in dealt.records if record.split == "test"]
    assert max(record.steps.stop for record in learned) <= 700 - 3 * 16
    assert min(record.steps.start for record in tested) == 700 - 2 * 16
    assert tested[0].label == 0
    assert tested[-1].steps.stop == 900


def test_a_recording_that_stands_twice_in_two_splits_is_refused() -> None:
    one = recording("one", 800, split="train")
    copy = Recording("copy", one.values.copy(), split="test")
    with pytest.raises(DataError, match=r"one \(.*\) and copy \(test\) are equal"):
        check_disjoint(split(of_recordings((one, copy), FORM, "both")))


@pytest.mark.parametrize("is_stamped", [True, False])
@pytest.mark.parametrize("apart", [40, 100, 160])
def test_recordings_that_overlap_put_no_step_into_two_splits(apart: int, is_stamped: bool) -> None:
    whole = recording("whole", 3000)
    times = 10**9 * np.arange(3000) if is_stamped else None
    some = tuple(
        Recording(
            f"from {start}",
            whole.values[start : start + 200].copy(),
            None if times is None else times[start : start + 200],
        )
        for start in range(0, 2801, apart)
    )
    shuffled = tuple(some[place] for place in np.random.default_rng(1).permutation(len(some)))
    dealt = split(of_recordings(shuffled, FORM, "many"))
    windows: dict[str, set[bytes]] = {"train": set(), "calibration": set()}
    steps: list[bytes] = []
    for record in dealt.records:
        assert record.steps is not None
        assert record.row is not None
        values = dealt.recordings[record.row].values[record.steps.start : record.steps.stop]
        steps += [row.tobytes() for row in values]
        windows[str(record.split)] |= {values[at : at + 16].tobytes() for at in range(len(values) - 15)}
    assert not windows["train"] & windows["calibration"]
    assert len(windows["calibration"]) > 50
    assert max(steps.count(step) for step in set(steps)) == 1
    assert sum(note.startswith("steps that a recording before has, too, are left out") for note in dealt.notes) == 1


def test_recordings_that_are_alike_but_not_one_are_learned_from_whole() -> None:
    step = np.arange(400)
    generator = np.random.default_rng(0)
    periodic = np.round(np.sin(2 * np.pi * step / 20), 3)[:, None]  # the same again and again
    switched = (step >= 200).astype(float)[:, None]  # once, as at eight in the morning
    noise = generator.normal(size=(400, 1))
    at = 10**9 * step
    for one, other, times in [
        (periodic, periodic, (None, None)),
        (switched, switched, (None, None)),
        (noise, noise, (at, at + 86_400 * 10**9)),
        (noise, noise[::-1], (at, at)),
    ]:
        both = (Recording("one", one, times[0]), Recording("other", other.copy(), times[1]))
        assert [marks.any() for marks in repeated(both, [400, 400], 16)] == [False, False]


def test_steps_of_given_splits_that_overlap_are_named() -> None:
    values = recording("all", 3000).values
    apart = np.random.default_rng(7).normal(size=(500, 2))
    given = (
        Recording("learned", values[:1000], split="train"),
        Recording("held", np.concatenate([apart, values[900:1400]]), split="calibration"),
        Recording("new", apart[::-1].copy(), split="test"),
        Recording("shared", np.concatenate([values[1300:1700], apart[::2], values[10:20]]), split="test"),
    )
    dealt = split(of_recordings(given, FORM, "given"))

    def windows(*splits: str) -> dict[tuple[int, int], bytes]:
        """Of those that lie in steps of these splits, by recording and first step, the content."""
        held = {(each.row, step) for each in dealt.records if each.split in splits for step in steps_of(each)}
        return {
            (row, at): given[row].values[at : at + 16].tobytes()
            for row, at in held
            if all((row, at + further) in held for further in range(16))
        }

    def steps_of(record: Record) -> range:
        assert record.steps is not None
        return range(record.steps.start, record.steps.stop)

    def named(row: int, judged: str, *known: str) -> str:
        contents = set(windows(*known).values())
        found = [at for (_, at), content in windows(judged).items() if content in contents]
        steps = np.isin(np.arange(2000), [at + further for at in found for further in range(16)])
        return ", ".join(f"{given[row].name} {start}:{stop}" for start, stop in runs(steps))

    of_calibration, of_test = named(1, "calibration", "train"), named(3, "test", "train", "calibration")
    assert "held 528:560" in of_calibration
    assert "shared" in of_test
    assert check_disjoint(dealt) == (
        f"steps for calibration that a recording for train has, too: {of_calibration}; what sets the threshold has "
        "been learned from, and more is flagged than promised: keep what overlaps in one split",
        f"steps for test that a recording for train or calibration has, too: {of_test}; what is measured on them is "
        "too good: keep what overlaps in one split",
    )
    assert check_disjoint(split(of_recordings((given[0], given[2]), FORM, "apart"))) == ()


def test_what_is_tested_of_one_recording_may_have_been_learned_from_in_another() -> None:
    values = recording("all", 3000).values
    marks = np.arange(2000) >= 1500
    given = (Recording("learned", values[:2000]), Recording("marked", values[1200:].copy(), anomalous=marks[:1800]))
    [note] = check_disjoint(split(of_recordings(given, FORM, "both")))
    assert "steps for test that a recording for train or calibration has, too: marked 0:" in note


def test_a_copy_is_left_out_and_named() -> None:
    one = recording("one", 2000)
    dealt = split(of_recordings((one, Recording("copy", one.values.copy())), FORM, "both"))
    assert {record.group for record in dealt.records} == {"one"}
    assert dealt.notes[-1].endswith("learned from: copy 0:2000")
    assert check_disjoint(dealt) == ()


def test_too_little_to_learn_from_is_said_in_one_line() -> None:
    with pytest.raises(DataError, match=r"x: 1 recording.* of at most 40 steps: too short"):
        split(of_recordings((recording("x", 40),), FORM, "x"))
    with pytest.raises(UsageError, match="folds"):
        split(of_recordings((recording("x", 4000),), FORM, "x"), calibration_share=None)


def test_what_is_short_since_it_was_split_is_said_to_be() -> None:
    uneven = pd.Timestamp("2026-01-31") + np.cumsum(np.where(np.arange(200) % 20, 1.0, 4.0)) * pd.Timedelta("1s")
    table = pd.DataFrame({"time": uneven, "a": np.arange(200.0) % 7})
    with pytest.raises(DataError, match=r"10 recordings of at most 20 steps: .* these, 10 are parts of a source"):
        split(open_source(table, series=SeriesOptions(length=16)))


def test_labels_that_leave_nothing_to_learn_from_are_named() -> None:
    for first, words in (
        (0, "as every recording has a step labelled anomalous among its first 49; give one of normal operation"),
        (48, "as every recording has a step labelled anomalous among its first 49"),
        (100, "x: up to 48 steps before what is labelled anomalous, 1 recording.* of at most 52 steps: too short"),
    ):
        with pytest.raises(DataError, match=words):
            split(of_recordings((recording("x", 900, anomalous=slice(first, 720)),), FORM, "x"))
    with pytest.raises(DataError, match="nothing is left to learn from, as all recordings are for tests"):
        split(of_recordings((recording("x", 900, split="test"),), FORM, "x"))
