"""The page in a browser, on a station at work. What a station answers to it is checked by the tests of its routes."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi import bundles
from hizumi.data.region import Region
from hizumi.errors import LogError, SaveError
from hizumi.serving.access import Access, give_token
from hizumi.station.drift import alarm_record
from hizumi.station.entry_record import entry_record
from hizumi.station.events import MISSED, Event
from hizumi.station.ids import new_id
from hizumi.station.log import Log
from hizumi.station.pictures import Pictures
from tests.serving.page.flows import dim, plate_under, shows, table, verdict, watch_plate

VIEWS = ["live", "review", "history", "calibration", "drift", "recipes", "region/plates", "system"]
SIZES = [pytest.param(1366, 768, marks=pytest.mark.slow), (1024, 768), pytest.param(768, 1024, marks=pytest.mark.slow)]
HOSTILE = "<img src=x onerror=document.title='owned'>&amp;.png"

DRIFT_ALARM = {
    "id": "a" * 32,
    "code": "brightness_lower",
    "raised_at": "2026-01-05T09:30:00+00:00",
    "since": "2026-01-05T09:20:00+00:00",
    "moved": [{"measure": "brightness", "way": -1, "before": 0.61, "now": 0.52, "sure": 9.0}],
    "charts": ["brightness.ewma"],
    "pictures": 412,
    "acknowledged": None,
    "ended_at": None,
    "words": "Pictures have become darker.",
}
POINTS = [
    {"at": f"2026-01-05T09:{minute:02}:00+00:00", "value": 61.0 - minute / 4, "alarmed": minute > 12}
    for minute in range(20)
]
CHART = {
    "name": "brightness.ewma",
    "title": "Moving average: level",
    "unit": "%",
    "centre": 61.0,
    "lower": 58.0,
    "upper": 64.0,
    "explanation": "",
    "points": POINTS,
}
SMALL_TARGETS = """
[...document.querySelectorAll("button, select, input:not([type=checkbox]), nav a")]
  .filter((each) => each.offsetParent && !each.classList.contains("skip"))
  .filter((each) => Math.min(each.offsetHeight, each.offsetWidth) < 44)
  .map((each) => each.outerHTML)
"""


def stand_in(tab: Any, place: str, answer: Callable[[Any], Any]) -> list[Any]:
    """Let a function answer in the station's place; the list takes what it was sent."""
    sent: list[Any] = []

    def fulfil(route: Any) -> None:
        body = route.request.post_data_json if route.request.method == "POST" else None
        sent.append(body)
        route.fulfill(json=answer(body))

    tab.route(re.compile(place), fulfil)
    return sent


class Gate:
    """Holds requests for a place back until it is opened; those that come later pass.

    The first one of a tab has to be there before its page: one that is open already meets it only after a while.
    """

    def __init__(self, tab: Any, place: str) -> None:
        self.held: list[Any] = []
        self._is_open = False
        tab.route(re.compile(place), self._come)

    def _come(self, route: Any) -> None:
        if self._is_open:
            route.continue_()
        else:
            self.held.append(route)

    def open(self) -> None:
        """Let them pass, the newest first."""
        self._is_open = True
        for route in reversed(self.held):
            route.continue_()


def reviews_of(line: Any, *ids: str) -> list[list[str | None]]:
    """The words on some inspections, in the order in which they were said."""
    found = [line.client.get(f"/inspections/{each}").json()["reviews"] for each in ids]
    return [[review["label"] for review in reviews] for reviews in found]


def is_in_overview(chart: Any, charts: list[Any]) -> bool:
    """A measure's moving average stands for it, or its only chart."""
    measure, kind = chart["name"].split(".")
    return kind == "ewma" or f"{measure}.ewma" not in {other["name"] for other in charts}


def test_live_shows_what_comes_and_stops_on_an_alarm(line: Any, browse: Callable[..., Any]) -> None:
    first = line.send(name=HOSTILE)
    watched = browse()
    tab = watched.open(line.address)
    shows(tab, first["id"])
    assert verdict(tab) == "Normal"
    assert tab.locator(".facts").first.inner_text().count(HOSTILE) == 1, "a name is text"
    tab.get_by_label("Stop on alarm").check()
    alarm = line.send(defect=True)
    shows(tab, alarm["id"])
    assert verdict(tab) == "Anomaly"
    assert "More unusual than every one of the" in tab.locator(".verdict p").inner_text()
    tab.wait_for_selector(".layer.map:not([hidden])")
    assert "Anomaly" in tab.locator("#spoken").inner_text()
    later = [line.send(seed=seed) for seed in (1001, 1002)]
    tab.get_by_text("Back to live (2 since)").wait_for()
    assert verdict(tab) == "Anomaly", "it stays until somebody has seen it"
    assert [tab.locator(f".shift .{kind} b").inner_text() for kind in ("normal", "anomalous", "unjudged")] == [
        "3",
        "1",
        "0",
    ]
    tab.keyboard.press("Escape")
    shows(tab, later[-1]["id"])
    assert verdict(tab) == "Normal"
    assert tab.title().startswith("Live")
    assert watched.hosts == {"127.0.0.1"}


