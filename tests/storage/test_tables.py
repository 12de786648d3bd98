import csv
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from hizumi.errors import SaveError
from hizumi.storage.files import atomic_file, printable, write_atomically
from hizumi.storage.tables import write_csv, write_json


def fail_with_full_disk(*_args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_json_reads_back_as_what_was_written(tmp_path: Path) -> None:
    content = {
        "image_auroc": np.float32(0.5),
        "interval": np.array([0.25, 0.75]),
        "count": np.int64(3),
        "is_good": np.bool_(True),
        "missing": float("nan"),
        "infinite": [np.inf, 1],
        "name": "部品 \udcff.png",
        "path": Path("a/b"),
    }
    write_json(tmp_path / "result.json", content)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == {
        "image_auroc": 0.5,
        "interval": [0.25, 0.75],
        "count": 3,
        "is_good": True,
        "missing": None,
        "infinite": [None, 1],
        "name": "部品 \\xff.png",
        "path": "a/b",
    }


def test_json_on_standard_output_suits_any_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    write_json("-", {"name": "部品"})
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == {"name": "部品"}


def test_csv_has_a_column_for_every_key(tmp_path: Path) -> None:
    rows = [
        {"name": 'a,"b"\n.png', "score": 0.1},
        {"name": "\udc80", "terms": {"residual": 1}},
        {"name": "Icon\r", "score": 1},  # macOS's picture of a folder
    ]
    write_csv(tmp_path / "scores.csv", rows)
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"name": 'a,"b"\n.png', "score": "0.1", "terms": ""},
            {"name": "\\x80", "score": "", "terms": '{"residual": 1}'},
            {"name": "Icon\r", "score": "1", "terms": ""},
        ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_is_a_formula_for_a_spreadsheet(start: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "scores.csv", [{"name": f"{start}SUM(A1:A9)", "score": -0.5}])
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"name": f"'{start}SUM(A1:A9)", "score": "-0.5"}]


def test_printable_shows_what_a_screen_cannot() -> None:
    assert printable("部品\u3000ü.png") == "部品\u3000ü.png"
    assert printable("a\nb\udcffc\u202ed\ud800") == "a\\x0ab\\xffc\\u202ed\\ud800"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_full_disk_keeps_the_old_file(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(failing, fail_with_full_disk)
    with pytest.raises(SaveError, match=r"could not write .*report.html: no space left on device; free space"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_pipe_is_written_to_by_a_link_that_leads_to_no_name() -> None:
    read_end, write_end = os.pipe()
    write_atomically(Path(f"/dev/fd/{write_end}"), b"content")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        assert file.read() == b"content"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_device_is_written_to_and_never_replaced() -> None:
    with pytest.raises(SaveError, match="no space left"):
        write_json("/dev/full", {"a": 1})
    assert Path("/dev/full").is_char_device()


def test_writing_where_a_folder_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "below.json"):
        with pytest.raises(SaveError):
            write_atomically(path, b"x")


def test_folders_are_made_and_links_kept(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "target.json"
    write_atomically(target, b"1")
    (tmp_path / "link.json").symlink_to(target)
    write_atomically(tmp_path / "link.json", b"2")
    assert target.read_bytes() == b"2"
    assert (tmp_path / "link.json").is_symlink()


def test_of_two_files_that_are_written_together_the_one_that_failed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", fail_with_full_disk)
    with pytest.raises(SaveError) as caught, atomic_file(tmp_path / "List"), atomic_file(tmp_path / "Part") as part:
        part.write(b"content")
    advice = "no space left on device; free space there, or choose another place"
    assert str(caught.value) == f"could not write {tmp_path / 'Part'}: {advice}"
    assert not list(tmp_path.iterdir())
