"""Which reviewed pictures join the held-out scores and the known defects, and which of them chance alone has chosen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from hizumi.calibration.rules import CHOSEN
from hizumi.inspection.seen import DIGITS
from hizumi.shapes import Float
from hizumi.station.calibrated_bundle import CalibratedBundle
from hizumi.station.evidence import Evidence, Reviewed

Join = Literal["keep", "sample", "reviewed", "none"]


@dataclass(frozen=True)
class Joining:
    """Scores, and maxima of the maps, by the beginning of the picture's SHA-256.

    `chosen` of the good ones were not drawn at random. `seen` counts pictures left out because the detector was fitted
    on them, `mapless` those that lack the maximum of a map, which the pixel threshold takes.
    """

    good: Mapping[str, Sequence[float]]
    defects: Mapping[str, Sequence[float]]
    chosen: int
    seen: int = 0
    mapless: int = 0

    @classmethod
    def of(cls, bundle: CalibratedBundle, evidence: Evidence, join: Join) -> Self:
        """Those that `join` names: see `Choice`."""
        if join == "keep":
            chosen = int(bundle.calibration.options.get(CHOSEN, 0))
            return cls(_recorded(bundle, "good"), _recorded(bundle, "defects"), chosen)
        if join == "none":
            return cls({}, {}, 0)
        accepted = [each for each in evidence.reviewed if each.label == "good" and (each.sampled or join == "reviewed")]
        seen = bundle.seen()
        unseen = [each for each in accepted if int(each.picture_sha256[:DIGITS], 16) not in seen]
        has_maps = bundle.calibration.pixel_maxima is not None
        usable = [each for each in unseen if each.map_peak is not None or not has_maps]
        # A sample of which some are left out is not random any more: those that are hard to tell may be missing.
        drawn = sum(each.sampled for each in usable) if evidence.sample_waiting == 0 else 0
        return cls(
            {each.picture_sha256[:DIGITS]: _numbers(each) for each in usable},
            {each.picture_sha256[:DIGITS]: [each.score] for each in evidence.reviewed if each.label == "defect"},
            len(usable) - drawn,
            len(accepted) - len(unseen),
            len(unseen) - len(usable),
        )

    def good_scores(self, bundle: CalibratedBundle) -> Float[np.ndarray, "n"]:
        """The held-out scores of the fit, and the joined ones."""
        own = _without(bundle.calibration.scores, _recorded(bundle, "good"), 0)
        return np.concatenate([own, _column(self.good, 0)])

    def pixel_maxima(self, bundle: CalibratedBundle) -> Float[np.ndarray, "n"] | None:
        """The maxima of maps that go with them; None where the detector gives no maps."""
        before = bundle.calibration.pixel_maxima
        if before is None:
            return None
        return np.concatenate([_without(before, _recorded(bundle, "good"), 1), _column(self.good, 1)])

    def defect_scores(self, bundle: CalibratedBundle) -> Float[np.ndarray, "m"] | None:
        """The scores of defects that were known before, and the joined ones; None where there are none."""
        before = bundle.calibration.defect_scores
        own = np.empty(0) if before is None else _without(before, _recorded(bundle, "defects"), 0)
        scores = np.concatenate([own, _column(self.defects, 0)])
        return scores if len(scores) else None


def _numbers(each: Reviewed) -> list[float]:
    return [each.score] if each.map_peak is None else [each.score, each.map_peak]


def _recorded(bundle: CalibratedBundle, which: str) -> Mapping[str, Sequence[float]]:
    found: Mapping[str, Sequence[float]] = bundle.options.get("recalibrated", {}).get(which, {})
    return found


def _column(joined: Mapping[str, Sequence[float]], place: int) -> Float[np.ndarray, "k"]:
    return np.array([numbers[place] for numbers in joined.values()], dtype=np.float64)


def _without(
    values: Float[np.ndarray, "n"], joined: Mapping[str, Sequence[float]], place: int
) -> Float[np.ndarray, "k"]:
    """Values without those that joined before, unless a calibration on other pictures has replaced them."""
    left = Counter(values.tolist()) - Counter(_column(joined, place).tolist())
    return np.array(sorted(left.elements()), dtype=np.float64)
