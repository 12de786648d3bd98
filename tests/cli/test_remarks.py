"""Every file under a path is read or named with its reason, by every command that opens data."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hizumi.runtime.command import main as runtime

from .conftest import save

DEAD, NOTES = "fine/dead.png", "readme.txt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images in a folder whose name does not say so, bad ones, a damaged one, and a text."""
    root = tmp_path_factory.mktemp("data") / "data"
    generator = np.random.default_rng(0)
    for number in range(24):
        save(root / "fine" / f"{number}.png", generator.integers(90, 130, (16, 16)))
    for number in range(4):
        save(root / "hole" / f"{number}.png", generator.integers(200, 240, (16, 16)))
    (root / DEAD).write_bytes(b"")
    (root / NOTES).write_text("what these are")
    return root


def named(path: Path) -> tuple[list[str], list[str]]:
    result = json.loads(path.read_text())
    assert isinstance(result["notes"], list)
    return [each["name"] for each in result["failures"]], [each["name"] for each in result["unopened"]]


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_read_is_named_by_every_command(
    hizumi: Callable, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, result = tmp_path / "p.hizumi", tmp_path / "result.json"
    assert hizumi("fit", folder, "-d", "pca", "--good", "fine", "-o", bundle).code == 0
    exported = tmp_path / "e.hizumi"
    commands = {
        "compare": [folder, "-d", "pca", "-o", tmp_path / "c", "--good", "fine"],
        "calibrate": [bundle, "--rule", "best-f1", "--labelled", folder, "--good", "fine", "-o", tmp_path / "q.hizumi"],
        "model train": ["autoencoder", folder, "--preset", "small", "--steps", "2", "--good", "fine"],
        "export": [bundle, "--data", folder, "--good", "fine", "--layout", "flat", "-o", exported],
    }
    commands["model train"] += ["-o", tmp_path / "m.hizumi"]
    for command, arguments in commands.items():
        done = hizumi(*command.split(), *arguments, "--json", result)
        assert done.code == 0, done.err
        assert named(result) == ([DEAD], [NOTES]), command
        assert f"Not read: {DEAD}: the file is empty" in done.out, command
        assert f"Not opened: {NOTES}: is no image by its name" in done.out, command
    with (tmp_path / "c" / "verdicts.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: (row["anomalous"], bool(row["reason"])) for name, row in rows.items() if name in (DEAD, NOTES)} == {
        DEAD: ("", True),
        NOTES: ("", True),
    }
    assert runtime([str(exported), str(folder)]) == 0
    said = capsys.readouterr().err
    assert f"Not read: {DEAD}: the file is empty" in said
    assert f"Not opened: {NOTES}: is no image" in said
