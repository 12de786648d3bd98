"""Frames of films and cameras as pictures of a source."""

import io
from types import ModuleType
from typing import Any

from hizumi.errors import MissingExtraError
from hizumi.station.sources.source import Arrival, SourceSettings
from hizumi.storage.files import printable

GUESSED = "is damaged: the decoder has filled in what it could not read"


def codecs() -> ModuleType:
    """PyAV; raises MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("films and cameras need a package: pip install 'hizumi[video]'") from error
    return av


def arrival_of(frame: Any, name: str, settings: SourceSettings) -> Arrival:
    """A frame of PyAV's as a PNG picture, grey where the frame is; one that is damaged is not to be judged."""
    image = frame.to_image()
    if frame.format.name.startswith("gray"):
        image = image.convert("L")
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)  # it is decoded at once, so that time counts for more than bytes
    error = GUESSED if frame.is_corrupt else ""
    return Arrival(name, content.getvalue(), settings.called, recipe=settings.recipe, error=error)


def reason_of(error: BaseException) -> str:
    """Why FFmpeg failed, without the address or path, which may hold a password."""
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def stem_of(name: str) -> str:
    """A name that begins the names of frames."""
    return printable(name).replace("/", "_").replace("\\", "_")