def test_whoever_stands_at_the_line_is_told_while_nothing_is_kept(
    line: Any, browse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LogError("the log could not be written: the disk is full; free some space")

    def no_room(*_: object, **__: object) -> None:
        raise SaveError("no space left on device")

    watched = browse()
    tab = watched.open(line.address)
    shows(tab, line.send()["id"])
    told = tab.locator('.warning[href="#/system"]')
    assert told.is_hidden()
    with monkeypatch.context() as patched:
        patched.setattr(Log, "add", full)
        line.send(seed=1001)
        told.wait_for()
        assert "cannot be written" in told.inner_text()
        assert "Not kept" in tab.locator("#spoken").inner_text()
    tab.get_by_role("link", name="System Not kept").click()
    tab.get_by_text("the disk is full").wait_for()
    tab.get_by_role("link", name="Live").click()
    shows(tab, line.send(seed=1002)["id"])
    told.wait_for(state="hidden")
    assert tab.get_by_role("link", name="Not kept").count() == 0
    with monkeypatch.context() as patched:
        patched.setattr(Pictures, "keep", no_room)
        line.send(seed=1003)
    told.wait_for()
    tab.get_by_text("This picture could not be kept.").wait_for()
    assert all("404" in trouble for trouble in watched.troubles), "there is no picture of what was not kept"
    watched.troubles.clear()


def test_views_of_a_station_without_a_picture_say_so(line: Any, browse: Callable[..., Any]) -> None:
    watched = browse()
    tab = watched.open(line.address)
    tab.get_by_text("Waiting for the first picture.").wait_for()
    for view, words in (("history", "No picture has been inspected yet."), ("review", "Nothing to review")):
        watched.open(f"{line.address}/#/{view}")
        tab.get_by_text(words).wait_for()
        assert tab.locator("table:visible, .stage:visible").count() == 0
    watched.open(f"{line.address}/#/history")
    tab.get_by_label("Search").fill("nothing is called so")
    tab.get_by_text("No inspection fits these filters.").wait_for()
    assert watched.troubles == []


def counted(tab: Any) -> list[int]:
    """The counters of the shift, as they stand."""
    return [int(tab.locator(f".shift .{kind} b").inner_text()) for kind in ("normal", "anomalous", "unjudged")]


def counts_normal(tab: Any, count: int | str) -> None:
    """Wait until the shift has so many good ones."""
    tab.locator(".shift .normal b", has_text=re.compile(f"^{count}$")).wait_for()


def test_the_shift_counts_a_picture_once_however_its_event_and_the_log_s_answer_cross(
    line: Any, browse: Callable[..., Any]
) -> None:
    watched = browse()
    held: list[Any] = []
    watched.tab.route(re.compile("/counts"), lambda route: held.append((route, route.fetch())))
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    while not held:
        tab.wait_for_timeout(20)
    shows(tab, line.send()["id"])
    shows(tab, line.send(defect=True)["id"])
    for route, answer in reversed(held):  # of before, and the newest first
        route.fulfill(response=answer)
    tab.wait_for_timeout(200)
    assert counted(tab) == [1, 1, 0], "what was heard while an answer was on its way was lost"
    tab.unroute(re.compile("/counts"))
    kind = line.station.log.entry(line.send(seed=1001)["id"])
    late = replace(kind, id=new_id(), inspected_at=datetime.now(UTC))
    line.station.log.add([late])
    tab.reload()
    counts_normal(tab, 3)
    event = Event("inspection", {**entry_record(late), "kept": True})
    line.loop.call_soon_threadsafe(line.station.events.tell, event)
    shows(tab, line.send(seed=1002)["id"])
    assert counted(tab) == [4, 1, 0], "what the answer held already was counted again"
    tab.get_by_role("button", name="New shift").click()
    counts_normal(tab, 0)
    shows(tab, line.send(seed=1003)["id"])
    counts_normal(tab, 1)


def test_a_page_that_was_too_slow_asks_the_log_again(line: Any, browse: Callable[..., Any]) -> None:
    kind = line.station.log.entry(line.send()["id"])
    watched = browse()
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    counts_normal(tab, 1)
    line.station.log.add([replace(kind, id=new_id(), inspected_at=datetime.now(UTC)) for _ in range(5)])
    line.loop.call_soon_threadsafe(line.station.events.tell, MISSED)
    counts_normal(tab, 6)


def test_a_station_that_starts_again_is_heard_again_and_nothing_is_missed(
    line: Any, browse: Callable[..., Any]
) -> None:
    first = line.send()
    watched = browse()
    tab = watched.open(line.address)
    shows(tab, first["id"])
    tab.wait_for_selector("#link.open")
    line.restart(lambda: tab.wait_for_selector("#link.lost"))
    missed = line.send(defect=True)  # most likely before the page has found the station again
    shows(tab, missed["id"])
    tab.wait_for_selector("#link.open")
    shows(tab, line.send(seed=1001)["id"])
    assert all("ERR_" in trouble for trouble in watched.troubles), "a station that was away, and nothing else"
    watched.troubles.clear()


def test_what_a_station_that_is_away_cannot_take_is_said_in_the_page_s_language(
    line: Any, browse: Callable[..., Any]
) -> None:
    line.send()
    dim(line.station)
    watched = browse(language="ja-JP")
    tab = watched.open(f"{line.address}/#/drift")
    charts = tab.locator(".chart")
    charts.first.wait_for()
    assert charts.first.locator("..").get_by_text("明るさ").count(), "what has moved comes first"

    def away() -> None:
        tab.wait_for_selector("#link.lost")
        tab.get_by_role("button", name="確認する").click()
        tab.get_by_role("alert").get_by_text("ステーションが応答しません。").wait_for()
        assert charts.count() > 1, "those that were drawn stay"

    line.restart(away)
    tab.wait_for_selector("#link.open")
    assert all("ERR_" in trouble for trouble in watched.troubles)
    watched.troubles.clear()


def test_whoever_goes_on_before_the_station_has_answered_sees_the_view(line: Any, browse: Callable[..., Any]) -> None:
    tab = browse().tab
    gate = Gate(tab, "/system$")
    with tab.expect_request("**/system"):
        tab.goto(f"{line.address}/#/live")
    tab.evaluate("location.hash = '#/history'")
    gate.open()
    tab.wait_for_selector("main.history")


def test_a_picture_that_cannot_be_read_is_never_called_normal(line: Any, browse: Callable[..., Any]) -> None:
    watched = browse()
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    line.client.post("/inspect", files={"picture": ("torn.png", b"no picture")}).raise_for_status()
    tab.wait_for_selector(".verdict.unjudged")
    assert verdict(tab) == "Not judged"
    tab.get_by_text("There is no picture to show").wait_for()
    tab.get_by_text("is not an image, whatever its name says").wait_for()
    tab.goto(f"{line.address}/#/review")
    tab.get_by_text("Could not be judged").wait_for()
    tab.get_by_text("is not an image, whatever its name says").wait_for()
    assert all("404" in trouble for trouble in watched.troubles), "there is no picture of it, and nothing else is wrong"
    watched.troubles.clear()


def test_reviews_by_keyboard_with_a_drawn_region_and_undo(line: Any, browse: Callable[..., Any]) -> None:
    for seed in (1000, 1001, 1002):
        line.send(defect=True, seed=seed)
    sent = [item["inspection"] for item in line.client.get("/reviews/queue").json()["items"]]
    watched = browse()
    tab = watched.open(f"{line.address}/#/review")
    shows(tab, sent[0]["id"])
    box = tab.locator(".drawn").bounding_box()
    scale = min(box["width"], box["height"]) / 64  # a picture of 64 pixels lies in the middle
    left, top = box["x"] + (box["width"] - 64 * scale) / 2, box["y"] + (box["height"] - 64 * scale) / 2
    corners = [(34, 20), (44, 20), (44, 32), (34, 32), (34, 20)]
    tab.mouse.move(left + 34 * scale, top + 20 * scale)
    tab.mouse.down()
    for x, y in corners[1:]:
        tab.mouse.move(left + x * scale, top + y * scale, steps=4)
    tab.mouse.up()
    tab.keyboard.press("d")
    shows(tab, sent[1]["id"])
    tab.get_by_label("New kind of defect, then Enter").fill("scratch")
    tab.keyboard.press("Enter")
    shows(tab, sent[2]["id"])
    tab.locator("main").focus()
    tab.keyboard.press("z")
    shows(tab, sent[1]["id"])
    tab.keyboard.press("1")  # the kind that was just named
    shows(tab, sent[2]["id"])
    tab.keyboard.press("ArrowLeft")
    shows(tab, sent[1]["id"])
    tab.keyboard.press("ArrowRight")
    shows(tab, sent[2]["id"])
    tab.keyboard.press("g")
    tab.get_by_text("Nothing to review").wait_for()
    said = [line.client.get(f"/inspections/{each['id']}").json()["reviews"] for each in sent]
    assert [[(review["label"], review["kind"]) for review in reviews] for reviews in said] == [
        [("defect", "")],
        [("defect", "scratch"), (None, ""), ("defect", "scratch")],
        [("good", "")],
    ]
    region = np.array(said[0][0]["regions"][0])
    np.testing.assert_allclose([region.min(0), region.max(0)], [[34, 20], [44, 32]], atol=0.5)


def test_no_key_of_a_quick_reviewer_is_lost_or_meets_another_picture(line: Any, browse: Callable[..., Any]) -> None:
    for seed in (1000, 1001, 1002):
        line.send(defect=True, seed=seed)
    first, second, third = (item["inspection"]["id"] for item in line.client.get("/reviews/queue").json()["items"])
    watched = browse()
    stored = Gate(watched.tab, "/reviews$")
    tab = watched.open(f"{line.address}/#/review")
    shows(tab, first)
    for key in "ddz":  # the second before the first is stored; the last takes back what is on its way
        tab.keyboard.press(key)
    tab.get_by_text("Not taken: the decision before is still being stored.").wait_for()
    assert reviews_of(line, first, second, third) == [[], [], []]
    stored.open()
    tab.locator("#spoken", has_text="Taken back").wait_for()
    shows(tab, first)
    assert reviews_of(line, first, second, third) == [["defect", None], [], []]

    pictures = Gate(tab, "/picture[?]longest=1600")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("g")  # the first one's picture is still seen
    tab.get_by_text("Not taken: no picture is shown to decide on.").wait_for()
    assert len(pictures.held) == 2
    pictures.open()
    shows(tab, third)
    tab.keyboard.press("4")
    tab.get_by_text("Not taken: no kind of defect has the key 4 yet.").wait_for()
    tab.keyboard.press("u")
    tab.locator("#spoken", has_text="Unsure").wait_for()
    tab.keyboard.press("z")
    tab.locator("#spoken", has_text="Taken back").wait_for()
    shows(tab, third)
    assert reviews_of(line, first, second, third) == [["defect", None], [], ["unsure", None]]
    tab.keyboard.press("z")
    tab.get_by_text("There is no decision of yours to take back.").wait_for()


def test_history_filters_and_one_inspection(line: Any, browse: Callable[..., Any]) -> None:
    normal, defect = line.send(), line.send(defect=True, name="bent.png")
    watched = browse()
    tab = watched.open(f"{line.address}/#/history")
    tab.locator("tbody tr").nth(1).wait_for()
    tab.get_by_label("Verdict").select_option("anomalous")
    tab.get_by_text("Shown: 1").wait_for()
    name, rows = table(tab, "Download as CSV")
    assert (name, [row["id"] for row in rows]) == ("inspections.csv", [defect["id"]])
    tab.locator("tbody a").click()
    shows(tab, defect["id"])
    assert tab.locator(".facts").inner_text().count("bent.png") == 1
    tab.get_by_role("button", name="What normal looks like").click()
    tab.get_by_text("This is what a normal part would look like here.").wait_for()
    tab.goto(f"{line.address}/#/inspection/{normal['id']}")
    shows(tab, normal["id"])


def test_history_tells_of_new_pictures_and_moves_when_asked(line: Any, browse: Callable[..., Any]) -> None:
    watched = browse()
    tab = watched.open(f"{line.address}/#/history")
    tab.get_by_text("No picture has been inspected yet.").wait_for()
    tab.wait_for_selector("#link.open")
    first = line.send(name="first.png")
    tab.locator(f'tr[data-id="{first["id"]}"]').wait_for()  # there was no place to be lost
    assert not tab.locator("th.part").is_visible(), "no part has a code"
    with tab.expect_response(re.compile("verdict=normal")):
        tab.get_by_label("Verdict").select_option("normal")
    tab.wait_for_timeout(50)
    place = tab.locator("tbody tr").first.bounding_box()
    for seed in (1001, 1002):
        line.send(seed=seed)
    line.send(defect=True)
    news = tab.get_by_role("button", name="2 new", exact=True)
    news.wait_for()
    assert tab.locator("tbody tr").count() == 1
    assert tab.locator("tbody tr").first.bounding_box() == place
    tab.get_by_label("Search").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "news"
    tab.keyboard.press("Enter")
    tab.get_by_text("Shown: 3").wait_for()
    news.wait_for(state="hidden")
    assert tab.evaluate("document.activeElement.closest('tr')?.rowIndex") == 1
    with tab.expect_response(re.compile("reviewed=false")):
        tab.get_by_label("Reviewed").select_option("false")
    tab.wait_for_timeout(50)
    newest = tab.locator("tbody tr").first.get_attribute("data-id")
    line.client.post("/reviews", json={"inspection_id": newest, "label": "good"}).raise_for_status()
    line.send(seed=1003)
    tab.get_by_role("button", name="1 new", exact=True).wait_for()


def test_history_is_as_it_was_left_for_one_inspection_or_another_language(
    line: Any, browse: Callable[..., Any]
) -> None:
    kind = line.station.log.entry(line.send()["id"])
    line.station.log.add([replace(kind, id=new_id(), name=f"{number}.png") for number in range(70)])
    line.send(defect=True)
    tab = browse().open(f"{line.address}/#/history")
    tab.get_by_text("Shown: 50").wait_for()
    with tab.expect_response(re.compile("verdict=normal")):
        tab.get_by_label("Verdict").select_option("normal")
    tab.wait_for_timeout(50)
    tab.get_by_role("button", name="Show more").click()
    tab.get_by_text("Shown: 71").wait_for()
    opened = tab.locator("tbody tr", has_text="12.png")
    opened.locator("a").click()
    tab.get_by_role("link", name="Back to history").click()
    tab.get_by_text("Shown: 71").wait_for()
    assert tab.get_by_label("Verdict").input_value() == "normal"
    tab.wait_for_function("document.activeElement.closest('tr')?.innerText.includes('12.png')")
    box = opened.bounding_box()
    assert 0 < box["y"] < 768
    tab.get_by_role("button", name="日本語").click()
    tab.get_by_text("50件を表示").wait_for()
    assert tab.get_by_label("判定").input_value() == "normal"


LAST_MOVE_IS_PREVIEWED = """() => document.querySelector(".outcome .step b")?.textContent
    === document.querySelector("input[type=range]").getAttribute("aria-valuetext")"""


def test_the_limit_is_previewed_applied_with_a_reason_and_undone(line: Any, browse: Callable[..., Any]) -> None:
    scores = [line.send(seed=seed)["score"] for seed in range(1000, 1008)]
    for seed in (2000, 2001):
        entry = line.send(defect=True, seed=seed)
        line.client.post("/reviews", json={"inspection_id": entry["id"], "label": "defect"}).raise_for_status()
    before = line.client.get("/calibration").json()
    watched = browse()
    previews: list[float] = []
    watched.tab.on(
        "requestfinished",
        lambda request: request.url.endswith("/preview") and previews.append(request.post_data_json["threshold"]),
    )
    tab = watched.open(f"{line.address}/#/calibration")
    tab.get_by_text(" ".join(each["words"] for each in before["promise"])).wait_for()
    tab.get_by_label("Limit", exact=True).focus()
    for _ in range(14):
        tab.keyboard.press("ArrowLeft")
    tab.wait_for_function(LAST_MOVE_IS_PREVIEWED)
    limit = previews[-1]
    assert limit < before["threshold"]
    turned = sum(score > limit for score in scores)
    assert turned > 0
    tab.locator(".turns .anomalous b").get_by_text(str(turned), exact=True).wait_for()
    assert tab.locator(".changed a").count() == turned
    missed = tab.locator(".shares tr", has_text="Defects missed").inner_text().split()
    assert missed[2:6] == ["0", "0", "/", "2"]
    assert tab.get_by_role("button", name="Apply").is_disabled(), "a change without a reason is not made"
    tab.get_by_label("Reason (kept with your name)").fill(HOSTILE)
    tab.get_by_role("button", name="Apply").click()
    tab.locator(".past p", has_text=HOSTILE).wait_for()
    tab.locator(".outcome .done", has_text="The new limit is at work.").wait_for()
    after = line.client.get("/calibration").json()
    assert after["threshold"] == pytest.approx(limit)
    assert after["parent_sha256"] == before["bundle_sha256"]
    tab.get_by_label("Reason (kept with your name)").fill("too many alarms")
    tab.get_by_role("button", name="Undo last change").click()
    tab.locator(".past p", has_text="too many alarms").wait_for()
    assert line.client.get("/calibration").json()["threshold"] == before["threshold"]


def test_a_drift_alarm_is_counted_shown_on_the_live_view_and_acknowledged(
    line: Any, browse: Callable[..., Any]
) -> None:
    dim(line.station)
    before = line.client.get("/drift", headers={"Accept-Language": "ja"}).json()
    (alarm,) = before["alarms"]
    known, now = re.match(r"画像の変化：暗くなった（(\d+)% → (\d+)%）", alarm["words"]).groups()  # type: ignore[union-attr]
    assert abs(int(now) - 0.75 * int(known)) <= 1
    assert alarm["words"].endswith("。照明と露光を確認してください。")
    watched = browse(language="ja-JP")
    tab = watched.open(line.address)
    tab.locator("nav .count", has_text="1").wait_for()
    tab.locator(".warning", has_text=alarm["words"]).click()
    tab.locator(".alarm", has_text=alarm["words"]).wait_for()
    assert before["words"].startswith("監視中です。管理図の誤報は、良品で平均50,000枚に1回です。")
    tab.get_by_text(before["words"]).wait_for()
    shown = [chart for chart in before["charts"] if is_in_overview(chart, before["charts"])]
    out = sum(point["alarmed"] for chart in shown for point in chart["points"])
    assert tab.locator(".chart .out").count() == out > 0
    tab.get_by_label("確認した内容・処置").fill("ランプ交換")
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="ドリフト継続中").wait_for()
    (alarm,) = line.client.get("/drift").json()["alarms"]
    assert (alarm["acknowledged"]["who"], alarm["acknowledged"]["note"]) == ("local", "ランプ交換")
    line.station.log.alarm(alarm_record("plates", line.station.drift.watch("plates").alarms[0]))
    name, rows = table(tab, "警報をCSVで保存")
    assert (name, [row["id"] for row in rows]) == ("alarms.csv", [alarm["id"]])
    tab.locator("nav .count").wait_for(state="detached")


