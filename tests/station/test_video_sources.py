"""Films and cameras, by synthetic ones: which frames are taken, what they show, what happens when a camera fails."""

import asyncio
import io
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hizumi.errors import MissingExtraError, UsageError
from hizumi.station.sources import Arrival, Source, source_from
from tests.station.cameras import camera, level

av = pytest.importorskip("av")


def film(path: Path, frames: int = 20, rate: int = 10, noise: float = 0) -> Path:
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 10**7
        for number in range(frames):
            pixels = (level(number) + generator.normal(0, noise, (48, 64, 3))).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode(None))
    return path


def number_of(arrival: Arrival) -> int:
    with Image.open(io.BytesIO(arrival.content)) as image:
        assert (image.format, image.size) == ("PNG", (64, 48))
        return round((np.asarray(image).mean() - 20) / 10)


def arrived(source: Source, limit: int = 1000) -> list[Arrival]:
    async def gather() -> list[Arrival]:
        found: list[Arrival] = []
        arrivals = source.arrivals()
        async with asyncio.timeout(20):
            async for arrival in arrivals:
                found.append(arrival)
                if len(found) == limit:
                    break
        await arrivals.aclose()  # type: ignore[attr-defined]
        return found

    return asyncio.run(gather())


@pytest.mark.parametrize(
    ("rate", "numbers"),
    [(1.0, [0, 10]), (2.5, [0, 4, 8, 12, 16]), (3.0, [0, 4, 7, 10, 14, 17]), (10.0, range(20)), (1000.0, range(20))],
)
def test_frames_of_a_film_are_taken_at_a_rate_of_its_time(tmp_path: Path, rate: float, numbers: Any) -> None:
    path = film(tmp_path / "parts.mp4")
    found = arrived(source_from({"kind": "film", "path": str(path), "frames_per_second": rate, "recipe": "r"}))
    assert [number_of(arrival) for arrival in found] == list(numbers)
    assert [arrival.name for arrival in found] == [f"parts-{number / 10:09.3f}.png" for number in numbers]
    assert {(arrival.source, arrival.recipe, arrival.key) for arrival in found} == {("film", "r", None)}


def test_a_damaged_or_missing_film_says_so_after_what_could_be_read(tmp_path: Path) -> None:
    path = film(tmp_path / "parts.avi")
    whole = path.read_bytes()
    for content in (b"", b"no film at all" * 100, whole[:200]):
        path.write_bytes(content)
        source = source_from({"kind": "film", "path": str(path)})
        assert arrived(source)[-1].error == source.trouble != ""
    [missing] = arrived(source_from({"kind": "film", "path": str(tmp_path / "none.mp4")}))
    assert missing.error == "the film cannot be read to its end (no such file or directory)"


def test_frames_that_the_decoder_made_up_are_not_judged(tmp_path: Path) -> None:
    whole, broken = film(tmp_path / "whole.avi", noise=40), tmp_path / "broken.avi"
    content = bytearray(whole.read_bytes())
    for place in range(len(content) // 3, len(content) // 2, 97):
        content[place] ^= 255
    broken.write_bytes(content)
    settings = {"kind": "film", "frames_per_second": 1000.0}
    sound, damaged = (arrived(source_from({**settings, "path": str(path)})) for path in (whole, broken))
    with av.open(str(broken)) as container:
        made_up = {f"broken-{frame.time:09.3f}.png" for frame in container.decode(video=0) if frame.is_corrupt}
    assert {arrival.error for arrival in sound} == {""}
    assert 0 < len(made_up) < len(damaged)
    assert {arrival.name for arrival in damaged if arrival.error} == made_up
    assert all(arrival.content for arrival in damaged)  # for whoever looks at it


def test_a_film_that_is_cut_short_says_how_much_of_it_there_is(tmp_path: Path) -> None:
    path = film(tmp_path / "parts.mkv", noise=40)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])
    source = source_from({"kind": "film", "path": str(path), "frames_per_second": 10.0})
    *frames, last = arrived(source)
    assert 5 < len(frames) < 18
    assert source.trouble == last.error
    assert last.error == f"the film cannot be read to its end ({len(frames) / 10:g} of 2 seconds could be read)"
    assert not last.content


def test_a_camera_gives_its_newest_frame_at_the_rate_and_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.backing_off.FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing but the camera is asked
    (tmp_path / "password").write_text("p@ss/word\n")
    with camera() as server:
        server.count = 60
        url = f"http://127.0.0.1:{server.server_port}/stream"
        login = {"user": "line", "password_file": str(tmp_path / "password")}
        source = source_from({"kind": "camera", "url": url, "frames_per_second": 5.0, **login, "silence_seconds": 2.0})
        began = time.monotonic()
        found = arrived(source, 12)
        took = time.monotonic() - began
    numbers = [number_of(arrival) for arrival in found]
    assert took >= 8 / 5  # a camera is not read faster than its rate, but for new connections
    assert len(set(numbers)) > 3  # frames between those taken are dropped, not queued
    assert len(server.asked) >= 2  # the connection ended after 60 frames
    assert set(server.asked) == {f"Basic {b64encode(b'line:p@ss/word').decode()}"}
    assert len({arrival.name for arrival in found}) == 12


@pytest.mark.parametrize("place", ["stream?user=line&pwd={password}&channel=1", "user=line&pwd={password}/stream"])
def test_a_camera_gets_the_password_in_its_path_or_query(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "p@ss/word?&#%")
    with camera() as server:
        url = f"http://127.0.0.1:{server.server_port}/{place}"
        source = source_from({"kind": "camera", "url": url, "password_variable": "CAMERA_PASSWORD"})
        arrived(source, 1)
    assert set(server.paths) == {"/" + place.replace("{password}", "p%40ss%2Fword%3F%26%23%25")}
    assert server.asked == []


def test_a_camera_that_is_not_there_is_waited_for_and_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.backing_off.FIRST_PAUSE_SECONDS", 0.05)
    (tmp_path / "password").write_text("hidden")
    login = {"user": "line", "password_file": str(tmp_path / "password")}
    source = source_from({"kind": "camera", "url": "rtsp://127.0.0.1:9/a", **login})

    async def wait() -> None:
        task = asyncio.ensure_future(anext(source.arrivals()))
        async with asyncio.timeout(10):
            while not source.trouble:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(wait())
    assert source.trouble == "the camera sends nothing (connection refused)"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "set either url or device"),
        ({"url": "rtsp://a", "device": "/dev/video0"}, "set either url or device"),
        ({"url": "file:///etc/passwd"}, "url must be an address that begins with rtsp:// or rtsps://"),
        ({"url": "rtsp://u:hidden@a"}, "url holds a user or password"),
        ({"url": "rtsp://a", "user": "u"}, "user, or {password} in url, and password_file or password_variable go"),
        ({"url": "rtsp://a", "password_variable": "P"}, "user, or {password} in url, and password_file or"),
        ({"url": "rtsp://a/{password}"}, "user, or {password} in url, and password_file or password_variable go"),
        ({"url": "rtsp://{password}.a", "password_variable": "P"}, "user, or {password} in url, and password_file or"),
        ({"url": "rtsp://a?p={password}", "user": "u", "password_variable": "P"}, "two ways to give one password"),
    ],
)
def test_wrong_keys_of_a_camera_give_one_line(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        source_from({"kind": "camera", **keys})
    assert str(caught.value).startswith("[[sources]] camera: ")
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hizumi\[video\]'"):
        source_from({"kind": "film", "path": str(tmp_path)})
