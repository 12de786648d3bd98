"""What the service answers: verdicts, history, reviews, limits; who may ask; and what it refuses."""

import csv
import errno
import io
import itertools
import json
import re
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from hizumi import bundles
from hizumi.data.images import Decoded
from hizumi.errors import DataError, LogError, UsageError
from hizumi.serving.access import Access, give_token, withdraw_token
from hizumi.serving.guard import Limits
from hizumi.station.judging import Judge
from hizumi.station.log import Alarm, Log
from hizumi.station.pictures import Pictures
from hizumi.storage.files import save_error
from tests.serving.conftest import HOST, Service
from tests.serving.hostile import tried_to_leave
from tests.station.plates import picture, plate, png

JSON = {"Content-Type": "application/json"}
COSTS = {"cost_miss": 100, "cost_alarm": 1, "defect_share": 0.01}


def sent(service: Service, seed: int, *, defect: bool = False) -> dict:
    answer = service.client.post("/inspect?name=p.png", content=picture(seed, defect=defect))
    assert answer.status_code == 200, answer.text
    return answer.json()["inspections"][0]


def test_raw_and_in_a_form_pictures_get_the_verdicts_of_inspect(service: Service, plates: Path) -> None:
    defects = [False, True, True]
    alone = bundles.load(plates).inspect(np.stack([plate(n, defect=defect) for n, defect in enumerate(defects)]))
    files = [("any", (f"{n}.png", picture(n, defect=defect))) for n, defect in enumerate(defects)]
    answer = service.client.post("/inspect", files=files).json()["inspections"]
    assert [each["name"] for each in answer] == ["0.png", "1.png", "2.png"]
    answer += [sent(service, n, defect=defect) for n, defect in enumerate(defects)]
    for given, expected in zip(answer, [*alone, *alone], strict=True):
        assert given["anomalous"] == expected.anomalous
        assert given["kept"] is True
        np.testing.assert_allclose(
            [given["score"], given["p_value"], given["threshold"]],
            [expected.score, expected.p_value, expected.threshold],
            rtol=1e-6,
        )


def test_memory_that_runs_short_for_one_picture_leaves_those_beside_it_their_verdicts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, keep = Judge.look, Pictures.keep

    def short_look(judge: Judge, image: Decoded) -> Any:
        if image.pixels.shape[0] == 48:
            raise MemoryError
        return look(judge, image)

    def short_keep(pictures: Pictures, content: bytes, *arguments: Any, **known: Any) -> str:
        if content == b"never kept":
            raise MemoryError
        return keep(pictures, content, *arguments, **known)

    def short_overlay(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Judge, "look", short_look)
    monkeypatch.setattr(Pictures, "keep", short_keep)
    monkeypatch.setattr("hizumi.station.station.overlay_of", short_overlay)
    large = png(np.zeros((48, 48), np.uint8))
    contents = [picture(0), large, picture(1, defect=True)]
    files = [("pictures", (f"{n}.png", content)) for n, content in enumerate(contents)]
    answer = service.client.post("/inspect", files=files)
    assert answer.status_code == 200, answer.text
    found = answer.json()["inspections"]
    assert [(each["name"], each["anomalous"], each["kept"]) for each in found] == [
        ("0.png", False, True),
        ("1.png", None, True),
        ("2.png", True, True),
    ]
    assert found[1]["reason"] == "memory ran out"
    assert service.station.log.count() == 3
    lost = service.client.post("/inspect", content=b"never kept").json()["inspections"][0]
    assert (lost["anomalous"], lost["kept"]) == (None, False)
    assert (service.station.losses.entries, service.station.losses.reason) == (1, "memory ran out")
    assert service.station.log.count() == 3


