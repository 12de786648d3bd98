"""The station as a whole: what arrives is judged, kept, told, watched; nothing is lost that was accepted."""

import asyncio
import io
import os
import re
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hizumi import bundles
from hizumi.data.images import Decoded
from hizumi.errors import BundleError, BusyError, LogError, SaveError, UsageError
from hizumi.inspection import Inspector
from hizumi.inspection.scoring import Scorer
from hizumi.monitoring import WatchSettings
from hizumi.station.events import MISSED, UNHEARD, Event, Events
from hizumi.station.ids import Ids
from hizumi.station.judging import BATCH_SIZE, Judge
from hizumi.station.keeping import PICTURE_NOT_KEPT
from hizumi.station.log import Alarm, AuditEvent, Log
from hizumi.station.pictures import Pictures
from hizumi.station.recalibration import Choice, State, apply
from hizumi.station.shelf import bundle_sha256
from hizumi.station.sources import Arrival
from hizumi.station.sources.folder import FolderSource
from hizumi.station.sources.replay import ReplaySource
from hizumi.station.station import Station
from hizumi.station.station_file import RecipeSettings, StationSettings, read_station_file, station_of
from tests.station.plates import picture, plate, plates_bundle, png
from tests.station.test_industrial_sinks import controller, free_port


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plates_bundle(tmp_path_factory.mktemp("bundle"))


def at_work(settings: StationSettings, use: Callable[[Station], Awaitable[Any]]) -> Any:
    """What `use` gives, of a station that is open meanwhile."""

    async def run() -> Any:
        station = Station.open(settings)
        station.start()
        try:
            return await use(station)
        finally:
            await station.close()

    return asyncio.run(run())


def arrival(seed: int = 0, *, defect: bool = False, **known: Any) -> Arrival:
    return Arrival(**{"name": "a.png", "content": picture(seed, defect=defect), "source": "test", **known})


def test_a_listener_that_is_too_slow_is_told_that_it_missed_something() -> None:
    events = Events()
    with events.heard() as queue:
        for number in range(UNHEARD + 7):
            events.tell(Event("inspection", {"number": number}))
        heard = [queue.get_nowait() for _ in range(queue.qsize())]
    assert heard[0] == MISSED
    assert [event.data["number"] for event in heard[1:] if event] == [*range(UNHEARD, UNHEARD + 7)]


