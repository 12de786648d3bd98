"""From scores to verdicts, whatever made the scores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hizumi.calibration import Box, Calibration, Verdict, boxes_over
from hizumi.inspection.scoring import Failure, Scored


@dataclass(frozen=True, eq=False)
class Inspection(Sequence[Verdict]):
    """Verdicts in the order of the input, and the records that could not be read."""

    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Verdict | Failure]) -> Self:
        """Both, from a mixture of them."""
        items = list(items)
        return cls(
            tuple(item for item in items if isinstance(item, Verdict)),
            tuple(item for item in items if isinstance(item, Failure)),
        )

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, index: Any) -> Any:
        return self.verdicts[index]


def verdict_on(item: Scored, calibration: Calibration) -> Verdict:
    """The decision on one scored record."""
    boxes: tuple[Box, ...] = ()
    if item.map is not None and calibration.pixel_threshold is not None:
        boxes = boxes_over(item.map, calibration.pixel_threshold.value)
    score = np.array([item.score])
    return Verdict(
        name=item.name,
        anomalous=bool(calibration.is_anomalous(score)[0]),
        score=item.score,
        p_value=float(calibration.p_values(score)[0]),
        threshold=calibration.threshold.value,
        terms=item.terms,
        map=item.map,
        boxes=boxes,
        picture=item.picture,
        normal=item.normal,
    )
