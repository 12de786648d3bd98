import contextvars
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from hizumi.detectors import FAnoGAN, FAnoGANEncoding
from hizumi.errors import DataError, SaveError, UsageError
from hizumi.generation import Modeller
from hizumi.inspection import Inspector
from hizumi.models import DCGAN
from hizumi.runs.folder import check_run_folder, open_run_folder, remove_run_folder
from hizumi.storage.locks import locked
from hizumi.training import Budget, TrainingOptions

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


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_fails_before_anything_is_kept_leaves_no_folder(resume: bool, tmp_path: Path) -> None:
    folder = tmp_path / "a.run"
    with open_run_folder(folder, REQUEST, resume=False, restart=False):
        pass

    picture = folder / "step-000100.png"
    for makes in (picture.touch, lambda: None):
        with pytest.raises(DataError), open_run_folder(folder, REQUEST, resume=resume, restart=False):
            _failing(makes)
        assert folder.exists() is picture.exists()
        picture.unlink(missing_ok=True)
    assert not list(tmp_path.iterdir())


def _failing(makes: Callable[[], None]) -> None:
    makes()
    raise DataError("no good image")


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


def test_a_kill_while_a_folder_is_cleared_leaves_a_run_that_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once the journal went before the checkpoint that counts on it: the weights were the same, the journal was empty.
    rows = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    options = TrainingOptions(budget=Budget(steps=6), checkpoint_seconds=0.0)

    def trained(folder: Path) -> tuple[bytes, bytes]:
        detector = FAnoGAN(FAnoGANEncoding(DCGAN(4, 4))).fit(rows, options, run_folder=folder)
        seconds = [record.pop("seconds") for record in detector.journal.records]
        assert seconds
        return save(detector.state_dict()), detector.journal.to_bytes()

    class Killed(BaseException):
        pass

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        if path.suffix in (".safetensors", ".jsonl"):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
        unlink(path, missing_ok)

    unlink, expected = Path.unlink, trained(tmp_path / "straight")
    for kills_after in range(4):
        folder, left = tmp_path / f"{kills_after}.run", kills_after
        with open_run_folder(folder, REQUEST, resume=False, restart=False):
            assert trained(folder) == expected
        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", unlinked)
            if kills_after < 3:  # two phases and the journal
                with pytest.raises(Killed):
                    remove_run_folder(folder)
            else:
                remove_run_folder(folder)
                assert not folder.exists()
                continue
        with open_run_folder(folder, REQUEST, resume=True, restart=False):
            assert trained(folder) == expected


def test_a_run_folder_is_held_for_python_callers_too(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 1, 16, 16)).clip(-1, 1).astype(np.float32)
    options = TrainingOptions(budget=Budget(steps=1))
    inspector = Inspector("reconstruction", preset="small", training=options)
    with open_run_folder(tmp_path / "a.run", REQUEST, resume=False, restart=False):
        inspector.fit(rows, run_folder=tmp_path / "a.run")  # the command's own lock is no stranger's
    outer = contextvars.copy_context()
    with locked(tmp_path / "b.run"), pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        outer.run(inspector.fit, rows, run_folder=tmp_path / "b.run")


def test_a_run_folder_may_be_given_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    options = TrainingOptions(budget=Budget(steps=2))
    Inspector("reconstruction", preset="small", folds=2, training=options).fit(rows, run_folder="inspector.run")
    Modeller("vae", training=options).fit(rows, run_folder="modeller.run")
    of_folds = {f"inspector.run/{fold}phase-0.safetensors" for fold in ("", "fold-1/", "fold-2/")}
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.safetensors")}
    assert kept == of_folds | {"modeller.run/phase-0.safetensors"}
