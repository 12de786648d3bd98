"""Held-out good images and a false-alarm rate, turned into thresholds, p-values and decisions."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from hizumi.calibration.conformal import conformal_p_values, images_needed, upper_rate
from hizumi.calibration.costs import Costs
from hizumi.calibration.limits import best_f1_threshold
from hizumi.calibration.rules import (
    CHOSEN,
    COSTS,
    CROSS_CONFORMAL,
    DEFECT_GROUPS,
    GROUPS,
    OF_IMAGES_ONLY,
    RANKS,
    WITHOUT_RATE,
    check_rule,
    limit_by,
    refuse_contradiction,
)
from hizumi.calibration.statement import Statement
from hizumi.calibration.threshold import Threshold, good_images, percent
from hizumi.errors import BundleError, DataError, UsageError
from hizumi.shapes import Bool, Float, Integer

GOOD_SCORES, GOOD_MAXIMA = "scores of held-out good items", "map maxima of held-out good items"
DEFECT_SCORES = "scores of known defects"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Turns scores into decisions; fitted on held-out good images only, and independent of the detector.

    `scores` are ascending, one per held-out good image; `pixel_maxima` are the ascending maxima of their maps. The
    pixel threshold keeps the share of good images whose maps pass it anywhere at the requested rate. Maps are drawn
    from `map_range[0]`, a good image's median pixel, to `map_range[1]`, with the pixel threshold in the middle.
    `defect_scores` are ascending, one per known defect, by which nothing is decided unless there are costs.
    """

    scores: Float[np.ndarray, "n"]
    rule: str
    false_alarm_rate: float
    options: dict[str, float]
    threshold: Threshold
    pixel_maxima: Float[np.ndarray, "n"] | None = None
    pixel_threshold: Threshold | None = None
    map_range: tuple[float, float] | None = None
    defect_scores: Float[np.ndarray, "m"] | None = None

    @classmethod
    def fit(
        cls,
        scores: Float[np.ndarray, "n"],
        *,
        rule: str = "conformal",
        false_alarm_rate: float = 0.01,
        pixel_maxima: Float[np.ndarray, "n"] | None = None,
        pixel_median: float | None = None,
        degrees_of_freedom: float | None = None,
        labelled: tuple[Float[np.ndarray, "m"], Integer[np.ndarray, "m"]] | None = None,
        folds: int | None = None,
        groups: int | None = None,
        chosen: int = 0,
    ) -> Self:
        """Calibrate on the scores of held-out good images.

        `degrees_of_freedom` is for the chi-square rule, `labelled` (scores, labels 0 or 1) for best-f1; they are kept,
        so that `with_` can switch to these rules later. `folds` is the number of folds where each score comes from a
        fit on the others, `groups` the number of groups, such as parts, that the images are of where several are of
        one, `chosen` the number of scores whose images were not drawn at random; with any of them, the conformal rule
        promises nothing. Of the cross-conformal rule, whose detector answers with ranks among all of
        them, only their number counts. Raises DataError for scores that cannot be used and UsageError for an unknown
        rule or a rate that is not in (0, 1).
        """
        options: dict[str, float] = {}
        if degrees_of_freedom is not None:
            options["degrees_of_freedom"] = float(degrees_of_freedom)
        if labelled is not None:
            options |= _by_labels(*labelled)
        if folds is not None:
            options["folds"] = float(folds)
        if groups is not None:
            options[GROUPS] = float(groups)
        if chosen:
            options[CHOSEN] = float(chosen)
        if rule == CROSS_CONFORMAL:
            if folds is None:
                raise UsageError("the cross-conformal rule goes by folds (`folds`): say how many there are")
            options[RANKS] = 1.0
            scores = np.arange(1.0, len(_ascending(scores, GOOD_SCORES)) + 1)
        return cls._decide(
            _ascending(scores, GOOD_SCORES),
            rule,
            false_alarm_rate,
            options,
            None if pixel_maxima is None else _ascending(pixel_maxima, GOOD_MAXIMA),
            pixel_median,
            None,
        )

    @classmethod
    def _decide(
        cls,
        scores: Float[np.ndarray, "n"],
        rule: str,
        false_alarm_rate: float,
        options: dict[str, float],
        pixel_maxima: Float[np.ndarray, "n"] | None,
        pixel_median: float | None,
        defect_scores: Float[np.ndarray, "m"] | None,
    ) -> Self:
        check_rule(rule, false_alarm_rate)
        false_alarm_rate = float(false_alarm_rate)  # of NumPy's numbers, JSON has not all
        threshold = limit_by(rule, scores, false_alarm_rate, options, defect_scores)
        if pixel_maxima is None:
            return cls(scores, rule, false_alarm_rate, options, threshold, defect_scores=defect_scores)
        pixel_rule = "conformal" if rule in OF_IMAGES_ONLY else rule
        pixel_threshold = limit_by(pixel_rule, pixel_maxima, false_alarm_rate, _of_maps(options))
        map_range = None
        if pixel_median is not None:
            half = max(pixel_threshold.value - pixel_median, float(np.finfo(np.float32).eps) * abs(pixel_median), 1e-12)
            map_range = (float(pixel_median), float(pixel_median + 2 * half))
        return cls(
            scores, rule, false_alarm_rate, options, threshold, pixel_maxima, pixel_threshold, map_range, defect_scores
        )

    def with_(
        self,
        *,
        rule: str | None = None,
        false_alarm_rate: float | None = None,
        threshold: float | None = None,
        labelled: tuple[Float[np.ndarray, "m"], Integer[np.ndarray, "m"]] | None = None,
        defect_scores: Float[np.ndarray, "m"] | None = None,
        defect_groups: int | None = None,
        costs: Costs | None = None,
    ) -> Self:
        """Recalibrate on the held-out scores with another rule or rate, or a given threshold, without the detector.

        A rate alone sets the threshold by the rule in use, or by the conformal one where that goes by no rate.
        `labelled` (scores, labels 0 or 1) set it by the rule best-f1. `defect_scores` are kept; with `costs`, they and
        the held-out scores set the threshold. They are of so many `defect_groups`, such as parts; if not given, each
        that has joined those of before is one more. Raises UsageError for a threshold that is not finite, and for costs
        without scores of known defects.
        """
        options = self.options
        if labelled is not None:
            options, rule = {**options, **_by_labels(*labelled)}, "best-f1"
        if defect_scores is not None:
            before = 0 if self.defect_scores is None else len(self.defect_scores)
            units = self.defect_units + len(defect_scores) - before if defect_groups is None else defect_groups
            options = {name: value for name, value in options.items() if name != DEFECT_GROUPS}
            options |= {DEFECT_GROUPS: float(units)} if units < len(defect_scores) else {}
        if rule is None:  # a threshold or costs of before would outlast the rate
            rule = self.rule if false_alarm_rate is None else self._rule_of_a_rate
        if threshold is not None:
            if not np.isfinite(threshold):
                raise UsageError(f"the threshold is {threshold}; give a number in units of the score")
            options, rule = {**options, "given_threshold": float(threshold)}, "given"
        if costs is not None:
            options, rule = {**options, **{name: float(getattr(costs, name)) for name in COSTS}}, "cost"
        return self._decide(
            self.scores,
            rule,
            self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate,
            options,
            self.pixel_maxima,
            None if self.map_range is None else self.map_range[0],
            self.defect_scores if defect_scores is None else _ascending(defect_scores, DEFECT_SCORES),
        )

    @property
    def followed_rate(self) -> float | None:
        """The false-alarm rate that the threshold in use follows from; None where its rule asks for none."""
        return None if self.rule in WITHOUT_RATE else self.false_alarm_rate

    @property
    def from_good_images(self) -> Threshold:
        """The threshold that held-out good images alone set: the one in use, or else the conformal one at its rate."""
        if self.rule in WITHOUT_RATE:
            return limit_by(self._rule_of_a_rate, self.scores, self.false_alarm_rate, self.options, None)
        return self.threshold

    @property
    def _rule_of_a_rate(self) -> str:
        """The rule by which a rate sets the threshold: the one in use, or else the conformal one."""
        if self.rule not in WITHOUT_RATE:
            return self.rule
        return CROSS_CONFORMAL if RANKS in self.options else "conformal"

    def rescored(self, scores: Float[np.ndarray, "n"], pixel_maxima: Float[np.ndarray, "n"] | None) -> Self:
        """Recalibrate by this rule and rate on an export's scores of the same held-out images."""
        maxima = None if pixel_maxima is None else _ascending(pixel_maxima, GOOD_MAXIMA)
        return replace(self, scores=_ascending(scores, GOOD_SCORES), pixel_maxima=maxima).with_()

    def joined(
        self, scores: Float[np.ndarray, "n"], pixel_maxima: Float[np.ndarray, "n"] | None, *, chosen: int
    ) -> Self:
        """Recalibrate by this rule and rate on other good images, of which `chosen` were not drawn at random.

        With any such, the conformal rule promises nothing. Raises UsageError where scores are ranks among those of the
        fit, which others cannot join.
        """
        if RANKS in self.options and len(scores) != len(self.scores):
            raise UsageError("this one judges by ranks among the images of its fit: to let others join them, fit anew")
        options = {name: value for name, value in self.options.items() if name != CHOSEN}
        options |= {CHOSEN: float(chosen)} if chosen else {}
        if GROUPS in options:  # each that joins is one more
            options[GROUPS] += len(scores) - len(self.scores)
        return replace(self, options=options).rescored(scores, pixel_maxima)

    @property
    def units(self) -> int:
        """How many held-out good images there are, or groups of such where several are of one."""
        return int(self.options.get(GROUPS, len(self.scores)))

    @property
    def defect_units(self) -> int:
        """How many known defects there are, or groups of such where several are of one."""
        known = 0 if self.defect_scores is None else len(self.defect_scores)
        return int(self.options.get(DEFECT_GROUPS, known))

    def p_values(self, scores: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        """How unusual each score is among good images: conformal p-values in [1 / (n + 1), 1]."""
        return conformal_p_values(self.scores, _decidable(scores))

    def is_anomalous(self, scores: Float[np.ndarray, "m"]) -> Bool[np.ndarray, "m"]:
        """Which scores lie above the threshold."""
        return np.asarray(_decidable(scores).astype(np.float64) > self.threshold.value)

    def promise(self, noun: str = "image") -> str:
        """Sentences on what the threshold promises and what this number of held-out images, or rows, can support."""
        lines = [self.threshold.words, *(each.words for each in self._support(noun))]
        return " ".join(lines).replace("image", noun)

    def statements(self, noun: str = "image") -> tuple[Statement, ...]:
        """The sentences of `promise` with their figures, worked out anew from the scores."""
        threshold = limit_by(self.rule, self.scores, self.false_alarm_rate, self.options, self.defect_scores)
        return tuple(
            replace(each, words=each.words.replace("image", noun)) for each in (*threshold.said, *self._support(noun))
        )

    def _support(self, noun: str) -> list[Statement]:
        """What this number of held-out images can support."""
        count, said = len(self.scores), []
        if self.threshold.rule == "conformal" and self.threshold.promised_rate is not None:
            upper = upper_rate(count, self.false_alarm_rate)
            words = f"The rate of this one calibration lies under {percent(upper)} with 95% confidence."
            said.append(Statement("of_this_one", {"upper_rate": upper}, words))
        elif self.options.keys().isdisjoint({"folds", GROUPS, CHOSEN}) and self.rule != "cost":
            least, needed = 1 / (count + 1), images_needed(self.false_alarm_rate)
            words = (
                f"Without assumptions, {good_images(count)} can promise {percent(least)} at the lowest; "
                f"{percent(self.false_alarm_rate)} takes {needed}."
            )
            figures = {"count": count, "least_rate": least, "asked_rate": self.false_alarm_rate, "needed": needed}
            said.append(Statement("without_assumptions", figures, words))
        if noun == "image" and self.rule not in WITHOUT_RATE and self.options.keys().isdisjoint({GROUPS, CHOSEN}):
            words = (
                "This holds for images like these. Several of one part, or crops of one picture, are more alike than "
                "new ones will be: name them in a group column."
            )
            said.append(Statement("alike", {}, words))
        if count > 1 and self.scores[0] == self.scores[-1]:
            words = "All held-out scores are equal: the detector does not tell images apart, so check the fit."
            said.append(Statement("all_equal", {}, words))
        return said

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Float[np.ndarray, "..."]]]:
        """Fields for JSON, and float64 arrays by name: `scores`, and `pixel_maxima` and `defect_scores` where known."""
        fields = asdict(self)
        arrays = {name: fields.pop(name) for name in ("scores", "pixel_maxima", "defect_scores")}
        thresholds = {"threshold": self.threshold, "pixel_threshold": self.pixel_threshold}
        fields |= {name: None if limit is None else limit.to_dict() for name, limit in thresholds.items()}
        return fields, {name: array for name, array in arrays.items() if array is not None}

    @classmethod
    def from_dict(cls, fields: dict[str, Any], arrays: dict[str, Float[np.ndarray, "..."]]) -> Self:
        """The exact inverse of `to_dict`; raises BundleError when something is missing or of the wrong kind."""
        try:
            pixel, span = fields["pixel_threshold"], fields["map_range"]
            check_rule(fields["rule"], fields["false_alarm_rate"])
            if any(array.ndim != 1 or array.dtype != np.float64 for array in arrays.values()):
                raise ValueError("scores are not a row of numbers in double precision")
            read = cls(
                scores=_ascending(arrays["scores"], GOOD_SCORES),
                rule=fields["rule"],
                false_alarm_rate=float(fields["false_alarm_rate"]),
                options={str(name): float(value) for name, value in fields["options"].items()},
                threshold=_read_threshold(fields["threshold"]),
                pixel_maxima=_ascending(arrays["pixel_maxima"], GOOD_MAXIMA) if "pixel_maxima" in arrays else None,
                pixel_threshold=None if pixel is None else _read_threshold(pixel),
                map_range=None if span is None else (float(span[0]), float(span[1])),
                defect_scores=_ascending(arrays["defect_scores"], DEFECT_SCORES) if "defect_scores" in arrays else None,
            )
            refuse_contradiction(read.threshold, read.scores, read.options, read.defect_scores)
            if read.pixel_maxima is not None and read.pixel_threshold is not None:
                refuse_contradiction(read.pixel_threshold, read.pixel_maxima, _of_maps(read.options), None)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise BundleError(f"the calibration in this bundle cannot be read ({reason}): fit it again") from error
        return read


