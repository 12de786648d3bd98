"""Steps that the tests of the page share."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.station.plates import plate, png


def verdict(tab: Any) -> str:
    return str(tab.locator(".live-grid .verdict strong").inner_text())


def shows(tab: Any, inspection_id: str) -> None:
    tab.wait_for_selector(f'.layers[data-id="{inspection_id}"]')


def dim(station: Any) -> None:
    """Let the station's watch see good plates, and then the same under a lamp that has dimmed."""
    watch, judge = station.drift.watch("plates"), station.recipes["plates"].judge
    for number in range(120):
        light = 1 if number < 40 else 0.75
        content = png((light * plate(1000 + number, side=64)).astype(np.uint8))
        look = judge.look(judge.decode(content, "part.png"))
        watch.observe(datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(seconds=number), None, None, look)
