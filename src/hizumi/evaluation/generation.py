"""Metrics of generated items: distances between sets of features, covered modes, classes, and bits per dimension.

Everything takes plain arrays, real items first; `hizumi.evaluation.extractors` computes features (n, k) of items.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from hizumi.errors import DataError
from hizumi.evaluation.metrics import binomial_interval

ROWS_AT_ONCE = 1024  # of a table of distances, which as a whole may be too large for memory


@dataclass(frozen=True)
class Similarity:
    """How samples compare with real items in one feature space.

    Every measure depends on the two counts: compare only values with equal counts. `precision` and `recall` are
    those of Kynkäänniemi et al. 2019 with `precision_neighbours`; `density`, which may exceed 1, and `coverage` are
    those of Naeem et al. 2020 with `coverage_neighbours`.
    """

    frechet_distance: float
    precision: float
    recall: float
    density: float
    coverage: float
    precision_neighbours: int
    coverage_neighbours: int
    real_count: int
    sample_count: int
    dimensions: int

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Agreement:
    """Share of samples that a classifier assigns to the requested class, with a 95% interval."""

    share: float
    interval: tuple[float, float]
    sample_count: int
    by_class: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ModeCoverage:
    """How well samples cover the modes of a known mixture, counted as in VEEGAN (Srivastava et al. 2017).

    A sample is of high quality if it lies close enough to its nearest mode; `captured` modes are nearest to at least
    one such sample. `divergence` is KL(share of high-quality samples at each mode || uniform) in nats, from 0 for equal
    shares to log(modes) for a single mode; NaN where no sample is of high quality.
    """

    modes: int
    captured: int
    high_quality_share: float
    divergence: float
    samples: int

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return asdict(self)


def similarity(
    real: Float[np.ndarray, "n k"],
    samples: Float[np.ndarray, "m k"],
    *,
    precision_neighbours: int = 3,
    coverage_neighbours: int = 5,
) -> Similarity:
    """All measures of samples against real items."""
    precision, recall = precision_recall(real, samples, neighbours=precision_neighbours)
    density, coverage = density_coverage(real, samples, neighbours=coverage_neighbours)
    return Similarity(
        frechet_distance=frechet_distance(real, samples),
        precision=precision,
        recall=recall,
        density=density,
        coverage=coverage,
        precision_neighbours=precision_neighbours,
        coverage_neighbours=coverage_neighbours,
        real_count=len(real),
        sample_count=len(samples),
        dimensions=real.shape[1],
    )


def frechet_distance(real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"]) -> float:
    """Squared 2-Wasserstein distance between the Gaussians with the two sets' means and covariances (Heusel 2017).

    It is biased upwards for sets that are small for the number of features: report it with that of two halves of the
    real items.
    """
    first, second = _checked(real, samples, at_least=2)
    return gaussian_distance(first.mean(0), _covariance(first), second.mean(0), _covariance(second))


def gaussian_distance(
    first_mean: Float[np.ndarray, "k"],
    first_covariance: Float[np.ndarray, "k k"],
    second_mean: Float[np.ndarray, "k"],
    second_covariance: Float[np.ndarray, "k k"],
) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) for any covariances, singular ones included."""
    # The trace of (C1 C2)^½ is the sum of the singular values of C1^½ C2^½: no root of an unsymmetric matrix is needed.
    cross = np.linalg.svd(_root(first_covariance) @ _root(second_covariance), compute_uv=False).sum()
    spread = np.trace(first_covariance) + np.trace(second_covariance) - 2 * cross
    return float(((first_mean - second_mean) ** 2).sum() + max(0.0, spread))


def precision_recall(
    real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], *, neighbours: int = 3
) -> tuple[float, float]:
    """Share of samples inside the real items' balls, and of real items inside the samples' (Kynkäänniemi 2019).

    The ball around an item reaches to its `neighbours`-th nearest neighbour of its own set.
    """
    real, samples = _checked(real, samples, at_least=neighbours + 1)
    real_radii, sample_radii = _squared_radii(real, neighbours), _squared_radii(samples, neighbours)
    recalled, precise = [], np.zeros(len(samples), dtype=bool)
    for rows, distances in _squared_distances(real, samples):
        recalled.append((distances <= sample_radii).any(1))
        precise |= (distances <= real_radii[rows, np.newaxis]).any(0)
    return float(precise.mean()), float(np.concatenate(recalled).mean())


