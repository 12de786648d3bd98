"""`hizumi serve` and `hizumi station`: what is refused before anything opens, and what the log is written out as."""

import asyncio
import csv
import os
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the log needs it: pip install 'hizumi[serve]'")

from hizumi.cli import main
from hizumi.station.log import Alarm, Review
from hizumi.station.sources import Arrival
from hizumi.station.station import Station
from hizumi.station.station_file import station_of
from hizumi.storage.locks import locked
from tests.station.plates import picture, plates_bundle


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plates_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def remembered(bundle: Path, tmp_path: Path) -> Path:
    """The folder of a station that has seen three plates, two of which were reviewed."""
    folder = tmp_path / "station"

    async def seen() -> None:
        station = Station.open(station_of(bundle, folder))
        for seed, defect in ((1, False), (2, True), (3, False)):
            arrival = Arrival(name=f"{seed}.png", content=picture(seed, defect=defect), source="test", part="=SUM(A1)")
            kept = await station.inspect(arrival)
            if seed == 1:
                station.log.alarm(Alarm("plates", "=the lamp", id="a"))
            if seed < 3:
                station.log.review(Review(kept.entry.id, "defect" if defect else "good", "Ann", "spot"))
        await station.close()

    asyncio.run(seen())
    return folder


def test_the_log_is_written_as_a_table_a_report_and_a_labelled_set(
    bundle: Path, remembered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--folder", remembered)
    assert run("station", "export", bundle, "-o", tmp_path / "log.csv", *at) == 0
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] == ["3.png", "2.png", "1.png"]
    assert rows[0]["part"].startswith("'=")  # no formula for a spreadsheet to run
    assert run("station", "export", bundle, "-o", tmp_path / "later.csv", "--since", "2999-01-01", *at) == 0
    assert len((tmp_path / "later.csv").read_text(encoding="utf-8").splitlines()) == 1
    assert run("station", "export", bundle, "-o", tmp_path / "alarms.csv", "--alarms", *at) == 0
    (alarm,) = csv.DictReader((tmp_path / "alarms.csv").read_text(encoding="utf-8").splitlines())
    assert (alarm["id"], alarm["words"]) == ("a", "'=the lamp")
    assert "Wrote 1 drift alarm to" in " ".join(capsys.readouterr().out.split())
    assert run("station", "report", bundle, "-o", tmp_path / "shift.html", "--title", "<b>Shift", *at) == 0
    page = (tmp_path / "shift.html").read_text(encoding="utf-8")
    assert "3 pictures inspected" in page
    assert "&lt;b&gt;Shift" in page
    assert run("station", "report", bundle, "-o", tmp_path / "shift.html", "--language", "ja", *at) == 0
    page = (tmp_path / "shift.html").read_text(encoding="utf-8")
    assert "3枚を検査" in page
    assert "監査レポート</h1>" in page
    assert run("station", "export", bundle, "-o", tmp_path / "log.csv", *at) == 0
    assert run("station", "labelled", bundle, "-o", tmp_path / "set", *at) == 0
    assert len(list((tmp_path / "set").glob("*/good/*.png"))) == 1
    assert len(list((tmp_path / "set" / "test" / "spot").iterdir())) == 1
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count(", in place of an earlier one") == 2, "the second report and the second table"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("serve", "nothing.hizumi"), "there is no such file"),
        (("serve", "{bundle}", "--host", "0.0.0.0"), "give out a token first"),
        (("station", "export", "{bundle}", "-o", "log.xls"), "neither .csv nor .parquet"),
        (("station", "export", "{bundle}", "-o", "log.csv", "--since", "yesterday"), "give a time such as"),
        (("station", "export", "{bundle}", "-o", "a.csv", "--since", "9999-12-31T23:59-12:00"), "give a time such as"),
        (
            ("station", "report", "{bundle}", "-o", "a.html", "--since", "2026-05-02", "--until", "2026-05-01"),
            "--until 2026-05-01 is not after --since 2026-05-02: nothing lies between them",
        ),
        (("station", "export", "{bundle}", "-o", "a.csv", "--alarms", "--part", "N1"), "leave out --part, or --alarms"),
        (("station", "report", "{bundle}", "-o", "shift.html"), "holds no log of a station"),
        (("station", "token", "{bundle}", "a/b"), "is no name"),
        (("station", "token", "{bundle}", "ann", "--withdraw"), "there is no token"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*(argument.format(bundle=bundle) for argument in arguments)) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # nothing was begun


@pytest.mark.parametrize("command", ["report", "export"])
def test_what_is_written_takes_the_place_of_nothing_that_a_station_is_or_remembers(
    command: str, bundle: Path, remembered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = tmp_path / "line.toml"
    line.write_text(f'folder = "station"\n[[recipes]]\nname = "plates"\nbundle = "{bundle}"\n')
    for output in [line, bundle, remembered / "station.sqlite", remembered / "new.csv"]:
        before = output.read_bytes() if output.exists() else None
        assert run("station", command, line, "-o", output) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert (output.read_bytes() if output.exists() else None) == before
    assert run("station", command, line, "-o", tmp_path / "shift.csv") == 0


def test_a_folder_has_one_station_at_a_time(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(tmp_path / "station"):
        assert run("serve", bundle, "--folder", tmp_path / "station", "--port", "0") == 2
    assert f"station is in use by process {os.getpid()}" in " ".join(capsys.readouterr().err.split())


def test_tokens_are_given_shown_once_and_withdrawn(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--folder", tmp_path)
    assert run("station", "token", bundle, "ann", "--role", "admin", *at) == 0
    secret = capsys.readouterr().out.splitlines()[1].strip()
    assert run("station", "tokens", bundle, *at) == 0
    said = capsys.readouterr().out
    assert "ann" in said
    assert "admin" in said
    assert secret not in said
    assert run("station", "token", bundle, "ann", *at) == 0
    assert "The earlier token of ann is worthless" in capsys.readouterr().out
    assert run("station", "token", bundle, "bob", *at) == 0
    assert run("station", "token", bundle, "ann", "--withdraw", *at) == 0
    assert "Nobody has a token" not in capsys.readouterr().out
    assert run("station", "token", bundle, "bob", "--withdraw", *at) == 0
    assert "Nobody has a token: the station" in " ".join(capsys.readouterr().out.split())
    assert run("station", "tokens", bundle, *at) == 0
    assert "Nobody has a token: the station" in " ".join(capsys.readouterr().out.split())
