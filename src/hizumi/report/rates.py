"""What other false-alarm rates would find and cost on a labelled test set."""

from dataclasses import dataclass

import numpy as np

from hizumi.calibration.rules import WITHOUT_RATE
from hizumi.report.content import ANOMALOUS, NORMAL, ReportContent

RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class AtRate:
    """The threshold of one false-alarm rate, and how many it flags among the anomalous and the good."""

    rate: float
    threshold: float
    found: int
    anomalous: int
    flagged: int
    good: int
    is_in_use: bool


def at_rates(content: ReportContent) -> list[AtRate]:
    """Lines for the rate in use and for others, ascending; none where a rate decides nothing.

    The thresholds come from the held-out scores alone. Rates that so few of them cannot tell apart are left out.
    """
    calibration, labels = content.calibration, content.labels
    if calibration.rule in WITHOUT_RATE or content.evaluation is None or not (labels == ANOMALOUS).any():
        return []
    scores = np.array([verdict.score for verdict in content.verdicts], dtype=np.float64)
    anomalous, good = scores[labels == ANOMALOUS], scores[labels == NORMAL]
    in_use = calibration.false_alarm_rate
    lowest = 1 / (len(calibration.scores) + 1)
    others = {rate: calibration.with_(false_alarm_rate=rate).threshold.value for rate in RATES if rate >= lowest}
    limits = {limit: rate for rate, limit in others.items()} | {calibration.threshold.value: in_use}
    lines = []
    for limit, rate in sorted(limits.items(), key=lambda item: item[1]):
        found, flagged = int((anomalous > limit).sum()), int((good > limit).sum())
        lines.append(AtRate(rate, limit, found, len(anomalous), flagged, len(good), rate == in_use))
    return lines
