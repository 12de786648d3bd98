"""What it costs to leave torch: how far a graph's scores, maps and verdicts are from the detector's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.data import Manifest
from hizumi.evaluation import auroc
from hizumi.export.replay import Errors, Replay
from hizumi.inspection.scoring import MAP, SCORE

ROUNDING_FLOOR = 8 * 2.0**-23  # of the largest value: what adding up in another order costs even a short sum
FACTOR = 4.0  # times torch's own error, which is itself one draw of many
LOST = 0.1  # of the largest value: of what a map that is off by more shows, little is left
GROSS = 0.01  # of the largest value: a term that is off by more shows something else


@dataclass(frozen=True)
class Parity:
    """Measured on the items that set the threshold or on others, and on labelled test items where there are some.

    The detector in double precision is the truth. `differences` are the graph's largest distances from it, relative to
    the largest value (of terms: to that or the largest score, of which a term may be a small part), and `rounding`
    those of torch in single precision. Of the `verdicts` compared, `changed` differ between graph and torch,
    `borderline` of them because the score lies nearer to the threshold than `error`, what the two are off by together.
    `rank` is Spearman's correlation of the scores. The areas under the ROC curve are None where there are no labels.
    `as_fitted` says whether the items are those of the fit, so that the threshold follows from the graph's own scores.
    """

    differences: dict[str, float]
    rounding: dict[str, float]
    verdicts: int
    changed: int
    borderline: int
    error: float
    rank: float
    as_fitted: bool
    torch_auroc: float | None = None
    graph_auroc: float | None = None

    @classmethod
    def of(
        cls,
        replay: Replay,
        ours: Calibration,
        theirs: Calibration,
        test: Replay | None = None,
        tested: Manifest | None = None,
        *,
        as_fitted: bool = True,
    ) -> "Parity":
        """From replays of good items and of labelled ones, each form with its own calibration."""
        both = [replay] if test is None else [replay, test]
        torch_scores = np.concatenate([each.torch_scores for each in both])
        graph_scores = np.concatenate([each.graph_scores for each in both])
        errors = replay.errors if test is None else replay.with_(test)
        changed = ours.is_anomalous(torch_scores) != theirs.is_anomalous(graph_scores)
        error = errors[SCORE].single + errors[SCORE].graph
        # A threshold is one of the scores, or between two: it is off by no more than they are.
        moved = min(error, abs(ours.threshold.value - theirs.threshold.value))
        borderline = changed & (np.abs(torch_scores - ours.threshold.value) <= error + moved)
        areas: tuple[float | None, float | None] = (None, None)
        if test is not None and tested is not None:
            labels = np.array([tested.records[index].label for index in test.kept])
            if len(np.unique(labels)) == 2:
                areas = auroc(np.array(test.torch_scores), labels), auroc(np.array(test.graph_scores), labels)
        return cls(
            {name: _relative(each.graph, _unit(name, errors)) for name, each in errors.items()},
            {name: _relative(each.single, _unit(name, errors)) for name, each in errors.items()},
            len(torch_scores),
            int(changed.sum()),
            int(borderline.sum()),
            error,
            _rank_correlation(torch_scores, graph_scores),
            as_fitted,
            *areas,
        )

    @property
    def holds(self) -> bool:
        """Whether single precision may be exported so."""
        return self.changed == self.borderline and self.excess(self.worst) <= 1

    @property
    def worst(self) -> str:
        """The output that is farthest off, compared with what is allowed."""
        return max(self.differences, key=lambda name: float(np.nan_to_num(self.excess(name), nan=np.inf)))

    def excess(self, name: str) -> float:
        """How many times an output's difference is what is allowed; up to 1 is well."""
        return self.differences[name] / self.allowed(name)

    def allowed(self, name: str) -> float:
        """A few times torch's own error for scores and maps, which decide; terms are shown, and may not be grossly off.

        Relative to the largest value, as the differences are.
        """
        least = FACTOR * max(self.rounding[name], ROUNDING_FLOOR)
        return least if name in (SCORE, MAP) else max(least, GROSS)

    @property
    def lost(self) -> list[str]:
        """Which of score and map is so far off, in fewer bits, that what it says is not to be relied on."""
        return [name for name in (SCORE, MAP) if self.differences.get(name, 0.0) > LOST]

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)


def _unit(name: str, errors: Mapping[str, Errors]) -> float:
    return errors[name].size if name in (SCORE, MAP) else max(errors[SCORE].size, errors[name].size)


def _relative(difference: float, size: float) -> float:
    return difference / size if size > 0 else difference


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(first), rankdata(second)])
    constant = ranks.std(axis=1) == 0
    return float(constant.all()) if constant.any() else float(np.corrcoef(ranks)[0, 1])
