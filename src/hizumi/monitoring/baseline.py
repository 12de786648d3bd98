"""What scores and pictures are like while nothing has drifted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from hizumi.calibration import Calibration
from hizumi.calibration.spread import Spread
from hizumi.data.appearance import Appearance, Look, spreads_of
from hizumi.errors import BundleError
from hizumi.monitoring.ranks import FEWEST_SCORES


class Sizes(NamedTuple):
    """Heights and widths that pictures have, in pixels; both ends belong to them."""

    lowest_height: float
    highest_height: float
    lowest_width: float
    highest_width: float

    def include(self, look: Look) -> bool:
        """Whether a picture is of such a size."""
        tall = self.lowest_height <= look.height <= self.highest_height
        return tall and self.lowest_width <= look.width <= self.highest_width


@dataclass(frozen=True)
class Baseline:
    """Scores of good pictures that nothing was trained on, and the spread of each measure of good pictures.

    Where a part is empty, as for bundles of earlier versions, the watch learns it from its first pictures.

    Attributes:
        score_slow: How much scores vary slowly, in sigma of their normal scores; 0 where their order is not known.
        score_drifts: Whether that is more than chance, so that a test of exchangeable scores would only find it again.
    """

    scores: tuple[float, ...] = ()
    score_slow: float = 0.0
    score_drifts: bool = False
    measures: dict[str, Spread] = field(default_factory=dict)
    sizes: Sizes | None = None
    source: Literal["bundle", "station"] = "bundle"

    @classmethod
    def of(cls, calibration: Calibration, appearance: Appearance | None) -> Self:
        """Of a bundle: its `calibration_` and the `appearance` of its `preprocessing_`.

        Fewer than 20 held-out scores are left out, and those of folds: other fits made them than score new pictures.
        """
        usable = len(calibration.scores) >= FEWEST_SCORES and "folds" not in calibration.options
        scores = calibration.scores if usable else ()
        if appearance is None or not appearance.spreads:
            return cls(tuple(map(float, scores)))
        sizes = Sizes(*appearance.ranges["height"], *appearance.ranges["width"])
        return cls(tuple(map(float, scores)), measures=dict(appearance.spreads), sizes=sizes)

    def with_scores(self, scores: Sequence[float]) -> "Baseline":
        """With scores learned at a station, in the order of time."""
        normal = ndtri((rankdata(scores) - 0.5) / len(scores))
        spread = Spread.of(np.asarray(normal))
        slow, drifts = (0.0, False) if spread is None else (spread.slow, spread.varies_slowly)
        return Baseline(tuple(scores), slow, drifts, self.measures, self.sizes, "station")

    def with_looks(self, looks: Sequence[Look]) -> "Baseline":
        """With looks learned at a station, in the order of time."""
        heights, widths = [look.height for look in looks], [look.width for look in looks]
        sizes = Sizes(min(heights), max(heights), min(widths), max(widths))
        return Baseline(self.scores, self.score_slow, self.score_drifts, spreads_of(looks), sizes, "station")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "scores": list(self.scores),
            "score_slow": self.score_slow,
            "score_drifts": self.score_drifts,
            "measures": {name: spread.to_dict() for name, spread in self.measures.items()},
            "sizes": None if self.sizes is None else list(self.sizes),
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_dict`; raises BundleError when something is missing or of the wrong kind."""
        try:
            return cls(
                scores=tuple(map(float, plain["scores"])),
                score_slow=float(plain["score_slow"]),
                score_drifts=bool(plain["score_drifts"]),
                measures={name: Spread(**spread) for name, spread in plain["measures"].items()},
                sizes=None if plain["sizes"] is None else Sizes(*plain["sizes"]),
                source=plain["source"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"the baseline of this watch cannot be read ({error!r}): learn it again") from error
