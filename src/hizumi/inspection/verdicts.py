"""From scores to verdicts, whatever made the scores."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from hizumi.calibration import Box, Calibration, Verdict, boxes_over
from hizumi.data import Manifest, open_source
from hizumi.data.manifest import Failure
from hizumi.data.progress import Observer, reporting
from hizumi.data.source import is_table
from hizumi.inspection.scoring import Scored, Scorer
from hizumi.preprocessing.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Inspection(Sequence[Verdict]):
    """Verdicts in the order of the input, and the records that could not be read."""

    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Verdict | Failure]) -> Self:
        """Sorted out of a mixture of both."""
        items = list(items)
        return cls(
            tuple(item for item in items if isinstance(item, Verdict)),
            tuple(item for item in items if isinstance(item, Failure)),
        )

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, index: Any) -> Any:
        return self.verdicts[index]


class InspectorBase(ABC):
    """Gives verdicts: an inspector that was fitted, or one that was loaded from a bundle."""

    preprocessing_: Preprocessing
    calibration_: Calibration
    options_: Mapping[str, Any]

    @abstractmethod
    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""

    @abstractmethod
    def _manifest(self, X: Any) -> Manifest:
        """The records of what a user gives."""

    @property
    @final
    def uses_motion(self) -> bool:
        """Whether the items are frames of video, each judged with its motion."""
        return self.preprocessing_.motion is not None

    @final
    def inspect(self, X: Any, *, strict: bool = False, observe: Observer | None = None) -> Inspection:
        """Verdicts on a folder, file, array, table, or a list of them; what cannot be read is in `failures`."""
        return Inspection.of(self.inspect_each(X, strict=strict, observe=observe))

    @final
    def inspect_each(
        self, X: Any, *, pictures: bool = True, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[Verdict | Failure]:
        """Verdicts one by one, for more images than memory holds; without pictures it is faster."""
        scorer, progress = self.scorer(), reporting(observe, "scoring")
        for item in scorer.score(self._manifest(X), pictures=pictures, strict=strict, on_progress=progress):
            yield item if isinstance(item, Failure) else verdict_on(item, self.calibration_)


def opened(X: Any, *, motion: bool) -> Manifest:
    """The records of what a user gives; tables become float64."""
    return open_source(np.asarray(X, dtype=np.float64) if is_table(X) else X, motion=motion)


def verdict_on(item: Scored, calibration: Calibration) -> Verdict:
    """The decision on one scored record."""
    score = np.array([item.score])
    anomalous = bool(calibration.is_anomalous(score)[0])
    boxes: tuple[Box, ...] = ()
    if anomalous and item.map is not None and calibration.pixel_threshold is not None:
        boxes = boxes_over(item.map, calibration.pixel_threshold.value)
    return Verdict(
        name=item.name,
        anomalous=anomalous,
        score=item.score,
        p_value=float(calibration.p_values(score)[0]),
        threshold=calibration.threshold.value,
        terms=item.terms,
        map=item.map,
        boxes=boxes,
        picture=item.picture,
        normal=item.normal,
    )
