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
    on them, `mapless` those that lack the maximum of a map, which the pixel threshold takes, `views` those of a part of
    which another one joins. The defects are of `defect_parts`.
    """

    good: Mapping[str, Sequence[float]]
    defects: Mapping[str, Sequence[float]]
    chosen: int
    seen: int = 0
    mapless: int = 0
    views: int = 0
    defect_parts: int = 0

    @classmethod
    def of(cls, bundle: CalibratedBundle, evidence: Evidence, join: Join) -> Self:
        """Those that `join` names: see `Choice`."""
        if join == "keep":
            chosen = int(bundle.calibration.options.get(CHOSEN, 0))
            return cls(
                _recorded(bundle, "good"),
                _recorded(bundle, "defects"),
                chosen,
                defect_parts=_recorded_parts(bundle),
            )
        if join == "none":
            return cls({}, {}, 0)
        accepted = [each for each in evidence.reviewed if each.label == "good" and (each.sampled or join == "reviewed")]
        seen = bundle.seen()
        unseen = [each for each in accepted if int(each.picture_sha256[:DIGITS], 16) not in seen]
        has_maps = bundle.calibration.pixel_maxima is not None
        usable = [each for each in unseen if each.map_peak is not None or not has_maps]
        joining = _one_of_each_part(usable)
        # A sample of which some are left out is not random any more: those that are hard to tell may be missing.
        drawn = sum(each.sampled for each in joining) if evidence.sample_waiting == 0 else 0
        defects = [each for each in evidence.reviewed if each.label == "defect"]
        return cls(
            {each.picture_sha256[:DIGITS]: _numbers(each) for each in joining},
            {each.picture_sha256[:DIGITS]: [each.score] for each in defects},
            len(joining) - drawn,
            len(accepted) - len(unseen),
            len(unseen) - len(usable),
            len(usable) - len(joining),
            len({each.part for each in defects}),
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

    def defect_units(self, bundle: CalibratedBundle) -> int:
        """Of how many parts, or groups, these defects are."""
        return bundle.calibration.defect_units - _recorded_parts(bundle) + self.defect_parts


def _one_of_each_part(reviewed: list[Reviewed]) -> list[Reviewed]:
    """One view of each part, by chance as hashes are; so parts join as they are drawn, and not twice as views do.

    What was drawn for the sample comes before what people chose to review.
    """
    ordered = sorted(reviewed, key=lambda each: (not each.sampled, each.picture_sha256))
    first: dict[int, Reviewed] = {}
    for each in ordered:
        first.setdefault(each.part, each)
    return [each for each in reviewed if first[each.part] is each]


def _numbers(each: Reviewed) -> list[float]:
    return [each.score] if each.map_peak is None else [each.score, each.map_peak]


def _recorded(bundle: CalibratedBundle, which: str) -> Mapping[str, Sequence[float]]:
    found: Mapping[str, Sequence[float]] = bundle.options.get("recalibrated", {}).get(which, {})
    return found


def _recorded_parts(bundle: CalibratedBundle) -> int:
    """Of how many parts the defects are that joined before."""
    return int(bundle.options.get("recalibrated", {}).get("defect_parts", len(_recorded(bundle, "defects"))))


def _column(joined: Mapping[str, Sequence[float]], place: int) -> Float[np.ndarray, "k"]:
    return np.array([numbers[place] for numbers in joined.values()], dtype=np.float64)


def _without(
    values: Float[np.ndarray, "n"], joined: Mapping[str, Sequence[float]], place: int
) -> Float[np.ndarray, "k"]:
    """Values without those that joined before, unless a calibration on other pictures has replaced them."""
    left = Counter(values.tolist()) - Counter(_column(joined, place).tolist())
    return np.array(sorted(left.elements()), dtype=np.float64)
