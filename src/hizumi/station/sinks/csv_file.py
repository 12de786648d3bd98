"""CSV: a row for each picture or part, in a file for each day."""

import asyncio
import csv
import os
from dataclasses import dataclass
from pathlib import Path

from hizumi.station.sinks.alarm_folder import moment_of
from hizumi.station.sinks.sink import DeliveryError, Payload, Sink, SinkSettings, verdict_of
from hizumi.storage.files import printable
from hizumi.storage.tables import csv_line

COLUMNS = (
    *("inspected_at", "recipe", "name", "part", "view", "verdict", "score", "p_value", "threshold", "regions"),
    *("reason", "source", "station", "picture_sha256", "bundle_sha256", "id", "delivery_id"),
)

# What is delivered twice is among the last rows: each is marked as delivered before the next one is written.
ROWS_KNOWN = 1000
TAIL_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class CsvSettings(SinkSettings):
    """Keys of a sink of the kind "csv".

    Attributes:
        path: The folder of the files, YYYY-MM-DD.csv by the day (UTC) of the inspection; it is made when it is missing.
    """

    path: Path


class CsvSink(Sink):
    """See `CsvSettings`. One line is one row; a delivery that is repeated adds no second one."""

    takes_drift = False

    def __init__(self, settings: CsvSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self._day: Path | None = None
        self._rows: dict[str, None] = {}  # the last ones of the day's file, by delivery_id

    async def deliver(self, payload: Payload) -> None:
        """Append a row and flush it to the disk."""
        try:
            await asyncio.to_thread(self._append, payload)
        except OSError as error:
            self._day = None  # what was written of the row, in part or whole, is looked at before the next one
            reason = os.strerror(error.errno or 0).lower()
            raise DeliveryError(f"the file cannot be written ({reason})", retry=True) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _append(self, payload: Payload) -> None:
        moment = moment_of(payload)
        path = self.settings.path / f"{moment:%Y-%m-%d}.csv"
        if path != self._day or not path.exists():
            self._rows = _last_rows(path)
            self._day = path
        delivery_id = str(payload["delivery_id"])
        if delivery_id in self._rows:
            return
        known = {
            **payload,
            "inspected_at": moment.isoformat(),
            "verdict": verdict_of(payload),
            "regions": sum(len(view.get("boxes", ())) for view in payload.get("views", [payload])),
        }
        with path.open("ab") as file:
            header = b"" if file.tell() else csv_line(COLUMNS).encode()
            file.write(header + csv_line(_shown(known.get(column)) for column in COLUMNS).encode())
            file.flush()
            os.fsync(file.fileno())
        self._rows[delivery_id] = None
        if len(self._rows) > ROWS_KNOWN:
            del self._rows[next(iter(self._rows))]


def _last_rows(path: Path) -> dict[str, None]:
    """Ids of the last rows of a file, of which a last line that a crash has cut short is taken away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return {}
    with path.open("r+b") as file:
        if not csv_line(COLUMNS).encode().startswith(file.readline()):
            raise DeliveryError(f"{path.name} has other columns; move it away", retry=True)
        start = max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0)
        file.seek(start)
        tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        file.truncate(start + len(whole))
    lines = whole.split(b"\n")[1:]  # the first is the header, or begins before the tail
    return {row[-1]: None for row in csv.reader(line.decode() for line in lines) if len(row) == len(COLUMNS)}


def _shown(value: object) -> object:
    return printable(value) if isinstance(value, str) else value
