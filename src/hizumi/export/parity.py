"""What it costs to leave torch: how far a graph's scores, maps and verdicts are from the detector's."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hizumi.calibration import Calibration
from hizumi.data import Manifest
from hizumi.evaluation import auroc
from hizumi.export.replay import Replay, larger

TOLERANCE = 1e-5  # of the largest value, in single precision


@dataclass(frozen=True)
class Parity:
    """Measured on the items that set the threshold, and on the labelled test items where the data have such.

    `differences` are the largest ones (see `Replay.differences`), `verdicts` were compared and `changed` differ, `rank`
    is Spearman's correlation of the scores. The areas under the ROC curve are None where there are no labels.
    """

    differences: dict[str, float]
    verdicts: int
    changed: int
    rank: float
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
    ) -> "Parity":
        """From replays of the items that set the threshold and of labelled ones, each form with its own calibration."""
        both = [replay] if test is None else [replay, test]
        torch_scores = np.concatenate([each.torch_scores for each in both])
        graph_scores = np.concatenate([each.graph_scores for each in both])
        changed = int((ours.is_anomalous(torch_scores) != theirs.is_anomalous(graph_scores)).sum())
        differences = replay.differences()
        for name, value in ({} if test is None else test.differences()).items():
            differences[name] = larger(differences[name], value)
        areas: tuple[float | None, float | None] = (None, None)
        if test is not None and tested is not None:
            labels = np.array([tested.records[index].label for index in test.kept])
            if len(np.unique(labels)) == 2:
                areas = auroc(np.array(test.torch_scores), labels), auroc(np.array(test.graph_scores), labels)
        return cls(differences, len(torch_scores), changed, _rank_correlation(torch_scores, graph_scores), *areas)

    @property
    def holds(self) -> bool:
        """Whether single precision may be exported so."""
        return not self.changed and self.differences[self.worst] <= TOLERANCE

    @property
    def worst(self) -> str:
        """The output that differs most."""
        return max(self.differences, key=lambda name: float(np.nan_to_num(self.differences[name], nan=np.inf)))

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(first), rankdata(second)])
    return 1.0 if (ranks.std(axis=1) == 0).any() else float(np.corrcoef(ranks)[0, 1])
