"""Content of a report: plain data, gathered by the caller."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Real, UInt8

from hizumi.calibration import Box, Calibration, Verdict
from hizumi.errors import UsageError
from hizumi.evaluation import Evaluation
from hizumi.evaluation.bootstrap import number
from hizumi.evaluation.causal import CausalMeasures
from hizumi.evaluation.series import SeriesMeasures
from hizumi.report.borders import Lines
from hizumi.report.traces import Trace
from hizumi.runs.nouns import noun_of
from hizumi.runs.results import assessment_result
from hizumi.training.health import Finding

NORMAL, ANOMALOUS, UNKNOWN = 0, 1, -1
POINTS_IN_AN_EMBEDDING = 1000
INPUT, EXPECTED, DISTORTION, MAP = "input", "expected normal", "distortion", "anomaly map"
"""Captions of the pictures of an input."""
CLOSE_UP = "close-up of the highest value"
"""Caption of one more, of a large input."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of an input: (h, w, 3) uint8, with lines in coordinates of `size`.

    These are boxes, the borders of true defects, and that of the region of interest.
    """

    caption: str
    pixels: UInt8[np.ndarray, "h w 3"]
    size: tuple[int, int]
    boxes: tuple[Box, ...] = ()
    truth: Lines | None = None
    region: Lines | None = None


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that one report shows; a section whose data are empty or None is left out.

    `evaluation` is in the order of `verdicts`; without one nothing is known about which inputs are good. `features`
    (n, k) are in the same order too, or those of the verdicts in the places `featured`. `masks` are True where an input
    is defective, None where that is not known. Verdicts may come without their pictures, of which `cases` then has
    those of a few, by place. `journal` holds the records of training, `failures` the (name, reason) of unreadable
    inputs, `unopened` that of other files. `differences` say in what most of the good inputs look unlike those learned
    from. Of series, `measures` are those of steps and events, `causal` those of what is known of a step at once,
    `traces` the recordings that are drawn, and `windows` a typical normal window and the worst.
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
    cases: Mapping[int, Sequence[Tile]] = field(default_factory=dict)
    featured: Sequence[int] | None = None
    measures: SeriesMeasures | None = None
    causal: CausalMeasures | None = None
    traces: Sequence[Trace] = ()
    windows: tuple[Trace, Trace] | None = None

    def __post_init__(self) -> None:
        total = len(self.verdicts)
        for name, count, needed in (
            ("evaluation", None if self.evaluation is None else len(self.evaluation.names), total),
            ("features", None if self.features is None else len(self.features), len(self.places_of_features)),
            ("masks", len(self.masks) or None, total),
        ):
            if count is not None and count != needed:
                raise UsageError(f"report: {name} has {count} rows for {needed} verdicts; give one for each")

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
    def places_of_features(self) -> Sequence[int]:
        """Places of the verdicts that `features` belong to."""
        return range(len(self.verdicts)) if self.featured is None else self.featured

    @property
    def has_normals(self) -> bool:
        """Whether inputs come with their expected normal."""
        return any(verdict.normal is not None for verdict in self.verdicts) or self._is_shown(EXPECTED)

    @property
    def has_maps(self) -> bool:
        """Whether inputs come with their anomaly map."""
        return any(verdict.map is not None for verdict in self.verdicts) or self._is_shown(MAP)

    @property
    def has_masks(self) -> bool:
        """Whether true defects are drawn."""
        shown = any(tile.truth is not None for tiles in self.cases.values() for tile in tiles)
        return shown or any(mask is not None for mask in self.masks)

    @property
    def has_regions(self) -> bool:
        """Whether borders of regions of interest are drawn."""
        shown = any(tile.region is not None for tiles in self.cases.values() for tile in tiles)
        return shown or any(verdict.inside is not None for verdict in self.verdicts)

    @property
    def noun(self) -> str:
        """Noun for one input in sentences: "image", "frame" or "row"."""
        if "shape" in self.options:
            return noun_of(self.options)
        has_pictures = any(verdict.picture is not None or verdict.map is not None for verdict in self.verdicts)
        return "image" if has_pictures or any(self.cases.values()) else "row"

    def result(self) -> dict[str, Any]:
        """What was measured, and on what, for JSON."""
        measures = {} if self.evaluation is None else self.evaluation.to_dict()
        measures |= {} if self.measures is None else _of_steps(self.measures)
        measures |= {} if self.causal is None else {"series_causal": self.causal.to_dict()}
        return assessment_result(
            self.detector, measures, self.options, self.findings, self.failures, self.unopened, self.data_notes
        )

    def _is_shown(self, caption: str) -> bool:
        return any(tile.caption == caption for tiles in self.cases.values() for tile in tiles)


def _of_steps(measures: SeriesMeasures) -> dict[str, Any]:
    """All measures of series, and first the one that ranks detectors: VUS-PR of each recording, the median of them."""
    median = measures.vus_pr.median
    known = not math.isnan(median.value)
    return {
        "vus_pr": number(median.value),
        "vus_pr_interval": [median.low, median.high] if known else None,
        "series": measures.to_dict(),
    }