@pytest.mark.parametrize(
    ("language", "still", "back"),
    [
        ("en-GB", "Still drifting", "Back to usual"),
        pytest.param("ja-JP", "ドリフト継続中", "平常に復帰", marks=pytest.mark.slow),
    ],
)
def test_an_alarm_that_was_seen_stays_above_the_live_view_until_it_is_over_and_is_told_when_it_begins_again(
    line: Any, browse: Callable[..., Any], language: str, still: str, back: str
) -> None:
    def send(light: float) -> None:
        for number in range(58):
            if 8 <= number < 38:  # over HTTP it takes long
                watch_plate(line.station, light, next(seeds), datetime.now(UTC))
            else:
                picture = plate_under(light, next(seeds))
                line.client.post("/inspect", files={"picture": ("part.png", picture)}).raise_for_status()

    seeds = itertools.count(1000)
    watched = browse(language=language)
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    send(light=1)
    send(light=0.75)
    warning = tab.locator('.warning[href="#/drift"]')
    tab.locator(".warning.anomalous").wait_for()
    (alarm,) = line.client.get("/drift").json()["alarms"]
    acknowledged = {"alarm_id": alarm["id"], "who": "Hanako", "note": "ランプ交換を手配"}
    line.client.post("/drift/acknowledge", json=acknowledged).raise_for_status()
    tab.locator(".warning.drifting", has_text=still).wait_for()
    assert "Hanako" in warning.inner_text()
    assert "ランプ交換を手配" in warning.inner_text()
    assert tab.locator("nav .count").count() == 0, "nothing waits for anybody"
    send(light=0.75)
    assert tab.locator(".warning.drifting").is_visible()
    send(light=1)
    tab.locator(".warning.good", has_text=back).wait_for()
    assert tab.locator("#spoken").inner_text() == back
    warning.click()
    tab.get_by_role("heading", name=back).wait_for()
    send(light=0.75)
    tab.locator("nav .count", has_text="1").wait_for()
    first, second = line.client.get("/drift").json()["alarms"]
    assert (first["acknowledged"]["who"], second["acknowledged"]) == ("Hanako", None)
    assert first["ended_at"] is not None


