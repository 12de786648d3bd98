"""Gaussian features: how far the features of a pre-trained network lie from where normal images put them."""

from typing import Literal

import torch
from torch import Tensor, nn

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import FixedFeatures, NetworkKind, check_levels
from hizumi.detectors.gaussian import Gaussian
from hizumi.objectives import smooth
from hizumi.training import Card, Preset

POOLED = 0.5  # share of the covariance that all positions have in common
MIRRORS = ((), (3,), (2,), (2, 3))  # axes of (n, c, h, w) that are flipped
SHRINKAGE = 0.1  # of each position's covariance towards its mean variance


class GaussianFeatures(Detector):
    """Mahalanobis distances of EfficientNet-Lite0 features, by level and by position; nothing is trained.

    "levels" is the paper's score: features averaged over the image, one Gaussian for each level with Ledoit-Wolf
    shrinkage, distances d summed. "positions" has one Gaussian for each place in the image, over the features of
    `map_levels` together (as PaDiM does, Defard et al. 2021): its distances are the map, and their maximum the score.

    Differences from the paper: EfficientNet-Lite0 in place of B4 at 380 pixels; level 9, the head, is left out unless
    named in `levels`; by default each training image is fitted on with its three mirror images; the paper has no map,
    and "positions", the default, is not its score. The preset "flattened" is for uneven light;
    "untrained" is that without pre-trained weights.

    Args:
        image_score: Which of the two is the image's score; both are terms.
        levels: Of the paper's score: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        map_levels: Of the map.
        network: "efficientnet", pre-trained, or "wavelets", fixed filters with levels 1 to 3, which need no extra.
        flips: Fit on each training image and its three mirror images, where parts may lie either way.
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
    """

    card = Card(
        family="features",
        idea="distance of a pre-trained network's features from those of normal images",
        paper="Rippel, Mertens & Merhof, Modeling the distribution of normal data in pre-trained features, ICPR 2020",
        inputs=("images",),
        localises=True,
        needs=("hizumi[features]",),
    )
    working_size = 128
    presets = {
        "flattened": Preset(lambda: GaussianFeatures(flatten=16.0, smoothing=8.0)),
        "untrained": Preset(
            lambda: GaussianFeatures(levels=(1, 2, 3), map_levels=(1, 2, 3), network="wavelets", flatten=16.0)
        ),
        "small": Preset(lambda: GaussianFeatures(levels=(1, 2), map_levels=(2, 3))),
    }

    def __init__(
        self,
        image_score: Literal["positions", "levels"] = "positions",
        levels: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8),
        map_levels: tuple[int, ...] = (3, 4, 6),
        network: NetworkKind = "efficientnet",
        flips: bool = True,
        input_size: PositiveInt | None = None,
        flatten: PositiveFloat | None = None,
        smoothing: NonNegativeFloat = 4.0,
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.image_score = image_score
        self.levels = levels
        self.map_levels = map_levels
        self.network = network
        self.flips = flips
        self.input_size = input_size
        self.flatten = flatten
        self.smoothing = smoothing
        self.weights = weights
        self.sha256 = sha256
        self.position_gaussians = Gaussian()

    def check(self) -> None:
        check_levels(self.levels, self.network)
        check_levels(self.map_levels, self.network)

    def build(self, shape: tuple[int, ...]) -> None:
        self.level_gaussians = nn.ModuleList(Gaussian() for _ in self.levels)
        levels = (*self.levels, *self.map_levels)
        self.features = FixedFeatures(
            shape, levels, self.input_size, self.flatten, self.weights, self.sha256, kind=self.network
        )

    def fit_statistics(self, batches: Batches) -> None:
        from sklearn.covariance import LedoitWolf

        pooled: list[list[Tensor]] = []
        moments = _Moments()
        for batch in in_order(batches):
            for axes in MIRRORS if self.flips else ((),):
                maps = self.features(batch.flip(axes))
                pooled.append(self._pooled(maps))
                moments.add(self.features.placed(maps, self.map_levels).double())
        for gaussian, values in zip(self._level_gaussians(), zip(*pooled, strict=True), strict=True):
            estimate = LedoitWolf().fit(torch.cat(values).double().cpu().numpy())
            gaussian.assign(torch.from_numpy(estimate.location_), torch.from_numpy(estimate.covariance_))
        mean, covariance = moments.estimate()
        # Kept in single precision: there are hundreds of these matrices, and each is well conditioned by now.
        self.position_gaussians.assign(mean.float(), _regularised(covariance).float())

    def score_batch(self, images: Tensor) -> Anomaly:
        maps = self.features(images)
        by_level = [
            gaussian.squared_distance(values.double()).sqrt()
            for gaussian, values in zip(self._level_gaussians(), self._pooled(maps), strict=True)
        ]
        placed = self.features.placed(maps, self.map_levels)
        distance = self.position_gaussians.squared_distance(placed).sqrt()
        pixel = smooth(self.features.as_map(distance, images), self.smoothing)
        terms = {"levels": torch.stack(by_level).sum(0).to(pixel.dtype), "positions": pixel.flatten(1).amax(1)}
        return Anomaly(terms[self.image_score], pixel, terms)

    def embedding(self, images: Tensor) -> Tensor:
        return torch.cat(self._pooled(self.features(images)), 1)

    def _level_gaussians(self) -> list[Gaussian]:
        return [gaussian for gaussian in self.level_gaussians if isinstance(gaussian, Gaussian)]

    def _pooled(self, maps: dict[int, Tensor]) -> list[Tensor]:
        return [maps[level].mean((2, 3)) for level in self.levels]


class _Moments:
    """Running mean and covariance of (n, positions, channels), shifted by the first batch's mean against rounding."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, values: Tensor) -> None:
        if self.count == 0:
            self.shift = values.mean(0)
            self.sum = torch.zeros_like(self.shift)
            self.products = values.new_zeros(*self.shift.shape, self.shift.shape[1])
        shifted = (values - self.shift).transpose(0, 1)  # (positions, n, channels)
        self.count += len(values)
        self.sum += shifted.sum(1)
        self.products += shifted.transpose(1, 2) @ shifted

    def estimate(self) -> tuple[Tensor, Tensor]:
        mean = self.sum / self.count
        covariance = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        return mean + self.shift, covariance


def _regularised(covariance: Tensor) -> Tensor:
    """Covariances (positions, k, k) drawn towards their mean and towards spheres (Friedman 1989).

    A few hundred images say little about a single position's covariance, and much about what all have in common.
    """
    mixed = (1 - POOLED) * covariance + POOLED * covariance.mean(0)
    spread = mixed.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    identity = torch.eye(mixed.shape[1], dtype=mixed.dtype, device=mixed.device)
    return (1 - SHRINKAGE) * mixed + SHRINKAGE * spread * identity
