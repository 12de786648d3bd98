"""`hizumi doctor`: what this machine offers, and what is missing."""

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import typer

from hizumi.cli.console import BAD, GOOD, QUIET, WARNING, answer, coloured, print_table
from hizumi.cli.options import JsonTo
from hizumi.words import counted

LEAST_FREE_GIB = 2.0
REQUIREMENT = re.compile(r"^([\w.-]+)[^;]*(?:;.*extra == ['\"]([\w-]+)['\"])?")


def doctor(json_to: JsonTo = None) -> None:
    """Show what this machine offers and what is missing.

    Exits with 1 where hizumi cannot run.
    """
    result = _examine()
    console = answer(result, json_to)
    print_table(console, ["", "Check", "Found"], _rows(result))
    for advice in result["advice"]:
        console.print(coloured(advice, WARNING))
    if not result["ok"]:
        raise typer.Exit(1)
    console.print(coloured("hizumi is ready.", GOOD))


def _examine() -> dict[str, Any]:
    extras = _extras()
    missing = [package for package, found in extras.pop("").items() if found is None]
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    data_folder = os.environ.get("HIZUMI_DATA")
    advice = [f"Missing: {package}. Install it: pip install {package}" for package in missing]
    if free_gib < LEAST_FREE_GIB:
        advice.append(f"Only {free_gib:.1f} GiB are free here; caches and checkpoints may not fit.")
    if data_folder and not Path(data_folder).is_dir():
        advice.append(f"HIZUMI_DATA names {data_folder}, which is no folder; correct it or unset it.")
    for extra, packages in extras.items():
        if None in packages.values():
            advice.append(f"Optional extra {extra!r} is not installed: pip install 'hizumi[{extra}]'")
    return {
        "ok": not missing,
        "hizumi": version("hizumi"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        **({} if "torch" in missing else _torch()),
        "extras": {extra: None not in packages.values() for extra, packages in extras.items()},
        "free_gib": round(free_gib, 1),
        "data_folder": data_folder,
        "advice": advice,
    }


def _extras() -> dict[str, dict[str, str | None]]:
    """Installed version of each required package, None where it is missing, by extra ("" for the core)."""
    found: dict[str, dict[str, str | None]] = {"": {}}
    for line in requires("hizumi") or ():
        package, extra = REQUIREMENT.findall(line)[0]
        try:
            installed = version(package)
        except PackageNotFoundError:
            installed = None
        found.setdefault(extra, {})[package] = installed
    found.pop("dev", None)  # for those who work on hizumi itself
    return found


def _torch() -> dict[str, Any]:
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "devices": ["cpu", *devices]}


def _rows(result: dict[str, Any]) -> list[list[object]]:
    yes, no, optional = coloured("ok", GOOD), coloured("no", BAD), coloured("-", QUIET)
    has_torch = "torch" in result
    rows: list[list[object]] = [
        [yes, "hizumi", result["hizumi"]],
        [yes, "Python", f"{result['python']} on {result['platform']}"],
        [yes if has_torch else no, "torch", result.get("torch", "not installed")],
    ]
    if has_torch:
        rows.append([yes, "Devices", f"{', '.join(result['devices'])}; {counted(result['threads'], 'thread')}"])
    for extra, present in result["extras"].items():
        rows.append([yes if present else optional, f"Extra {extra!r}", "installed" if present else "not installed"])
    rows.append([yes if result["free_gib"] >= LEAST_FREE_GIB else no, "Free space here", f"{result['free_gib']} GiB"])
    rows.append([optional if result["data_folder"] is None else yes, "HIZUMI_DATA", result["data_folder"] or "not set"])
    return rows
