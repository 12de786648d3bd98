"""Stretches of recordings: disjoint, apart, whole blocks, near the share, whatever the lengths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hizumi.data.series.dealing import MANY_RECORDINGS, Stretch, deal_stretches
from hizumi.errors import DataError, UsageError


def steps_of(dealt: list[list[Stretch]], split: str) -> int:
    return sum(stretch.steps for stretches in dealt for stretch in stretches if stretch.split == split)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 20_000), min_size=1, max_size=14),
    st.integers(1, 100),
    st.floats(0.02, 0.6),
    st.integers(0, 99),
)
def test_no_window_is_shared_by_what_trains_and_what_calibrates(lengths, length, share, seed):
    try:
        dealt = deal_stretches(lengths, length, share, seed)
    except DataError:
        # One recording is cut from four windows on; else one holds a block and another a window.
        ordered = sorted(lengths)
        assert ordered[-1] < 4 * length
        assert ordered[-1] < 2 * length or len(ordered) == 1 or ordered[-2] < length
        return
    assert dealt == deal_stretches(lengths, length, share, seed)
    for steps, stretches in zip(lengths, dealt, strict=True):
        for stretch in stretches:
            assert 0 <= stretch.start < stretch.stop <= steps
            assert stretch.steps >= length
            assert stretch.split == "train" or stretch.steps == 2 * length
        for before, after in pairwise(stretches):
            assert before.stop + length == after.start
            assert "calibration" in (before.split, after.split)
    assert steps_of(dealt, "train") > 0
    assert steps_of(dealt, "calibration") > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(4_000, 20_000), min_size=1, max_size=30), st.floats(0.1, 0.4), st.integers(0, 99))
def test_the_share_is_met_and_little_is_lost(lengths, share, seed):
    dealt = deal_stretches(lengths, 32, share, seed)
    wanted = share * sum(lengths)
    if len(lengths) >= MANY_RECORDINGS and max(lengths) <= wanted:
        held_out = sum(steps for steps, each in zip(lengths, dealt, strict=True) if each[0].split == "calibration")
        assert abs(held_out - wanted) <= max(lengths) / 2
        assert steps_of(dealt, "calibration") == pytest.approx(2 / 3 * held_out, rel=0.02)
        assert steps_of(dealt, "train") == sum(lengths) - held_out
        return
    calibrated = steps_of(dealt, "calibration")
    assert abs(calibrated - wanted) <= 64
    # Beside a window for each block, gaps cost one window and a twentieth of what is left.
    lost = sum(lengths) - calibrated - steps_of(dealt, "train")
    assert lost <= calibrated / 2 + len(lengths) * 32 + 0.05 * (sum(lengths) - calibrated)


def test_calibration_is_spread_over_time_and_other_seeds_hold_out_other_times():
    thirds, turns = np.zeros(3), np.zeros(10_000)
    for seed in range(100):
        (stretches,) = deal_stretches([10_000], 32, 0.2, seed)
        for start, stop, _ in (stretch for stretch in stretches if stretch.split == "calibration"):
            thirds[3 * start // 10_000] += stop - start
            turns[start:stop] += 1
    assert thirds == pytest.approx(np.full(3, 2000 * 100 / 3), rel=0.2)
    assert np.quantile(turns, [0.25, 0.75]) == pytest.approx([20, 20], abs=15)
    assert turns.max() < 60


def test_a_short_recording_is_cut_at_an_end_and_two_shorter_ones_are_dealt_whole():
    ends = {tuple(deal_stretches([400], 64, 0.2, seed)[0]) for seed in range(20)}
    assert ends == {
        (Stretch(0, 208, "train"), Stretch(272, 400, "calibration")),
        (Stretch(0, 128, "calibration"), Stretch(192, 400, "train")),
    }
    splits = {
        tuple(stretches[0].split for stretches in deal_stretches([150, 150], 64, 0.2, seed)) for seed in range(20)
    }
    assert splits == {("train", "calibration"), ("calibration", "train")}
    assert deal_stretches([150, 60, 100], 64, 0.2, 0) == [
        [Stretch(0, 128, "calibration")],
        [],
        [Stretch(0, 100, "train")],
    ]


def test_what_cannot_be_dealt_is_refused():
    with pytest.raises(DataError, match=r"too short to train on windows of 64 steps .* 256 steps in one recording"):
        deal_stretches([255], 64, 0.2, 0)
    with pytest.raises(DataError, match="0 recording"):
        deal_stretches([], 64, 0.2, 0)
    with pytest.raises(UsageError, match="share is 1"):
        deal_stretches([1000], 64, 1.0, 0)
