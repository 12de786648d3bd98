"""Fused features: the sum, place by place, of what its two parts find alone."""

import numpy as np
import pytest
import torch

from hizumi.data.stream import TensorSource
from hizumi.detectors import FusedFeatures, GaussianFeatures, NearestFeatures
from hizumi.errors import UsageError

RANDOM = torch.Generator().manual_seed(0)
TRAIN, TEST = torch.rand(40, 1, 32, 48, generator=RANDOM) * 2 - 1, torch.rand(7, 1, 32, 48, generator=RANDOM) * 2 - 1

TRAIN_SOURCE = TensorSource(TRAIN)


@torch.no_grad()
def test_score_and_map_are_the_sums_of_both_parts() -> None:
    fused = FusedFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200, channels=20).fit(TRAIN)
    nearest = NearestFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200).fit(TRAIN)
    gaussian = GaussianFeatures(map_levels=(3, 4), input_size=None, channels=20).fit(TRAIN)
    values, maps = [], []
    for part in (nearest, gaussian):
        distances = part._map(part._placed(TEST) if part is nearest else part.features(TEST))
        values.append(part.scale(distances))
        maps.append(part.score(TEST).pixel / largest_of_reference(fused, part))
    anomaly = fused.score(TEST)
    np.testing.assert_allclose(anomaly.image, (values[0] + values[1]).amax(1), rtol=1e-4)
    np.testing.assert_allclose(anomaly.terms["nearest"], nearest.score(TEST).image, rtol=1e-4)
    np.testing.assert_allclose(anomaly.terms["gaussian"], gaussian.score(TEST).image, rtol=1e-4)
    np.testing.assert_allclose(anomaly.pixel, (maps[0] + maps[1]) / 2, rtol=1e-4)


def largest_of_reference(fused: FusedFeatures, part: NearestFeatures | GaussianFeatures) -> float:
    """Mean of a part's largest distances on the images held out of the fit."""
    reference = fused._dealt(TRAIN_SOURCE, 0)[1]
    assert reference is not None
    images = reference.batch(torch.arange(len(reference)))
    distances = part._map(part._placed(images) if isinstance(part, NearestFeatures) else part.features(images))
    return float(distances.amax(1).mean())


def test_a_memory_larger_than_its_candidates_is_refused() -> None:
    with pytest.raises(UsageError, match="memory 100 is chosen from 50 candidates"):
        FusedFeatures(memory=100, candidates=50).fit(TRAIN)
