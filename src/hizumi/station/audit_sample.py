"""A random share of all inspections that has to be reviewed whatever its scores, so that its good ones may calibrate.

What people choose to review is not like what comes down the line. A sample is, if chance alone chooses it and all of it
is reviewed: then scores of its good parts are exchangeable with those to come, which is all that the conformal promise
needs, and the shares of missed defects and false alarms in it estimate those of the line.
"""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from hizumi.errors import UsageError
from hizumi.station.log import AuditEvent, Log

STATE = "audit sample of {}"
EVENT = "audit sample set"


@dataclass(frozen=True)
class AuditSample:
    """Which inspections belong to it, as their ids and a seed decide; raises UsageError for a share outside [0, 1]."""

    share: float
    seed: str

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"the share of the audit sample is {self.share:g}; it must lie between 0 and 1")

    def includes(self, inspection_id: str) -> bool:
        """Whether an inspection belongs to it; an id is random and known before there is a score."""
        digest = hashlib.sha256(f"{self.seed} {inspection_id}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * 2**64


def set_audit_sample(log: Log, recipe: str, share: float, *, who: str, why: str) -> AuditSample:
    """Draw a seed for a recipe's sample from now on, and record both; a share of 0 ends it."""
    sample = AuditSample(share, secrets.token_hex(16))
    note = AuditEvent(who, EVENT, why, {"recipe": recipe, **asdict(sample)})
    log.add((), notes=[note], states={STATE.format(recipe): asdict(sample)})
    return sample


def audit_sample(log: Log, recipe: str) -> AuditSample:
    """That of a recipe; of share 0 where none was set."""
    kept: dict[str, Any] | None = log.state(STATE.format(recipe))
    return AuditSample(0, "") if kept is None else AuditSample(**kept)
