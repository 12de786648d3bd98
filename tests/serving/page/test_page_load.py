"""The live view at ten pictures a second."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

PICTURES_A_SECOND = 10
WARM, SENT = 100, 400  # pictures
PATIENCE_SECONDS = 400  # of a busy machine, which takes fewer a second
HEAP_BYTES, NODES = 1_000_000, 200
VERDICTS = "[...document.querySelectorAll('.shift b')].reduce((sum, each) => sum + Number(each.textContent), 0)"


@pytest.mark.slow
def test_live_view_at_ten_pictures_a_second_keeps_its_heap_and_loses_no_count(
    line: Any, browse: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    watched = browse()
    watched.tab.route(
        re.compile(r"/drift\?"), lambda route: route.fulfill(json={"words": "", "charts": [], "alarms": []})
    )
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable")
    sent, stop = _sending(line, [picture(1000 + number, defect=number % 17 == 16) for number in range(51)])
    try:
        _wait(tab, sent, WARM)
        before = _used(session)
        _wait(tab, sent, WARM + SENT)
        after = _used(session)
    finally:
        stop()
    tab.wait_for_timeout(2000)
    assert tab.evaluate(VERDICTS) == sent[0], "what is not shown is counted"
    assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] <= HEAP_BYTES
    assert after["Nodes"] - before["Nodes"] <= NODES
    assert after["JSEventListeners"] - before["JSEventListeners"] <= NODES


def _sending(line: Any, pictures: Sequence[bytes]) -> tuple[list[int], Callable[[], None]]:
    """Send these pictures in turn; how many so far, and how to stop."""
    sent, ended = [0], threading.Event()

    def send() -> None:
        began = time.monotonic()
        for number in itertools.count():
            if ended.wait(max(0.0, began + number / PICTURES_A_SECOND - time.monotonic())):
                return
            content = pictures[number % len(pictures)]
            line.client.post("/inspect", files={"picture": ("part.png", content)}).raise_for_status()
            sent[0] += 1

    thread = threading.Thread(target=send)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join()

    return sent, stop


def _wait(tab: Any, sent: list[int], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sent[0] < count:
        assert time.monotonic() < deadline, f"only {sent[0]} pictures were taken"
        tab.wait_for_timeout(500)


def _used(session: Any) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
