"""A folder of alarms: each event as JSON, with the pictures beside it, for people and other programs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from hizumi.data.decoding import IMAGE_SUFFIXES
from hizumi.errors import DataError, SaveError
from hizumi.station.sinks.sink import DeliveryError, Moment, Payload, Sink, SinkSettings
from hizumi.storage.files import write_atomically
from hizumi.storage.tables import write_json

PictureOf = Callable[[str], bytes | None]
"""The picture that the station keeps of such bytes, by their SHA-256; None where it does not. May raise DataError."""


def no_picture(sha256: str) -> None:
    """Of a station that keeps no pictures."""


@dataclass(frozen=True, kw_only=True)
class AlarmFolderSettings(SinkSettings):
    """Keys of a sink of the kind "alarm_folder".

    Attributes:
        path: The folder; it is made when it is missing, and holds a folder for each day (UTC), of what happened then.
        when: By default what is anomalous or could not be judged.
    """

    path: Path
    when: tuple[Moment, ...] = ("anomalous", "unjudged")


class AlarmFolderSink(Sink):
    """See `AlarmFolderSettings`. The JSON is written after its pictures; a repetition changes nothing."""

    def __init__(self, settings: AlarmFolderSettings, picture_of: PictureOf = no_picture) -> None:
        super().__init__(settings)
        self.settings = settings
        self.writes_pictures_to = settings.path
        self._picture_of = picture_of

    async def deliver(self, payload: Payload) -> None:
        """Write the files of one event."""
        try:
            await asyncio.to_thread(self._write, payload)
        except SaveError as error:
            reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else ""
            raise DeliveryError(
                f"the folder cannot be written to ({(reason or 'no reason given').lower()})", retry=True
            ) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, payload: Payload) -> None:
        moment = moment_of(payload)
        # All that is told of one drift alarm has its id in the name, on whatever day it happened.
        drift = ("drift", payload["id"]) if payload["event"] == "drift" else ()
        stem = "-".join([f"{moment:%H%M%S}", *(_plain(part) for part in (*drift, payload["delivery_id"]))])
        folder = self.settings.path / f"{moment:%Y-%m-%d}"
        pictures = []
        for number, view in enumerate(payload.get("views", [payload] if "picture_sha256" in payload else [])):
            try:
                content = self._picture_of(view["picture_sha256"])
            except DataError:  # it was damaged on the disk, and the alarm is to be told all the same
                continue
            if content is not None:
                suffix = PurePath(view["name"]).suffix.lower()
                pictures.append(f"{stem}-{number}{suffix if suffix in IMAGE_SUFFIXES else '.bin'}")
                write_atomically(folder / pictures[-1], content)
        write_json(folder / f"{stem}.json", {**payload, "pictures": pictures})


def _plain(part: object) -> str:
    """Names come from outside, so none becomes the name of a file as it is."""
    return "".join(filter(str.isalnum, str(part)))


def moment_of(payload: Payload) -> datetime:
    """When it happened, in UTC; now, where the payload does not say."""
    said: Any = payload.get("inspected_at") or payload.get("decided_at") or payload.get("told_at")
    return datetime.now(UTC) if said is None else datetime.fromisoformat(said).astimezone(UTC)
