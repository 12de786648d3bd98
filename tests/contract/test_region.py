"""No detector's score, map or verdict depends on what lies outside a region of interest."""

from typing import Any

import numpy as np
import pytest

from hizumi import Inspector
from hizumi.data.region import Region
from hizumi.registry import find_detectors

from .conftest import items, options, small

HEIGHT, WIDTH = 24, 36
INSIDE = np.zeros((HEIGHT, WIDTH), dtype=bool)
INSIDE[4:21, 7:30] = True
QUICK = {"draem", "ganomaly", "likelihood", "mahalanobis", "pca", "reconstruction"}
"""One for each way to a score: a largest value of a map, a latent, a likelihood, a distance, a residual."""


def cases() -> list[Any]:
    """All that take single images; the quickest in each run, the others among the slow tests."""
    names = [name for name, found in find_detectors().items() if "images" in found.card.inputs and not found.card.needs]
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in names]


def pictures(count: int, seed: int) -> np.ndarray:
    unit = items((3, HEIGHT, WIDTH), count, seed).numpy().transpose(0, 2, 3, 1)
    return ((unit.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


@pytest.mark.parametrize("name", cases())
def test_what_lies_outside_changes_nothing(name: str) -> None:
    inspector = Inspector(
        small(name), region=Region.of(INSIDE), image_size=(HEIGHT, WIDTH), training=options(), calibration_share=0.3
    )
    inspector.fit(pictures(24, seed=0))
    images = pictures(4, seed=1)
    images[0, 8:14, 12:20] = 255
    others = images.copy()
    others[:, ~INSIDE] = np.random.default_rng(0).integers(0, 256, others[:, ~INSIDE].shape)
    for before, after in zip(inspector.inspect(images), inspector.inspect(others), strict=True):
        assert (before.score, before.anomalous, before.terms) == (after.score, after.anomalous, after.terms)
        assert (before.map is None and after.map is None) or np.array_equal(before.map, after.map)