def test_what_is_over_is_said_for_ten_minutes(line: Any, browse: Callable[..., Any]) -> None:
    line.send()
    now = datetime.now(UTC)
    seen = {"who": "Hanako", "at": now.isoformat(), "note": ""}
    for minutes, is_said in ((9, True), (11, False)):
        over = DRIFT_ALARM | {"acknowledged": seen, "ended_at": (now - timedelta(minutes=minutes)).isoformat()}
        watched = browse()
        stand_in(watched.tab, r"/drift(\?|$)", lambda _, alarm=over: {"recipe": "plates", "alarms": [alarm]})
        with watched.tab.expect_response(re.compile("/drift")):
            tab = watched.open(line.address)
        tab.wait_for_timeout(100)
        assert tab.locator('.warning[href="#/drift"]').is_visible() == is_said


def test_language_and_light_are_the_browsers_until_somebody_chooses(line: Any, browse: Callable[..., Any]) -> None:
    watched = browse(language="ja-JP", color_scheme="dark")
    tab = watched.open(line.address)
    assert tab.locator("nav a").first.inner_text() == "ライブ"
    assert tab.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == ["ja", "dark"]
    tab.get_by_role("button", name="English").click()
    tab.get_by_role("link", name="Live").wait_for()
    tab.get_by_role("button", name="Light or dark").click()
    tab.reload()
    tab.get_by_role("link", name="Live").wait_for()
    assert tab.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == ["en", "light"]


