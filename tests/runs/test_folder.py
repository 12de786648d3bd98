import json
from pathlib import Path

import pytest

from hizumi.errors import SaveError, UsageError
from hizumi.runs.folder import check_run_folder, open_run_folder

REQUEST = {"detector": {"name": "pca"}, "window": (0, 255)}


def test_a_run_is_resumed_by_the_same_request_only(tmp_path: Path) -> None:
    folder = tmp_path / "parts.run"
    open_run_folder(folder, REQUEST, resume=False)
    (folder / "phase-0.safetensors").touch()
    open_run_folder(folder, REQUEST, resume=True)
    assert (folder / "phase-0.safetensors").exists()
    with pytest.raises(UsageError, match="was begun with another window; resume it with the same"):
        open_run_folder(folder, REQUEST | {"window": None}, resume=True)


def test_a_new_run_leaves_nothing_of_the_last_one(tmp_path: Path) -> None:
    open_run_folder(tmp_path / "a.run", REQUEST, resume=False)
    (tmp_path / "a.run" / "phase-0.safetensors").touch()
    open_run_folder(tmp_path / "a.run", {"data": "x"}, resume=False)
    assert [path.name for path in (tmp_path / "a.run").iterdir()] == ["request.json"]
    assert json.loads((tmp_path / "a.run" / "request.json").read_text()) == {"data": "x"}


def test_what_stands_in_the_way_is_found_without_a_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        check_run_folder(tmp_path / "none.run", resume=True)
    check_run_folder(tmp_path / "none.run", resume=False)
    (tmp_path / "diary.txt").touch()
    with pytest.raises(UsageError, match="holds other files"):
        check_run_folder(tmp_path, resume=False)
    with pytest.raises(SaveError, match="cannot write"):
        open_run_folder(tmp_path / "diary.txt" / "a.run", REQUEST, resume=False)


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "NODE_RANK"])
def test_only_the_first_of_several_processes_touches_the_folder(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(rank, "1")
    open_run_folder(tmp_path / "a.run", REQUEST, resume=False)
    open_run_folder(tmp_path / "a.run", REQUEST, resume=True)
    assert not list(tmp_path.iterdir())