def density_coverage(
    real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], *, neighbours: int = 5
) -> tuple[float, float]:
    """Mean number of real balls a sample lies in, over `neighbours`; share of real balls with a sample (Naeem 2020).

    Outliers among the samples raise neither, as they do recall.
    """
    real, samples = _checked(real, samples, at_least=neighbours + 1)
    radii = _squared_radii(real, neighbours)
    inside, covered = 0, 0
    for rows, distances in _squared_distances(real, samples):
        hits = distances <= radii[rows, np.newaxis]
        inside += int(hits.sum())
        covered += int(hits.any(1).sum())
    return inside / (neighbours * len(samples)), covered / len(real)


def mode_coverage(
    samples: Float[np.ndarray, "n d"],
    centres: Float[np.ndarray, "k d"],
    standard_deviation: float,
    within: float = 3.0,
) -> ModeCoverage:
    """Coverage of equally likely modes; good samples lie `within` that many standard deviations of one."""
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(centres).query(samples)
    good = nearest[distances <= within * standard_deviation]
    shares = np.bincount(good, minlength=len(centres)) / len(good) if len(good) else np.full(len(centres), np.nan)
    occupied = shares[shares > 0]
    return ModeCoverage(
        modes=len(centres),
        captured=len(occupied),
        high_quality_share=len(good) / len(samples),
        divergence=float((occupied * np.log(occupied * len(centres))).sum()) if len(good) else float("nan"),
        samples=len(samples),
    )


def bits_per_dimension(
    nats: Float[np.ndarray, "*n"], dimensions: int, bin_width: float = 1.0
) -> Float[np.ndarray, "*n"]:
    """Code length of items in bits per dimension, from log-likelihoods in nats; lower is better.

    A density is turned into the probability of a level by its width, `bin_width`: 2/255 for 8-bit images in [-1, 1].
    Probabilities have a width of 1.
    """
    return np.asarray(-(nats / dimensions + math.log(bin_width)) / math.log(2))


def class_agreement(asked: Integer[np.ndarray, "n"], found: Integer[np.ndarray, "n"]) -> Agreement:
    """Compare the requested classes of samples with those that a classifier finds."""
    if not len(asked):
        raise DataError("there are no samples whose class could be compared")
    same = asked == found
    return Agreement(
        share=float(same.mean()),
        interval=binomial_interval(int(same.sum()), len(same)),
        sample_count=len(same),
        by_class={int(label): float(same[asked == label].mean()) for label in np.unique(asked)},
    )


def _checked(
    real: Float[np.ndarray, "n k"], samples: Float[np.ndarray, "m k"], at_least: int
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "m k"]]:
    for name, features in (("real items", real), ("samples", samples)):
        if len(features) < at_least:
            raise DataError(f"{len(features)} {name} are too few for this measure; it takes at least {at_least}")
        if not np.isfinite(features).all():
            raise DataError(f"the features of the {name} hold NaN or infinite values; the model has diverged")
    centre = real.mean(0, dtype=np.float64)  # distances lose fewer digits near the origin
    return real - centre, samples - centre


def _covariance(features: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "k k"]:
    return np.atleast_2d(np.cov(features, rowvar=False))


def _root(covariance: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)


def _squared_distances(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "m k"]
) -> Iterator[tuple[slice, Float[np.ndarray, "rows m"]]]:
    """Rows of the table of squared distances, some at a time."""
    lengths = (second**2).sum(1)
    for start in range(0, len(first), ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, len(first)))
        part = first[rows]
        yield rows, np.maximum((part**2).sum(1)[:, np.newaxis] + lengths - 2 * part @ second.T, 0.0)


def _squared_radii(features: Float[np.ndarray, "n k"], neighbours: int) -> Float[np.ndarray, "n"]:
    """Squared distance of each item to its k-th nearest neighbour, itself not counted."""
    parts = []
    for rows, distances in _squared_distances(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        parts.append(np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1])
    return np.concatenate(parts)