def _by_labels(scores: Float[np.ndarray, "m"], labels: Integer[np.ndarray, "m"]) -> dict[str, float]:
    """What the best-f1 rule needs; raises DataError where scores cannot be used."""
    if not np.isfinite(scores).all():
        raise DataError("some labelled scores are NaN or infinite: leave these items out")
    best, threshold = best_f1_threshold(scores, labels)
    return {"best_f1": best, "best_f1_threshold": threshold}


def _of_maps(options: dict[str, float]) -> dict[str, float]:
    """What rules need for the maxima of maps, which are never ranks."""
    return {name: value for name, value in options.items() if name != RANKS}


def _read_threshold(fields: dict[str, Any]) -> Threshold:
    promised = fields["promised_rate"]
    return Threshold(
        value=float(fields["value"]),
        rule=str(fields["rule"]),
        asked_rate=float(fields["asked_rate"]),
        promised_rate=None if promised is None else float(promised),
        words=str(fields["words"]),
    )


def _ascending(scores: Float[np.ndarray, "n"], what: str) -> Float[np.ndarray, "n"]:
    scores = np.asarray(scores)
    if scores.ndim != 1:
        raise UsageError(f"calibration got {what} of shape {scores.shape}: give one number for each item")
    if len(scores) == 0:
        raise DataError(f"calibration got no {what}: it needs at least one")
    broken = int((~np.isfinite(scores)).sum())
    if broken:
        raise DataError(
            f"{broken} of the {len(scores)} {what} are NaN or infinite: the detector failed "
            "on them, fit it again or look at these items"
        )
    return np.sort(scores.astype(np.float64))


def _decidable(scores: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    # NaN > threshold is False, as is -infinity: a detector that failed would pass every part as good.
    scores = np.atleast_1d(scores)
    broken = np.flatnonzero(np.isnan(scores) | np.isneginf(scores))
    if len(broken):
        number, what = int(broken[0]), "NaN" if np.isnan(scores[broken[0]]) else "minus infinity"
        raise DataError(f"score number {number} is {what} ({len(broken)} such in all): no decision can be made")
    return scores
