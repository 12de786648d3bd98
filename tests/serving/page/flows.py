"""Steps that the tests of the page share."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.station.plates import plate, png


def table(tab: Any, link: str) -> tuple[str, list[dict[str, str]]]:
    """The name of the CSV file that a link gives, and its rows."""
    with tab.expect_download() as download:
        tab.get_by_role("link", name=link).click()
    text = download.value.path().read_text(encoding="utf-8")
    return download.value.suggested_filename, list(csv.DictReader(text.splitlines()))


def verdict(tab: Any) -> str:
    return str(tab.locator(".live-grid .verdict strong").inner_text())


def shows(tab: Any, inspection_id: str) -> None:
    tab.wait_for_selector(f'.layers[data-id="{inspection_id}"]')


def plate_under(light: float, seed: int) -> bytes:
    """A picture of a good plate under a lamp, of which some light is left."""
    return png((light * plate(seed, side=64)).astype(np.uint8))


def watch_plate(station: Any, light: float, seed: int, at: datetime) -> None:
    """Let the station's watch see a good plate, of which nothing else is kept."""
    judge = station.recipes["plates"].judge
    look = judge.look(judge.decode(plate_under(light, seed), "part.png"))
    station.drift.watch("plates").observe(at, None, None, look)


def dim(station: Any) -> None:
    """Let the station's watch see good plates, and then the same under a lamp that has dimmed."""
    for number in range(120):
        light, at = 1 if number < 40 else 0.75, datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(seconds=number)
        watch_plate(station, light, 1000 + number, at)
