"""Mixtures of Gaussians in the plane, whose modes are known, to measure mode collapse."""

from dataclasses import dataclass

import numpy as np

from hizumi.errors import UsageError
from hizumi.shapes import Float


@dataclass(frozen=True, eq=False)
class Toy:
    """Mixture of equally likely, isotropic Gaussians of one standard deviation around `centres`."""

    centres: Float[np.ndarray, "k 2"]
    standard_deviation: float

    def sample(self, count: int, seed: int = 0) -> Float[np.ndarray, "count 2"]:
        """Points in single precision; equal seeds give equal points."""
        generator = np.random.default_rng(seed)
        modes = generator.integers(len(self.centres), size=count)
        points = self.centres[modes] + self.standard_deviation * generator.standard_normal((count, 2))
        return points.astype(np.float32)


def ring(radius: float, standard_deviation: float, modes: int = 8) -> Toy:
    """Modes at equal angles; the last does not fall on the first, as it does in one released script."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return Toy(radius * np.stack([np.cos(angles), np.sin(angles)], 1), standard_deviation)


def grid(standard_deviation: float, side: int = 5, distance: float = 2.0) -> Toy:
    """`side` by `side` modes around the origin."""
    line = distance * (np.arange(side) - (side - 1) / 2)
    return Toy(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2), standard_deviation)


TOYS = {
    "ring": ring(radius=2.0, standard_deviation=0.02),  # Metz et al. 2017, Unrolled GAN
    "ring_veegan": ring(radius=1.0, standard_deviation=0.01),  # Srivastava et al. 2017: half the scale
    "grid": grid(standard_deviation=0.05),
}


def toy(name: str) -> Toy:
    """A toy by name: "ring", "ring_veegan" or "grid"; raises UsageError for another."""
    if name not in TOYS:
        raise UsageError(f"{name!r} is not a toy; there are {', '.join(TOYS)}")
    return TOYS[name]
