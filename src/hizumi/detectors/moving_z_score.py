"""Moving z-score: the last steps of a window against those before them."""

import torch
from torch import Tensor

from hizumi.arguments import PositiveFloat, PositiveInt
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.errors import DataError
from hizumi.training import Card


class MovingZScore(Detector):
    """A(x) = mean of z² over the last steps of a window and its channels, z = (x - m) / max(s, f S).

    m and s are mean and deviation of a channel over the steps before the last, S its deviation over all training data,
    1 where it never varied; f keeps a sensor that stands still from making an alarm of its first whisper. Nothing else
    is learned, so that what has become the rule is no longer anomalous. The map is z² of every step.

    Args:
        last: Steps at the end of the window that are judged by those before them.
        floor: f, the least deviation as a share of the training data's.
    """

    card = Card(
        family="chart",
        idea="the last steps of a window against the mean and deviation of those before them",
        paper="Roberts, Control chart tests based on geometric moving averages, Technometrics 1959",
        inputs=(),
        localises=True,
    )
    deviations: Tensor  # (c, 1, 1)

    def __init__(self, last: PositiveInt = 1, floor: PositiveFloat = 0.1) -> None:
        super().__init__()
        self.last = last
        self.floor = floor
        self.register_buffer("deviations", None)

    def check_items(self, shape: tuple[int, ...]) -> None:
        if self.last > shape[-1] - 2:
            raise DataError(f"MovingZScore: last={self.last} leaves no two of a window's {shape[-1]} steps before them")

    def fit_statistics(self, batches: Batches) -> None:
        windows = torch.cat([batch.double() for batch in in_order(batches)])
        deviations = windows.std((0, 2, 3), correction=0)
        constant = deviations <= 1e-12 * windows.abs().amax((0, 2, 3)).clamp(min=1)
        self.deviations = torch.where(constant, 1.0, deviations)[:, None, None]

    def score_batch(self, images: Tensor) -> Anomaly:
        squares = self._squares(images)
        pixel = squares.mean(1, keepdim=True).to(images.dtype)
        return Anomaly(squares[..., -self.last :].flatten(1).mean(1), pixel)

    def contribution_batch(self, images: Tensor) -> Tensor:
        judged = torch.arange(images.shape[3], device=images.device) >= images.shape[3] - self.last
        return self._squares(images) * judged / (images.shape[1] * self.last)

    def _squares(self, images: Tensor) -> Tensor:
        """z² of every number, by the steps before the last."""
        images = images.double()
        before = images[..., : -self.last]
        deviation = before.std(3, correction=0, keepdim=True)
        return (
            (images - before.mean(3, keepdim=True)) / torch.maximum(deviation, self.floor * self.deviations)
        ).square()
