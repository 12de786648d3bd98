"""Gaussian features: how far the features of a pre-trained network lie from where normal images put them."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import MOST_CROPS, NO_SERIES, FixedFeatures, NetworkKind, check_levels, check_odd
from hizumi.detectors.gaussian import Gaussian
from hizumi.detectors.position_gaussians import AROUND, PositionGaussians
from hizumi.detectors.position_scale import REFERENCE_SHARE, PositionScale
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError
from hizumi.training import Card, Preset

ALL_BUT_THE_HEAD = (1, 2, 3, 4, 5, 6, 7, 8)
MIRRORS = ((), (3,), (2,), (2, 3))  # axes of (n, c, h, w) that are flipped


class GaussianFeatures(Detector):
    """Mahalanobis distances of EfficientNet-Lite0 features, by position or by level; nothing is trained.

    "positions" has one Gaussian for each place in the image, over channels of `map_levels` together (as PaDiM does,
    Defard et al. 2021). Its distances, blurred, are the map; their maximum is the score, with `standardised` relative
    to held-out normal images' at each place. "levels" is the paper's score: features averaged over the image, one
    Gaussian for each level with Ledoit-Wolf shrinkage, distances summed; the map stays.

    Differences from the papers: Rippel et al. use EfficientNet-B4 at 380 pixels, all nine levels, and have no map (the
    preset "rippel" takes the levels back). PaDiM (the preset "padim") takes moments at one position alone, of features
    as they are and not averaged over 3x3, adds .01 to the diagonal and standardises nothing; its network is a ResNet. A
    channel's unit is its standard deviation here. The preset "flattened" is for uneven light, "untrained" is that
    without pre-trained weights.

    Args:
        image_score: Which of the two is the image's score.
        levels: Of the score "levels", and refused with the other: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        map_levels: Of the map.
        network: "efficientnet", pre-trained, "wavelets", fixed filters with levels 1 to 3, or one with weights of
            your own (docs/backbones.md).
        channels: How many of the map's channels are drawn, the same at all positions.
        neighbourhood: Features of the map are averaged over so many by so many positions of their level.
        around: A position's moments are taken over so many by so many positions around it; of several such squares,
            over those that make held-out normal images likeliest.
        ridge: Variance added to each channel's, in units of its own.
        standardised: Whether distances are measured against those of held-out normal images at the same place.
        flips: Fit on each training image and its three mirror images, where parts may lie either way.
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        blur: Standard deviation, in positions, of the Gaussian blur of the map.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = Card(
        family="features",
        idea="distance of a pre-trained network's features from those of normal images",
        paper="Rippel, Mertens & Merhof, Modeling the distribution of normal data in pre-trained features, ICPR 2020",
        inputs=("images",),
        localises=True,
        no_series=NO_SERIES,
    )
    working_size = 224
    most_crops = MOST_CROPS
    tolerance = 3e-5  # a standardised distance is a difference, which keeps fewer digits than the distance
    presets = {
        "padim": Preset(lambda: GaussianFeatures(neighbourhood=1, around=1, ridge=0.01, standardised=False, blur=0.5)),
        "rippel": Preset(lambda: GaussianFeatures("levels", levels=(1, 2, 3, 4, 5, 6, 7, 8, 9), around=3)),
        "flattened": Preset(lambda: GaussianFeatures(map_levels=(3, 4, 6), input_size=None, flatten=16.0)),
        "untrained": Preset(
            lambda: GaussianFeatures(map_levels=(1, 2, 3), network="wavelets", input_size=None, flatten=16.0)
        ),
        "small": Preset(lambda: GaussianFeatures(map_levels=(2, 3), input_size=None)),
    }

    def __init__(
        self,
        image_score: Literal["positions", "levels"] = "positions",
        levels: tuple[int, ...] = ALL_BUT_THE_HEAD,
        map_levels: tuple[int, ...] = (4, 6),
        network: NetworkKind = "efficientnet",
        channels: Annotated[PositiveInt, Searched(20, 200, log=True)] = 100,
        neighbourhood: Annotated[PositiveInt, Searched(choices=(1, 3, 5))] = 3,
        around: PositiveInt | tuple[PositiveInt, ...] = AROUND,
        ridge: Annotated[PositiveFloat, Searched(0.001, 1, log=True)] = 0.1,
        standardised: Annotated[bool, Searched(choices=(False, True))] = True,
        flips: bool = False,
        input_size: Annotated[PositiveInt | None, Searched(choices=(160, 192, 224, 256, 320))] = 224,
        flatten: PositiveFloat | None = None,
        blur: Annotated[NonNegativeFloat, Searched(0, 4)] = 1.0,
        weights: str | None = None,
        sha256: str | None = None,
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.image_score = image_score
        self.levels = levels
        self.map_levels = map_levels
        self.network = network
        self.channels = channels
        self.neighbourhood = neighbourhood
        self.around = around
        self.ridge = ridge
        self.standardised = standardised
        self.flips = flips
        self.input_size = input_size
        self.flatten = flatten
        self.blur = blur
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours
        self.gaussians = PositionGaussians(channels, around, ridge)
        chooses = len(self.gaussians.around) > 1
        self.reference_share = REFERENCE_SHARE if chooses or (self._by_position and standardised) else 0.0
        self.scale = PositionScale()

    def check(self) -> None:
        check_levels(self.network, map_levels=self.map_levels)
        check_odd(neighbourhood=self.neighbourhood)
        if not self.gaussians.around:
            raise UsageError("GaussianFeatures: around is empty; give the side of one square or more")
        for side in self.gaussians.around:
            check_odd(around=side)
        if not self._by_position:
            check_levels(self.network, levels=self.levels)
        elif self.levels != ALL_BUT_THE_HEAD:
            raise UsageError(
                'levels are those of image_score "levels"; set that, or map_levels, which "positions" looks at'
            )

    def working_sizing(self, height: int, width: int) -> Sizing:
        return Sizing.by_shorter_side(height, width, self.working_size)

    def build(self, shape: tuple[int, ...]) -> None:
        by_level = () if self._by_position else self.levels
        self.level_gaussians = nn.ModuleList(Gaussian() for _ in by_level)
        self.features = FixedFeatures(
            shape,
            (*by_level, *self.map_levels),
            self.input_size,
            self.flatten,
            self.weights,
            self.sha256,
            self.network,
            self.colours,
        )

    def fit_statistics(self, batches: Batches) -> None:
        pooled: list[list[Tensor]] = []
        shard = Shard.of(batches)
        self.gaussians.begin(self.features.picture_count)
        for _, batch in shard.batches():
            for axes in MIRRORS if self.flips else ((),):
                maps = self.features(batch.flip(axes))
                pooled.append(self._pooled(maps))
                self.gaussians.add(self._placed(maps))
        self.gaussians.fit(self.features.grid, shard)
        for gaussian, values in zip(self._level_gaussians(), zip(*pooled, strict=True), strict=True):
            _assign_shrunk(gaussian, shard.in_turn(values))

    def fit_reference(self, batches: Batches) -> None:
        of_squares = Shard.of(batches).of_all(lambda batch: self.gaussians.of_each(self._placed(self.features(batch))))
        self.scale.fit(self.features.blurred(self.gaussians.choose(of_squares), self.blur), self.features.grid)

    def score_batch(self, images: Tensor) -> Anomaly:
        maps = self.features(images)
        distances = self._map(maps)
        pixel = self.features.as_map(distances, images)
        if self._by_position:
            values = self.scale(distances) if self.standardised else distances
            score = self.in_view(values, self.features.grid).amax(1)
            return Anomaly(score, pixel, {"distance": distances.amax(1), "mean": distances.mean(1)})
        by_level = [
            gaussian.squared_distance(values.double()).sqrt()
            for gaussian, values in zip(self._level_gaussians(), self._pooled(maps), strict=True)
        ]
        terms = {f"level {level}": distance for level, distance in zip(self.levels, by_level, strict=True)}
        return Anomaly(torch.stack(by_level).sum(0).to(pixel.dtype), pixel, terms)

    def embedding(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        return torch.cat([maps[level].mean((2, 3)) for level in sorted(maps)], 1)

    @property
    def _by_position(self) -> bool:
        return self.image_score == "positions"

    def _level_gaussians(self) -> list[Gaussian]:
        return [gaussian for gaussian in self.level_gaussians if isinstance(gaussian, Gaussian)]

    def _pooled(self, maps: dict[int, Tensor]) -> list[Tensor]:
        return [] if self._by_position else [maps[level].mean((2, 3)) for level in self.levels]

    def _placed(self, maps: dict[int, Tensor]) -> Tensor:
        return self.features.placed_apart(maps, self.map_levels, self.neighbourhood)

    def _map(self, maps: dict[int, Tensor]) -> Tensor:
        return self.features.blurred(self.gaussians(self._placed(maps)), self.blur)


def _assign_shrunk(gaussian: Gaussian, rows: Tensor) -> None:
    from sklearn.covariance import LedoitWolf

    estimate = LedoitWolf().fit(rows.double().cpu().numpy())
    gaussian.assign(torch.from_numpy(estimate.location_), torch.from_numpy(estimate.covariance_))
