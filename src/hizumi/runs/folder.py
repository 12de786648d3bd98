"""The folder beside a bundle that is being made: checkpoints to resume from, and what was asked for."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hizumi.errors import SaveError, UsageError

REQUEST = "request.json"


def check_run_folder(folder: Path, *, resume: bool) -> None:
    """Raise UsageError where the folder holds no run to resume, or other files where a new run would go."""
    if not _is_first_process():
        return
    if resume:
        _begun(folder)
    elif folder.exists() and not (folder / REQUEST).exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is needed for checkpoints and holds other files; move them, or name another --output"
        )


def open_run_folder(folder: Path, request: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder anew for this request, or make sure that the run to resume was begun with the same one."""
    check_run_folder(folder, resume=resume)
    if not _is_first_process():
        return
    asked = json.loads(json.dumps(request))
    if resume:
        begun = _begun(folder)
        if changed := [name for name in asked if begun.get(name) != asked[name]]:
            raise UsageError(
                f"the run in {folder} was begun with another {', '.join(changed)}; "
                "resume it with the same, or leave --resume out to begin anew"
            )
        return
    stored = folder / REQUEST
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stored.write_text(json.dumps(asked, indent=2), encoding="utf-8")
    except OSError as error:
        raise SaveError(f"cannot write {stored}: {error.strerror}; name another --output") from error


def _is_first_process() -> bool:
    """Of all processes that train together, the one that sees to the folder."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _begun(folder: Path) -> dict[str, Any]:
    try:
        begun: dict[str, Any] = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no run to resume; leave --resume out to begin one") from error
    return begun
