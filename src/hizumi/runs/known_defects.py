"""What a threshold finds among known defects, which is kept apart from figures on what was never seen."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from hizumi.words import counted

if TYPE_CHECKING:
    from hizumi.calibration import Calibration


@dataclass(frozen=True)
class FoundAmongKnown:
    """How many of `count` known defects lie above the threshold from good images alone, and above the one in use.

    (`low`, `high`) is the 95% interval of the share that the former finds, which no defect has touched; where several
    are of one of `groups`, as if those were all alike. Those in use may be one and the same.
    """

    count: int
    found: int
    low: float
    high: float
    found_in_use: int
    rule: str
    rule_in_use: str
    groups: int | None = None

    @classmethod
    def of(cls, calibration: "Calibration") -> Self | None:
        """From the scores that a calibration keeps; None where there are none."""
        from hizumi.evaluation.metrics import binomial_interval

        scores = calibration.defect_scores
        if scores is None:
            return None
        honest = calibration.from_good_images
        found, in_use = (int((scores > limit.value).sum()) for limit in (honest, calibration.threshold))
        units = calibration.defect_units
        interval = binomial_interval(found * units / len(scores), units)
        groups = units if units < len(scores) else None
        return cls(len(scores), found, *interval, in_use, honest.rule, calibration.rule, groups)

    def words(self, noun: str) -> str:
        """Sentences for people."""
        from hizumi.calibration.threshold import percent

        by_groups = "" if self.groups is None else f", by {counted(self.groups, 'group')}"
        finds = (
            f"Known defects: the threshold from good {noun}s alone ({self.rule}) finds {self.found} of {self.count}, "
            f"{percent(self.found / self.count)} (95% interval {percent(self.low)} to {percent(self.high)}{by_groups})"
        )
        if self.rule_in_use == self.rule:
            return f"{finds}. Nothing was trained on them, and they set nothing."
        if self.rule_in_use != "cost":
            return f"{finds}, the one in use ({self.rule_in_use}) {self.found_in_use}."
        return (
            f"{finds}; the one that they and the costs set finds {self.found_in_use}, which says nothing of new ones. "
            "Nothing was trained on them."
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def known_defects_result(calibration: "Calibration") -> dict[str, Any] | None:
    """What a calibration says of known defects, for JSON; None where it knows none."""
    found = FoundAmongKnown.of(calibration)
    return None if found is None else found.to_dict()