def test_a_token_is_asked_for_and_its_role_kept(
    open_line: Callable[..., Any], browse: Callable[..., Any], tmp_path: Path
) -> None:
    secret = give_token(tmp_path / "tokens.json", "ana", "read")
    line = open_line(Access.read(tmp_path / "tokens.json"), token=secret)
    entry = line.send(defect=True)
    watched = browse()
    tab = watched.tab
    tab.goto(line.address)
    tab.get_by_label("Token").fill("wrong")
    tab.keyboard.press("Enter")
    tab.get_by_role("alert").wait_for()
    tab.get_by_label("Token").fill(secret)
    tab.keyboard.press("Enter")
    shows(tab, entry["id"])
    assert all("401" in trouble for trouble in watched.troubles)
    watched.troubles.clear()
    assert tab.evaluate("document.cookie") == "", "scripts cannot read the token"
    tab.keyboard.press(" ")
    tab.keyboard.press("g")
    tab.get_by_text("Your token may look, but not review.").wait_for()
    assert line.client.get(f"/inspections/{entry['id']}").json()["reviews"] == []


def test_whoever_signs_in_sees_what_was_asked_for(
    open_line: Callable[..., Any], browse: Callable[..., Any], tmp_path: Path
) -> None:
    secret = give_token(tmp_path / "tokens.json", "ana", "read")
    line = open_line(Access.read(tmp_path / "tokens.json"), token=secret)
    line.send()
    line.send(defect=True, name="bent & long.png")
    watched = browse()
    tab = watched.tab
    tab.goto(f"{line.address}/#/history?verdict=anomalous&text=bent+%26")
    for token in ("wrong", secret):
        tab.get_by_label("Token").fill(token)
        tab.keyboard.press("Enter")
        tab.wait_for_load_state()
    tab.get_by_text("Shown: 1").wait_for()
    assert tab.get_by_label("Verdict").input_value() == "anomalous"
    assert tab.get_by_label("Search").input_value() == "bent &"
    tab.context.clear_cookies()  # as after a token was withdrawn, while somebody looks for something else
    tab.get_by_label("Search").fill("long")
    tab.get_by_label("Token").fill(secret)
    tab.keyboard.press("Enter")
    tab.get_by_text("Shown: 1").wait_for()
    assert tab.get_by_label("Search").input_value() == "long"
    assert {trouble for trouble in watched.troubles if "401" not in trouble} == set()
    watched.troubles.clear()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_views_are_accessible(line: Any, browse: Callable[..., Any], theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    entry = line.send(defect=True)
    watched = browse(color_scheme=theme)
    stand_in(
        watched.tab,
        r"/drift(\?|$)",
        lambda _: {"armed": True, "words": "", "charts": [CHART], "alarms": [DRIFT_ALARM], "changes": []},
    )
    found = {}
    for view in [*VIEWS, f"inspection/{entry['id']}"]:
        tab = watched.open(f"{line.address}/#/{view}")
        tab.locator("main > *").wait_for()
        tab.wait_for_timeout(250)  # for what is drawn once answers are there
        results = axe.Axe().run(tab).response["violations"]
        serious = [
            f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']])}"
            for each in results
            if each["impact"] in ("serious", "critical")
        ]
        small = tab.evaluate(SMALL_TARGETS)
        if serious or small:
            found[view] = (serious, small)
    assert found == {}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_live_fits_the_screen(line: Any, browse: Callable[..., Any], width: int, height: int) -> None:
    entry = line.send(defect=True)
    watched = browse(viewport={"width": width, "height": height})
    tab = watched.open(line.address)
    shows(tab, entry["id"])
    over = (
        "[document.documentElement, document.querySelector('main'), document.querySelector('.panel')].map((each) => "
        "[each.scrollHeight - each.clientHeight, each.scrollWidth - each.clientWidth]).flat()"
    )
    assert tab.evaluate(over) == [0] * 6
    tab.keyboard.press(" ")
    tab.locator(".reviewing:visible").wait_for()
    assert tab.evaluate(over) == [0] * 6, "held too"
    picture = tab.locator(".layers").bounding_box()
    assert min(picture["width"], picture["height"]) >= 300


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568)])
def test_on_a_phone_live_keeps_its_picture_and_the_rest_is_scrolled_to(
    line: Any, browse: Callable[..., Any], width: int, height: int
) -> None:
    entry = line.send(defect=True, name="a_name_without_any_space_that_a_camera_gives_its_pictures_" * 3)
    watched = browse(viewport={"width": width, "height": height})
    told = {"recipe": "plates", "words": "", "charts": [], "changes": [], "alarms": [DRIFT_ALARM]}
    watched.tab.route(re.compile(r"/drift\?"), lambda route: route.fulfill(json=told))  # above all else
    tab = watched.open(line.address)
    shows(tab, entry["id"])
    assert tab.locator(".layers").bounding_box()["height"] >= width / 2
    wide = (
        "[document.documentElement, document.querySelector('main')].map((each) => each.scrollWidth - each.clientWidth)"
    )
    assert tab.evaluate(wide) == [0, 0]
    words = tab.locator(".verdict strong").bounding_box()
    assert words["x"] + words["width"] < width
    rate = tab.locator(".shift .rate")
    rate.scroll_into_view_if_needed()
    assert rate.bounding_box()["y"] < height


