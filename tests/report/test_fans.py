"""Pictures of many series over one another."""

import numpy as np

from hizumi.report.fans import LINES, STEPS, fan


def test_of_long_series_the_beginning_is_drawn_and_said() -> None:
    made = np.random.default_rng(0).normal(size=(30, STEPS + 400, 2))
    figure = fan(made, None, ("volt", "bar"), step_seconds=None)
    first, second = figure.axes
    assert [len(first.lines), len(second.lines)] == [LINES, LINES]
    for number, line in enumerate(second.lines):
        np.testing.assert_array_equal(line.get_ydata(), made[number, :STEPS, 1])
    assert figure.get_supxlabel() == f"step; the first {STEPS} of 1,000 steps"


def test_short_series_are_drawn_whole_beside_real_ones() -> None:
    made = np.random.default_rng(0).normal(size=(3, 64, 1))
    figure = fan(made, made + 1, ("volt",), step_seconds=10.0)
    real, own = figure.axes
    assert [axes.get_title(loc="left") for axes in (real, own)] == ["real (3)", "made (3)"]
    np.testing.assert_array_equal(real.lines[0].get_ydata(), made[0, :, 0] + 1)
    assert own.lines[0].get_xdata()[-1] == 63 * 10 / 60
    assert figure.get_supxlabel() == "minutes"