def test_of_a_form_that_is_cut_short_no_picture_is_judged(service: Service) -> None:
    head = b'Content-Disposition: form-data; name="p"; filename="%d.png"'
    parts = [b"\r\n".join([b"--edge", head % n, b"", picture(n)]) for n in range(2)]
    whole = b"\r\n".join([*parts, b"--edge--", b""])
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    for end in (len(parts[0]) + 10, len(whole) - len(picture(1)) // 2, whole.rindex(b"--")):
        answer = service.client.post("/inspect", content=whole[:end], headers=kind)
        assert answer.status_code == 400, end
        assert (
            answer.json()["error"]
            == "the form cannot be read: it is cut short, without its last boundary; send it whole"
        )
    for other in (whole.replace(b"--edge", b"--else"), b"--edge\r\nno header\r\n", b"\0" * 99):
        assert service.client.post("/inspect", content=other, headers=kind).status_code == 400
    assert service.station.log.count() == 0
    assert len(service.client.post("/inspect", content=whole, headers=kind).json()["inspections"]) == 2


def test_a_picture_waits_for_no_thread_but_those_that_judge_and_keep_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waiting(call: Callable[..., Any], *_: object, **__: object) -> None:
        raise AssertionError(f"{call.__name__} is called in a thread")

    monkeypatch.setattr("fastapi.dependencies.utils.run_in_threadpool", waiting)
    assert sent(service, 0)["anomalous"] is False


def test_a_bundle_that_is_at_work_already_is_not_loaded_and_one_that_is_gone_is_named_without_its_folder(
    service: Service, plates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, original = service.station.recipes["plates"].settings.bundle, plates.read_bytes()
    assert service.client.post("/recipes/plates/reload").json()["bundle_before"] is None, "there was no other one"
    assert service.station.log.audit() == ()
    try:
        named.unlink()
        refused = service.client.post("/recipes/plates/reload")
        assert (refused.status_code, refused.json()["error"]) == (
            400,
            "plates.hizumi: cannot be read: No such file or directory",
        )
        named.write_bytes(original + b" ")

        def full(path: Path, content: bytes) -> None:
            raise save_error(str(path), OSError(errno.ENOSPC, "No space left on device"))

        monkeypatch.setattr("hizumi.station.shelf.write_atomically", full)
        refused = service.client.post("/recipes/plates/reload", headers={"Accept-Language": "ja"})
        assert refused.status_code == 503
        assert re.fullmatch(
            r"bundles/[0-9a-f]{64}\.hizumiに書き込めません（ディスクに空きがない）。.*", refused.json()["error"]
        )
    finally:
        named.write_bytes(original)


def test_history_is_filtered_and_leafed_through(service: Service) -> None:
    all_of_them = [sent(service, seed, defect=seed % 3 == 0)["id"] for seed in range(10)]
    unjudged = service.client.post("/inspect?name=broken", content=b"no").json()["inspections"][0]
    assert unjudged["anomalous"] is None
    assert "is not an image" in unjudged["reason"]

    def leafed(**query: object) -> list[str]:
        found, before = [], None
        while True:
            place = {} if before is None else {"before": before}
            page = service.client.get("/inspections", params={"limit": 3, **place, **query}).json()
            found += [each["id"] for each in page["inspections"]]
            before = page["next"]
            if before is None:
                return found

    assert sorted(leafed()) == sorted([*all_of_them, unjudged["id"]])
    assert set(leafed(verdict="anomalous")) == set(all_of_them[::3])
    assert leafed(verdict="unjudged") == [unjudged["id"]]
    assert leafed(text="BROK") == [unjudged["id"]]
    assert leafed(since="2999-01-01T00:00:00") == []
    tables = {
        query: service.client.get(f"/inspections.csv?{query}")
        for query in (
            "",
            "verdict=anomalous",
            "verdict=unjudged",
            "text=BROK",
            "reviewed=true",
            "since=2999-01-01T00:00",
        )
    }
    rows = {query: list(csv.DictReader(io.StringIO(table.text))) for query, table in tables.items()}
    assert [row["id"] for row in rows[""]] == leafed()
    assert [row["id"] for row in rows["verdict=anomalous"]] == leafed(verdict="anomalous")
    assert (
        [row["id"] for row in rows["verdict=unjudged"]] == [row["id"] for row in rows["text=BROK"]] == [unjudged["id"]]
    )
    assert rows["reviewed=true"] == rows["since=2999-01-01T00:00"] == []
    assert tables[""].headers["Content-Type"] == "text/csv; charset=utf-8"
    assert tables[""].headers["Content-Disposition"] == 'attachment; filename="inspections.csv"'
    counts = service.client.get("/counts").json()
    assert counts == {"normal": 6, "anomalous": 4, "unjudged": 1, "newest": []}
    assert service.client.get("/counts", params={"newest": 2}).json()["newest"] == [unjudged["id"], all_of_them[-1]]
    metrics = service.client.get("/metrics").text
    assert 'hizumi_verdicts_total{recipe="plates",verdict="anomalous"} 4.0' in metrics
    assert 'hizumi_verdicts_total{recipe="plates",verdict="unjudged"} 1.0' in metrics


def test_drift_alarms_are_a_table_of_the_whole_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, recipe in enumerate(("plates", "@others")):
        service.station.log.alarm(
            Alarm(recipe, "=the lamp", raised_at=datetime(2026, 3, 2 + number, tzinfo=UTC), id=recipe)
        )
    service.station.log.acknowledge("plates", "ann", "a new one")

    def rows(**query: str) -> list[tuple[str, str, str]]:
        answer = service.client.get("/drift/alarms.csv", params=query)
        assert answer.headers["Content-Disposition"] == 'attachment; filename="alarms.csv"'
        found = csv.DictReader(io.StringIO(answer.text))
        return [(row["recipe"], row["words"], row["acknowledged_by"]) for row in found]

    everything = [("'@others", "'=the lamp", ""), ("plates", "'=the lamp", "ann")]
    assert rows() == everything
    assert rows(recipe="plates") == rows(until="2026-03-03T00:00") == everything[1:]
    assert rows(recipe="nuts") == []

    def gone(self: Log, **_: object) -> None:
        raise LogError("the log cannot be read")

    monkeypatch.setattr(Log, "alarms", gone)
    monkeypatch.setattr(Log, "find", gone)
    for path in ("/drift/alarms.csv", "/inspections.csv"):
        assert service.client.get(path).status_code == 503, "not half a table"


def test_reviews_are_appended_and_join_the_limit_which_is_moved_and_moved_back(service: Service) -> None:
    entries = [sent(service, seed) for seed in range(500, 512)] + [sent(service, 600, defect=True)]
    for entry in entries:
        label = "defect" if entry["anomalous"] and entry is entries[-1] else "good"
        word = {"inspection_id": entry["id"], "label": label, "kind": "spot", "who": "Ann"}
        assert service.client.post("/reviews", json=word).status_code == 201
    assert service.client.get("/reviews/queue").json()["items"] == []
    detail = service.client.get(f"/inspections/{entries[0]['id']}").json()
    assert [(each["label"], each["who"]) for each in detail["reviews"]] == [("good", "Ann")]
    before = service.client.get("/calibration").json()
    assert (len(before["good"]), len(before["defects"])) == (12, 1)
    wish = {"recipe": "plates", "join": "reviewed", "false_alarm_rate": 0.1}
    foreseen = service.client.post("/calibration/preview", json=wish).json()
    assert foreseen["held_out_after"] == before["held_out_images"] + 12
    assert service.client.get("/calibration").json()["threshold"] == before["threshold"]
    moved = service.client.post("/calibration/apply", json={**wish, "why": "more light"}).json()
    assert moved["threshold"] == foreseen["after"]["value"]
    assert moved["bundle_sha256"] != before["bundle_sha256"]
    assert sent(service, 700)["threshold"] == moved["threshold"]
    after = service.client.get("/calibration").json()
    assert after["parent_sha256"] == before["bundle_sha256"]
    assert after["changes"][0]["why"] == "more light"
    back = service.client.post("/calibration/undo", json={"recipe": "plates", "why": "no"}).json()
    assert back["bundle_sha256"] == before["bundle_sha256"]
    assert sent(service, 701)["threshold"] == before["threshold"]


def test_changes_of_the_limit_that_come_at_once_are_made_one_after_the_other(service: Service) -> None:
    fitted = service.client.get("/calibration").json()

    def at_once(wishes: list[dict[str, Any]], what: str) -> list[Any]:
        with ThreadPoolExecutor(len(wishes)) as senders:
            send = partial(service.client.post, f"/calibration/{what}")
            return list(senders.map(lambda wish: send(json={"recipe": "plates", "why": "at once", **wish}), wishes))

    applied = at_once([{"threshold": limit} for limit in (40.0, 41.0, 42.0)], "apply")
    assert [answer.json()["threshold"] for answer in applied] == [40.0, 41.0, 42.0], "each caller's own"
    undone = at_once([{}] * 5, "undo")
    assert sorted(answer.status_code for answer in undone) == [200, 200, 200, 400, 400]
    state = service.client.get("/calibration").json()
    assert (state["threshold"], state["bundle_sha256"]) == (fitted["threshold"], fitted["bundle_sha256"])
    limits = [(each["details"]["threshold_before"], each["details"]["threshold_after"]) for each in state["changes"]]
    assert len(limits) == 6
    assert all(later[0] == earlier[1] for later, earlier in itertools.pairwise(limits)), "each began where one ended"


def routes(service: Service) -> Iterator[tuple[str, str]]:
    """Every method and path that the service has, with an id where one belongs."""
    for path, methods in service.client.app.openapi()["paths"].items():
        for method in methods:
            yield method, path.replace("{id}", "0" * 32).replace("{name}", "plates")
    yield "get", "/"
    yield "get", "/page/index.html"
    yield "get", "/openapi.json"
    yield "post", "/nothing"


def test_without_a_token_every_route_is_closed(serve: Callable[..., Service], tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    secrets = {role: give_token(path, f"one-who-may-{role}", role) for role in ("read", "review", "admin")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(secret in path.read_text(encoding="utf-8") for secret in secrets.values())
    service = serve(Access.read(path))
    for method, route in routes(service):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "hizumi_token=wrong"}):
            assert service.client.request(method, route, headers=headers).status_code == 401, route
    bearer = {role: {"Authorization": f"Bearer {secret}"} for role, secret in secrets.items()}
    entry = service.client.post("/inspect", content=picture(1), headers=bearer["read"]).json()["inspections"][0]
    word = {"inspection_id": entry["id"], "label": "good", "who": "somebody else"}
    wish = {"recipe": "plates", "threshold": 1.0, "why": "try"}
    assert service.client.post("/reviews", json=word, headers=bearer["read"]).status_code == 403
    said = service.client.post("/reviews", json=word, headers=bearer["review"]).json()
    assert said["who"] == "one-who-may-review"  # and not who they say they are
    assert service.client.post("/calibration/apply", json=wish, headers=bearer["review"]).status_code == 403
    assert service.client.post("/calibration/apply", json=wish, headers=bearer["admin"]).status_code == 200
    assert service.client.post("/recipes/plates/reload", headers=bearer["review"]).status_code == 403
    withdraw_token(path, "one-who-may-read")
    assert Access.read(path).caller(secrets["read"]) is None
    with pytest.raises(UsageError, match="there is no token"):
        withdraw_token(path, "one-who-may-read")
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(DataError, match=r"^tokens\.json is damaged \(.*\): delete it and give out new tokens$"):
        Access.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(
        DataError, match=r"^tokens\.json cannot be read: is a directory; let the station's user read it$"
    ):
        Access.read(path)


def test_signing_in_sets_a_cookie_that_scripts_cannot_read(serve: Callable[..., Service], tmp_path: Path) -> None:
    secret = give_token(tmp_path / "tokens.json", "ann", "review")
    service = serve(Access.read(tmp_path / "tokens.json"))
    page = service.client.get("/", headers={"Accept": "text/html", "Accept-Language": "ja"})
    assert (page.status_code, 'lang="ja"' in page.text) == (401, True)
    assert "<script" not in page.text
    assert "action=" not in page.text, "the form is sent to where it stands, with what is behind the #"
    elsewhere = service.client.get("/inspections.csv", headers={"Accept": "text/html"})
    assert (elsewhere.status_code, ' action="/"' in elsewhere.text) == (401, True)
    assert service.client.post("/", data={"token": "wrong"}).status_code == 401
    answer = service.client.post("/", data={"token": secret}, follow_redirects=False)
    assert answer.status_code == 303
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert service.client.get("/system").json()["you"] == "ann"
    behind = service.client.post(
        "/", data={"token": secret}, headers={"X-Forwarded-Proto": "https"}, follow_redirects=False
    )
    assert ["Secure" in each.headers["set-cookie"].split("; ") for each in (answer, behind)] == [False, True]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("line-3.factory", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_only_its_own_names_are_answered(serve: Callable[..., Service], host: str, status: int) -> None:
    service = serve(limits=Limits(hosts=("Line-3.factory",)))
    assert service.client.get("/health", headers={"Host": host}).status_code == status


def test_pages_of_other_sites_are_not_answered_and_every_answer_is_guarded(service: Service) -> None:
    foreign = {"Origin": "http://evil.example"}
    assert service.client.post("/inspect", content=picture(1), headers=foreign).status_code == 403
    assert service.client.post("/inspect", content=picture(1), headers={"Origin": HOST}).status_code == 200
    for route in ("/", "/health", "/inspections", "/nothing"):
        answer = service.client.get(route)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_too_much_and_too_little_are_refused_with_a_reason(serve: Callable[..., Service]) -> None:
    service = serve(limits=Limits(body_bytes=100_000, pictures=3))
    post = service.client.post
    many = [("p", (f"{n}.png", picture(n))) for n in range(4)]
    for status, answer in (
        (400, post("/inspect")),
        (413, post("/inspect", content=bytes(100_001))),
        (413, post("/inspect", content=(bytes(10_000) for _ in range(11)))),  # in pieces, of no stated length
        (400, post("/inspect", files=many)),
        (400, post("/inspect", data={"a": "b"}, files={"": ("", b"")})),
        (400, post("/inspect", data={"recipe": "plates"}, files={"p": ("p.png", picture(1))})),
        (400, post("/inspect", files={"p": ("p.png", picture(1)), "q": (None, picture(2))})),
        (400, post("/inspect", content=b"x", headers={"Content-Type": "multipart/form-data"})),
        (400, post("/inspect?recipe=nuts", content=b"x")),
        (422, post("/inspect", params={"name": "x" * 300}, content=b"x")),
        (422, post("/reviews", json={"inspection_id": "x", "label": "good"})),
        (422, post("/reviews", content=b"[", headers=JSON)),
        (404, post("/reviews", json={"inspection_id": "0" * 32, "label": "good"})),
        (422, post("/reviews", content=json.dumps({"label": float("nan")}), headers=JSON)),
        (400, post("/calibration/preview", json={"recipe": "plates", "cost_miss": 3})),
        (400, post("/calibration/preview", json={"recipe": "plates", "threshold": 1, "false_alarm_rate": 0.1})),
        (400, post("/calibration/preview", json={"recipe": "plates", **COSTS})),
        (422, post("/calibration/apply", json={"recipe": "plates", "threshold": 1, "why": " "})),
        (400, post("/calibration/undo", json={"recipe": "plates", "why": "nothing there"})),
        (400, post("/recipes/plates/rollback")),
        (400, post("/drift/acknowledge", json={"recipe": "plates", "alarm_id": "none"})),
        (400, service.client.get("/counts", params={"until": "0001-01-01T00:00:03+02:00"})),
        (400, service.client.get("/inspections", params={"since": "9999-12-31T23:59:59-02:00"})),
        (422, post("/calibration/preview", json={"recipe": "plates", "threshold": True})),
        (422, post("/calibration/preview", json={"recipe": "plates", "false_alarm_rate": 1e-320})),
        (422, post("/calibration/sample", json={"recipe": "plates", "why": "w", "share": "1"})),
        (422, post("/inspect?prat=N17", content=picture(1))),
        (422, service.client.get("/inspections.csv?verdit=anomalous")),
        (422, service.client.get("/health?x=")),
        (405, service.client.delete("/inspections")),
    ):
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]
        assert "\n" not in answer.json()["error"]


def test_a_parameter_that_nobody_would_heed_is_named_with_those_there_are(service: Service) -> None:
    answer = service.client.get("/counts?recipe=plates&form=2026-05-01")
    assert answer.json() == {"error": "query.form: is no parameter here; there are recipe, since, until, newest"}
    assert service.client.get("/?utm=1").status_code == 200  # the page, which reads what it likes
    said = service.client.get("/counts?form=1", headers={"Accept-Language": "ja"}).json()["error"]
    assert said == "query.formというパラメータはありません。使えるのはrecipe, since, until, newestです。"


def test_a_parameter_that_is_given_twice_is_refused(service: Service) -> None:
    answer = service.client.post("/inspect?recipe=plates&recipe=other", content=picture(0))
    assert (answer.status_code, answer.json()["error"]) == (422, "query.recipe: is given 2 times; give it once")


def test_a_slash_at_the_end_leads_nowhere_else(service: Service) -> None:
    answer = service.client.post("/inspect/?recipe=plates", content=picture(0), follow_redirects=False)
    assert (answer.status_code, answer.json()["inspections"][0]["anomalous"]) == (200, False)
    for path, status in (("/inspections/", 200), ("/page/app.js/", 200), ("/nothing/", 404)):
        assert service.client.get(path, follow_redirects=False).status_code == status, path


def test_head_is_answered_as_get_without_the_body_and_other_methods_by_those_that_are_allowed(service: Service) -> None:
    for path in ("/", "/health", "/ready", "/inspections?limit=1", "/nothing"):
        told, got = service.client.head(path), service.client.get(path)
        assert (told.status_code, told.headers) == (got.status_code, got.headers)
        assert told.content == b""
    assert service.client.head("/health").headers["Content-Length"] != "0"
    for method, path, allowed in (
        ("DELETE", "/health", "GET"),
        ("GET", "/inspect", "POST"),
        ("HEAD", "/events", "GET"),
    ):
        answer = service.client.request(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("number", ["1.000", "1_000", "+50", "5e1", "", "\u0665"])
def test_numbers_in_an_address_are_digits_alone(service: Service, number: str) -> None:
    for place in (
        "inspections?limit",
        "counts?newest",
        "reviews/queue?limit",
        f"inspections/{32 * '0'}/picture?longest",
    ):
        answer = service.client.get(f"/{place}={quote(number)}")
        assert answer.status_code == 422
        assert "is no whole number; write digits alone" in answer.json()["error"]


def test_a_picture_without_a_name_is_not_passed_over(service: Service) -> None:
    answer = service.client.post("/inspect", files={"p": ("p.png", picture(1)), "q": (None, picture(2))})
    assert answer.json()["error"].startswith("the form's field 'q' is no file; send pictures as files that have names")
    assert not service.client.get("/inspections").json()["inspections"]


def test_a_fault_inside_shows_nothing_of_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(service.station.log, "find", fails)
    with pytest.raises(RuntimeError):
        service.client.get("/inspections")  # the test client passes on what a server prints
    service.client._transport.raise_server_exceptions = False
    answer = service.client.get("/inspections")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_no_path_leads_out_of_the_station(service: Service, tmp_path: Path) -> None:
    assert tried_to_leave(service, tmp_path, each=9) > 0
