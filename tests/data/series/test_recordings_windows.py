"""Windows chosen from the autocorrelation of series whose autocorrelation is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from hizumi.data.series.choice import autocorrelation, chosen_windows
from hizumi.data.series.files import open_recordings
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import UsageError


def noise(steps: int = 6000, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, channels))


def autoregressive(weight: float, steps: int = 6000) -> np.ndarray:
    return lfilter([1], [1, -weight], noise(steps), axis=0)


def periodic(period: float, steps: int = 20_000, of_noise: float = 0.3) -> np.ndarray:
    return np.sin(2 * np.pi / period * np.arange(steps))[:, np.newaxis] + of_noise * noise(steps)


def test_autocorrelation_is_that_of_the_process() -> None:
    lags = np.arange(20)
    found = autocorrelation([autoregressive(0.8, 40_000), np.full((30_000, 1), 7.0)])  # a constant counts for nothing
    np.testing.assert_allclose(found[:20], 0.8**lags, atol=0.05)
    np.testing.assert_allclose(
        autocorrelation([periodic(40, of_noise=0)])[:80], np.cos(np.arange(80) * np.pi / 20), atol=0.01
    )
    values = noise(200)[:, 0] + np.linspace(0, 9, 200)
    line = np.polyval(np.polyfit(np.arange(200), values, 1), np.arange(200))
    rest = values - line
    direct = [rest[: 200 - lag] @ rest[lag:] / (200 - lag) / (rest @ rest / 200) for lag in range(60)]
    np.testing.assert_allclose(autocorrelation([values[:, np.newaxis]])[:60], direct, atol=1e-9)


@pytest.mark.parametrize(
    ("values", "length", "hop"),
    [
        (noise(), 64, 8),  # unlike at once: as many windows as can be
        (autoregressive(0.5), 64, 8),
        (autoregressive(0.95, 40_000), 64, 16),  # 0.95 to the 14th is a half
        (autoregressive(0.995, 40_000), 64, 32),
        (autoregressive(0.995), 64, 8),  # few windows, were they farther from each other
        (np.cumsum(noise(40_000), axis=0), 64, 32),
        (np.ones((40_000, 2)), 64, 32),
        (np.arange(500.0)[:, np.newaxis], 64, 8),
        (periodic(7), 32, 4),
        (periodic(24), 64, 8),
        (periodic(48), 128, 16),
        (periodic(100), 256, 32),
        (periodic(300), 256, 32),
        (periodic(100, steps=3000), 64, 8),  # longer windows would be few
        (np.hstack([periodic(48), noise(20_000, 2)]), 64, 8),  # one channel of three
        (np.hstack([periodic(48), periodic(48), noise(20_000)]), 128, 16),
    ],
)
def test_windows_fit_the_series(values: np.ndarray, length: int, hop: int) -> None:
    found = chosen_windows([values], SeriesOptions())
    assert found[:2] == (length, hop), found[2]
    assert length % hop == 0


def test_the_reason_is_said() -> None:
    (note,) = open_recordings(periodic(48)).notes
    assert note.startswith(
        "windows of 128 steps, one every 16, since a period of about 48 steps is clear (autocorrelation 0.8"
    )
    assert "no longer alike after 8 steps" in note
    (short,) = open_recordings(periodic(100, steps=3000)).notes
    assert "a period of about 99 steps is clear" in short
    assert "but longer windows would be few" in short


def test_windows_are_not_chosen_from_what_is_for_tests() -> None:
    learned, tested = noise(3000)[:, 0], periodic(48)[:, 0]
    table = pd.DataFrame({"value": np.concatenate([learned, tested]), "split": ["train"] * 3000 + ["test"] * 20_000})
    assert (open_recordings(table).form.length, open_recordings(tested).form.length) == (64, 128)


def test_windows_as_asked_for() -> None:
    for asked, expected in (
        (SeriesOptions(length=100, overlap=0.75), (100, 25)),
        (SeriesOptions(length=100, overlap=0.7), (100, 25)),  # 30 does not divide 100
        (SeriesOptions(length=60, overlap=0.0), (60, 60)),
        (SeriesOptions(length=61), (61, 1)),
    ):
        form = open_recordings(noise(), asked).form
        assert (form.length, form.hop, form.block) == (*expected, 2 * asked.length)
        assert open_recordings(noise(), asked, form).form == form  # the same once more is nothing else
    for wrong in (SeriesOptions(length=3), SeriesOptions(overlap=1.0), SeriesOptions(overlap=-0.1)):
        with pytest.raises(UsageError, match="give"):
            open_recordings(noise(), wrong)
