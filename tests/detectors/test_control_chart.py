"""Streams with a dimming lamp, a lens out of focus, a scratched part, and nothing at all."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import trim_mean
from torch import Tensor

from hizumi.calibration.charts import CUSUM
from hizumi.calibration.run_length import cusum_limit
from hizumi.detectors import ControlChart, Ensemble, Mahalanobis
from hizumi.detectors.image_statistics import image_statistics, statistic_names
from hizumi.errors import DataError
from hizumi.objectives import smooth
from hizumi.training import TrainingOptions


def pictures(count: int, seed: int, channels: int = 1) -> Tensor:
    """Textured parts under a lamp that flickers by 2%, with sensor noise."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    phase = torch.rand(count, channels, 1, 1, generator=generator)
    texture = 0.4 * torch.sin(0.9 * columns + phase) * torch.cos(0.7 * rows)
    lamp = 1 + 0.02 * torch.randn(count, 1, 1, 1, generator=generator)
    return (texture + 1) * lamp - 1 + 0.03 * torch.randn(count, channels, 24, 24, generator=generator)


def dimmed(images: Tensor, by: Tensor | float) -> Tensor:
    return (images + 1) * by - 1


@pytest.fixture(scope="module")
def chart() -> ControlChart:
    return ControlChart().fit(pictures(400, 0))


@pytest.mark.parametrize("side", [1, 2])
def test_images_too_narrow_for_a_second_difference_have_none_that_way(side: int) -> None:
    images = pictures(40, 3)[..., :side]
    grey = images[:, 0].double().numpy()
    light = 1 + 2 / 255 + trim_mean(grey.reshape(40, -1), 0.05, axis=1)
    sharpness = (np.abs(np.diff(grey, n=2, axis=1)).mean((1, 2)) + 2 / 255) / light
    np.testing.assert_allclose(image_statistics(images)[:, 2], np.log(sharpness), rtol=1e-6)
    assert torch.isfinite(ControlChart().fit(images).score(images).image).all()


def test_slowly_dimming_lamp_is_a_drift_of_brightness(chart: ControlChart) -> None:
    factors = torch.cat([torch.ones(60), 1 - 0.001 * torch.arange(100)])[:, None, None, None]
    watch = chart.watch(dimmed(pictures(160, 1), factors))
    assert watch.verdict == "drift"
    assert watch.drifts[0].statistic == "brightness"
    assert watch.drifts[0].shift < -1
    assert 40 <= watch.drifts[0].since <= watch.drifts[0].noticed < 100
    assert watch.words.startswith("Drift: brightness has been lower since about image")
    assert "Look at the lamp" in watch.words


def test_defocus_is_a_drift_of_sharpness(chart: ControlChart) -> None:
    images = pictures(120, 2)
    images[70:] = torch.cat([smooth(images[i : i + 1], 0.3 + 0.004 * (i - 70)) for i in range(70, 120)])
    watch = chart.watch(images)
    assert watch.verdict == "drift"
    assert watch.drifts[0].statistic == "sharpness"
    assert 66 <= watch.drifts[0].since <= 80  # the first of these are hardly blurred
    assert "lower" in watch.words
    assert "the lens and its focus" in watch.words


def test_scratched_part_is_a_part(chart: ControlChart) -> None:
    images = pictures(120, 5)
    images[77, 0, 6:18, 10:12] = torch.tensor([1.0, -1.0])
    watch = chart.watch(images)
    assert watch.verdict == "part"
    assert [part.image for part in watch.parts] == [77]
    assert watch.words.startswith("Image 77 stands out alone")
    assert int(chart.score(images).image.argmax()) == 77


def test_bad_part_in_a_drift_is_told_from_it(chart: ControlChart) -> None:
    images = pictures(120, 5)
    images[60:] = dimmed(images[60:], 0.7)
    images[90] = dimmed(images[90:91], 0.2)
    watch = chart.watch(images)
    assert watch.drifts[0].statistic == "brightness"
    assert watch.drifts[0].since == pytest.approx(60, abs=3)
    assert [part.image for part in watch.parts] == [90]


def test_colour_has_its_channels() -> None:
    chart = ControlChart().fit(pictures(200, 0, channels=3))
    images = pictures(90, 1, channels=3)
    images[40:, 2] = dimmed(images[40:, 2], 0.93)
    watch = chart.watch(images)
    assert "blue" in [drift.statistic for drift in watch.drifts]
    assert statistic_names(3)[-3:] == ["red", "green", "blue"]


