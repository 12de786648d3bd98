"""No English is left on the Japanese page, whatever goes wrong at the station."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hizumi.errors import LogError, SaveError
from hizumi.serving.access import Access, give_token
from hizumi.station.log import Log
from hizumi.station.pictures import Pictures
from tests.serving.page.flows import dim
from tests.station.plates import picture, plate, png

JAPANESE = {"Accept-Language": "ja"}
VIEWS = ["live", "review", "history", "calibration", "drift", "recipes", "region/plates", "system"]
NAMES = {  # of things, people and files, in all languages
    *("hizumi", "local", "plates", "picture", "torn", "part", "png", "camera", "hook", "pca", "http", "station"),
    *("English", "HTTP", "EWMA", "CUSUM", "JPEG", "PNG", "CSV", "TIFF", "ROI", "UTC", "ms", "SSIM", "Enter"),
    *("fit", "roi", "info", "log"),
}
SHOWN = """
[document.title, document.body.innerText,
 ...[...document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")]
   .flatMap((each) => ["aria-label", "title", "placeholder", "alt"].map((name) => each.getAttribute(name) ?? ""))
].join("\\n")
"""


def english_in(text: str) -> set[str]:
    hashes = re.sub(r"\b[0-9a-f]{12,16}\b", "", text)
    return set(re.findall(r"[A-Za-z]{2,}", hashes)) - NAMES


def look(tab: Any, what: str) -> None:
    tab.wait_for_timeout(400)
    assert english_in(tab.evaluate(SHOWN)) == set(), what


def test_views_say_everything_in_japanese_whatever_is_wrong(
    line: Any, browse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = plate(1000, side=64)
    wrong = [b"no picture", picture(1, side=64)[:900], png(np.dstack([pixels, pixels // 2, pixels])), png(pixels[:6])]
    watched = browse(language="ja-JP")
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    line.send()
    for content in wrong:
        answer = line.client.post("/inspect", files={"picture": ("torn.png", content)}).json()["inspections"][0]
        assert answer["anomalous"] is None
        assert english_in(answer["reason"]), "programs get English, as long as they ask for nothing else"
        tab.locator(".verdict.unjudged", has_text="。").wait_for()
        look(tab, answer["reason"])
    dim(line.station)
    line.station.sources = (SimpleNamespace(name="camera", trouble="the camera sends nothing (connection refused)"),)
    trouble = {"hook": "cannot be reached (All connection attempts failed)"}
    monkeypatch.setattr(line.station.outbox, "troubles", lambda: trouble)
    monkeypatch.setattr(type(line.station.outbox), "sinks", property(lambda _: ("hook",)))
    for kept, error in (
        (Log, LogError("the log could not be written: the disk is full; free some space")),
        (Pictures, SaveError("no")),
    ):
        with monkeypatch.context() as patched:

            def failing(*_: object, error: Exception = error, **__: object) -> None:
                raise error

            patched.setattr(kept, "add" if kept is Log else "keep", failing)
            line.send(defect=True, seed=1001)
        tab.locator('.warning[href="#/system"]').wait_for()
        look(tab, str(error))
        for view in VIEWS:
            watched.open(f"{line.address}/#/{view}")
            look(tab, view)
        watched.open(line.address)
    tab.get_by_role("link", name="履歴").click()
    tab.locator("tr", has_text="判定不能").first.locator("a").click()
    tab.wait_for_selector(".facts")
    look(tab, "one inspection")
    watched.troubles.clear()  # there is no picture of what was not kept


def test_what_is_refused_on_the_page_is_refused_in_japanese(line: Any, browse: Callable[..., Any]) -> None:
    line.send()
    watched = browse(language="ja-JP")
    tab = watched.open(f"{line.address}/#/calibration")
    tab.get_by_role("button", name="コストで決める").click()
    tab.get_by_role("button", name="影響を確認").click()
    tab.locator(".problem", has_text="既知の不良").wait_for()
    look(tab, "costs without defects")
    tab.get_by_role("button", name="誤報率で決める").click()
    tab.get_by_label("誤報率の上限（%）").fill("5")
    tab.get_by_role("button", name="影響を確認").click()
    tab.locator(".outcome .step").wait_for()
    tab.get_by_label("変更理由").fill("確認")
    tab.get_by_role("button", name="適用").click()
    tab.locator(".problem", has_text="何も変わりません").wait_for()
    look(tab, "a limit as it is")
    named = line.station.recipes["plates"].settings.bundle
    original = named.read_bytes()
    try:
        for damaged in (b"torn", original[:-100], original[:200] + b"x" + original[201:]):
            named.write_bytes(damaged)
            watched.open(f"{line.address}/#/recipes")
            tab.reload()
            tab.get_by_role("button", name="再読み込み").click()
            tab.locator("dialog .main").click()
            tab.locator(".problem", has_text="これまでのバンドルで判定を続けています。").wait_for()
            look(tab, "a bundle that is none")
    finally:
        named.write_bytes(original)
    assert all("400" in trouble for trouble in watched.troubles), "the browser notes what was refused"
    watched.troubles.clear()


def test_another_language_is_spoken_at_once_and_in_what_comes_then(line: Any, browse: Callable[..., Any]) -> None:
    watched = browse()
    tab = watched.open(line.address)
    tab.wait_for_selector("#link.open")
    for language, words in (
        ("日本語", "画像ではありません"),
        ("English", "is not an image"),
        ("日本語", "画像ではありません"),
    ):
        tab.get_by_role("button", name=language).click()
        tab.get_by_role("button", name="English" if language == "日本語" else "日本語").wait_for()
        line.send()
        tab.locator(".verdict.normal").wait_for()
        line.client.post("/inspect", files={"picture": ("torn.png", b"no picture")}).raise_for_status()
        tab.locator(".verdict.unjudged", has_text=words).wait_for()
    look(tab, "after two changes")
    watched.troubles.clear()  # there is no picture of what cannot be read


def test_uploads_and_strangers_are_refused_in_the_language_they_ask_in(
    open_line: Callable[..., Any], tmp_path: Any
) -> None:
    secret = give_token(tmp_path / "tokens.json", "ana", "read")
    client = open_line(Access.read(tmp_path / "tokens.json"), token=secret).client
    refused = {
        "an empty body": client.post("/inspect", headers=JAPANESE),
        "no file": client.post("/inspect", files={"picture": (None, "text")}, headers=JAPANESE),
        "no recipe": client.post("/inspect?recipe=nuts", content=b"x", headers=JAPANESE),
        "another host": client.get("/system", headers={**JAPANESE, "Host": "evil.example"}),
        "another site": client.get("/system", headers={**JAPANESE, "Origin": "http://evil.example"}),
        "no token": client.get("/system", headers={**JAPANESE, "Authorization": "Bearer wrong"}),
        "a lower role": client.post("/recipes/plates/reload", headers=JAPANESE),
        "no inspection": client.get(f"/inspections/{'0' * 32}", headers=JAPANESE),
        "no picture": client.get(f"/inspections/{'0' * 32}/picture", headers=JAPANESE),
        "a wrong value": client.get("/inspections?limit=0", headers=JAPANESE),
        "nothing there": client.get("/nothing", headers=JAPANESE),
    }
    names = {"nuts", "plates", "host", "name", "admin", "query", "limit", "inspect", "recipe", "NAME", "CODE", "MiB"}
    names |= {"Authorization", "Bearer", "JSON", "ROI"}
    for what, answer in refused.items():
        assert answer.status_code >= 400, what
        said = answer.json()["error"]
        assert re.search("[ぁ-ん].*。$", said), (what, said)
        assert english_in(said) - names == set(), (what, said)
