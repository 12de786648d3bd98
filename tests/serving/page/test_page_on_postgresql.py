"""The page's flows in one go, on a station whose log lies in PostgreSQL; among the slow tests each goes alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving.page.flows import dim, shows, verdict
from tests.station.postgresql import emptied


def test_a_shift_on_postgresql(
    open_line: Callable[..., Any], browse: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    line = open_line(database=emptied(request.getfixturevalue("postgresql")))
    scores = [line.send(seed=seed)["score"] for seed in range(1000, 1004)]
    defect = line.send(defect=True)
    before = line.client.get("/calibration").json()
    dim(line.station)
    tab = browse(language="ja-JP").open(line.address)

    # Live, with the drift alarm above it.
    shows(tab, defect["id"])
    assert verdict(tab) == "異常"
    tab.locator(".warning", has_text="暗くなった").wait_for()
    tab.get_by_role("button", name="English").click()
    tab.locator(".warning", has_text="Pictures have become darker").click()
    tab.get_by_role("button", name="Acknowledge").click()
    tab.locator("nav .count").wait_for(state="detached")

    # Review by keyboard, and a word taken back.
    tab.get_by_role("link", name="Review").click()
    tab.get_by_label("New kind of defect, then Enter").wait_for()  # the live view has layers, too
    first = tab.wait_for_selector(".layers[data-id]").get_attribute("data-id")
    for key, label in (("d", "defect"), ("z", None)):
        with tab.expect_response(re.compile("/reviews$")):
            tab.keyboard.press(key)
        assert line.client.get(f"/inspections/{first}").json()["reviews"][-1]["label"] == label

    # Another limit: previewed, applied, undone.
    tab.get_by_role("link", name="Calibration").click()
    tab.get_by_role("button", name="By false alarms").click()
    tab.get_by_label("False alarms, % at most").fill("60")
    tab.get_by_role("button", name="Show what it would do").click()
    tab.locator(".outcome .step").wait_for()
    for button, why in (("Apply", "more alarms"), ("Undo last change", "too many")):
        tab.get_by_label("Reason (kept with your name)").fill(why)
        tab.get_by_role("button", name=button).click()
        tab.locator(".past p", has_text=why).wait_for()
    changes = line.client.get("/calibration").json()["changes"]
    assert [change["why"] for change in changes] == ["too many", "more alarms"]
    applied = changes[1]["details"]
    assert applied["threshold_before"] == before["threshold"] == changes[0]["details"]["threshold_after"]
    held_out = before["scores"]
    assert sum(score > applied["threshold_after"] for score in held_out) <= 0.6 * (len(held_out) + 1)
    assert any(score > applied["threshold_after"] for score in scores)