def test_false_alarms_are_no_more_frequent_than_promised() -> None:
    # Independent columns from the law that the limits are made for: 40 streams of 250 rows, one alarm in 1,000 rows.
    chart = ControlChart(run_length=1000.0).fit(torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)))
    streams = torch.randn(40, 250, 3, generator=torch.Generator().manual_seed(1))
    alarms = np.mean([chart.watch(stream).verdict != "nothing" for stream in streams])
    promised = 1 - math.exp(-0.25)
    deviation = math.sqrt(promised * (1 - promised) / 40)
    assert promised - 3 * deviation < alarms < promised + 2 * deviation


def test_score_is_the_largest_distance_in_sigma() -> None:
    rows = torch.randn(300, 4, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 2, 3, 4]) + 5
    chart = ControlChart().fit(rows)
    new = rows[:10] * 1.5
    expected = ((new - rows.mean(0)) / rows.std(0, correction=0)).abs()
    anomaly = chart.score(new)
    torch.testing.assert_close(anomaly.image.float(), expected.amax(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(anomaly.terms["column 3"].float(), expected[:, 2], rtol=1e-4, atol=1e-4)


def test_watch_runs_the_charts_of_calibration() -> None:
    rows = torch.randn(200, 2, generator=torch.Generator().manual_seed(3))
    chart = ControlChart(run_length=500.0).fit(rows)
    stream = torch.randn(40, 2, generator=torch.Generator().manual_seed(4)) + torch.tensor([0.0, 1.5])
    watch = chart.watch(stream)
    column = chart.embed(stream)[:, 1].numpy().clip(-3, 3)
    stretch = 1 + 1 / math.sqrt(400)
    limit = cusum_limit(500 * 5 * 2, 0.5, 1 / math.sqrt(200))
    rising, _ = CUSUM(0, stretch, 0.5, limit).run(column)
    found = next(points for points in watch.charts["column 2"] if points.name == "CUSUM rising")
    np.testing.assert_allclose(found.values, rising.values)
    np.testing.assert_allclose(found.upper, rising.upper)
    assert watch.drifts[0].statistic == "column 2"
    assert "higher since about row" in watch.words
    assert watch.words.endswith("A false alarm is due every 500 good rows.")


def test_scores_of_a_detector_are_brought_to_a_gaussian() -> None:
    generator = torch.Generator().manual_seed(5)
    chart = ControlChart(Mahalanobis()).fit(torch.randn(3000, 4, generator=generator), TrainingOptions(seed=1))
    distances = chart.embed(torch.randn(4000, 4, generator=generator))[:, 0]
    # Squared distances follow a chi-square law; their charted values should not.
    assert float(distances.mean()) == pytest.approx(0, abs=0.1)
    assert float(distances.std()) == pytest.approx(1, abs=0.08)
    assert float((distances > 1.645).double().mean()) == pytest.approx(0.05, abs=0.02)
    far = chart.embed(torch.eye(4)[:2] * torch.tensor([[1e3], [1e4]]))[:, 0]
    assert 40 < far[0] < far[1]
    stream = torch.randn(100, 4, generator=generator)
    stream[31] = torch.tensor([4.0, -4.0, 4.0, 4.0])
    assert [part.image for part in chart.watch(stream).parts] == [31]


def test_the_score_is_charted_by_what_its_detector_has_not_seen() -> None:
    rows = torch.randn(400, 3, generator=torch.Generator().manual_seed(6))
    chart = ControlChart(Ensemble((Mahalanobis(),), reference_share=0.2)).fit(rows)
    assert isinstance(chart.detector, Ensemble)
    charted, inner = chart.scores.scores, chart.detector.references[0].scores
    assert charted is not None
    assert inner is not None
    assert len(charted) == len(inner) == 40  # of the 80 that were held out
    own = chart.detector.references[0](inner)
    assert not (charted[:, None] == -own).any()


def test_brightness_is_the_trimmed_mean_of_all_pixels() -> None:
    images = pictures(5, 7, channels=3)
    expected = trim_mean(images.double().mean(1).flatten(1), 0.05, axis=1)
    np.testing.assert_allclose(image_statistics(images)[:, 0], expected)


def test_statistics_do_not_depend_on_the_lamp() -> None:
    images = pictures(5, 7) * 0.5
    first, second = image_statistics(images), image_statistics(dimmed(images, 0.8))
    torch.testing.assert_close(first[:, 1:], second[:, 1:], atol=0.02, rtol=0)
    torch.testing.assert_close(second[:, 0] + 1, 0.8 * (first[:, 0] + 1))


def test_too_little_normal_data_is_refused_by_watch_alone() -> None:
    chart = ControlChart().fit(pictures(20, 0))
    assert chart.score(pictures(3, 1)).image.shape == (3,)
    with pytest.raises(DataError, match="20 normal items set no limits"):
        chart.watch(pictures(40, 1))
