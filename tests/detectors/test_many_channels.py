"""Detectors on a fixed network judge each channel of images that are no photographs, and the worst one decides."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from hizumi import Inspector
from hizumi.detectors import (
    PCA,
    Detector,
    Distillation,
    FusedFeatures,
    GaussianFeatures,
    NearestFeatures,
    OnFeatures,
    ReverseDistillation,
)
from hizumi.detectors.distillation import DistillationTraining
from hizumi.detectors.fixed_features import FixedFeatures
from hizumi.detectors.reverse_distillation import ReverseDistillationTraining
from hizumi.errors import BundleError
from hizumi.storage.weights import refuse_unfit

CHANNELS = 4
SQUARE_ROOT = 2


def images(count: int, seed: int, channels: int = CHANNELS) -> torch.Tensor:
    """(n, c, 32, 40): smooth textures, each channel of another contrast."""
    noise = np.random.default_rng(seed).normal(size=(count, channels, 32, 40))
    smooth = ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5)) * (1 + np.arange(channels))[:, None, None]
    return torch.from_numpy(smooth.clip(-1, 1).astype(np.float32))


def nearest(**settings: object) -> Detector:
    return NearestFeatures(levels=(3, 4), input_size=None, memory=60, candidates=200, standardised=False, **settings)


def gaussian(**settings: object) -> Detector:
    return GaussianFeatures(map_levels=(3, 4), input_size=None, standardised=False, around=3, **settings)


@pytest.mark.parametrize(
    ("make", "make_alone"),
    [
        (nearest, nearest),
        (lambda: nearest(reweighting=3), lambda: nearest(reweighting=3)),
        # Of four pictures half as many features are drawn of each: their matrices take no more memory than one's.
        (lambda: gaussian(channels=40), lambda: gaussian(channels=40 // SQUARE_ROOT)),
    ],
)
def test_the_score_is_that_of_the_worst_channel_judged_alone(
    make: Callable[[], Detector], make_alone: Callable[[], Detector]
) -> None:
    train, test = images(24, seed=0), images(6, seed=1)
    anomaly = make().fit(train).score(test)
    alone = [make_alone().fit(train[:, [channel]]).score(test[:, [channel]]) for channel in range(CHANNELS)]
    by_distance = torch.stack([each.terms["distance"] for each in alone])
    torch.testing.assert_close(anomaly.terms["distance"], by_distance.amax(0), rtol=2e-4, atol=1e-5)
    scores = torch.stack([each.image for each in alone]).gather(0, by_distance.argmax(0)[None])[0]
    torch.testing.assert_close(anomaly.image, scores, rtol=2e-4, atol=1e-5)
    assert anomaly.pixel is not None
    # The largest of coarse maps, then brought to the size of the images: no more than the largest of fine ones.
    assert (anomaly.pixel >= torch.stack([each.pixel for each in alone]).amax(0) - 1e-4).all()


def test_three_channels_that_are_no_colours_are_seen_one_by_one() -> None:
    train, test = images(24, seed=7, channels=3), images(6, seed=8, channels=3)
    anomaly = nearest(colours=False).fit(train).score(test)
    alone = [nearest().fit(train[:, [channel]]).score(test[:, [channel]]).image for channel in range(3)]
    torch.testing.assert_close(anomaly.image, torch.stack(alone).amax(0), rtol=2e-4, atol=1e-5)
    assert not torch.allclose(anomaly.image, nearest().fit(train).score(test).image, rtol=0.01)
    grey = train[:, :1]  # one channel is a grey picture whatever is said
    assert torch.equal(nearest(colours=False).fit(grey).score(grey).image, nearest().fit(grey).score(grey).image)


@pytest.mark.parametrize(
    "make",
    [
        lambda colours: GaussianFeatures(map_levels=(2, 3), input_size=None, colours=colours),
        lambda colours: FusedFeatures(levels=(2, 3), input_size=None, memory=50, candidates=200, colours=colours),
        lambda colours: OnFeatures(PCA(), levels=(2, 3), input_size=None, image_score="detector", colours=colours),
        lambda colours: Distillation(DistillationTraining((2, 3), colours=colours), score_levels=(2, 3)),
        lambda colours: ReverseDistillation(ReverseDistillationTraining((2, 3), input_size=None, colours=colours)),
    ],
)
def test_every_detector_on_a_network_can_be_told_so(make: Callable[[bool], Detector]) -> None:
    for colours, expected in ((True, 1), (False, 3)):
        detector = make(colours)
        detector.prepare((3, 32, 40))
        fixed = [part for part in detector.modules() if isinstance(part, FixedFeatures)]
        assert [part.picture_count for part in fixed] == [expected]


@pytest.mark.parametrize(
    "make",
    [
        lambda channels: NearestFeatures(levels=(3, 4), input_size=None, memory=60, candidates=200),
        lambda channels: GaussianFeatures(map_levels=(3, 4), input_size=None, around=3, channels=channels),
    ],
)
def test_each_channel_is_measured_against_its_own_on_images_held_out(make: Callable[[int], Detector]) -> None:
    train, test = images(30, seed=2), images(6, seed=3)
    together = make(32).fit(train)
    for channel in range(CHANNELS):
        alone = make(32 // SQUARE_ROOT).fit(train[:, [channel]])
        rows, columns = alone.features.grid
        own = slice(channel * rows * columns, (channel + 1) * rows * columns)
        torch.testing.assert_close(together.scale.mean[own], alone.scale.mean, rtol=1e-3, atol=1e-4)
        ratio = together.scale.deviation[own] / alone.scale.deviation
        # One factor for all, by which the largest of all channels is 1 on average, and not that of each.
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=0)
        assert ratio[0] > 1
    one_by_one = torch.cat([together.score(image[None]).image for image in test])
    torch.testing.assert_close(one_by_one, together.score(test).image, rtol=1e-4, atol=1e-4)


def test_the_region_of_interest_is_looked_at_in_every_channel() -> None:
    detector = nearest().fit(images(12, seed=4))
    detector.seen = torch.zeros(32, 40, dtype=torch.bool)
    detector.seen[:8, :8] = True
    grid = detector.features.grid
    values = torch.arange(2.0 * CHANNELS * grid[0] * grid[1]).reshape(2, -1)
    whole = values.reshape(2, CHANNELS, *grid)
    torch.testing.assert_close(detector.in_view(values, grid), whole[:, :, 0, 0])
    test = images(3, seed=5)
    distances = detector.patches(detector._placed(test))[0].reshape(3, CHANNELS, *grid)
    torch.testing.assert_close(detector.score(test).image, distances[:, :, 0, 0].amax(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ["gaussian_features", "nearest_features", "fused_features"])
def test_a_scratch_in_any_channel_of_whatever_range_is_found(preset: str) -> None:
    def parts(count: int, seed: int, scratched: bool) -> np.ndarray:
        textures = images(count, seed).numpy().transpose(0, 2, 3, 1) / (1 + np.arange(CHANNELS))
        if scratched:
            for place, texture in enumerate(textures):
                texture[10:24, 18:20, place % CHANNELS] += 2.0
        low, high = np.array([[0, 0, 20_000, 7], [255, 255, 60_000, 8]])
        return ((textures + 1.5) / 4 * (high - low) + low).astype(np.float32)

    detector = Inspector(preset, preset="small", calibration_share=0.3).fit(parts(40, 0, False))
    scores = -detector.score_samples(np.concatenate([parts(16, 1, False), parts(16, 2, True)]))
    for channel in range(CHANNELS):
        of_channel = np.concatenate([scores[:16], scores[16 + channel :: CHANNELS]])
        assert roc_auc_score([0] * 16 + [1] * 4, of_channel) > 0.9, channel


def test_a_bundle_of_a_version_that_saw_their_mean_is_refused() -> None:
    detector = nearest().fit(images(12, seed=6))
    state = {name: tensor for name, tensor in detector.state_dict().items() if name != "features.pictures"}
    with pytest.raises(BundleError, match=r"lack 'features.pictures'; .* fit it again where an earlier version wrote"):
        refuse_unfit(nearest().prepare((CHANNELS, 32, 40)), state)
