"""Nearest features: how far each patch of an image is from the most similar patch of any normal image."""

import torch
from torch import Tensor

from hizumi.arguments import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.core_set import Reservoir, core_set, nearest, projected
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import FixedFeatures, check_levels
from hizumi.errors import UsageError
from hizumi.objectives import smooth
from hizumi.training import Card, Preset

PROJECTED_DIMENSIONS = 64  # in which the core-set is chosen
MARGIN = 2  # positions


class NearestFeatures(Detector):
    """A(x) = distance of the patch that is farthest from a memory of normal patches' features; nothing is trained.

    With d(p) the distance of patch p's features to the nearest in the memory, the score is max d, or with `reweighting`
    PatchCore's: that times 1 - exp d / Σ exp d', d' the distances to the nearest in the memory and to those closest to
    it. The map is d. The memory is a core-set: patches chosen one by one, each the farthest from those before it.

    Differences from the paper: EfficientNet-Lite0 (levels 4 and 6, of strides 8 and 16) in place of a wide ResNet-50;
    the memory has a size of its own, not a share of all patches, and is chosen from an even sample of them, so that
    any number of images fits; channels are not pooled, since there are few; re-weighting, which the released code does
    not have, is an option; the network sees a mirrored margin. The preset "flattened" is for small images under uneven
    light.

    Args:
        levels: Of the network: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        neighbourhood: Features are averaged over so many by so many positions of their level.
        memory: Patches that are remembered.
        candidates: Patches that these are chosen from.
        neighbours: A patch's distance is the mean of those to its so many nearest.
        reweighting: How many patches of the memory around the nearest make the weight; 0: no weight.
        top_share: The score is the mean over this share of the patches, those with the largest distances; 0: the max.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
    """

    card = Card(
        family="features",
        idea="distance of each patch's features from the most similar patch of any normal image",
        paper="Roth et al., Towards total recall in industrial anomaly detection (PatchCore), CVPR 2022",
        inputs=("images",),
        localises=True,
        needs=("hizumi[features]",),
    )
    working_size = 224
    presets = {
        "flattened": Preset(
            lambda: NearestFeatures(
                levels=(3, 4, 6), input_size=None, flatten=16.0, neighbourhood=1, top_share=0.02, smoothing=8.0
            )
        ),
        "small": Preset(lambda: NearestFeatures(levels=(3, 4), input_size=None, memory=50, candidates=200)),
    }
    patches: Tensor

    def __init__(
        self,
        levels: tuple[int, ...] = (4, 6),
        input_size: PositiveInt | None = 224,
        flatten: PositiveFloat | None = None,
        neighbourhood: PositiveInt = 3,
        memory: PositiveInt = 4000,
        candidates: PositiveInt = 40_000,
        neighbours: PositiveInt = 1,
        reweighting: NonNegativeInt = 0,
        top_share: Share = 0.0,
        smoothing: NonNegativeFloat = 4.0,
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.input_size = input_size
        self.flatten = flatten
        self.neighbourhood = neighbourhood
        self.memory = memory
        self.candidates = candidates
        self.neighbours = neighbours
        self.reweighting = reweighting
        self.top_share = top_share
        self.smoothing = smoothing
        self.weights = weights
        self.sha256 = sha256
        self.register_buffer("patches", None)

    def check(self) -> None:
        check_levels(self.levels)
        if not self.neighbours <= self.memory <= self.candidates:
            raise UsageError(
                f"neighbours {self.neighbours}, memory {self.memory} and candidates {self.candidates}: "
                "each must be at most the next"
            )
        if self.neighbourhood % 2 == 0:
            raise UsageError(f"neighbourhood is {self.neighbourhood}; it must be an odd number, such as 3")

    def build(self, shape: tuple[int, ...]) -> None:
        self.features = FixedFeatures(
            shape, self.levels, self.input_size, self.flatten, self.weights, self.sha256, MARGIN
        )

    def fit_statistics(self, batches: Batches) -> None:
        sample = Reservoir(self.candidates)
        for batch in in_order(batches):
            sample.add(self._placed(batch).flatten(0, 1))
        assert sample.rows is not None
        self.patches = sample.rows[core_set(projected(sample.rows, PROJECTED_DIMENSIONS), self.memory)]

    def score_batch(self, images: Tensor) -> Anomaly:
        placed = self._placed(images)
        found, indices = nearest(placed.flatten(0, 1), self.patches, self.neighbours)
        distances = found.mean(1).reshape(placed.shape[:2])
        pixel = smooth(self.features.as_map(distances, images), self.smoothing)
        count = max(1, round(self.top_share * distances.shape[1]))
        farthest = distances.topk(count, dim=1).values.mean(1)
        terms = {"distance": farthest, "mean": distances.mean(1)}
        if self.reweighting:
            terms["weight"] = self._weight(placed, distances.argmax(1), indices[:, 0].reshape(placed.shape[:2]))
            farthest = farthest * terms["weight"]
        return Anomaly(farthest, pixel, terms)

    def embedding(self, images: Tensor) -> Tensor:
        return self._placed(images).mean(1)

    def _weight(self, placed: Tensor, worst: Tensor, closest: Tensor) -> Tensor:
        """1 - exp d / Σ exp d' of each image's worst patch: low where its nearest patch has close neighbours."""
        images = torch.arange(len(worst), device=worst.device)
        around = nearest(self.patches[closest[images, worst]], self.patches, self.reweighting)[1]  # itself the first
        distances = (placed[images, worst][:, None] - self.patches[around]).norm(dim=2)
        return 1 - distances.softmax(1)[:, 0]

    def _placed(self, images: Tensor) -> Tensor:
        return self.features.placed(self.features(images), self.levels, self.neighbourhood)
