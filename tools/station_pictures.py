"""Pictures of a station's page for the documentation: python -m tools.station_pictures DEMO FOLDER

DEMO is the folder of an earlier `hizumi demo`, whose station is opened anew; it takes two minutes. Japanese takes a
font for it (Debian: fonts-noto-cjk); the browser is Debian's chromium.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from hizumi.station.demonstration import DEFECT_EVERY, DIMMING, GOOD, MIXED

LOCALES = {"en": "en-GB", "ja": "ja-JP"}
SCREEN, TABLET = {"width": 1366, "height": 768}, {"width": 1024, "height": 768}
COLOURS = 256
SETTLED_MS = 2500  # pictures, maps and charts are there
STREAM_MS = 120_000
MOVES = 40  # of the limit, so that a preview shows
REVIEWED = 25  # good ones
DEFECTS = [number for number in range(GOOD, GOOD + MIXED) if number % DEFECT_EVERY == DEFECT_EVERY - 1]


def main(demo: Path, folder: Path) -> None:
    """Write the pictures of the live view while the demo's stream comes, then of the others in each language."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium: apt-get install chromium")
    if not subprocess.run(["fc-list", ":lang=ja"], capture_output=True, check=True).stdout:  # noqa: S607 - of the system
        sys.exit("there is no Japanese font: apt-get install fonts-noto-cjk")
    with sync_playwright() as driver, _station(demo) as address:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def opened(language: str, size: dict[str, int]) -> Any:
            tab = browser.new_context(locale=LOCALES[language], viewport=size).new_page()  # type: ignore[arg-type]
            tab.set_default_timeout(STREAM_MS)
            tab.goto(f"{address}/#/live")
            return tab

        pictures: dict[str, bytes] = {}  # packed at the end, as the stream does not wait

        def taken(tab: Any, name: str) -> None:
            pictures[name] = tab.screenshot()

        tabs = {language: opened(language, SCREEN) for language in LOCALES}
        tablet = opened("en", TABLET)
        for tab in tabs.values():
            tab.locator(".switch input").check()
        for language, tab in tabs.items():
            tab.wait_for_selector(".release:not([hidden])")
            tab.wait_for_timeout(SETTLED_MS)
            taken(tab, f"live-{language}")
        tablet.locator(".switch input").check()
        tablet.wait_for_selector(".release:not([hidden])")
        tablet.wait_for_timeout(SETTLED_MS)
        taken(tablet, "demo-defect-en")
        for language, tab in tabs.items():
            tab.locator(".switch input").uncheck()
            tab.keyboard.press("Escape")
            tab.wait_for_selector('.warning[href="#/drift"]:not([hidden])')
            tab.wait_for_timeout(SETTLED_MS)
            taken(tab, f"demo-alarm-{language}")
        _reviewed(address)
        for language, tab in tabs.items():
            for view in ("review", "calibration", "drift"):
                tab.goto(f"{address}/#/{view}")
                tab.wait_for_timeout(SETTLED_MS)
                if view == "calibration":
                    _move_the_limit(tab)
                taken(tab, f"{view}-{language}")
        tabs["en"].goto(f"{address}/#/region/brick")
        tabs["en"].wait_for_timeout(SETTLED_MS)
        _draw_a_region(tabs["en"])
        taken(tabs["en"], "region-en")
        browser.close()
    for name, content in pictures.items():
        (folder / f"{name}.png").write_bytes(_packed(content))


@contextmanager
def _station(demo: Path) -> Iterator[str]:
    """The address of the demo's station, which is closed at the end."""
    command = [sys.executable, "-m", "hizumi", "demo", "--serve", "-o", str(demo), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as station:  # noqa: S603 - of this very package
        assert station.stdout is not None
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in station.stdout)))
        try:
            yield found[0]
        finally:
            station.terminate()


def _reviewed(address: str) -> None:
    """Say what some pictures show, once the stream has come to its end."""
    while len(shown := _asked(f"{address}/inspections?limit=500")["inspections"]) < GOOD + MIXED + DIMMING:
        time.sleep(1)
    ids = {int(each["name"].split(".")[0]) - 1: each["id"] for each in shown}
    for label, numbers in (("good", range(REVIEWED)), ("defect", DEFECTS)):
        for number in numbers:
            _asked(f"{address}/reviews", {"inspection_id": ids[number], "label": label})


def _asked(url: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - of the loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - of the loopback
        return json.load(answer)


def _move_the_limit(tab: Any) -> None:
    tab.locator("input[type=range]").focus()
    for _ in range(MOVES):
        tab.keyboard.press("ArrowLeft")
    tab.wait_for_timeout(SETTLED_MS)
    tab.evaluate("document.activeElement.blur()")


def _draw_a_region(tab: Any) -> None:
    box = tab.locator(".layers").bounding_box()
    across, down = (lambda share: box["x"] + share * box["width"]), (lambda share: box["y"] + share * box["height"])
    tab.mouse.move(across(0.32), down(0.18))
    tab.mouse.down()
    tab.mouse.move(across(0.66), down(0.8), steps=8)
    tab.mouse.up()
    tab.wait_for_timeout(SETTLED_MS)


def _packed(content: bytes) -> bytes:
    """The same picture in 256 colours, those of the page among them, which is a third of the size."""
    style = files("hizumi.serving").joinpath("page", "page.css").read_text("utf-8")
    own = sorted({bytes.fromhex(found) for found in re.findall(r"#([0-9a-f]{6})\b", style)})
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    others = picture.quantize(COLOURS - len(own)).getpalette() or []
    palette = np.frombuffer(b"".join(own) + bytes(others[: 3 * (COLOURS - len(own))]), np.uint8).reshape(-1, 3)
    found, places = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True)
    _, nearest = cKDTree(palette).query(found)  # Pillow's own search takes a near white for white
    indexed = Image.fromarray(nearest.astype(np.uint8)[places.reshape(picture.height, picture.width)], "P")
    indexed.putpalette(palette.tobytes())
    file = io.BytesIO()
    indexed.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
