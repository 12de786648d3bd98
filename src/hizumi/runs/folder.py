"""The folder beside a bundle that is being made: checkpoints to resume from, and what was asked for."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hizumi.arguments import flat
from hizumi.errors import SaveError, UsageError
from hizumi.storage.files import REQUEST as REQUEST, printable, write_atomically
from hizumi.storage.locks import HOLDER, LOCK, locked, refuse_locked


def check_run_folder(folder: Path, *, resume: bool, restart: bool) -> None:
    """Raise UsageError where a run cannot go on or begin in this folder, or would cost another one its checkpoints."""
    if not is_first_process():
        return
    if resume and restart:
        raise UsageError("--resume and --restart exclude each other; give one of them")
    refuse_locked(folder)
    _check_content(folder, resume=resume, restart=restart)


@contextmanager
def open_run_folder(folder: Path, request: Mapping[str, Any], *, resume: bool, restart: bool) -> Iterator[None]:
    """Hold the folder for one run: made anew for this request, or left by an interrupted run of the same request."""
    if not is_first_process():
        yield
        return
    _check_content(folder, resume=resume, restart=restart)
    with locked(folder):
        _check_content(folder, resume=resume, restart=restart)  # what another run did before it let go
        asked = json.loads(json.dumps(request))
        if resume:
            _refuse_changed(folder, asked)
        else:
            _clear(folder)
            write_atomically(folder / REQUEST, json.dumps(asked, indent=2).encode())
        try:
            yield
        except Exception:
            if all(path.name == REQUEST or _is_ours(path.name) for path in folder.iterdir()):
                remove_run_folder(folder)  # it failed before there was anything to go on from
            raise


def remove_run_folder(folder: Path) -> None:
    """Delete the folder of a run that has ended, as far as the system lets us; the bundle no longer needs it."""
    with suppress(SaveError):
        _clear(folder)
    shutil.rmtree(folder, ignore_errors=True)


def discard_checkpoints(folder: Path) -> None:
    """Delete what a run goes on from; killed meanwhile, it leaves what the same run can go on from to the same end.

    Raises SaveError where that fails.
    """
    try:
        # The last phase first, and journals only once no checkpoint is left that would count on them.
        checkpoints = sorted(folder.rglob("*.safetensors"), reverse=True)
        for path in (*checkpoints, *folder.rglob("*.jsonl"), *folder.rglob(".hizumi-*.tmp")):  # the last, of a kill
            path.unlink()
    except OSError as error:
        raise SaveError(f"cannot clear {printable(folder)}: {error.strerror}; name another --output") from error


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything in the folder that a run could go on from."""
    return any(folder.rglob("*.safetensors"))


def _check_content(folder: Path, *, resume: bool, restart: bool) -> None:
    if resume:
        _begun(folder)
    elif (folder / REQUEST).exists():
        if has_checkpoint(folder) and not restart:
            raise UsageError(
                f"{printable(folder)} holds checkpoints of an unfinished run; give --resume to go on with it, or "
                "--restart to delete them and begin anew"
            )
    elif folder.is_dir() and any(not _is_ours(path.name) for path in folder.iterdir()):
        raise UsageError(
            f"{printable(folder)} is needed for checkpoints and holds other files; move them, or name another --output"
        )


def _is_ours(name: str) -> bool:
    return name in (LOCK, HOLDER) or name.startswith(".hizumi-")


def _clear(folder: Path) -> None:
    """Delete all but the lock, which is held."""
    discard_checkpoints(folder)
    try:
        for path in sorted(folder.iterdir(), key=lambda path: path.name == REQUEST):  # without it, nothing is resumed
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in (LOCK, HOLDER):
                path.unlink()
    except OSError as error:
        raise SaveError(f"cannot clear {printable(folder)}: {error.strerror}; name another --output") from error


def _refuse_changed(folder: Path, asked: Mapping[str, Any]) -> None:
    """Raise UsageError, naming every option that differs, where the run was begun with others."""
    before, now = flat(_begun(folder)), flat(asked)
    changed = [
        f"{name} ({_worded(before.get(name))}, now {_worded(now.get(name))})"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise UsageError(
            f"the run in {printable(folder)} was begun with another {', '.join(changed)}; resume it with the same, or "
            "give --restart to begin anew"
        )


def _worded(value: Any) -> str:
    text = printable(json.dumps(value))
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_first_process() -> bool:
    """Of all processes that train together, the one that sees to the folder."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _begun(folder: Path) -> dict[str, Any]:
    try:
        begun: dict[str, Any] = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{printable(folder)} holds no run to resume; leave --resume out to begin one") from error
    return begun
