"""P-values of a stream of scores that are uniform and independent, however few good scores there were to begin with.

A p-value against a fixed set of n calibration scores is uniform only on average over such sets: with any one set they
all share its luck, and a test that runs for ever finds it. Here each score is ranked among the calibration scores and
the scores before it, with ties broken at random. If all of them are exchangeable, these p-values are independent and
uniform, exactly and for ever (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, theorem
8.2); charts of them need no allowance for the size of the calibration set. The price is that a lasting shift becomes
part of what new scores are ranked among, so that it shows less and less: the more calibration scores, the longer it
shows.

Two fixed rules keep that exact, as they come from a random half of the calibration scores that is used for nothing
else:
- Scores over a cut, its 95% quantile, are set aside, on both sides of the comparison. Whatever defects do there, the
  others do not notice: a few very unusual pictures are not a drift.
- Scores count as equal between two neighbours of that half, so that counts of so many bins are all there is to
  remember.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hizumi.errors import DataError
from hizumi.shapes import Float

FEWEST_SCORES = 20
SET_ASIDE = 0.05  # of good scores, about
MOST_BINS = 500


@dataclass(eq=False)
class SequentialRanks:
    """Scores seen, as counts between ascending edges; what lies above the last edge is set aside."""

    edges: list[float]
    counts: list[int]

    @classmethod
    def after(cls, scores: Float[np.ndarray, " n"], generator: np.random.Generator) -> Self:
        """Start from the scores of good pictures, 20 or more."""
        if len(scores) < FEWEST_SCORES:
            raise DataError(f"{len(scores)} good scores are too few to rank others among; {FEWEST_SCORES} are needed")
        shuffled = generator.permutation(np.asarray(scores, dtype=np.float64))
        ruler, seen = np.sort(shuffled[::2]), shuffled[1::2]
        cut = max(1, int((1 - SET_ASIDE) * len(ruler)))
        chosen = np.linspace(0, cut - 1, min(cut, MOST_BINS)).round().astype(int)
        edges = np.unique(ruler[chosen])
        places = np.searchsorted(edges, seen)
        return cls(edges.tolist(), np.bincount(places, minlength=len(edges) + 1)[: len(edges)].tolist())

    def p_value(self, score: float, chance: float) -> float | None:
        """Rank a score among those before it and count it; None where it is set aside.

        `chance`, uniform in [0, 1), breaks ties.
        """
        place = bisect_left(self.edges, score)
        if place == len(self.edges):
            return None
        self.counts[place] += 1
        above = sum(self.counts[place + 1 :])
        return (above + chance * self.counts[place]) / sum(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"edges": list(self.edges), "counts": list(self.counts)}
