"""Standardised maps: against the definition, and on textures, where every place must have the same chance."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from hizumi.detectors import NearestFeatures
from hizumi.detectors.position_scale import ENOUGH, REACH, RINGS, PositionScale


def test_moments_are_those_of_the_ring_and_what_a_place_differs_by() -> None:
    values = np.random.default_rng(0).gamma(3, size=(20, 13, 12)) * np.linspace(1, 3, 12)
    rings = np.zeros((13, 12), int)
    for depth in range(1, RINGS):
        rings[depth:-depth, depth:-depth] = depth
    mean, deviation = (np.zeros((13, 12)) for _ in range(2))
    for ring in range(RINGS):
        mean[rings == ring] = values[:, rings == ring].mean()
        deviation[rings == ring] = values[:, rings == ring].std()
    own = 20 / (20 + ENOUGH)
    mean += own * gaussian_filter(values.mean(0) - mean, REACH, mode="mirror", truncate=3.5)
    ratio = gaussian_filter(values.std(0) / deviation, REACH, mode="mirror", truncate=3.5)
    deviation *= 1 - own + own * ratio
    scale = PositionScale()
    flat = torch.from_numpy(values).flatten(1)
    scale.fit(flat, (13, 12))
    expected = ((values - mean) / deviation).reshape(20, -1)
    np.testing.assert_allclose(scale(flat), expected / expected.max(1).mean(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_few_images_leave_no_place_without_a_spread(count: int) -> None:
    values = torch.rand(count, 24, generator=torch.Generator().manual_seed(0))
    values[:, 3] = 0.5
    scale = PositionScale()
    scale.fit(values, (4, 6))
    assert torch.isfinite(scale(values + 1)).all()
    scale.fit(torch.zeros(count, 24), (4, 6))
    assert torch.isfinite(scale(values)).all()


def test_no_place_is_favoured_on_a_texture() -> None:
    # Smoothed noise without an edge of its own: whatever lies apart at the border is the network's padding.
    noise = np.random.default_rng(0).normal(size=(360, 64, 64))
    texture = torch.from_numpy(gaussian_filter(noise, (0, 2, 2), mode="wrap")).float()[:, None]
    texture = (texture / texture.abs().amax()).clamp(-1, 1)
    shares = {}
    for standardised in (False, True):
        detector = NearestFeatures(
            input_size=None, memory=500, candidates=4000, standardised=standardised, blur=0.0, neighbourhood=1
        )
        detector.fit(texture[:160])
        with torch.no_grad():
            placed = detector._placed(texture[160:])
            values = detector.patches(placed)[0]
            values = detector.scale(values) if standardised else values
        side = detector.features.grid[0]
        worst = values.argmax(1)
        rows, columns = worst // side, worst % side
        at_border = (rows == 0) | (rows == side - 1) | (columns == 0) | (columns == side - 1)
        shares[standardised] = float(at_border.double().mean()) / (1 - (1 - 2 / side) ** 2)
    # Relative to the border's share of all places: 1, give or take .08 in 200 images.
    assert shares[True] == pytest.approx(1, abs=0.25)
    assert abs(shares[False] - 1) > 0.5
