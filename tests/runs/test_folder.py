import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hizumi.errors import SaveError, UsageError
from hizumi.runs.folder import check_run_folder, open_run_folder

REQUEST = {"detector": {"name": "pca"}, "window": (0, 255)}


def test_a_run_is_resumed_by_the_same_request_only(tmp_path: Path) -> None:
    folder = tmp_path / "parts.run"
    with open_run_folder(folder, REQUEST, resume=False, restart=False):
        pass
    (folder / "phase-0.safetensors").touch()
    with open_run_folder(folder, REQUEST, resume=True, restart=False):
        pass
    assert (folder / "phase-0.safetensors").exists()
    with (
        pytest.raises(
            UsageError, match=r"was begun with another window \(\[0, 255\], now null\); resume it with the same"
        ),
        open_run_folder(folder, REQUEST | {"window": None}, resume=True, restart=False),
    ):
        pass


def test_checkpoints_are_deleted_only_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "a.run"
    with open_run_folder(folder, REQUEST, resume=False, restart=False):
        pass
    (folder / "fold-1").mkdir()
    (folder / "fold-1" / "phase-0.safetensors").touch()
    with pytest.raises(UsageError, match="--resume to go on with it, or --restart to delete"):
        check_run_folder(folder, resume=False, restart=False)
    assert (folder / "fold-1" / "phase-0.safetensors").exists()
    with open_run_folder(folder, {"data": "x"}, resume=False, restart=True):
        assert sorted(path.name for path in folder.iterdir()) == ["holder.json", "lock", "request.json"]
    assert json.loads((folder / "request.json").read_text()) == {"data": "x"}
    with pytest.raises(UsageError, match="exclude each other"):
        check_run_folder(folder, resume=True, restart=True)


def test_a_nested_option_that_differs_is_named(tmp_path: Path) -> None:
    with open_run_folder(tmp_path / "a.run", {"training": {"seed": 0, "steps": 5}}, resume=False, restart=False):
        pass
    with (
        pytest.raises(UsageError, match=r"begun with another training\.seed \(0, now 1\); "),
        open_run_folder(tmp_path / "a.run", {"training": {"seed": 1, "steps": 5}}, resume=True, restart=False),
    ):
        pytest.fail("it was opened")


HOLD = """
    import sys, time
    from pathlib import Path
    from hizumi.storage.locks import locked
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_folder_in_use_names_its_holder_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "a.run"
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for restart in (False, True):
            with pytest.raises(UsageError, match=f"in use by process {other.pid} on .* since 20"):
                check_run_folder(folder, resume=False, restart=restart)
    finally:
        other.kill()
        other.communicate()
    check_run_folder(folder, resume=False, restart=False)
    with open_run_folder(folder, REQUEST, resume=False, restart=False):
        pass
    assert [path.name for path in folder.iterdir()] == ["request.json"]


def test_what_stands_in_the_way_is_found_without_a_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        check_run_folder(tmp_path / "none.run", resume=True, restart=False)
    check_run_folder(tmp_path / "none.run", resume=False, restart=False)
    (tmp_path / "diary.txt").touch()
    with pytest.raises(UsageError, match="holds other files"):
        check_run_folder(tmp_path, resume=False, restart=False)
    with (
        pytest.raises(SaveError, match="could not write"),
        open_run_folder(tmp_path / "diary.txt" / "a.run", REQUEST, resume=False, restart=False),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "NODE_RANK"])
def test_only_the_first_of_several_processes_touches_the_folder(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(rank, "1")
    with open_run_folder(tmp_path / "a.run", REQUEST, resume=False, restart=False):
        pass
    with open_run_folder(tmp_path / "a.run", REQUEST, resume=True, restart=False):
        pass
    assert not list(tmp_path.iterdir())
