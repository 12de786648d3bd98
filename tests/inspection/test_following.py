"""Following a recording says what inspecting the whole of it says, however its rows arrive."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.calibration import AdaptiveThreshold
from hizumi.data.series.blocks import of_recordings
from hizumi.data.series.form import BLOCK_WINDOWS, Recording, SeriesForm
from hizumi.data.series.steadying import Steadying
from hizumi.errors import DataError
from hizumi.evaluation.events import runs
from hizumi.inspection.following import FollowedEvent, Follower
from hizumi.inspection.scoring import Scored, Scorer
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.reading import Reader

LENGTH = 6


def scores(crops: np.ndarray) -> dict[str, np.ndarray]:
    return {"score": np.abs(crops).sum((1, 2)).max(-1)}


def follower(
    hop: int, threshold: float = 3.0, length: int = LENGTH, adaptive: AdaptiveThreshold | None = None
) -> tuple[Follower, list[np.ndarray]]:
    found: list[np.ndarray] = []

    def on_scores(first: int, values: np.ndarray) -> None:
        assert first == sum(map(len, found))
        found.append(values)

    form = SeriesForm(("a", "b"), None, length, hop)
    return Follower(scores, Preprocessing(series=form, steadying=steadied(hop)), threshold, on_scores, adaptive), found


def steadied(hop: int) -> Steadying:
    return Steadying(1.5, tuple(np.linspace(0.5, 1, LENGTH // hop).tolist()) if hop < LENGTH else (1.0,))


def whole(rows: np.ndarray, hop: int) -> np.ndarray:
    """Scores of all steps at once, by windows every `hop` steps, and by one that ends with the recording.

    The fewer windows cover a step, the nearer is it drawn to 1.5.
    """
    windows = np.lib.stride_tricks.sliding_window_view(rows, LENGTH, axis=0)
    each = scores(windows[:, :, np.newaxis])["score"]
    starts = list(range(0, len(each), hop))
    total = []
    for step in range(len(rows)):
        covering = [start for start in starts if start <= step < start + LENGTH]
        is_in_last_block = step // (2 * LENGTH) == (len(rows) - 1) // (2 * LENGTH)
        covering += [len(each) - 1] if is_in_last_block and step >= len(each) - 1 != starts[-1] else []
        factor = steadied(hop).factors[min(len(covering), LENGTH // hop) - 1]
        total.append(1.5 + factor * (np.mean(each[covering]) - 1.5))
    return np.array(total)


def merged(steps: np.ndarray, threshold: float) -> list[FollowedEvent]:
    """Closed events, by joining the runs over the threshold that are no more than a window apart."""
    joined: list[list[int]] = []
    for start, stop in runs(steps > threshold).tolist():
        if joined and start - (joined[-1][1] - 1) <= LENGTH:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    peaks = [start + int(steps[start:stop].argmax()) for start, stop in joined]
    return [FollowedEvent(*span, float(steps[peak]), peak) for span, peak in zip(joined, peaks, strict=True)]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(LENGTH, 60),
    st.sampled_from([1, 2, 3, 6]),
    st.lists(st.integers(0, 30), max_size=10),
    st.integers(0, 999),
)
def test_following_says_what_inspecting_the_whole_says(steps, hop, pieces, seed):
    rows = np.random.default_rng(seed).normal(size=(steps, 2))
    following, found = follower(hop)
    events, fed = [], 0
    for piece in [*pieces, steps]:
        events += following.feed(rows[fed : fed + piece])
        fed = min(fed + piece, steps)
        assert steps - sum(map(len, found)) >= 0
        assert sum(map(len, found)) == max(0, fed - LENGTH)  # known a window later
    events += following.finish()
    expected = whole(rows, hop)
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-12)
    closed = [event for event in events if event.stop is not None]
    assert [event._replace(peak=0.0) for event in closed] == [
        event._replace(peak=0.0) for event in merged(np.concatenate(found), 3.0)
    ]
    assert [event.start for event in events if event.stop is None] == [event.start for event in closed]


def test_every_step_has_the_score_that_inspecting_gives_it_where_the_windows_do_not_reach_the_end():
    rows = np.random.default_rng(2).normal(size=(4 * LENGTH + 2, 2))
    following, found = follower(hop=3)
    for row in rows:
        following.feed(row[np.newaxis])
    following.finish()
    form = SeriesForm(("a", "b"), None, LENGTH, 3)
    inspecting = Scorer(scores, Reader(Preprocessing(series=form, steadying=steadied(3)), form.shape))
    blocks = inspecting.score(of_recordings((Recording("pump", rows),), form, "pump"))
    maps = [block.map[0] for block in blocks if isinstance(block, Scored) and block.map is not None]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(maps))


@pytest.mark.parametrize("piece", [1, 7, 200])
def test_an_adaptive_threshold_is_set_for_a_block_and_moves_by_its_highest_step(piece: int) -> None:
    rows = np.random.default_rng(1).normal(size=(200, 2)) * np.linspace(1, 4, 200)[:, np.newaxis]
    held_out = np.linspace(2, 4, 30)

    def adaptive() -> AdaptiveThreshold:
        return AdaptiveThreshold.after(held_out, 0.2, step=0.1, memory=20)

    following, _ = follower(2, adaptive=adaptive())
    events = [event for first in range(0, 200, piece) for event in following.feed(rows[first : first + piece])]
    events += following.finish()
    steps, apart, limits = whole(rows, 2), adaptive(), np.empty(200)
    for start in range(0, 200, BLOCK_WINDOWS * LENGTH):
        block = slice(start, start + BLOCK_WINDOWS * LENGTH)
        limits[block] = apart.value
        apart.judge(float(steps[block].max()))
    assert len(np.unique(limits)) > 5
    closed = [(event.start, event.stop) for event in events if event.stop is not None]
    assert closed == [(event.start, event.stop) for event in merged(steps - limits, 0.0)]
    assert following.adaptive is not None
    assert following.adaptive.level == apart.level


def test_rows_that_give_a_window_a_score_that_is_not_finite_are_left_out_and_those_before_are_judged() -> None:
    rows = np.random.default_rng(3).normal(size=(40, 2))
    following, found = follower(hop=2)
    following.scores = lambda crops: {"score": np.where(crops.max((1, 2, 3)) > 1e9, np.inf, scores(crops)["score"])}
    following.feed(rows[:20])
    with pytest.raises(DataError, match="from row 16 on has a score that is not finite"):
        following.feed(np.concatenate([[[1e10, 0]], rows[21:]]))
    assert following.fed == 20
    following.finish()
    following.feed(rows[21:])
    following.finish()
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate([whole(rows[:20], 2), whole(rows[21:], 2)]))


def test_a_last_window_whose_score_is_not_finite_is_named_and_the_next_recording_begins() -> None:
    following, found = follower(hop=2)
    following.scores = lambda crops: {"score": np.where(crops.max((1, 2, 3)) > 1e9, np.inf, scores(crops)["score"])}
    rows = np.random.default_rng(4).normal(size=(9, 2))
    following.feed(rows[:8])
    following.feed(np.array([[1e10, 0.0]]))  # ends no window of those that begin every other row
    with pytest.raises(DataError, match="from row 3 on has a score that is not finite"):
        following.finish()
    found.clear()
    following.on_scores = lambda first, values: found.append(values)
    following.feed(rows)
    following.finish()
    np.testing.assert_array_equal(np.concatenate(found), whole(rows, 2))


def test_rows_after_the_end_are_a_recording_of_their_own():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    following, found = follower(2)
    following.feed(rows[:21])
    following.finish()
    following.feed(rows[21:])
    following.finish()
    np.testing.assert_allclose(np.concatenate(found), np.concatenate([whole(rows[:21], 2), whole(rows[21:], 2)]))
    short, found = follower(2)
    short.feed(rows[:3])
    with pytest.raises(DataError, match="has 3 steps, fewer than a window's 6"):
        short.finish()
    short.on_scores = lambda first, values: found.append(values)
    short.feed(rows[3:20])
    short.finish()
    np.testing.assert_allclose(np.concatenate(found), whole(rows[3:20], 2))


def test_a_row_that_cannot_be_used_is_named_and_nothing_of_it_is_kept():
    following, found = follower(2)
    following.feed(np.zeros((4, 2)))
    bad = np.zeros((3, 2))
    bad[1, 1] = np.nan
    with pytest.raises(DataError, match="row 5: 'b' is"):
        following.feed(bad)
    with pytest.raises(DataError, match="a row has 3 numbers"):
        following.feed(np.zeros((1, 3)))
    assert following.fed == 4
    following.feed(np.zeros((2, 2)))
    following.finish()
    np.testing.assert_allclose(np.concatenate(found), whole(np.zeros((6, 2)), 2))
