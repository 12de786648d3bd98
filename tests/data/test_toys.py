"""Toys are the mixtures they say they are."""

import numpy as np
import pytest

from hizumi.data import open_source
from hizumi.data.toys import TOYS, ring, toy
from hizumi.errors import UsageError


@pytest.mark.parametrize(
    ("name", "modes", "nearest"), [("ring", 8, 1.5307), ("ring_veegan", 8, 0.7654), ("grid", 25, 2)]
)
def test_modes_are_apart_and_balanced(name: str, modes: int, nearest: float) -> None:
    """8 points on a circle of radius r are 2 r sin(π/8) apart; a released script has two of them in one place."""
    centres = toy(name).centres
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 99 * np.eye(modes)
    np.testing.assert_allclose(distances.min(axis=1), nearest, atol=1e-4)
    np.testing.assert_allclose(centres.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("name", TOYS)
def test_points_are_distributed_as_said(name: str) -> None:
    """Squared distances to the own mode, in units of the variance, are chi-squared with two degrees of freedom."""
    target = toy(name)
    points = target.sample(50_000, seed=3).astype(np.float64)
    offsets = points[:, None] - target.centres[None]
    own = (offsets**2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(own, minlength=len(target.centres))
    expected = len(points) / len(target.centres)
    assert ((counts - expected) ** 2 / expected).sum() < 60  # 24 degrees of freedom at most: 1 in 15,000 by chance
    squares = (offsets[np.arange(len(points)), own] ** 2).sum(axis=1) / target.standard_deviation**2
    for share in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(squares, share) == pytest.approx(-2 * np.log(1 - share), rel=0.04)


def test_seeds() -> None:
    np.testing.assert_array_equal(toy("ring").sample(10, seed=1), toy("ring").sample(10, seed=1))
    assert not np.array_equal(toy("ring").sample(10, seed=1), toy("ring").sample(10, seed=2))


def test_the_two_rings_differ_only_in_scale() -> None:
    np.testing.assert_allclose(toy("ring").sample(100), 2 * toy("ring_veegan").sample(100), rtol=1e-5)


def test_a_ring_of_any_size() -> None:
    np.testing.assert_allclose(ring(3.0, 0.1, modes=4).centres, [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-12)


def test_toys_are_built_in_sets_of_good_vectors() -> None:
    manifest = open_source("grid")
    assert manifest.vectors
    assert {record.label for record in manifest.records} == {0}
    np.testing.assert_array_equal(manifest.arrays, toy("grid").sample(len(manifest)))


def test_an_unknown_toy() -> None:
    with pytest.raises(UsageError, match="'star' is not a toy; there are ring"):
        toy("star")
