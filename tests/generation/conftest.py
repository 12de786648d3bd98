import numpy as np
import pytest

from hizumi.generation import Modeller
from hizumi.models import VAE
from hizumi.training import Budget, TrainingOptions

SHORT = TrainingOptions(budget=Budget(steps=20), batch_size=8)


def stripes(count: int, seed: int = 0, size: tuple[int, int] = (16, 16), channels: int = 1) -> np.ndarray:
    """(n, h, w, c) uint8: stripes of varying phase."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    phase = rng.uniform(0, 6, (count, 1, 1, channels))
    images = 110 + 50 * np.sin((rows + columns)[..., np.newaxis] / 3 + phase) + rng.normal(0, 3, (count, *size, 1))
    return images.clip(0, 255).astype(np.uint8)


def table(count: int, seed: int = 0) -> np.ndarray:
    """Rows of two columns in very different units, the second a function of the first."""
    width = np.random.default_rng(seed).normal(1000, 50, count)
    return np.stack([width, 1e-3 * width + np.random.default_rng(seed + 1).normal(0, 0.01, count)], 1)


@pytest.fixture(scope="session")
def fitted() -> Modeller:
    return Modeller(VAE(width=8, latent=4), training=SHORT).fit(stripes(40))
