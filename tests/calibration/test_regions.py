"""Regions by runs against scipy's labels."""

import numpy as np
import pytest
from scipy import ndimage

from hizumi.calibration.regions import labelled_runs


def painted(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Each pixel's region, counted from 1."""
    runs, labels, count = labelled_runs(mask)
    picture = np.zeros(mask.shape, int)
    for row, start, stop, label in zip(*runs, labels, strict=True):
        picture[row, start:stop] = label + 1
    return picture, count


@pytest.mark.parametrize("seed", range(40))
def test_labels_are_those_of_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.random(generator.integers(1, 40, 2)) < generator.random()
    expected, count = ndimage.label(mask, np.ones((3, 3)))
    found, own_count = painted(mask)
    assert own_count == count
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mask", [np.zeros((3, 4), bool), np.ones((3, 4), bool), np.eye(5, dtype=bool)[::-1]])
def test_extremes(mask: np.ndarray) -> None:
    assert painted(mask)[1] == int(mask.any())
