"""Pictures of a station's page for the documentation: python -m tools.station_pictures ADDRESS FOLDER

The station must be at work, with pictures that it has judged and a drift alarm; nothing is changed there. Japanese
takes a font for it (Debian: fonts-noto-cjk); the browser is Debian's chromium.
"""

import io
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

VIEWS = ("live", "review", "calibration", "drift")
LOCALES = {"en": "en-GB", "ja": "ja-JP"}
WIDTH, HEIGHT = 1366, 768
COLOURS = 256
SETTLED_MS = 2500  # pictures, maps and charts are there
MOVES = 40  # of the limit, so that a preview shows


def main(address: str, folder: Path) -> None:
    """Write one picture of each view in each language."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium: apt-get install chromium")
    if not subprocess.run(["fc-list", ":lang=ja"], capture_output=True, check=True).stdout:  # noqa: S607 - of the system
        sys.exit("there is no Japanese font: apt-get install fonts-noto-cjk")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for language, locale in LOCALES.items():
            size = {"width": WIDTH, "height": HEIGHT}
            tab = browser.new_context(locale=locale, viewport=size).new_page()  # type: ignore[arg-type]
            for view in VIEWS:
                _show(tab, f"{address}/#/{view}", view)
                path = folder / f"{view}-{language}.png"
                path.write_bytes(_packed(tab.screenshot()))
        browser.close()


def _show(tab: Any, address: str, view: str) -> None:
    tab.goto(address)
    tab.wait_for_timeout(SETTLED_MS)
    if view == "calibration":
        tab.locator("input[type=range]").focus()
        for _ in range(MOVES):
            tab.keyboard.press("ArrowLeft")
        tab.wait_for_timeout(SETTLED_MS)
        tab.evaluate("document.activeElement.blur()")


def _packed(content: bytes) -> bytes:
    """The same picture in 256 colours, those of the page among them, which is a third of the size."""
    style = files("hizumi.serving").joinpath("page", "page.css").read_text("utf-8")
    own = sorted({bytes.fromhex(found) for found in re.findall(r"#([0-9a-f]{6})\b", style)})
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    others = picture.quantize(COLOURS - len(own)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(b"".join(own) + bytes(others[: 3 * (COLOURS - len(own))]))
    file = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
