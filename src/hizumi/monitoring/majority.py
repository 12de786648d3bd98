"""Whether most pictures have some flaw in common, where a few may always have it.

A CUSUM of log likelihood ratios for yes or no (Page 1954; Reynolds and Stoumbos, "A CUSUM chart for monitoring a
proportion", 1999): between a share that is tolerated and one that is not. While the share is the tolerated one or less,
the average run length is at least exp(limit) (Lorden, "Procedures for reacting to a change in distribution", 1971).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TOLERATED, REFUSED = 0.2, 0.6
GAIN = math.log(REFUSED / TOLERATED)
LOSS = math.log((1 - REFUSED) / (1 - TOLERATED))


def majority_limit(run_length: float) -> float:
    """Limit of the sum with at least this average run length, in nats of evidence."""
    return math.log(run_length)


@dataclass
class Majority:
    """Evidence that most pictures, not a fifth of them, have the flaw: in nats, 0 or more.

    `since` is when the first of the pictures came that now count.
    """

    limit: float
    total: float = 0.0
    since: datetime | None = None

    def add(self, at: datetime, flawed: bool) -> tuple[float, bool]:
        """The evidence after one more picture, and whether it passes the limit; it then starts again."""
        if self.total == 0:
            self.since = at
        evidence = max(0.0, self.total + (GAIN if flawed else LOSS))
        alarmed = evidence > self.limit
        self.total = 0.0 if alarmed else evidence
        return evidence, alarmed

    def holds(self, evidence: Sequence[float]) -> bool:
        """Whether most pictures have had the flaw of late, by the newest evidence: it grows to its limit anew."""
        return max(evidence, default=0.0) > self.limit / 2

    def to_dict(self) -> dict[str, Any]:
        """What has been observed, ready for JSON."""
        return {"total": self.total, "since": None if self.since is None else self.since.isoformat()}

    def restore(self, plain: dict[str, Any]) -> None:
        """Undo `to_dict`."""
        self.total = plain["total"]
        self.since = None if plain["since"] is None else datetime.fromisoformat(plain["since"])