def test_a_picture_is_judged_kept_and_told(bundle: Path, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        with station.events.heard() as events:
            good = await station.inspect(arrival(200))
            bad = await station.inspect(arrival(201, defect=True))
        assert (good.entry.anomalous, bad.entry.anomalous) == (False, True)
        assert [events.get_nowait().data["id"] for _ in range(2)] == [good.entry.id, bad.entry.id]
        assert station.log.entry(bad.entry.id) == bad.entry
        assert station.pictures.read(bad.entry.picture_sha256) == picture(201, defect=True)
        # The map is kept for what is anomalous, and made anew for what is not.
        assert (good.entry.map_key, bad.entry.map_key is None) == (None, False)
        for entry in (good.entry, bad.entry):
            overlay = station.gallery.overlay(entry)
            assert overlay is not None
            alpha = np.array(Image.open(io.BytesIO(overlay)).convert("RGBA"))[..., 3]
            assert alpha.shape == (32, 32)
            # Half opaque is the limit of maps, which alone a defect passes, and where it is.
            assert (alpha.max() > 128) == entry.anomalous
        assert 10 <= np.argwhere(alpha > 128)[:, 0].mean() <= 16

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_what_cannot_be_read_is_kept_with_the_reason(bundle: Path, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        for sent, reason in ((arrival(content=b"no"), "is not an image"), (arrival(error="is gone"), "is gone")):
            kept = await station.inspect(sent)
            entry = station.log.entry(kept.entry.id)
            assert entry is not None
            assert (entry.anomalous, entry.score) == (None, None)
            assert reason in entry.reason

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_whoever_waits_hears_what_went_wrong_in_the_thread_that_judges(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    async def use(station: Station) -> None:
        monkeypatch.setattr(Station, "_judged", fails)
        kept = await asyncio.wait_for(station.inspect(arrival()), 20)
        assert (kept.entry.anomalous, kept.is_kept) == (None, True)
        assert kept.entry.reason == "the station failed on it (RuntimeError)"
        assert station.in_flight == 0
        assert "RuntimeError: a mistake of ours" in capsys.readouterr().err

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_a_verdict_is_given_where_nothing_can_be_kept(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise SaveError("no space left on device")

    def locked(*_: object, **__: object) -> None:
        raise LogError("the log is locked")

    async def use(station: Station) -> None:
        monkeypatch.setattr(Pictures, "keep", no_room)
        kept = await station.inspect(arrival(1, defect=True))
        assert kept.entry.anomalous
        assert kept.is_kept
        assert PICTURE_NOT_KEPT in kept.entry.notes
        assert (station.losses.pictures, station.losses.entries) == (1, 0)
        with monkeypatch.context() as patched:
            patched.setattr(Log, "add", locked)
            kept = await station.inspect(arrival(2))
        assert kept.entry.anomalous is False
        assert not kept.is_kept
        assert (station.losses.entries, station.losses.reason) == (1, "the log is locked")

    at_work(station_of(bundle, tmp_path / "station"), use)


def replaying(count: int, bundle: Path, root: Path) -> StationSettings:
    """A station that brings so many pictures of good plates, called 0.png and so on."""
    (root / "incoming").mkdir()
    for number in range(count):
        (root / "incoming" / f"{number}.png").write_bytes(picture(number))
    source = {"kind": "replay", "path": "incoming", "pictures_per_second": 100.0}
    return replace(station_of(bundle, root / "station"), root=root, sources=(source,))


def test_a_picture_that_the_engine_fails_on_is_not_judged_and_ends_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replaying(3, bundle, tmp_path)
    fails = iter([RuntimeError("engine"), RuntimeError("out of memory")])

    async def use(station: Station) -> None:
        judge = station.recipe(None).judge
        scorer = judge._scorer.score

        def score(*arguments: Any, **known: Any) -> Any:
            if (error := next(fails, None)) is not None:
                raise error
            return scorer(*arguments, **known)

        monkeypatch.setattr(type(judge._scorer), "score", lambda _, *a, **k: score(*a, **k))
        async with asyncio.timeout(20):
            while station.log.count() < 3:
                await asyncio.sleep(0.05)
        entries = {entry.name: entry for entry in station.log.find().entries}
        assert "failed on it (RuntimeError)" in entries["0.png"].reason
        assert entries["1.png"].reason == "memory ran out"
        assert entries["2.png"].anomalous is False

    at_work(settings, use)


def test_whatever_goes_wrong_with_a_picture_its_source_goes_on(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replaying(4, bundle, tmp_path)
    look, keep = Judge.look, Pictures.keep
    seen: list[str] = []

    def short_look(judge: Judge, image: Decoded) -> Any:
        seen.append("looked")
        if len(seen) == 1:
            raise MemoryError
        return look(judge, image)

    def failing_keep(pictures: Pictures, content: bytes, *arguments: Any, **known: Any) -> str:
        if content == picture(2):
            raise RuntimeError("a mistake of ours")
        return keep(pictures, content, *arguments, **known)

    monkeypatch.setattr(Judge, "look", short_look)
    monkeypatch.setattr(Pictures, "keep", failing_keep)

    async def use(station: Station) -> None:
        async with asyncio.timeout(20):
            while station.log.count() < 3:
                await asyncio.sleep(0.05)
        entries = {entry.name: entry for entry in station.log.find().entries}
        assert {name: entry.anomalous for name, entry in entries.items()} == {
            "0.png": None,
            "1.png": False,
            "3.png": False,
        }
        assert (entries["0.png"].reason, entries["0.png"].recipe) == ("memory ran out", entries["1.png"].recipe)
        assert (station.losses.entries, station.losses.reason) == (1, "the station failed on it (RuntimeError)")
        assert not station.sources[0].trouble

    at_work(settings, use)


def test_a_source_that_breaks_off_says_so_and_is_begun_again(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.png").write_bytes(picture(0))
    folder = {"kind": "folder", "path": "incoming"}
    replay = {"kind": "replay", "path": "incoming"}  # which would bring once more what it has brought
    settings = replace(station_of(bundle, tmp_path / "station"), root=tmp_path, sources=(folder, replay))
    read, failed = FolderSource._read, threading.Event()

    def short_read(source: FolderSource, path: Path) -> Any:
        if not failed.is_set():
            failed.set()
            raise MemoryError
        return read(source, path)

    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(FolderSource, "_read", short_read)
    monkeypatch.setattr(ReplaySource, "_listed", fails)
    monkeypatch.setattr("hizumi.station.station.BROKEN_OFF_SECONDS", 0.2)

    async def use(station: Station) -> None:
        watched, replayed = station.sources
        async with asyncio.timeout(20):
            while watched.trouble != "it has broken off: memory ran out":
                await asyncio.sleep(0.01)
            while station.log.count() < 1:
                await asyncio.sleep(0.05)
        assert not watched.trouble
        assert replayed.trouble == "it has broken off: the station failed on it (RuntimeError)"

    at_work(settings, use)


def test_what_goes_wrong_while_tidying_up_is_told_and_tried_again(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[str] = []

    def prune(*_: object) -> None:
        tidied.append("tried")
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hizumi.station.station.TIDYING_SECONDS", 0.01)
    monkeypatch.setattr("hizumi.station.station.prune", prune)

    async def use(station: Station) -> None:
        async with asyncio.timeout(20):
            while len(tidied) < 3:
                await asyncio.sleep(0.01)
        assert station.losses.reason == "the station failed on it (PermissionError)"

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_the_newest_picture_is_first_although_the_clock_was_set_back_before_the_start(
    bundle: Path, tmp_path: Path
) -> None:
    settings = station_of(bundle, tmp_path / "station")
    in_an_hour = f"{int((time.time() + 3600) * 1000):012x}" + Ids().new()[12:]

    async def use_later(station: Station) -> None:
        kept = await station.inspect(arrival(1))
        station.log.add([replace(kept.entry, id=in_an_hour)])

    async def use(station: Station) -> None:
        sent = [(await station.inspect(arrival(n))).entry.id for n in range(3)]
        assert [entry.id for entry in station.log.find(limit=4).entries] == [*reversed(sent), in_an_hour]

    at_work(settings, use_later)
    at_work(settings, use)


def test_of_pictures_that_wait_no_more_are_decoded_than_two_batches(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0
    decode, score = Judge.decode, Scorer.score
    go_on = threading.Event()

    def counted(judge: Judge, content: bytes, name: str) -> Decoded:
        nonlocal decoded
        decoded += 1
        return decode(judge, content, name)

    def held_up(scorer: Scorer, *arguments: Any, **known: Any) -> Any:
        assert go_on.wait(20)
        return score(scorer, *arguments, **known)

    async def use(station: Station) -> None:
        monkeypatch.setattr(Judge, "decode", counted)
        monkeypatch.setattr(Scorer, "score", held_up)
        sent = [asyncio.create_task(station.inspect(arrival(n))) for n in range(5 * BATCH_SIZE)]
        while decoded < 2 * BATCH_SIZE:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        go_on.set()
        assert decoded == 2 * BATCH_SIZE
        assert all(kept.is_kept for kept in await asyncio.gather(*sent))

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_more_than_may_wait_is_refused_and_nothing_after_the_close(bundle: Path, tmp_path: Path) -> None:
    async def use(station: Station) -> Station:
        answers = await asyncio.gather(*(station.inspect(arrival(n)) for n in range(12)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BusyError)]
        assert len(refused) == 12 - 5
        assert station.log.count() == 5
        assert station.in_flight == 0
        return station

    station = at_work(replace(station_of(bundle, tmp_path / "station"), waiting=5), use)
    with pytest.raises(BusyError, match="closing"):
        asyncio.run(station.inspect(arrival()))


def test_of_pictures_that_come_together_all_are_judged_or_none(bundle: Path, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        requests = [[arrival(n) for n in range(first, first + 3)] for first in (0, 10)]
        answers = await asyncio.gather(*map(station.inspect_all, requests), return_exceptions=True)
        assert [type(answer) for answer in answers] == [list, BusyError]
        assert station.log.count() == 3
        assert station.in_flight == 0

    at_work(replace(station_of(bundle, tmp_path / "station"), waiting=5), use)


def test_bundles_are_exchanged_while_pictures_come_and_gone_back_to(bundle: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.hizumi"
    own.write_bytes(bundle.read_bytes())
    settings = station_of(own, tmp_path / "station")

    async def use(station: Station) -> tuple[str, str]:
        recipe = station.recipe(None)
        first = recipe.judge.sha256
        sent = [asyncio.create_task(station.inspect(arrival(n))) for n in range(30)]
        bundles.save(bundles.load(bundle).calibrate(false_alarm_rate=0.2), own)
        await station.exchange.reload(recipe, "somebody")
        second = recipe.judge.sha256
        assert second != first
        used = {(await task).entry.bundle_sha256 for task in sent}
        assert first in used <= {first, second}
        assert (await station.inspect(arrival(1))).entry.bundle_sha256 == second
        await station.exchange.roll_back(recipe, "somebody")
        assert recipe.judge.sha256 == first
        assert [event.what for event in station.log.audit()] == ["bundle rolled back", "bundle loaded"]
        own.write_bytes(b"damaged")
        with pytest.raises(BundleError, match=r"^own\.hizumi: is not a hizumi bundle") as raised:
            await station.exchange.reload(recipe, "somebody")
        assert "/" not in str(raised.value)
        assert station.shelf.held() == {first, second}, "what nothing was judged by is not kept"
        assert (await station.inspect(arrival(2))).entry.bundle_sha256 == first
        with pytest.raises(BundleError, match=r"^own\.hizumi: is not a hizumi bundle"):
            Station.open(station_of(own, tmp_path / "another"))
        own.write_bytes(bundle.read_bytes())
        return first, second

    first, _ = at_work(settings, use)
    kept = settings.folder / "bundles" / f"{first}.hizumi"
    kept.write_bytes(b"damaged")
    Station.open(settings)._close()
    assert kept.read_bytes() == own.read_bytes(), "from the file that the settings name"


def test_an_exchange_that_cannot_be_written_down_is_none_and_a_lost_file_can_be_gone_back_from(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.hizumi"
    own.write_bytes(bundle.read_bytes())
    settings = station_of(own, tmp_path / "station")

    def locked(*_: object, **__: object) -> None:
        raise LogError("the log is locked")

    async def use(station: Station) -> str:
        def moved(path: Path) -> State:
            signed = {"recipe": "plates", "who": "ann", "why": "a new lamp"}
            return apply(station.log, station.shelf, path, Choice("none", false_alarm_rate=0.3), **signed)

        recipe = station.recipe(None)
        first = recipe.judge.sha256
        bundles.save(bundles.load(bundle).calibrate(false_alarm_rate=0.2), own)
        with monkeypatch.context() as patch:
            patch.setattr(Log, "add", locked)
            with pytest.raises(LogError, match="locked"):
                await station.exchange.reload(recipe, "somebody")
            with pytest.raises(LogError, match="locked"):
                await station.exchange.recalibrate(recipe, moved)
        assert station.log.audit() == ()
        assert recipe.judge.sha256 == first, "what was answered with an error is not at work"
        assert (await station.inspect(arrival(1))).entry.bundle_sha256 == first
        await station.exchange.reload(recipe, "somebody")
        own.unlink()
        await station.exchange.roll_back(recipe, "somebody else")
        assert recipe.judge.sha256 == first
        assert [(event.who, event.what) for event in station.log.audit()] == [
            ("somebody else", "bundle rolled back"),
            ("somebody", "bundle loaded"),
        ]
        return first

    first = at_work(settings, use)
    bundles.save(bundles.load(bundle).calibrate(false_alarm_rate=0.2), own)  # as it was when it was gone back from
    station = Station.open(settings)
    assert station.recipe(None).judge.sha256 == first, "after the next start too"
    station._close()


@pytest.mark.parametrize(
    ("source", "alarms", "held"),
    [
        ({"kind": "folder", "path": "."}, "../alarms", "line-station/pictures"),
        ({"kind": "replay", "path": "line-station"}, "../alarms", "pictures"),
        ({"kind": "folder", "path": "incoming/../incoming"}, "incoming/alarms", "alarms"),
        ({"kind": "folder", "path": "alarms"}, "alarms", "."),
        ({"kind": "folder", "path": ".", "recursive": False}, "alarms", None),
        ({"kind": "folder", "path": "incoming"}, "alarms", None),
    ],
)
def test_no_source_brings_what_the_station_itself_writes(
    bundle: Path, tmp_path: Path, source: dict[str, Any], alarms: str, held: str | None
) -> None:
    recipe = RecipeSettings(name="plates", bundle=bundle)
    sink = {"kind": "alarm_folder", "path": alarms}
    root = tmp_path / "line"
    settings = StationSettings(
        recipes=(recipe,), folder=root / "line-station", root=root, sources=(source,), sinks=(sink,)
    )
    if held is None:
        Station.open(settings)._close()
    else:
        with pytest.raises(
            UsageError, match=rf"\[\[sources\]\] {source['kind']}: its folder holds {re.escape(held)}, where"
        ):
            Station.open(settings)


def test_tidying_that_failed_is_told_and_done_later(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.station.TIDYING_SECONDS", 0.05)

    async def use(station: Station) -> None:
        unused = Path(station.pictures.root / "ab" / "cd" / f"abcd{'0' * 60}")
        unused.mkdir(parents=True)  # which cannot be removed as a file is
        os.utime(unused, (0, 0))
        async with asyncio.timeout(20):
            while not station.losses.reason:
                await asyncio.sleep(0.02)
            assert station.losses.reason.startswith("the station could not tidy up: ")
            assert str(tmp_path) not in station.losses.reason
            unused.rmdir()
            unused.write_bytes(b"")
            os.utime(unused, (0, 0))
            while unused.exists():
                await asyncio.sleep(0.02)

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_recipes_are_chosen_by_name_part_or_as_the_only_one(bundle: Path, tmp_path: Path) -> None:
    recipes = (
        RecipeSettings(name="bolts", bundle=bundle, parts=("B*",)),
        RecipeSettings(name="nuts", bundle=bundle, parts=("N?", "*x")),
    )

    async def use(station: Station) -> None:
        assert station.recipe("nuts").name == "nuts"
        assert station.recipe(None, "B12").name == "bolts"
        assert station.recipe(None, "N1").name == "nuts"
        for part in ("", "C1", "Bx"):  # none, none, two
            with pytest.raises(UsageError, match="name one of bolts, nuts"):
                station.recipe(None, part)
        with pytest.raises(UsageError, match="no recipe 'screws'"):
            station.recipe("screws")

    at_work(StationSettings(recipes=recipes, folder=tmp_path / "station"), use)


def test_views_give_one_verdict_and_a_late_one_none(bundle: Path, tmp_path: Path) -> None:
    recipe = RecipeSettings(name="plates", bundle=bundle, views=("top", "side"), view_seconds=3)

    async def use(station: Station) -> None:
        parts = []
        with station.events.heard() as events:
            await station.inspect(arrival(1, part="A", view="top"))
            await station.inspect(arrival(2, part="A", view="side", defect=True))
            await station.inspect(arrival(3, part="B", view="top"))
            async with asyncio.timeout(60):
                while len(parts) < 2:
                    event = await events.get()
                    assert event is not None, "it has not ended"
                    parts += [(event.data["part"], event.data["anomalous"])] if event.name == "part" else []
        assert parts == [("A", True), ("B", None)]

    at_work(StationSettings(recipes=(recipe,), folder=tmp_path / "station"), use)


def test_a_part_whose_views_are_still_to_come_is_decided_when_the_station_ends(bundle: Path, tmp_path: Path) -> None:
    recipe = RecipeSettings(name="plates", bundle=bundle, views=("top", "side"), view_seconds=600)
    settings = StationSettings(recipes=(recipe,), folder=tmp_path / "station")

    with ExitStack() as until_closed:

        async def use(station: Station) -> asyncio.Queue[Event | None]:
            heard = until_closed.enter_context(station.events.heard())
            await station.inspect(arrival(200, part="7", view="top"))
            assert station.log.state("views of plates").keys() == {"7"}
            return heard

        heard = at_work(settings, use)
    told = [event for event in (heard.get_nowait() for _ in range(heard.qsize())) if event and event.name == "part"]
    assert [event.data["reason"] for event in told] == ["no picture came of side"]
    log = Log.open(settings.log_url)
    assert log.state("views of plates") == {}
    log.close()


def test_a_crash_loses_no_more_of_a_watch_than_the_last_pictures(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.drift.KEPT_AFTER", 5)

    async def use(station: Station) -> None:
        for count in range(1, 8):
            await station.inspect(arrival(200 + count))
            assert station.log.state("drift watch of plates")["watch"]["pictures"] == (5 if count >= 5 else 0)

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_a_dimmed_lamp_raises_an_alarm_that_is_kept_and_survives_a_restart(bundle: Path, tmp_path: Path) -> None:
    drift = WatchSettings(learning_pictures=60)
    settings = replace(station_of(bundle, tmp_path / "station"), drift=drift, drift_baseline="station")

    async def bright(station: Station) -> None:
        for seed in range(300, 380):
            await station.inspect(arrival(seed))
        assert station.log.alarms() == ()

    async def dim(station: Station) -> None:
        assert station.drift.watch("plates").status.learned is None
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.85 * plate(seed)).astype(np.uint8))))
        alarm = station.log.alarms()[-1]
        assert alarm.details["code"] == "brightness_lower"
        assert alarm.recipe == "plates"
        # As after a crash: the watch is kept with each alarm.
        state = station.log.state("drift watch of plates")["watch"]
        assert state["alarms"][-1]["id"] == alarm.id

    async def bright_again(station: Station) -> tuple[Alarm, ...]:
        for seed in range(500, 580):
            await station.inspect(arrival(seed))
        return station.log.alarms()

    async def begun(station: Station) -> tuple[Alarm, ...]:
        return station.log.alarms()

    at_work(settings, bright)
    at_work(settings, dim)
    assert all(alarm.ended_at is None for alarm in at_work(settings, begun))
    others = replace(settings, drift=replace(drift, run_length=9000.0), folder=tmp_path / "another")
    shutil.copytree(settings.folder, others.folder)
    assert all(alarm.ended_at is not None for alarm in at_work(others, begun)), "nobody watches those any more"
    for alarm in at_work(settings, bright_again):
        assert alarm.ended_at is not None
        assert alarm.ended_at.isoformat() == alarm.details["ended_at"]


def test_an_alarm_that_is_told_again_is_one_row_and_as_many_messages(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where nobody listens.
    hook = {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1:9/", "when": ["drift"], "secret_variable": "S"}
    monkeypatch.setenv("S", "secret")
    settings = replace(station_of(bundle, tmp_path / "station"), sinks=(hook,), drift=WatchSettings(quiet_minutes=0))

    async def use(station: Station) -> None:
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.5 * plate(seed)).astype(np.uint8))))
        rows = station.log.alarms()
        sent = [message.payload for message in station.log.due("hook", datetime.now(UTC) + timedelta(days=1))]
        for row in rows:
            own = [payload["reminders"] for payload in sent if payload["id"] == row.id]
            assert own == [*range(row.details["reminders"] + 1)]
        assert {payload["id"] for payload in sent} == {row.id for row in rows}
        assert len(sent) > len(rows) > 0

    at_work(settings, use)


def test_sinks_are_told_that_an_alarm_is_over(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where nobody listens.
    hook = {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1:9/", "when": ["drift"], "secret_variable": "S"}
    monkeypatch.setenv("S", "secret")
    drift = WatchSettings(learning_pictures=60)
    settings = station_of(bundle, tmp_path / "station")
    settings = replace(settings, sinks=(hook,), drift=drift, drift_baseline="station")

    def told(station: Station) -> list[tuple[str, str | None]]:
        sent = station.log.due("hook", datetime.now(UTC) + timedelta(days=1))
        return [(message.payload["id"], message.payload["ended_at"]) for message in sent]

    async def dim(station: Station) -> None:
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.85 * plate(seed)).astype(np.uint8))))

    async def use(station: Station) -> None:
        for seed in range(300, 380):
            await station.inspect(arrival(seed))
        await dim(station)
        (first,) = {own for own, ended_at in told(station) if ended_at is None}
        for seed in range(500, 580):
            await station.inspect(arrival(seed))
        (alarm,) = station.log.alarms()
        assert told(station)[-1] == (first, alarm.details["ended_at"]), "by the pictures"
        await dim(station)
        before = len(told(station))
        change = await station.accept_drift("plates", who="ann", why="a new lamp")
        assert {ended_at for _, ended_at in told(station)[before:]} == {change.at.isoformat()}, "by somebody"
        assert all(alarm.ended_at is not None for alarm in station.log.alarms())

        def fails(*_: object, **__: object) -> None:
            raise LogError("the log is locked")

        with monkeypatch.context() as locked:
            locked.setattr(station.log, "add", fails)
            with pytest.raises(LogError, match="locked"):
                await station.accept_drift("plates", who="ann", why="another lamp")
        assert station.losses.entries == 0

    at_work(settings, use)


def test_sinks_are_told_that_nobody_watches_an_alarm_after_a_restart(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where nobody listens.
    hook = {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1:9/", "when": ["drift"], "secret_variable": "S"}
    monkeypatch.setenv("S", "secret")
    settings = replace(station_of(bundle, tmp_path / "station"), sinks=(hook,))

    async def dim(station: Station) -> str:
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.5 * plate(seed)).astype(np.uint8))))
        (alarm,) = station.log.alarms()
        station.log.acknowledge(alarm.id, "ann", "seen")
        return alarm.id

    async def told(station: Station) -> list[dict[str, Any]]:
        (alarm,) = station.log.alarms()
        sent = [message.payload for message in station.log.due("hook", datetime.now(UTC) + timedelta(days=1))]
        over = [payload for payload in sent if payload["ended_at"] is not None]
        ended_at = None if alarm.ended_at is None else alarm.ended_at.isoformat()
        assert all(payload["ended_at"] == ended_at for payload in over)
        return over

    own = at_work(settings, dim)
    assert at_work(settings, told) == [], "it goes on"
    others = replace(settings, drift=WatchSettings(run_length=9000.0))
    for _ in range(2):
        (over,) = at_work(others, told)
        assert (over["event"], over["id"], over["recipe"], over["code"]) == ("drift", own, "plates", "brightness_lower")
        assert (over["acknowledged"]["who"], over["acknowledged"]["note"]) == ("ann", "seen")


def test_a_controller_sees_as_long_as_a_drift_alarm_holds(bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    lamp = {"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 1, "drift_coil": 2, "heartbeat_seconds": 0.05}
    settings = replace(station_of(bundle, tmp_path / "station"), sinks=(lamp,))

    async def use(station: Station) -> None:
        async with controller(port) as written:

            def lamps() -> list[int]:
                return [value for _, address, value in written if address == 2]

            async with asyncio.timeout(60):
                while not lamps():
                    await asyncio.sleep(0.01)
                for seed in range(400, 430):
                    await station.inspect(arrival(content=png((0.5 * plate(seed)).astype(np.uint8))))
                while not lamps()[-1]:
                    await asyncio.sleep(0.01)
                await station.accept_drift("plates", who="ann", why="a new lamp")
                while lamps()[-1]:
                    await asyncio.sleep(0.01)

    at_work(settings, use)


def test_no_heart_beats_for_a_controller_while_the_log_takes_no_verdict(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.station.LOG_TRIED_SECONDS", 0.05)
    port = free_port()
    gate = {"kind": "modbus", "host": "127.0.0.1", "port": port, "coil": 1, "heartbeat_register": 4}
    settings = replace(station_of(bundle, tmp_path / "station"), sinks=({**gate, "heartbeat_seconds": 0.05},))

    def full(*_: object, **__: object) -> None:
        raise LogError("the log could not be written: the disk is full; free some space")

    async def use(station: Station) -> None:
        async with controller(port) as written, asyncio.timeout(60):

            def beats() -> int:
                return sum(address == 4 for _, address, _ in written)

            async def beaten(count: int) -> None:
                while beats() < count:
                    await asyncio.sleep(0.01)

            await beaten(3)
            with monkeypatch.context() as patch:
                patch.setattr(Log, "add", full)
                kept = await station.inspect(arrival(1, defect=True))
                assert (kept.entry.anomalous, kept.is_kept) == (True, False)
                await asyncio.sleep(0.2)  # for one under way
                before = beats()
                await asyncio.sleep(0.5)
                assert beats() == before, "the gate has not heard of the defect, and must not take that for a good part"
                assert station.outbox.troubles() == {"modbus": "its heartbeat is held back: the log cannot be written"}
            await beaten(before + 3)  # though no picture has come
            assert not station.outbox.troubles()
            assert (station.losses.entries, station.log.count()) == (1, 0)

    at_work(settings, use)


def state_in(path: Path) -> State:
    return State(path, bundle_sha256(path), "", AuditEvent("ann", "bundle recalibrated", "a new lamp"))


def test_a_moved_limit_leaves_the_watch_and_its_alarms_as_they_were(bundle: Path, tmp_path: Path) -> None:
    settings = station_of(bundle, tmp_path / "station")

    async def use(station: Station) -> None:
        watch, recipe = station.drift.watch("plates"), station.recipe(None)
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.5 * plate(seed)).astype(np.uint8))))
        alarms = watch.alarms
        assert alarms
        for number, limit in enumerate(({"threshold": 0.5}, {"false_alarm_rate": 0.2}, {"rule": "k-sigma"})):
            other = bundles.save(bundles.load(bundle).calibrate(**limit), tmp_path / f"{number}.hizumi")  # type: ignore[arg-type]
            await station.exchange.recalibrate(recipe, lambda _, other=other: state_in(other))
            assert station.drift.watch("plates") is watch, limit
        assert watch.alarms == alarms

    async def alarmed(station: Station) -> bool:
        return bool(station.drift.watch("plates").alarms)

    at_work(settings, use)
    assert at_work(settings, alarmed), "after a restart with the last of the limits, too"


def test_what_another_detector_was_alarmed_of_is_over(bundle: Path, tmp_path: Path) -> None:
    other = bundles.save(Inspector("pca").fit(np.stack([plate(seed) for seed in range(70, 90)])), tmp_path / "o.hizumi")

    async def use(station: Station) -> None:
        watch, recipe = station.drift.watch("plates"), station.recipe(None)
        for seed in range(400, 430):
            await station.inspect(arrival(content=png((0.5 * plate(seed)).astype(np.uint8))))
        assert {alarm.ended_at for alarm in station.log.alarms()} == {None}
        for replacement in (other, bundle):
            await station.exchange.recalibrate(recipe, lambda _, replacement=replacement: state_in(replacement))
            assert station.drift.watch("plates") is not watch
        await station.inspect(arrival())
        assert all(alarm.ended_at is not None for alarm in station.log.alarms())

    at_work(station_of(bundle, tmp_path / "station"), use)


def test_the_bundle_in_use_is_that_after_a_restart_until_the_file_is_another(bundle: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.hizumi"
    own.write_bytes(bundle.read_bytes())
    other = bundles.save(bundles.load(bundle).calibrate(false_alarm_rate=0.2), tmp_path / "other.hizumi")
    settings = station_of(own, tmp_path / "station")

    async def exchange(station: Station) -> str:
        await station.exchange.recalibrate(station.recipe(None), lambda _: state_in(other))
        return station.recipe(None).judge.sha256

    async def in_use(station: Station) -> str:
        return station.recipe(None).judge.sha256

    exchanged = at_work(settings, exchange)
    assert at_work(settings, in_use) == exchanged
    bundles.save(bundles.load(bundle).calibrate(false_alarm_rate=0.1), own)
    assert at_work(settings, in_use) not in (exchanged, None)


def test_station_files_are_read_and_wrong_ones_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    path.write_text('name = "line-3"\n[[recipes]]\nname = "nuts"\nbundle = "nuts.hizumi"\nparts = ["N*"]\n')
    settings = read_station_file(path)
    assert settings.recipes[0].bundle == tmp_path / "nuts.hizumi"
    assert settings.folder == tmp_path / "line-station"
    path.write_text(path.read_text(), encoding="utf-8-sig")  # as an editor of Windows may write it
    assert read_station_file(path) == settings
    recipe = '[[recipes]]\nname = "nuts"\nbundle = "nuts.hizumi"\n'
    for text, reason in {
        "": "no \\[\\[recipes\\]\\]",
        "nonsense": "is no station file",
        recipe + recipe: "two recipes are called nuts",
        recipe.replace('"nuts"', '"../x"'): "is no name",
        recipe + "veiws = ['a']": "did you mean views",
        recipe + "views = ['top', 'top']": "views has a name twice",
        recipe + "view_seconds = -1": "view_seconds",
        f"waiting = 0\n{recipe}": "waiting",
        f"{recipe}[drift]\nrun_length = 3": "run length of 3",
        f"{recipe}[retention]\ngood_days = -1": "good_days",
        "sources = 3\n" + recipe: "sources must be tables",
    }.items():
        path.write_text(text)
        with pytest.raises(UsageError, match=reason) as raised:
            read_station_file(path)
        assert "\n" not in str(raised.value)
