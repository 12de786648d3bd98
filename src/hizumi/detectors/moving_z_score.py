"""Moving z-score: the end of a window against the steps before it."""

import torch
from torch import Tensor

from hizumi.arguments import PositiveFloat, ProperShare
from hizumi.data.stream import Batches, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.errors import DataError
from hizumi.training import Card

ONLY_THE_END = "only the end of a window is judged; what lies before it was judged as the end of an earlier one"


class MovingZScore(Detector):
    """A(x) = mean of z² over the steps at the end of a window and its channels, z = (x - m) / max(s, f S).

    m and s are mean and deviation of a channel over the steps before the end, S its deviation over all training data,
    1 where it never varied; f keeps a sensor that stands still from making an alarm of its first whisper. Nothing else
    is learned, so that what has become the rule is no longer anomalous. The map is z² of every step.

    Args:
        judged: Share of a window, at its end, whose steps are judged by those before them. Windows that begin less
            than that share of their length after one another leave no step out.
        floor: f, the least deviation as a share of the training data's.
    """

    card = Card(
        family="chart",
        idea="the end of a window against the mean and deviation of the steps before it",
        paper="Roberts, Control chart tests based on geometric moving averages, Technometrics 1959",
        inputs=(),
        localises=True,
    )
    exemptions = {
        "toy_anomaly_scores_higher_than_normal": ONLY_THE_END,
        "absurd_values_are_never_normal_and_leave_their_batch_alone": ONLY_THE_END,
    }
    deviations: Tensor  # (c, 1, 1)

    def __init__(self, judged: ProperShare = 0.5, floor: PositiveFloat = 0.1) -> None:
        super().__init__()
        self.judged = judged
        self.floor = floor
        self.register_buffer("deviations", None)

    def check_items(self, shape: tuple[int, ...]) -> None:
        if self._first_judged(shape[-1]) < 2:
            raise DataError(
                f"MovingZScore: judged={self.judged} leaves fewer than two of a window's {shape[-1]} steps to judge "
                "by; give longer windows, or a smaller share"
            )

    def fit_statistics(self, batches: Batches) -> None:
        windows = torch.cat([batch.double() for batch in in_order(batches)])
        deviations = windows.std((0, 2, 3), correction=0)
        constant = deviations <= 1e-12 * windows.abs().amax((0, 2, 3)).clamp(min=1)
        self.deviations = torch.where(constant, 1.0, deviations)[:, None, None]

    def score_batch(self, images: Tensor) -> Anomaly:
        squares = self._squares(images)
        judged = squares[..., self._first_judged(images.shape[3]) :]
        return Anomaly(judged.flatten(1).mean(1), squares.mean(1, keepdim=True).to(images.dtype))

    def contribution_batch(self, images: Tensor) -> Tensor:
        first, steps = self._first_judged(images.shape[3]), torch.arange(images.shape[3], device=images.device)
        return self._squares(images) * (steps >= first) / (images.shape[1] * (images.shape[3] - first))

    def _squares(self, images: Tensor) -> Tensor:
        """z² of every number."""
        images = images.double()
        before = images[..., : self._first_judged(images.shape[3])]
        deviation = before.std(3, correction=0, keepdim=True)
        return ((images - before.mean(3, keepdim=True)) / deviation.maximum(self.floor * self.deviations)).square()

    def _first_judged(self, steps: int) -> int:
        return steps - max(1, round(self.judged * steps))
