"""The journal of a run: one JSON line per record, readable while the run continues."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from hizumi.storage.files import save_error, write_atomically
from hizumi.storage.schema import anything, fields, mapping, real, text, whole
from hizumi.training.identity import refuse_other

RECORD = fields(
    {"phase": text, "step": whole(), "images_seen": real, "losses": mapping(real)},
    others=anything,
    later={"validation": real},
)


class Journal:
    """Records of a run in memory and, where a path is given, as lines of a file after one with the run's identity.

    A record describes a step: {"phase", "step", "images_seen", "seconds", "losses": {name: value}}, and "validation"
    where the loss on held-out normal data was measured; "processes" where fewer trained than the run was begun with.
    Raises UsageError, naming what differs, where the file is of another run than the one given.
    """

    def __init__(self, path: Path | None = None, run: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._heading = b"" if run is None else _line({"run": dict(run)})
        if path is not None and path.exists():
            check_journal(path, run or {})
            self.records = self.read(path)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record."""
        self.records.append(dict(record))
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write((b"" if file.tell() else self._heading) + _line(record))
        except OSError as error:
            raise save_error(str(self.path), error) from error

    def to_bytes(self) -> bytes:
        """All records, a line of JSON each."""
        return b"".join(map(_line, self.records))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Undo `to_bytes`; raises ValueError where a line is no record of a step."""
        journal = cls()
        journal.records = [json.loads(line) for line in content.decode().splitlines()]
        for number, record in enumerate(journal.records, 1):
            RECORD(record, f"line {number} of the journal")
        return journal

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        """All records of a file, which may be growing."""
        return [line for line in _lines(path) if "run" not in line]

    def rewind(self, phase: str, step: int) -> None:
        """Drop records of a phase that are later than the checkpoint from which a killed run resumes."""
        self.records = [record for record in self.records if record["phase"] != phase or record["step"] <= step]
        # A half-written last line counts too: the next record would be appended to it, and lost with it.
        content = self._heading + self.to_bytes()
        if self.path is not None and self.path.exists() and self.path.read_bytes() != content:
            write_atomically(self.path, content)


def check_journal(path: Path, run: Mapping[str, Any]) -> None:
    """Raise UsageError, naming what differs, where a file is the journal of another run."""
    if path.exists() and (lines := _lines(path)):
        refuse_other(f"journal {path}", next((line["run"] for line in lines if "run" in line), {}), run)


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(content)) + "\n").encode()


def _lines(path: Path) -> list[dict[str, Any]]:
    return [content for line in path.read_bytes().splitlines() if (content := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None  # half written by a killed process
    return content if isinstance(content, dict) and ("run" in content or {"phase", "step"} <= content.keys()) else None
