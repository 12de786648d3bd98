"""What processes of a cluster tell the one that waits for them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECONDS_BETWEEN_RECORDS = 0.25


class Relay:
    """Brings records and errors of processes to the one that waits for them."""

    def __init__(self) -> None:
        self._records: list[Mapping[str, Any]] = []
        self._errors: list[Exception] = []

    def record(self, record: Mapping[str, Any]) -> None:
        """Keep one until it is fetched."""
        self._records.append(record)

    def records(self) -> list[Mapping[str, Any]]:
        """Those that are new."""
        fetched, self._records = self._records, []
        return fetched

    def failed(self, error: Exception) -> None:
        """Keep the error that ended a process."""
        self._errors.append(error)

    def errors(self) -> list[Exception]:
        """Those that are new."""
        fetched, self._errors = self._errors, []
        return fetched


@dataclass(eq=False)
class Sent:
    """Sends records to a relay: of each phase the first and the last, and between them not too many."""

    relay: Any
    sent_at: float = field(default=0.0, init=False)
    phase: str = field(default="", init=False)

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Send this one, or leave it out."""
        now = time.monotonic()
        if record["phase"] != self.phase or record["share"] >= 1 or now - self.sent_at >= SECONDS_BETWEEN_RECORDS:
            self.phase, self.sent_at = record["phase"], now
            self.relay.record.remote(record)