@pytest.mark.parametrize("language", ["en", "ja"])
def test_on_a_phone_the_open_view_s_tab_is_in_sight_and_no_tool_is_cut(
    line: Any, browse: Callable[..., Any], language: str
) -> None:
    entry = line.send(defect=True)
    tab = browse(viewport={"width": 390, "height": 844}, language=language).open(line.address)
    shows(tab, entry["id"])
    assert tab.locator("header").bounding_box()["height"] < 110, "names, and tabs beneath"
    assert tab.locator(".strip .cell:visible").first.bounding_box()["width"] > 40
    for view in ("system", "live", "recipes", "region/plates", "review"):
        tab.goto(f"{line.address}/#/{view}")
        current = tab.locator("nav [aria-current]")
        current.wait_for()
        box = current.bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390, view
    tools = tab.locator(".stage .tools")
    assert tools.evaluate(
        "(tools) => tools.getBoundingClientRect().bottom <= tools.parentNode.getBoundingClientRect().bottom"
    )
    assert tab.locator(".stage .tools").bounding_box()["y"] >= tab.locator(".layers").bounding_box()["y"] + 300


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_counters_of_a_long_shift_stay_apart_and_in_sight_beside_a_long_name(
    line: Any, browse: Callable[..., Any], width: int, height: int
) -> None:
    entry = line.send(name="a_name_without_any_space_that_a_camera_gives_its_pictures_" * 3)
    watched = browse(viewport={"width": width, "height": height})
    many = {"normal": 17_811, "anomalous": 10_996, "unjudged": 10_243, "newest": []}
    watched.tab.route(re.compile("/counts"), lambda route: route.fulfill(json=many))
    told = {"recipe": "plates", "words": "", "charts": [], "changes": [], "alarms": [DRIFT_ALARM]}
    watched.tab.route(re.compile(r"/drift\?"), lambda route: route.fulfill(json=told))  # above all else
    tab = watched.open(line.address)
    shows(tab, entry["id"])
    counts_normal(tab, "17,811")
    # A number spills out of its box where it is wider than that.
    boxes = "[...document.querySelectorAll('.shift li b')].map((each) => { const range = document.createRange(); "
    boxes += "range.selectNodeContents(each); const box = range.getBoundingClientRect(); "
    boxes += "return [box.left, box.right, box.top, box.bottom]; })"
    found = tab.evaluate(boxes)
    rate = tab.locator(".shift .rate").bounding_box()
    assert all(bottom <= height for *_, bottom in [*found, (rate["y"] + rate["height"],)])
    for (_, right, top, _), (left, _, next_top, _) in itertools.pairwise(found):
        assert right < left or next_top > top


