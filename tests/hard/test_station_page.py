"""The page under load, and its size; pictures are told of by the station, so that no judge sets the pace."""

import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event
from hizumi.station.ids import new_id
from tests.serving.page.conftest import (
    browse as browse,
    chromium as chromium,
    open_line as open_line,
    plates as plates,
)
from tests.serving.page.test_page_words import FIRST_VIEW_BYTES, first_view_bytes

PICTURES_A_SECOND = 10
WARM, SENT = 100, 400  # pictures
BEHIND_SECONDS = 20.0  # that a busy machine may be; it catches up
HEAP_BYTES, NODES = 1_000_000, 200
VERDICTS = "[...document.querySelectorAll('.shift b')].reduce((sum, each) => sum + Number(each.textContent), 0)"
STRIP = "[...document.querySelectorAll('.strip .thumbnail')].filter((each) => !each.hidden).length"


def test_live_view_at_ten_pictures_a_second(
    open_line: Callable[..., Any], browse: Callable[..., Any], catalogue: Callable[..., None]
) -> None:
    line = open_line()
    watched = browse()
    watched.tab.route(
        re.compile(r"/drift\?"), lambda route: route.fulfill(json={"words": "", "charts": [], "alarms": []})
    )
    kinds = [line.station.log.entry(line.send(defect=defect)["id"]) for defect in (False, True)]
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable")
    told, stop = _telling(line, *kinds)
    try:
        _wait(tab, told, WARM)
        before = _used(session)
        _wait(tab, told, WARM + SENT)
        after = _used(session)
        seen = [tab.evaluate(STRIP) for _ in range(20) if tab.wait_for_timeout(100) is None]
    finally:
        stop()
    tab.wait_for_timeout(2000)
    assert tab.evaluate(VERDICTS) == told[0] + len(kinds), "what is not shown is counted"
    assert max(seen) > 0, "some of the last pictures are seen while others come, on a machine however busy"
    heap, *nodes = (after[name] - before[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners"))
    catalogue(
        f"{SENT} pictures at {PICTURES_A_SECOND} a second on the live view",
        f"{heap / 1e6:+.2f} MB of heap, {max(nodes):+.0f} nodes or listeners at most, none uncounted",
        mark=f"+{HEAP_BYTES / 1e6:.0f} MB and +{NODES} at most, none uncounted",
        holds=heap <= HEAP_BYTES and max(nodes) <= NODES,
    )


def test_first_view(catalogue: Callable[..., None]) -> None:
    size = first_view_bytes()
    what = "The station's page: all that its first view loads"
    catalogue(
        what, f"{size / 1e3:.0f} kB", mark=f"{FIRST_VIEW_BYTES / 1e3:.0f} kB at most", holds=size <= FIRST_VIEW_BYTES
    )


def _telling(line: Any, normal: Any, defect: Any) -> tuple[list[int], Callable[[], None]]:
    """Have the station tell of these as of new ones, one in 17 a defect; how many so far, and how to stop."""
    told, ended = [0], threading.Event()

    def tell() -> None:
        began = time.monotonic()
        for number in itertools.count():
            if ended.wait(max(0.0, began + number / PICTURES_A_SECOND - time.monotonic())):
                return
            kind = defect if number % 17 == 16 else normal
            entry = replace(kind, id=new_id(), inspected_at=datetime.now(UTC), name=f"{number}.png")
            line.station.log.add([entry])
            event = Event("inspection", {**entry_record(entry), "kept": True})
            line.loop.call_soon_threadsafe(line.station.events.tell, event)
            told[0] += 1

    thread = threading.Thread(target=tell)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join()

    return told, stop


def _wait(tab: Any, told: list[int], count: int) -> None:
    """Until so many pictures were told of, as soon as they have to be."""
    deadline = time.monotonic() + (count - told[0]) / PICTURES_A_SECOND + BEHIND_SECONDS
    while told[0] < count:
        assert time.monotonic() < deadline, f"only {told[0]} pictures were told of in time"
        tab.wait_for_timeout(100)


def _used(session: Any) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
