"""Reverse distillation: a student rebuilds a network's features of normal images from a narrow embedding of them."""

from typing import Annotated

import torch
from torch import Tensor, nn

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import NO_SERIES, FixedFeatures, check_levels
from hizumi.detectors.position_scale import REFERENCE_SHARE, PositionScale
from hizumi.detectors.reach import within_reach
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError
from hizumi.networks.efficientnet import LEVEL_HALVINGS, STRIDE
from hizumi.networks.embedding import FusedEmbedding, ReverseDecoder
from hizumi.objectives import position_difference
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="features",
    idea="a student cannot rebuild a network's features of anomalies from an embedding made for normal images",
    paper="Deng & Li, Anomaly detection via reverse distillation from one-class embedding, CVPR 2022",
    inputs=("images",),
    localises=True,
    no_series=NO_SERIES,
)
MOST_HALVINGS = STRIDE.bit_length() - 2  # of a level: the embedding is halved once more


class ReverseDistillationTraining(Trainable):
    """A bottleneck and a student, which learn to give a fixed teacher's features back.

    Args:
        levels: Of the teacher: 1 is the stem, 2 to 6 the first five stages.
        embedding: Channels of the embedding.
        widening: The student's blocks have so many times the channels of the level that they end in.
        learning_rate: Of Adam, with first momentum 0.5.
        input_size: Images whose shorter side is below it are enlarged to it for the teacher. None: never.
        weights: A file of the teacher's weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = CARD
    default_budget = Budget(epochs=200)
    default_batch_size = 16

    def __init__(
        self,
        levels: tuple[int, ...] = (3, 4, 6),
        embedding: Annotated[PositiveInt, Searched(64, 512, log=True)] = 256,
        widening: PositiveInt = 2,
        learning_rate: Annotated[PositiveFloat, Searched(5e-4, 2e-2, log=True)] = 5e-3,
        input_size: PositiveInt | None = 224,
        weights: str | None = None,
        sha256: str | None = None,
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.embedding = embedding
        self.widening = widening
        self.learning_rate = learning_rate
        self.input_size = input_size
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours

    def check(self) -> None:
        check_levels(levels=self.levels)
        if LEVEL_HALVINGS[max(self.levels) - 1] > MOST_HALVINGS:
            raise UsageError(
                f"levels {self.levels}: the embedding has half the side of the last one, so 6 is the highest"
            )

    def build(self, shape: tuple[int, ...]) -> None:
        self.teacher = FixedFeatures(
            shape, self.levels, self.input_size, None, self.weights, self.sha256, colours=self.colours
        )
        channels = [*self.teacher.channels.values()]
        halvings = [LEVEL_HALVINGS[level - 1] for level in self.teacher.levels]
        self.bottleneck = FusedEmbedding(channels, halvings, self.embedding)
        self.student = ReverseDecoder(self.embedding, channels, halvings, self.widening)
        trained = nn.ModuleList([self.bottleneck, self.student]).parameters()
        self.optimise("student", trained, learning_rate=self.learning_rate, betas=(0.5, 0.999))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        differences = [difference.mean() for difference in self.differences(batch).values()]
        return {"direction": self.update("student", torch.stack(differences).sum())}

    def differences(self, images: Tensor) -> dict[int, Tensor]:
        """1 - cosine between the teacher's and the student's features at each position, (n, 1, p, q) for each level."""
        taught = self.teacher(images)
        rebuilt = self.student(self.bottleneck([*taught.values()]))
        pairs = zip(taught.items(), rebuilt, strict=True)
        return {level: position_difference(taught_map, own, value_weight=0.0) for (level, taught_map), own in pairs}

    def embed(self, images: Tensor) -> Tensor:
        """The embedding, averaged over its positions, (n, k)."""
        return self.bottleneck([*self.teacher(images).values()]).mean((2, 3))


class ReverseDistillation(Detector):
    """A(x) = max over places p of z(p); the map is Σ over levels of 1 - cos(T(p), S(p)), blurred.

    T are a fixed network's features and S a student's, which sees nothing but a narrow embedding of T, fused from all
    levels. z(p) is how unusual the map's value is for its place, measured against held-out normal images' maps; without
    `standardised` the score is the map's largest value.

    Differences from the paper: the teacher is EfficientNet-Lite0 with levels 3, 4 and 6 in place of the first three
    stages of a wide ResNet-50, and the student's levels end in a convolution without activation, as the teacher's do;
    levels are added on one grid, of 8 pixels a place; standardised by place. The loss is the paper's, by position,
    where the released code takes each map as one vector.

    Args:
        model: Teacher, bottleneck and student, and how the latter are trained.
        standardised: Whether the map is measured against those of held-out normal images at the same place.
        blur: Standard deviation, in places, of the Gaussian blur of the map.
    """

    card = CARD
    working_size = 224
    tolerance = 1e-4  # a standardised map is a difference, which keeps fewer digits than the map
    tolerance_in_bf16 = 0.05  # likewise, of 8 significant bits
    presets = {
        "fast": Preset(lambda: ReverseDistillation(), TrainingOptions(budget=Budget(steps=200), batch_size=8)),
        "small": Preset(
            lambda: ReverseDistillation(
                ReverseDistillationTraining(levels=(2, 3), embedding=16, widening=1, input_size=None)
            )
        ),
    }

    def __init__(
        self,
        model: ReverseDistillationTraining | None = None,
        standardised: Annotated[bool, Searched(choices=(False, True))] = True,
        blur: Annotated[NonNegativeFloat, Searched(0, 4)] = 1.0,
    ) -> None:
        super().__init__()
        self.model = ReverseDistillationTraining() if model is None else model
        self.standardised = standardised
        self.blur = blur
        self.reference_share = REFERENCE_SHARE if standardised else 0.0
        self.scale = PositionScale()

    def working_sizing(self, height: int, width: int) -> Sizing:
        return Sizing.by_shorter_side(height, width, self.working_size)

    def fit_reference(self, batches: Batches) -> None:
        maps = Shard.of(batches).of_all(lambda batch: self._map(self.model.differences(batch)))
        self.scale.fit(maps, self.model.teacher.grid)

    def score_batch(self, images: Tensor) -> Anomaly:
        items, excess = within_reach(images)
        differences = self.model.differences(items)
        values = self._map(differences)
        score = self.in_view(self.scale(values) if self.standardised else values, self.model.teacher.grid).amax(1)
        terms = {f"level {level}": each.flatten(1).mean(1) for level, each in differences.items()}
        return Anomaly(score + excess, self.model.teacher.as_map(values, images), terms)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.embed(images)

    def _map(self, differences: dict[int, Tensor]) -> Tensor:
        by_place = self.model.teacher.placed(differences, [*differences]).sum(2)
        return self.model.teacher.blurred(by_place, self.blur)
