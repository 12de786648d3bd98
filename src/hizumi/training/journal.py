"""The journal of a run: one JSON line per record, readable while the run continues."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from hizumi.storage.files import save_error, write_atomically


class Journal:
    """Records of a run in memory and, where a path is given, as lines of a file.

    A record describes a step: {"phase", "step", "images_seen", "seconds", "losses": {name: value}}, and "validation"
    where the loss on held-out normal data was measured.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.records = [record for line in path.read_text().splitlines() if (record := _parse(line)) is not None]

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record."""
        self.records.append(dict(record))
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(dict(record)) + "\n")
        except OSError as error:
            raise save_error(str(self.path), error) from error

    def to_bytes(self) -> bytes:
        """All records, a line of JSON each."""
        return "".join(json.dumps(record) + "\n" for record in self.records).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Undo `to_bytes`."""
        journal = cls()
        journal.records = [json.loads(line) for line in content.decode().splitlines()]
        return journal

    def rewind(self, phase: str, step: int) -> None:
        """Drop records of a phase that are later than the checkpoint from which a killed run resumes."""
        self.records = [record for record in self.records if record["phase"] != phase or record["step"] <= step]
        # A half-written last line counts too: the next record would be appended to it, and lost with it.
        if self.path is not None and self.path.exists() and self.path.read_bytes() != self.to_bytes():
            write_atomically(self.path, self.to_bytes())


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return None  # half written by a killed process
    return record
