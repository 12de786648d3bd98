"""Nearest features: how far each patch of an image is from the most similar patch of any normal image."""

from typing import Annotated

import torch
from torch import Tensor

from hizumi.arguments import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Searched, Share
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import MOST_CROPS, NO_SERIES, FixedFeatures, NetworkKind, check_levels, check_odd
from hizumi.detectors.patch_memory import PatchMemory
from hizumi.detectors.position_scale import REFERENCE_SHARE, PositionScale
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError
from hizumi.training import Card, Preset


class NearestFeatures(Detector):
    """A(x) = max z(p) over patches p; z(p) is how unusual p's distance from all normal patches is for its place.

    d(p) is the distance of p's features from the nearest in a memory, a core-set of normal images' patches. Blurred
    over neighbouring patches it is the map, and relative to held-out normal images' maps at that place it is z(p).
    Nothing is trained. Without `standardised` A(x) = max d, unblurred, or with `reweighting` PatchCore's: that times
    1 - exp d / Σ exp d', d' the distances to the nearest in the memory and to those closest to it.

    Differences from the paper: EfficientNet-Lite0 (levels 4 and 6, of strides 8 and 16) in place of a wide ResNet-50;
    the memory has a size of its own, not a share of all patches, and is chosen from an even sample of them, so that
    any number of images fits; channels are not pooled, since there are few; distances are standardised, and re-weighted
    in the preset "patchcore" alone (the released code does not). The preset "flattened" is for small images under
    uneven light.

    Args:
        levels: Of the network: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        network: "efficientnet", pre-trained, "wavelets", fixed filters with levels 1 to 3, or one with weights of
            your own (docs/backbones.md).
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        neighbourhood: Features are averaged over so many by so many positions of their level.
        memory: Patches that are remembered.
        candidates: Patches that these are chosen from.
        neighbours: A patch's distance is the mean of those to its so many nearest.
        blur: Standard deviation, in patches, of the Gaussian blur of the map.
        standardised: Whether distances are measured against those of held-out normal images at the same place.
        reweighting: How many patches of the memory around the nearest make the weight; 0: no weight.
        top_share: The score is the mean over this share of the patches, those with the largest values; 0: the max.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = Card(
        family="features",
        idea="distance of each patch's features from the most similar patch of any normal image",
        paper="Roth et al., Towards total recall in industrial anomaly detection (PatchCore), CVPR 2022",
        inputs=("images",),
        localises=True,
        no_series=NO_SERIES,
    )
    working_size = 224
    most_crops = MOST_CROPS
    remembers = True
    tolerance = 3e-5  # a standardised distance is a difference, which keeps fewer digits than the distance
    presets = {
        "patchcore": Preset(lambda: NearestFeatures(standardised=False, reweighting=9, blur=0.5)),
        "flattened": Preset(
            lambda: NearestFeatures(levels=(3, 4, 6), input_size=None, flatten=16.0, neighbourhood=1, top_share=0.02)
        ),
        "small": Preset(lambda: NearestFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200)),
    }

    def __init__(
        self,
        levels: tuple[int, ...] = (4, 6),
        network: NetworkKind = "efficientnet",
        input_size: Annotated[PositiveInt | None, Searched(choices=(160, 192, 224, 256, 320))] = 224,
        flatten: PositiveFloat | None = None,
        neighbourhood: Annotated[PositiveInt, Searched(choices=(1, 3, 5))] = 3,
        memory: PositiveInt = 4000,
        candidates: PositiveInt = 40_000,
        neighbours: Annotated[PositiveInt, Searched(choices=(1, 3, 5))] = 1,
        blur: Annotated[NonNegativeFloat, Searched(0, 4)] = 1.0,
        standardised: bool = True,
        reweighting: NonNegativeInt = 0,
        top_share: Annotated[Share, Searched(0, 0.1)] = 0.0,
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
        self.neighbours = neighbours
        self.blur = blur
        self.standardised = standardised
        self.reweighting = reweighting
        self.top_share = top_share
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours
        self.reference_share = REFERENCE_SHARE if standardised else 0.0
        self.patches = PatchMemory(memory, candidates, neighbours)
        self.scale = PositionScale()

    def check(self) -> None:
        check_levels(self.network, levels=self.levels)
        if not self.neighbours <= self.memory <= self.candidates:
            raise UsageError(
                f"neighbours {self.neighbours}, memory {self.memory} and candidates {self.candidates}: "
                "each must be at most the next"
            )
        check_odd(neighbourhood=self.neighbourhood)
        if self.standardised and self.reweighting:
            raise UsageError("reweighting is of distances as they are: give standardised=False with it")

    def working_sizing(self, height: int, width: int) -> Sizing:
        return Sizing.by_shorter_side(height, width, self.working_size)

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
        for first, batch in shard.batches():
            self.patches.add(self._placed(batch), first)
        self.patches.fit(shard)

    def fit_reference(self, batches: Batches) -> None:
        maps = Shard.of(batches).of_all(lambda batch: self._map(self._placed(batch)))
        self.scale.fit(maps, self.features.grid)

    def score_batch(self, images: Tensor) -> Anomaly:
        placed = self._placed(images)
        distances, nearest = self.patches(placed)
        blurred = self.features.blurred(distances, self.blur)
        terms = {"distance": distances.amax(1), "mean": distances.mean(1)}
        values = self.in_view(self.scale(blurred) if self.standardised else distances, self.features.grid)
        count = max(1, round(self.top_share * values.shape[1]))
        score = values.topk(count, dim=1).values.mean(1)
        if self.reweighting:
            places, closest, far = (self.in_view(part, self.features.grid) for part in (placed, nearest, distances))
            each, worst = torch.arange(len(images), device=images.device), far.argmax(1)
            picture = worst // (far.shape[1] // self.features.picture_count)
            terms["weight"] = self.patches.weight(places[each, worst], closest[each, worst], self.reweighting, picture)
            score = score * terms["weight"]
        return Anomaly(score, self.features.as_map(blurred, images), terms)

    def embedding(self, images: Tensor) -> Tensor:
        return self._placed(images).mean(1)

    def _placed(self, images: Tensor) -> Tensor:
        return self.features.placed_apart(self.features(images), self.levels, self.neighbourhood)

    def _map(self, placed: Tensor) -> Tensor:
        return self.features.blurred(self.patches(placed)[0], self.blur)
