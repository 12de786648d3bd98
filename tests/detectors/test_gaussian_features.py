"""Gaussian features against the same computation written plainly in NumPy."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from hizumi.data.stream import TensorSource
from hizumi.detectors import GaussianFeatures
from hizumi.errors import UsageError

RANDOM = torch.Generator().manual_seed(0)
TRAIN, TEST = torch.rand(40, 3, 32, 48, generator=RANDOM) * 2 - 1, torch.rand(7, 3, 32, 48, generator=RANDOM) * 2 - 1


@pytest.mark.parametrize("flips", [False, True], ids=["as they are", "with flips"])
def test_levels_are_rippels_sum(flips: bool) -> None:
    detector = GaussianFeatures("levels", (3, 1), map_levels=(3, 4), input_size=None, around=3, flips=flips).fit(TRAIN)
    train = torch.cat([TRAIN, TRAIN.flip(3), TRAIN.flip(2), TRAIN.flip(2, 3)]) if flips else TRAIN
    with torch.no_grad():
        maps, test_maps = detector.features(train), detector.features(TEST)
    anomaly = detector.score(TEST)
    expected = np.zeros(len(TEST))
    for level in (1, 3):
        estimate = LedoitWolf().fit(maps[level].mean((2, 3)).double().numpy())
        distance = np.sqrt(estimate.mahalanobis(test_maps[level].mean((2, 3)).double().numpy()))
        np.testing.assert_allclose(anomaly.terms[f"level {level}"], distance, rtol=1e-4)
        expected += distance
    np.testing.assert_allclose(anomaly.image, expected, rtol=1e-4)


def squares_around(values: np.ndarray, row: int, column: int, reach: int) -> np.ndarray:
    """Features (m, k) of all images at the positions (n, y, x, k) that lie so near."""
    rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (row, column))
    return values[:, rows, columns].reshape(-1, values.shape[3])


@pytest.mark.parametrize("settings", [{"channels": 20, "around": 3}, {"around": 1, "ridge": 0.01, "neighbourhood": 1}])
def test_positions_one_by_one(settings: dict[str, float]) -> None:
    detector = GaussianFeatures(map_levels=(3, 4), input_size=None, standardised=False, blur=0.0, **settings).fit(TRAIN)
    assert detector.features.grid == (4, 6)
    with torch.no_grad():
        train, test = (detector._placed(detector.features(images)).double().numpy() for images in (TRAIN, TEST))
    drawn = detector.gaussians.drawn
    assert drawn is not None
    assert len(drawn.unique()) == settings.get("channels", 64)
    train, test = (values[:, :, drawn].reshape(len(values), 4, 6, -1) for values in (train, test))
    unit = train.reshape(-1, len(drawn)).std(0)
    train, test = train / unit, test / unit
    distances = np.empty((len(TEST), 4, 6))
    for row, column in np.ndindex(4, 6):
        near = squares_around(train, row, column, int(settings["around"]) // 2)
        covariance = np.cov(near, rowvar=False, bias=True) + settings.get("ridge", 0.1) * np.eye(len(drawn))
        centred = test[:, row, column] - near.mean(0)
        distances[:, row, column] = np.sqrt(np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred))
    anomaly = detector.score(TEST)
    np.testing.assert_allclose(anomaly.image, distances.max((1, 2)), rtol=1e-3)
    np.testing.assert_allclose(anomaly.terms["mean"], distances.mean((1, 2)), rtol=1e-3)


def test_standardised_score_is_relative_to_held_out_images() -> None:
    detector = GaussianFeatures(map_levels=(3,), input_size=None).fit(TRAIN)
    with torch.no_grad():
        distances = detector._map(detector.features(TEST))
    mean, deviation = detector.scale.mean, detector.scale.deviation
    assert mean is not None
    assert deviation is not None
    np.testing.assert_allclose(detector.score(TEST).image, ((distances - mean) / deviation).max(1).values, rtol=1e-5)


@torch.no_grad()
def test_of_several_squares_the_one_that_makes_held_out_images_likeliest_is_kept() -> None:
    sides, source = (1, 3, 7), TensorSource(TRAIN)
    alone = [GaussianFeatures(map_levels=(3,), channels=20, input_size=None, around=side).fit(TRAIN) for side in sides]
    reference = alone[0]._dealt(source, 0)[1]
    assert reference is not None
    images = reference.batch(torch.arange(len(reference)))
    likelihoods = []
    for detector in alone:
        gaussian, scale = detector.gaussians.gaussian, detector.gaussians.scale
        assert gaussian.mean is not None
        assert gaussian.whitening is not None
        assert scale is not None
        law = torch.distributions.MultivariateNormal(
            gaussian.mean.double(), precision_matrix=(gaussian.whitening.mT @ gaussian.whitening).double()
        )
        placed = detector._placed(detector.features(images))[:, :, detector.gaussians.drawn]
        likelihoods.append(float(law.log_prob((placed * scale).double()).mean()))
    chosen = GaussianFeatures(map_levels=(3,), channels=20, input_size=None, around=sides).fit(TRAIN)
    likeliest = int(np.argmax(likelihoods))
    for detector, is_it in zip(alone, np.arange(len(sides)) == likeliest, strict=True):
        assert np.allclose(chosen.score(TEST).image, detector.score(TEST).image, rtol=1e-4) == is_it


def test_levels_that_do_not_exist_are_refused() -> None:
    for settings, message in (
        ({"image_score": "levels", "levels": (0, 3)}, "numbers from 1 to 9"),
        ({"levels": (2, 3)}, 'levels are those of image_score "levels"; set that, or map_levels'),
        ({"map_levels": ()}, "at least one"),
        ({"map_levels": (4,), "network": "wavelets"}, "numbers from 1 to 3"),
        ({"around": 2}, "around is 2; it must be an odd number"),
        ({"around": (3, 8)}, "around is 8; it must be an odd number"),
        ({"around": ()}, "around is empty; give the side of one square or more"),
    ):
        with pytest.raises(UsageError, match=message):
            GaussianFeatures(**settings).fit(TRAIN)
