"""Disks that are full: one line that says where, the previous file whole, no scraps, and a run that can go on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.hard.conftest import Ended, run_hizumi, save_pictures, stripes

SIZES_KIB = (8, 64, 256, 1024)  # of the disk, from too small for anything to too small for all
MOUNT = 'mount -t tmpfs -o size={size}k none "$1" && shift && exec "$@"'
LISTED = 'import json, sys, os; sys.stderr.write("\\n@" + json.dumps(sorted(os.listdir(sys.argv[1]))))'
CACHED = """
import sys
from hizumi.errors import HizumiError
from hizumi.inspection import Inspector
try:
    Inspector("pca", image_size=512, cache=sys.argv[2]).fit(sys.argv[1])
except HizumiError as error:
    sys.exit(f"Error: {error}")
"""


def test_full_disks(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if _on_small_disk(disk, 64, ["true"]).returncode:
        pytest.skip("no small file system can be mounted here")
    generator = np.random.default_rng(0)
    save_pictures(tmp_path / "good", stripes(generator, 80, 64))
    bundle, good = tmp_path / "parts.hizumi", str(tmp_path / "good")
    assert run_hizumi("fit", good, "-d", "pca", "-o", bundle).code == 0
    trained = ("--steps", "5", "--image-size", "64")
    hizumi = {
        "fit": ("fit", good, "-d", "reconstruction", *trained, "-o", disk / "a.hizumi"),
        "model train": ("model", "train", "vae", good, *trained, "-o", disk / "v.hizumi"),
        "maps": ("inspect", bundle, good, "--maps", disk / "maps"),
        "JSON and CSV": ("inspect", bundle, good, "--json", disk / "told.json", "--csv", disk / "told.csv"),
        "evaluation": ("evaluate", bundle, tmp_path, "-o", disk / "evaluation"),
    }
    commands = {name: ["-m", "hizumi", *map(str, words)] for name, words in hizumi.items()}
    commands["cache of pixels"] = ["-c", CACHED, good, str(disk)]
    endings = {name: _ending(disk, words) for name, words in commands.items()}
    wrong = [f"{name}: {ending}" for name, ending in endings.items() if ending]
    catalogue(
        f"{len(commands)} full disks: {', '.join(commands)}",
        f"{len(endings) - len(wrong)} ended in one line, without scraps",
        mark="all",
        holds=not wrong,
    )
    assert not wrong, wrong


def _ending(disk: Path, words: list[str]) -> str:
    """What is wrong with how a command ends on the largest disk that is too small for it; empty where nothing is."""
    for size in reversed(SIZES_KIB):
        inner = [sys.executable, *words]
        shell = f"\"$@\"; status=$?; {sys.executable} -c '{LISTED}' {disk}; exit $status"
        done = _on_small_disk(disk, size, ["bash", "-c", shell, "bash", *inner])
        ended = Ended(done.returncode, done.stdout, done.stderr.rpartition("\n@")[0])
        if ended.code == 0:
            continue  # there was room enough
        scraps = [name for name in json.loads(done.stderr.rpartition("\n@")[2]) if name.startswith(".hizumi-")]
        errors = [line for line in ended.err.splitlines() if "Error:" in line]
        if scraps or not ended.is_clean or len(errors) != 1 or "space" not in errors[0]:
            return f"{size} KiB: {ended.code} {scraps} {ended.err[-400:]}"
        return ""
    return "no disk was too small"


def _on_small_disk(disk: Path, size_kib: int, words: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-rm", "bash", "-c", MOUNT.format(size=size_kib), "bash", str(disk), *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1", "COLUMNS": "400"})
