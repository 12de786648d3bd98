"""Content of a report: plain data, gathered by the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Real

from hizumi.calibration import Calibration, Verdict
from hizumi.errors import UsageError
from hizumi.evaluation import Evaluation
from hizumi.training.health import Finding

NORMAL, ANOMALOUS, UNKNOWN = 0, 1, -1


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that one report shows; a section whose data are empty or None is left out.

    `evaluation` and `features` (n, k) are in the order of `verdicts`; without an evaluation nothing is known about
    which inputs are good. `masks`, in the same order, are True where an input is defective, None where that is not
    known. `journal` holds the records of training, `failures` the (name, reason) of unreadable inputs, `unopened` that
    of other files. `differences` say in what most of the good inputs look unlike those learned from.
    """

    title: str
    subtitle: str
    detector: str
    verdicts: Sequence[Verdict]
    calibration: Calibration
    evaluation: Evaluation | None = None
    journal: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Finding] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    features: Real[np.ndarray, "n k"] | None = None
    data_notes: Sequence[str] = ()
    failures: Sequence[tuple[str, str]] = ()
    masks: Sequence[Bool[np.ndarray, "h w"] | None] = ()
    unopened: Sequence[tuple[str, str]] = ()
    differences: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, count in (
            ("evaluation", None if self.evaluation is None else len(self.evaluation.names)),
            ("features", None if self.features is None else len(self.features)),
            ("masks", len(self.masks) or None),
        ):
            if count is not None and count != len(self.verdicts):
                raise UsageError(
                    f"report: {name} has {count} rows for {len(self.verdicts)} verdicts; give one for each"
                )

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        """(n,) 0 normal, 1 anomalous, -1 unknown."""
        if self.evaluation is None:
            return np.full(len(self.verdicts), UNKNOWN)
        return np.array([UNKNOWN if label is None else int(label) for label in self.evaluation.labels], dtype=int)

    @property
    def kinds(self) -> list[str]:
        """Kind of each input: "good", the defect's name, or "" where unknown."""
        return [""] * len(self.verdicts) if self.evaluation is None else [str(kind) for kind in self.evaluation.kinds]

    def mask(self, index: int) -> Bool[np.ndarray, "h w"] | None:
        """Where an input is defective; None where it is not known to be."""
        return self.masks[index] if self.masks else None

    @property
    def noun(self) -> str:
        """Noun for one input in sentences: "image" or "row"."""
        has_pictures = any(verdict.picture is not None or verdict.map is not None for verdict in self.verdicts)
        return "image" if has_pictures else "row"
