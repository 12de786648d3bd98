"""The folder beside a bundle that is being made: checkpoints to resume from, and what was asked for."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hizumi.errors import SaveError, UsageError

REQUEST = "request.json"


def open_run_folder(folder: Path, request: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder anew for this request, or make sure that it holds the same request, begun earlier."""
    if any(os.environ.get(rank, "0") != "0" for rank in ("RANK", "LOCAL_RANK", "NODE_RANK")):
        return  # the first process has done it
    asked = json.loads(json.dumps(request))
    stored = folder / REQUEST
    if resume:
        _compare(folder, stored, asked)
        return
    if folder.exists() and not stored.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is needed for checkpoints and holds other files; move them, or name another --output"
        )
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stored.write_text(json.dumps(asked, indent=2), encoding="utf-8")
    except OSError as error:
        raise SaveError(f"cannot write {stored}: {error.strerror}; name another --output") from error


def _compare(folder: Path, stored: Path, asked: dict[str, Any]) -> None:
    try:
        begun: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no run to resume; leave --resume out to begin one") from error
    changed = [name for name in asked if begun.get(name) != asked[name]]
    if changed:
        raise UsageError(
            f"the run in {folder} was begun with another {', '.join(changed)}; "
            "resume it with the same, or leave --resume out to begin anew"
        )
