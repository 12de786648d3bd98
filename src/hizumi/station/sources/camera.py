"""A camera on the network (RTSP, or JPEG pictures over HTTP) or on this machine (USB)."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from hizumi.arguments import PositiveFloat
from hizumi.errors import HizumiError
from hizumi.station.backing_off import back_off
from hizumi.station.entry import Entry
from hizumi.station.settings import PLACEHOLDER, Secret, check_address, encoded, takes_password, with_password
from hizumi.station.sources.frames import arrival_of, codecs, reason_of, stem_of
from hizumi.station.sources.source import Arrival, Source, SourceSettings

LONGEST_PAUSE_SECONDS = 30.0
DEVICE_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
FORMATS = "rtsp,mpjpeg,mjpeg,mpegts,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2"  # no play lists, which name addresses
PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls",
    "http": "http,tcp",
    "https": "https,tls,tcp",
}


@dataclass(frozen=True, kw_only=True)
class CameraSettings(SourceSettings):
    """Keys of a source of the kind "camera".

    Attributes:
        url: Of a camera on the network: rtsp, rtsps, http or https. For cameras that want the password in its path or
            query, {password} stands there.
        device: Of a camera on this machine, such as /dev/video0, instead of `url`.
        frames_per_second: How often the newest frame is taken; those in between are never judged.
        user: For cameras that ask for a login.
        password_file, password_variable: Where the password is found, with either of these two.
        silence_seconds: A camera that has sent nothing for so long is connected to anew.
    """

    url: str | None = None
    device: str | None = None
    frames_per_second: PositiveFloat = 1.0
    user: str | None = None
    password_file: Path | None = None
    password_variable: str | None = None
    silence_seconds: PositiveFloat = 10.0

    def __post_init__(self) -> None:
        if (self.url is None) == (self.device is None):
            raise ValueError("set either url or device")
        if self.url is not None:
            check_address("url", self.url, tuple(PROTOCOLS))
        secret = Secret.named("password", self.password_file, self.password_variable)
        takers = (self.user is not None) + takes_password(self.url or "")
        if takers > 1:
            raise ValueError(f"user and {PLACEHOLDER} in url are two ways to give one password; keep one")
        if (secret is None) != (takers == 0):
            given = f"user, or {PLACEHOLDER} in url,"
            raise ValueError(f"{given} and password_file or password_variable go together; set both or neither")


class CameraSource(Source):
    """See `CameraSettings`. A camera that fails is connected to again, soon at first, then every half minute."""

    goes_on = True

    def __init__(self, settings: CameraSettings) -> None:
        codecs()  # fail early
        super().__init__(settings.called)
        self.settings = settings
        self._password = Secret.named("password", settings.password_file, settings.password_variable)

    async def arrivals(self) -> AsyncIterator[Arrival]:
        """The newest frame, at the rate, for ever."""
        failures = 0
        while True:
            grabber = _Grabber(self._open)
            try:
                async for frame in self._newest(grabber):
                    failures = 0
                    self.trouble = ""
                    name = f"{stem_of(self.name)}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.png"
                    yield await asyncio.to_thread(arrival_of, frame, name, self.settings)
            finally:
                grabber.stop()
            failures += 1
            self.trouble = f"the camera sends nothing ({grabber.ended_by})"
            await asyncio.sleep(back_off(failures, LONGEST_PAUSE_SECONDS))

    async def done(self, arrival: Arrival, entry: Entry) -> None:
        """There is nothing to put away."""

    async def _newest(self, grabber: "_Grabber") -> AsyncIterator[Any]:
        due = time.monotonic()
        while not grabber.ended_by:
            await asyncio.sleep(max(due - time.monotonic(), 0.01))
            frame = grabber.take()
            if frame is not None:
                due = time.monotonic() + 1 / self.settings.frames_per_second
                yield frame

    def _open(self) -> AbstractContextManager[Any]:
        settings, av = self.settings, codecs()
        if settings.url is None:
            return av.open(settings.device, format=DEVICE_FORMATS.get(sys.platform))
        scheme = urlsplit(settings.url).scheme
        options = {"protocol_whitelist": PROTOCOLS[scheme], "format_whitelist": FORMATS}
        if scheme.startswith("http"):
            options |= {"max_redirects": "0", "http_proxy": "none"}  # or else the environment would name one
        else:
            options |= {"rtsp_transport": "tcp"}
        seconds = settings.silence_seconds
        return av.open(self._with_password(settings.url), options=options, timeout=(seconds, seconds))

    def _with_password(self, url: str) -> str:
        """The address as the camera wants it, which is told to nobody else."""
        if self._password is None:
            return url
        if self.settings.user is None:
            return with_password(url, self._password)
        parts = urlsplit(url)
        login = f"{quote(self.settings.user, safe='')}:{encoded(self._password)}"
        return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


class _Grabber:
    """Reads a camera in a thread of its own, which must never wait, and keeps the newest frame.

    Attributes:
        ended_by: Why it has ended, "" while it has not.
    """

    def __init__(self, open_camera: Callable[[], AbstractContextManager[Any]]) -> None:
        self.ended_by = ""
        self._open = open_camera
        self._frame: Any = None
        self._stopped = False
        # Not waited for at the end: FFmpeg may be waiting for the camera.
        threading.Thread(target=self._run, name="camera", daemon=True).start()

    def take(self) -> Any:
        """The newest frame, once; None where none has come since."""
        frame, self._frame = self._frame, None
        return frame

    def stop(self) -> None:
        """Have the thread end with the next frame, or when the camera is silent for too long."""
        self._stopped = True

    def _run(self) -> None:
        try:
            with self._open() as container:
                for frame in container.decode(video=0):
                    self._frame = frame
                    if self._stopped:
                        break
            self.ended_by = "it has closed the connection"
        except HizumiError as error:  # of the secret
            self.ended_by = str(error)
        except Exception as error:  # PyAV raises a dozen unrelated types
            self.ended_by = reason_of(error)