def test_a_recipe_is_loaded_anew_and_taken_back_once_somebody_agrees(
    line: Any, browse: Callable[..., Any], plates: Path
) -> None:
    before = line.client.get("/recipes").json()[0]
    named = line.station.recipes["plates"].settings.bundle
    original = named.read_bytes()
    try:
        bundles.save(bundles.load(plates).calibrate(false_alarm_rate=0.2), named)
        watched = browse()
        tab = watched.open(f"{line.address}/#/recipes")
        assert tab.get_by_role("button", name="Go back").is_disabled(), "there is nothing to go back to"
        tab.get_by_role("button", name="Load anew").click()
        tab.get_by_role("button", name="Cancel").click()
        tab.locator("dialog").wait_for(state="detached")
        assert line.client.get("/recipes").json()[0]["bundle_sha256"] == before["bundle_sha256"], "nobody agreed"
        tab.get_by_role("button", name="Load anew").click()
        tab.locator("dialog .main").click()
        tab.locator(".done", has_text="Now judging by").wait_for()
        after = line.client.get("/recipes").json()[0]
        assert after["false_alarm_rate"] == 0.2
        assert after["bundle_sha256"][:12] in tab.locator(".done").inner_text()
        tab.get_by_role("button", name="Go back").click()
        tab.locator("dialog .main").click()
        tab.locator(".done", has_text=before["bundle_sha256"][:12]).wait_for()
        assert line.client.get("/recipes").json()[0]["bundle_sha256"] == before["bundle_sha256"]
        named.write_bytes(b"torn")
        tab.get_by_role("button", name="Load anew").click()
        tab.locator("dialog .main").click()
        tab.locator(".problem", has_text="Not done; the bundle before is still at work.").wait_for()
        assert all("400" in trouble for trouble in watched.troubles), "the browser notes what was refused"
        watched.troubles.clear()
    finally:
        named.write_bytes(original)


