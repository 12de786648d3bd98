"""Versions of Python, and what is known against the packages that the project pins."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.reliability import ROOT

VERSIONS = ("3.11", "3.12", "3.13")
TRIAL = (
    "import numpy as np; from hizumi import Inspector, load; "
    "rows = np.random.default_rng(0).normal(size=(200, 3)); f = Inspector('mahalanobis').fit(rows); "
    "print(f.predict([[9.0, 9.0, 9.0]])[0])"
)


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_of_python(version: str, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    interpreter = _interpreter(version)
    what = f"Python {version}: install, fit, predict"
    if interpreter is None:
        cause = "no such interpreter on the machine that measured"
        catalogue(what, "not run", mark="works", holds=False, cause=cause)
        return
    subprocess.run([interpreter, "-m", "venv", tmp_path / "venv"], check=True, capture_output=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", ROOT]
    installed = subprocess.run(install, capture_output=True, text=True)
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["no reason given"])[-1].replace("|", "/")
        catalogue(what, "not installed", mark="works", holds=False, cause=reason[:200])
        return
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-c", TRIAL], capture_output=True, text=True, cwd=tmp_path, env=settings)
    catalogue(
        what, f"exit {done.returncode}, {done.stdout.strip()}", mark="exit 0, -1", holds=done.stdout.strip() == "-1"
    )


def test_known_vulnerabilities(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    what, mark = "Known vulnerabilities of the pinned packages (pip-audit)", "none"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "audit"], check=True)
    python = tmp_path / "audit" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "pip-audit"], capture_output=True, text=True)
    if installed.returncode:
        catalogue(what, "not run", mark=mark, holds=False, cause="pip-audit could not be installed here")
        return
    pinned = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    (tmp_path / "pinned.txt").write_text("\n".join(pinned))
    audit = [python, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json", "-r", tmp_path / "pinned.txt"]
    done = subprocess.run(audit, capture_output=True, text=True, timeout=600)
    if not done.stdout.strip():
        catalogue(what, "not run", mark=mark, holds=False, cause="the list of vulnerabilities cannot be reached here")
        return
    packages = json.loads(done.stdout)["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    found = [f"{each['name']} {each['version']}: {flaw['id']}" for each in packages for flaw in each.get("vulns", [])]
    if len(skipped) == len(packages):
        catalogue(what, "not run", mark=mark, holds=False, cause="the list of vulnerabilities cannot be reached here")
        return
    looked_at = f"{len(packages) - len(skipped)} packages, {len(skipped)} not in the list"
    catalogue(what, f"{', '.join(found) or 'none'} in {looked_at}", mark=mark, holds=not found and not skipped)


def _interpreter(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    managed = sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    found = (shutil.which(f"python{version}"), *managed)
    # A manager of versions leaves commands that start nothing.
    return next(
        (path for path in found if path and not subprocess.run([path, "-V"], capture_output=True).returncode), None
    )
