"""Distillation: a student that was taught a network's features of normal images fails on others."""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import NO_SERIES, FixedFeatures, check_levels
from hizumi.errors import UsageError
from hizumi.networks.efficientnet import LEVEL_HALVINGS
from hizumi.objectives import direction_difference, position_difference, smooth, value_difference
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="features",
    idea="a small network taught a large one's features of normal images disagrees with it on others",
    paper="Salehi et al., Multiresolution knowledge distillation for anomaly detection, CVPR 2021",
    inputs=("images",),
    localises=True,
    no_series=NO_SERIES,
)
CLIPPED_SHARE = 0.01  # of a gradient map, its largest values


class Cloner(nn.Module):
    """Images (n, c, h, w) to maps of the sizes of EfficientNet-Lite0's levels, lowest first, of so many channels."""

    def __init__(self, channels: int, levels: Mapping[int, int], width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        halved = 0
        for level, outputs in levels.items():
            layers: list[nn.Module] = []
            for _ in range(LEVEL_HALVINGS[level - 1] - halved):
                layers += [*_convolution(channels, width), *_convolution(width, width), nn.MaxPool2d(2)]
                channels = width
            # Without activation at the end, as the teacher's levels.
            self.blocks.append(nn.Sequential(*layers, nn.Conv2d(channels, outputs, 3, 1, 1)))
            channels, halved = outputs, LEVEL_HALVINGS[level - 1]

    def forward(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n k p q"]]:
        maps = [images]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps[1:]


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class DistillationTraining(Trainable):
    """A student that learns the features of its fixed teacher.

    Args:
        levels: Of the teacher, to imitate: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        width: Channels of the student between levels.
        value_weight: w, of the values beside the directions; the released code has 0.01, and 0.5 for textures.
        learning_rate: Of Adam.
        input_size: Images whose shorter side is below it are enlarged to it for both networks. None: never.
        flatten: Background lighting to take off first: standard deviation of its blur in pixels. None: leave it.
        weights: A file of the teacher's weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = CARD
    default_budget = Budget(steps=4000)

    def __init__(
        self,
        levels: tuple[int, ...] = (3, 4, 6, 8),
        width: Annotated[PositiveInt, Searched(8, 64, log=True)] = 16,
        value_weight: Annotated[NonNegativeFloat, Searched(0, 0.1)] = 0.01,
        learning_rate: Annotated[PositiveFloat, Searched(1e-4, 1e-2, log=True)] = 1e-3,
        input_size: PositiveInt | None = None,
        flatten: PositiveFloat | None = None,
        weights: str | None = None,
        sha256: str | None = None,
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.width = width
        self.value_weight = value_weight
        self.learning_rate = learning_rate
        self.input_size = input_size
        self.flatten = flatten
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours

    def check(self) -> None:
        check_levels(levels=self.levels)

    def build(self, shape: tuple[int, ...]) -> None:
        self.teacher = FixedFeatures(
            shape,
            self.levels,
            self.input_size,
            self.flatten,
            self.weights,
            self.sha256,
            colours=self.colours,
        )
        self.student = Cloner(shape[0], self.teacher.channels, self.width)
        self.optimise("student", self.student.parameters(), learning_rate=self.learning_rate)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        pairs = self.maps(batch).values()
        direction = torch.stack([direction_difference(taught, learned).mean() for taught, learned in pairs]).sum()
        value = torch.stack([value_difference(taught, learned).mean() for taught, learned in pairs]).sum()
        self.update("student", direction + self.value_weight * value)
        return {"direction": direction.detach(), "value": value.detach()}

    def maps(self, images: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
        """The teacher's map and the student's of each level."""
        prepared = self.teacher.prepared(images)
        taught, learned = self.teacher.maps(prepared), self.student(prepared)
        return dict(zip(taught, zip(taught.values(), learned, strict=True), strict=True))


class Distillation(Detector):
    """A(x) = Σ over the later levels of 1 - cos(T, S) + w mean (T - S)², of the teacher's map T and the student's S.

    The map is the same difference position by position, or |dA/dx| as in the paper.

    Differences from the paper: the teacher is EfficientNet-Lite0, since VGG-16 does not come as a package, with levels
    3, 4, 6 and 8 in place of the second to fifth pooling; the student's levels end in a convolution without activation,
    as the teacher's do. A map by positions is not in the paper. w weighs the values, as in the released code.

    Args:
        model: Teacher and student, and how the student is trained.
        score_levels: Those of the model's levels that the score is made of.
        map_kind: "features" compares position by position, "gradient" is the paper's, with one more backward pass.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = CARD
    working_size = 128
    presets = {
        "fast": Preset(lambda: Distillation(), TrainingOptions(budget=Budget(steps=1000), batch_size=64)),
        "small": Preset(lambda: Distillation(DistillationTraining(levels=(2, 3), width=8), score_levels=(2, 3))),
    }

    def __init__(
        self,
        model: DistillationTraining | None = None,
        score_levels: tuple[int, ...] = (4, 6, 8),
        map_kind: Literal["features", "gradient"] = "features",
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8)] = 4.0,
    ) -> None:
        super().__init__()
        self.model = DistillationTraining() if model is None else model
        self.score_levels = score_levels
        self.map_kind = map_kind
        self.smoothing = smoothing

    def check(self) -> None:
        if not self.score_levels or not {*self.score_levels} <= {*self.model.levels}:
            raise UsageError(f"score_levels {self.score_levels} must be some of levels {self.model.levels}")

    def score_batch(self, images: Tensor) -> Anomaly:
        pairs = self._pairs(images)
        terms = self._terms(pairs)
        match self.map_kind:
            case "features":
                by_level = [position_difference(*pair, self.model.value_weight) for pair in pairs]
                enlarged = [
                    interpolate(one, images.shape[2:], mode="bilinear", align_corners=False) for one in by_level
                ]
                pixel = smooth(torch.stack(enlarged).sum(0), self.smoothing)
            case "gradient":
                pixel = _cleaned(self.gradient(images), self.smoothing)
        return Anomaly(self._score(terms), pixel, terms)

    def gradient(self, images: Tensor) -> Tensor:
        """|dA/dx|, summed over channels, (n, 1, h, w)."""
        with torch.enable_grad():
            images = images.detach().clone().requires_grad_()
            score = self._score(self._terms(self._pairs(images)))
            (gradient,) = torch.autograd.grad(score.sum(), images)
        return gradient.abs().sum(1, keepdim=True)

    def embedding(self, images: Tensor) -> Tensor:
        return self._pairs(images)[-1][1].mean((2, 3))

    def _pairs(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        maps = self.model.maps(images)
        return [maps[level] for level in sorted({*self.score_levels})]

    def _terms(self, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        return {
            "direction": torch.stack([direction_difference(*pair) for pair in pairs]).sum(0),
            "value": torch.stack([value_difference(*pair) for pair in pairs]).sum(0),
        }

    def _score(self, terms: dict[str, Tensor]) -> Tensor:
        return terms["direction"] + self.model.value_weight * terms["value"]


def _cleaned(gradient: Tensor, smoothing: float) -> Tensor:
    """The highest values clipped, blurred, and rid of specks by a morphological opening."""
    highest = gradient.flatten(1).quantile(1 - CLIPPED_SHARE, dim=1)[:, None, None, None]
    blurred = smooth(gradient.minimum(highest), smoothing)
    return max_pool2d(-max_pool2d(-blurred, 3, 1, 1), 3, 1, 1)