@pytest.mark.parametrize("address", ["region", "region/", "region/none-such"])
def test_an_address_of_a_region_without_a_recipe_leads_to_the_recipes(
    line: Any, browse: Callable[..., Any], address: str
) -> None:
    tab = browse().open(f"{line.address}/#/{address}")
    tab.get_by_role("link", name="Draw a region").wait_for()
    assert tab.url.endswith("#/recipes")


def test_a_region_is_drawn_and_taken_along_as_a_mask_that_a_fit_takes(
    line: Any, browse: Callable[..., Any], tmp_path: Path
) -> None:
    line.send()
    tab = browse().open(f"{line.address}/#/recipes")
    tab.get_by_role("link", name="Draw a region").click()
    tab.wait_for_selector(".layers[data-id]")
    box = tab.locator(".drawn").bounding_box()
    scale = min(box["width"], box["height"]) / 64  # a picture of 64 pixels lies in the middle
    left, top = box["x"] + (box["width"] - 64 * scale) / 2, box["y"] + (box["height"] - 64 * scale) / 2
    tab.mouse.move(left + 10 * scale, top + 20 * scale)
    tab.mouse.down()
    tab.mouse.move(left + 40 * scale, top + 52 * scale, steps=4)
    tab.mouse.up()
    tab.get_by_text("Rectangle by numbers").click()
    for left_side in (70, 50):
        for side, value in (("Left", left_side), ("Top", 4), ("Width", 8), ("Height", 16)):
            tab.get_by_label(side).fill(str(value))
        tab.get_by_role("button", name="Add").click()
        if left_side == 70:
            tab.get_by_text("This rectangle lies outside the picture.").wait_for()
    expected = np.zeros((64, 64), bool)
    expected[20:52, 10:40] = expected[4:20, 50:58] = True
    tab.get_by_text(f"{100 * expected.mean():.1f}% of the picture would be looked at.").wait_for()
    with tab.expect_download() as downloading:
        tab.get_by_role("button", name="Download the mask").click()
    mask = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(mask)
    assert f"--roi {mask.name}" in tab.locator("code").inner_text()
    assert (Region.of(mask).drawn(np.zeros((64, 64, 1))) == expected).all()
    tab.get_by_role("button", name="Ignore this").click()
    tab.get_by_text(f"{100 - 100 * expected.mean():.1f}% of the picture would be looked at.").wait_for()
    assert "--ignore-region plates-ignore.png" in tab.locator("code").inner_text()


def test_what_is_asked_of_the_limit_outlives_a_late_answer_and_follows_others(
    line: Any, browse: Callable[..., Any]
) -> None:
    line.send()
    watched = browse()
    present = Gate(watched.tab, "/calibration[?]recipe")
    tab = watched.open(line.address)
    tab.get_by_role("link", name="Calibration").click()
    tab.get_by_role("button", name="By false alarms").click()
    tab.get_by_label("False alarms, % at most").fill("60")
    tab.get_by_role("button", name="Show what it would do").click()
    tab.locator(".outcome .step").wait_for()
    tab.get_by_label("Reason (kept with your name)").fill("more alarms")
    present.open()
    tab.locator("p.promise").wait_for()
    elsewhere = {"recipe": "plates", "threshold": 40.0, "why": "somebody else"}
    line.client.post("/calibration/apply", json=elsewhere).raise_for_status()
    tab.locator(".outcome .step", has_text="40").wait_for()
    tab.get_by_role("button", name="Apply").click()
    tab.locator(".past p", has_text="more alarms").wait_for()
    assert [change["why"] for change in line.client.get("/calibration").json()["changes"]] == [
        "more alarms",
        "somebody else",
    ]


def test_the_audit_sample_is_set_with_a_reason(line: Any, browse: Callable[..., Any]) -> None:
    tab = browse(language="ja-JP").open(f"{line.address}/#/calibration")
    tab.get_by_text("現在、抜き取りは行っていません。").wait_for()
    tab.get_by_label("抜き取り率（%）").fill("2.5")
    tab.get_by_role("button", name="設定", exact=True).click()
    assert line.station.sample_share("plates") == 0, "nobody has said why"
    tab.get_by_label("設定の理由（氏名とともに記録されます）").fill("新ロット")
    tab.keyboard.press("Enter")
    tab.get_by_text("現在の抜き取り率は2.5%です。").wait_for()
    assert line.station.sample_share("plates") == 0.025
    (event,) = line.station.log.audit(what="audit sample set")
    assert (event.who, event.why) == ("local", "新ロット")
