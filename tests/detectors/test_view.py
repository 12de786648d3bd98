"""Scores that are a map's largest value are those of the region of interest."""

import numpy as np
import pytest
import torch

from hizumi.detectors import DRAEM, Detector, FusedFeatures, GaussianFeatures, NearestFeatures
from hizumi.detectors.view import positions_on
from tests.contract.conftest import items, options, small

SHAPE = (3, 24, 36)


@pytest.mark.parametrize("grid", [(6, 9), (5, 7), (24, 36), (40, 50), (1, 1)])
def test_a_position_counts_where_it_overlaps_any_pixel_of_the_region(grid: tuple[int, int]) -> None:
    seen = np.random.default_rng(0).random(SHAPE[1:]) < 0.03
    overlapping = {
        row * grid[1] + column
        for row in range(grid[0])
        for column in range(grid[1])
        for y, x in np.argwhere(seen)
        if (y + 1) * grid[0] > row * 24 and y * grid[0] < (row + 1) * 24
        if (x + 1) * grid[1] > column * 36 and x * grid[1] < (column + 1) * 36
    }
    assert set(positions_on(torch.from_numpy(seen), grid).tolist()) == overlapping


def distances(detector: Detector, images: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """A score's map before its largest value is taken, (n, positions), and its grid."""
    match detector:
        case GaussianFeatures():
            return detector.scale(detector._map(detector.features(images))), detector.features.grid
        case NearestFeatures():
            return detector.scale(detector._map(detector._placed(images))), detector.features.grid
        case FusedFeatures():
            nearest, gaussian = detector._distances(images)
            return detector.nearest_scale(nearest) + detector.gaussian_scale(gaussian), detector.features.grid
    pixel = detector.score(images).pixel
    assert pixel is not None
    return pixel.flatten(1), (24, 36)


WAVELETS = {"network": "wavelets", "input_size": None}
MADE = {
    "gaussian_features": lambda: GaussianFeatures(map_levels=(1, 2), channels=8, **WAVELETS),
    "nearest_features": lambda: NearestFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200),
    "fused_features": lambda: FusedFeatures(levels=(1, 2), memory=50, candidates=200, channels=8, **WAVELETS),
    "draem": lambda: small("draem"),
}


@pytest.mark.parametrize("name", MADE)
def test_the_largest_value_is_that_of_the_region(name: str) -> None:
    seen = torch.zeros(SHAPE[1:], dtype=torch.bool)
    seen[8:16, 4:12] = True
    detector = MADE[name]().fit(items(SHAPE), options(), seen=seen)
    images = items(SHAPE, 6, seed=1)
    images[:, :, :6, 20:] = 1.0  # the worst place lies outside
    values, (rows, columns) = distances(detector, images)
    in_view = values.reshape(-1, rows, columns)[:, 8 * rows // 24 : -(-16 * rows // 24)]
    expected = in_view[:, :, 4 * columns // 36 : -(-12 * columns // 36)].amax((1, 2))
    torch.testing.assert_close(detector.score(images).image, expected, rtol=1e-4, atol=1e-5)
    assert (values.amax(1) > expected + 1e-3 * expected.abs()).any()
    assert isinstance(detector, DRAEM) or detector.score(images[:1]).terms
