"""Fused features: nearest and Gaussian features on one pass of the network, added place by place."""

from typing import Annotated

import torch
from torch import Tensor

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import MOST_CROPS, NO_SERIES, FixedFeatures, NetworkKind, check_levels, check_odd
from hizumi.detectors.patch_memory import PatchMemory
from hizumi.detectors.position_gaussians import AROUND, PositionGaussians
from hizumi.detectors.position_scale import REFERENCE_SHARE, PositionScale
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError
from hizumi.training import Card, Preset

LARGE = 320  # pixels: the shorter side where the originals have so many, which outlines defects better
RIDGE = 0.1  # variance added to each channel's, in units of its own


class FusedFeatures(Detector):
    """A(x) = max over places p of z(p) + z'(p), nothing is trained.

    z(p) is how unusual for its place p's distance from the nearest normal patch anywhere is, as in `NearestFeatures`,
    and z'(p) its distance from the Gaussian of normal images at p, as in `GaussianFeatures`, both of the same features:
    the first tells what no normal image has, the second what none has there. Moments of a place are taken over 3, 7 or
    15 positions across, whichever makes held-out normal images likeliest: where parts lie anywhere, a place tells
    little. Both are in units of held-out normal images' largest. The map is the mean of both distances, each over its
    largest on those images.

    On some kinds of parts the one is better, on some the other, and neither can be told from good images alone; the sum
    stays near the better one. The preset "untrained" does without pre-trained weights.

    Args:
        levels: Of the network: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        network: "efficientnet", pre-trained, "wavelets", fixed filters with levels 1 to 3, or one with weights of
            your own (docs/backbones.md).
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        neighbourhood: Features are averaged over so many by so many positions of their level.
        memory: Patches that are remembered.
        candidates: Patches that these are chosen from.
        channels: How many channels the Gaussians are over.
        blur: Standard deviation, in patches, of the Gaussian blur of the distances.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = Card(
        family="features",
        idea="nearest and Gaussian features of a pre-trained network, added place by place",
        paper="Roth et al., PatchCore, CVPR 2022; Defard et al., PaDiM, ICPR 2021",
        inputs=("images",),
        localises=True,
        no_series=NO_SERIES,
    )
    working_size = 224
    most_crops = MOST_CROPS
    remembers = True
    tolerance = 3e-5  # a standardised distance is a difference, which keeps fewer digits than the distance
    presets = {
        "untrained": Preset(lambda: FusedFeatures(levels=(1, 2, 3), network="wavelets", input_size=None, flatten=16.0)),
        "small": Preset(lambda: FusedFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200, channels=32)),
    }
    map_units: Tensor

    def __init__(
        self,
        levels: tuple[int, ...] = (4, 6),
        network: NetworkKind = "efficientnet",
        input_size: Annotated[PositiveInt | None, Searched(choices=(160, 192, 224, 256, 320))] = 224,
        flatten: PositiveFloat | None = None,
        neighbourhood: Annotated[PositiveInt, Searched(choices=(1, 3, 5))] = 3,
        memory: PositiveInt = 4000,
        candidates: PositiveInt = 40_000,
        channels: Annotated[PositiveInt, Searched(20, 200, log=True)] = 100,
        blur: Annotated[NonNegativeFloat, Searched(0, 4)] = 1.0,
        weights: str | None = None,
        sha256: str | None = None,
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.network = network
        self.input_size = input_size
        self.flatten = flatten
        self.neighbourhood = neighbourhood
        self.memory = memory
        self.candidates = candidates
        self.channels = channels
        self.blur = blur
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours
        self.reference_share = REFERENCE_SHARE
        self.patches = PatchMemory(memory, candidates)
        self.gaussians = PositionGaussians(channels, AROUND, RIDGE)
        self.nearest_scale = PositionScale()
        self.gaussian_scale = PositionScale()
        self.register_buffer("map_units", None)

    def check(self) -> None:
        check_levels(self.network, levels=self.levels)
        check_odd(neighbourhood=self.neighbourhood)
        if self.memory > self.candidates:
            raise UsageError(
                f"memory {self.memory} is chosen from {self.candidates} candidates; give no fewer of these"
            )

    def working_sizing(self, height: int, width: int) -> Sizing:
        side = LARGE if min(height, width) >= LARGE else self.working_size
        return Sizing.by_shorter_side(height, width, side)

    def build(self, shape: tuple[int, ...]) -> None:
        self.features = FixedFeatures(
            shape,
            self.levels,
            self.input_size,
            self.flatten,
            self.weights,
            self.sha256,
            self.network,
            self.colours,
        )

    def fit_statistics(self, batches: Batches) -> None:
        shard = Shard.of(batches)
        self.patches.begin(self.features.picture_count)
        self.gaussians.begin(self.features.picture_count)
        for first, batch in shard.batches():
            placed = self._placed(batch)
            self.patches.add(placed, first)
            self.gaussians.add(placed)
        self.patches.fit(shard)
        self.gaussians.fit(self.features.grid, shard)

    def fit_reference(self, batches: Batches) -> None:
        shard = Shard.of(batches)
        of_nearest, of_squares = [], []
        for _, batch in shard.batches():
            placed = self._placed(batch)
            of_nearest.append(self.patches(placed)[0])
            of_squares.append(self.gaussians.of_each(placed))
        nearest = self._blurred(shard.in_turn(of_nearest))
        gaussian = self._blurred(self.gaussians.choose(shard.in_turn(of_squares)))
        self.nearest_scale.fit(nearest, self.features.grid)
        self.gaussian_scale.fit(gaussian, self.features.grid)
        units = torch.stack([maps.amax(1).mean() for maps in (nearest, gaussian)])
        self.map_units = torch.where(units > 0, units, 1.0)  # 0 where all of these are copies of what was fitted on

    def score_batch(self, images: Tensor) -> Anomaly:
        nearest, gaussian = self._distances(images)
        scaled = self.nearest_scale(nearest), self.gaussian_scale(gaussian)
        each = [self.in_view(values, self.features.grid) for values in scaled]
        map_ = (nearest / self.map_units[0] + gaussian / self.map_units[1]) / 2
        terms = {"nearest": each[0].amax(1), "gaussian": each[1].amax(1)}
        return Anomaly((each[0] + each[1]).amax(1), self.features.as_map(map_, images), terms)

    def embedding(self, images: Tensor) -> Tensor:
        return self._placed(images).mean(1)

    def _placed(self, images: Tensor) -> Tensor:
        return self.features.placed_apart(self.features(images), self.levels, self.neighbourhood)

    def _distances(self, images: Tensor) -> tuple[Tensor, Tensor]:
        placed = self._placed(images)
        return self._blurred(self.patches(placed)[0]), self._blurred(self.gaussians(placed))

    def _blurred(self, distances: Tensor) -> Tensor:
        return self.features.blurred(distances, self.blur)
