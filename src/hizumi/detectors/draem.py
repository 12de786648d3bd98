"""DRAEM: two networks learn to restore and to mark made-up defects, and then mark real ones."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, mse_loss

from hizumi import objectives
from hizumi.arguments import Halvings, PositiveFloat, PositiveInt, Searched
from hizumi.data.sizing import Sizing
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.fixed_features import check_odd
from hizumi.detectors.reach import within_reach
from hizumi.networks.double_convolution import DoubleConvolutions
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions, drop_at

CARD = Card(
    family="reconstruction",
    idea="a network that learned to mark defects pasted on normal images marks real ones",
    paper="Zavrtanik, Kristan & Skočaj, DRAEM: a discriminatively trained reconstruction embedding, ICCV 2021",
    inputs=("images",),
    localises=True,
    no_series="the defects that it makes up are those of pictures",
)
UNIT_RANGE = 1.0  # of brightness in [0, 1]


class DRAEMTraining(Trainable):
    """A network that restores images, and one that marks what had to be restored.

    Args:
        width: Channels of the restoring network at the full size; they double with each halving, up to eight times.
        marking_width: Of the marking network.
        halvings: How often the restoring network halves an image; the marking network does once more.
        gamma: Of the focal loss.
        learning_rate: Of Adam; a fifth of it for the last fifth of the budget, and of that for the last tenth.
    """

    card = CARD
    default_budget = Budget(epochs=700)
    default_batch_size = 8

    def __init__(
        self,
        width: Annotated[PositiveInt, Searched(8, 128, log=True)] = 128,
        marking_width: Annotated[PositiveInt, Searched(8, 128, log=True)] = 64,
        halvings: Halvings = 4,
        gamma: PositiveFloat = 2.0,
        learning_rate: Annotated[PositiveFloat, Searched(1e-4, 4e-3, log=True)] = 1e-4,
    ) -> None:
        super().__init__()
        self.width = width
        self.marking_width = marking_width
        self.halvings = halvings
        self.gamma = gamma
        self.learning_rate = learning_rate

    def build(self, shape: tuple[int, ...]) -> None:
        channels, *sides = shape
        pair = (2 * channels, *sides)
        self.restoring = DoubleConvolutions(shape, channels, self.width, self.halvings, skips=False)
        self.marking = DoubleConvolutions(pair, 2, self.marking_width, self.halvings + 1, skips=True)
        self.optimise("networks", self.parameters(), learning_rate=self.learning_rate, schedule=_dropped_twice)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Restore normal images that were damaged, and mark the damage."""
        images = in_unit_range(batch)
        damaged, mask = objectives.with_defects(images)
        restored = self.restoring(damaged)
        logits = self.marking(torch.cat([restored, damaged], 1))
        terms = {
            "squared": mse_loss(restored, images),
            "structure": objectives.structural_dissimilarity(restored, images, dynamic_range=UNIT_RANGE).mean(),
            "focal": objectives.focal_loss(logits, mask[:, 0].long(), self.gamma).mean(),
        }
        self.update("networks", torch.stack(list(terms.values())).sum())
        return {name: term.detach() for name, term in terms.items()}

    def marks(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [-1, 1] restored, and the chance of each pixel to be defective, (n, 1, h, w)."""
        unit = in_unit_range(images)
        restored = self.restoring(unit)
        logits = self.marking(torch.cat([restored, unit], 1))
        return 2 * restored - 1, logits.softmax(1)[:, 1:]


class DRAEM(Detector):
    """A(x) = the largest value of the map: the chance of each pixel to be defective, averaged over a square.

    Trained on normal images of which half have a defect pasted on: inside of a mask of Perlin noise they are mixed with
    a texture. One network restores them (squared error and SSIM), the other marks the damage, from the damaged image
    and the restored one (focal loss).

    It wants a long training: after some minutes (preset "fast") it was below `GaussianFeatures` on bricks, though not
    pixel by pixel (`benchmarks/detectors/feature_models.py`).

    Differences from the paper: textures are not from a set of their own (DTD) but other training images, turned,
    zoomed, moved, and changed in brightness in three ways, as the paper's textures are; images are not turned; the map
    is averaged as the score is, and at the image's edge over what lies within, where the released code counts zeros.

    Args:
        model: The two networks and how they are trained.
        averaged: Pixels across the square that the map is averaged over; odd.
    """

    card = CARD
    working_size = 128
    presets = {
        "fast": Preset(
            lambda: DRAEM(DRAEMTraining(width=16, marking_width=16, halvings=3, learning_rate=2e-3), averaged=11),
            TrainingOptions(budget=Budget(steps=1000), batch_size=8),
        ),
        "small": Preset(
            lambda: DRAEM(DRAEMTraining(width=4, marking_width=8, halvings=1, learning_rate=1e-2), averaged=5)
        ),
    }

    def __init__(
        self,
        model: DRAEMTraining | None = None,
        averaged: Annotated[PositiveInt, Searched(choices=(5, 11, 21, 31))] = 21,
    ) -> None:
        super().__init__()
        self.model = DRAEMTraining() if model is None else model
        self.averaged = averaged

    def check(self) -> None:
        check_odd(averaged=self.averaged)

    def working_sizing(self, height: int, width: int) -> Sizing:
        return Sizing.by_shorter_side(height, width, self.working_size)

    def score_batch(self, images: Tensor) -> Anomaly:
        items, excess = within_reach(images)
        restored, marks = self.model.marks(items)
        pixel = avg_pool2d(marks, self.averaged, 1, self.averaged // 2, count_include_pad=False)
        terms = {"residual": (items - restored).abs().flatten(1).mean(1), "mean": marks.flatten(1).mean(1)}
        score = self.in_view(pixel.flatten(1), (images.shape[2], images.shape[3])).amax(1)
        return Anomaly(score + excess, pixel, terms, reconstruction=restored)


def in_unit_range(images: Tensor) -> Tensor:
    """Brightness in [-1, 1] as in [0, 1], for which the losses are made."""
    return (images + 1) / 2


_FIRST, _SECOND = drop_at(0.8, 0.2), drop_at(0.9, 0.2)


def _dropped_twice(progress: float) -> float:
    return _FIRST(progress) * _SECOND(progress)
