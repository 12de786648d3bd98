"""What a browser makes of a report: figures beside one another, cases large, nothing beyond the edge."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hizumi.report import ReportContent, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by it: pip install playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("a report is looked at in a browser: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "medium"), [(1366, "screen"), (1920, "screen"), (794, "print")])  # A4 at 96 dpi
def test_the_page_uses_its_width(width: int, medium: str, content: ReportContent, browser: Any, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", content)
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.emulate_media(media=medium)
    tab.goto((tmp_path / "report.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    page = tab.locator("main").bounding_box()
    assert page["width"] >= min(0.8 * width, 1500)
    first, second, *_ = (each.bounding_box() for each in tab.locator("#scores .columns > *").all())
    assert first["y"] == second["y"], "figures stand beside one another"
    assert first["width"] + second["width"] > 0.8 * page["width"]
    cards = [each.bounding_box() for each in tab.locator(".card").all()]
    assert max(card["x"] + card["width"] for card in cards) > page["x"] + 0.9 * page["width"]
    tiles = [each.bounding_box() for each in tab.locator(".card .tiles > *").all()]
    assert min(tile["width"] for tile in tiles) >= (150 if medium == "screen" else 70), "pictures of cases"
    tab.close()


@pytest.mark.parametrize("width", [400, 800, 1366])
def test_long_names_leave_the_numbers_beside_them_in_view(
    width: int, content: ReportContent, browser: Any, tmp_path: Path
) -> None:
    kinds = tuple(f"{kind}_of_a_kind_that_was_named_by_a_database_and_is_never_shortened" for kind in content.kinds)
    evaluation = content.evaluation
    assert evaluation is not None
    table = tuple(replace(row, kind=f"{row.kind}{kinds[0]}") for row in evaluation.kinds_table)
    named = replace(content, evaluation=replace(evaluation, kinds=kinds, kinds_table=table))
    write_report(tmp_path / "report.html", named)
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto((tmp_path / "report.html").as_uri())
    tab.locator("#all summary").click()
    for place in ("#scores .scroll", "#all .scroll"):
        box = tab.locator(place).first
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), place
    tab.close()
