"""The how-to `docs/add-a-detector.md`, followed to the letter on a copy of the package: two files, and nothing else."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-detector.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DOCS, LIST, FIT, INSPECT, PYTEST = BLOCK.splitlines()
NAME = "neighbour_prediction"
PROGRAMS = {
    "make docs": [sys.executable, "-m", "tools.generate"],  # as the Makefile has it
    "hizumi": [sys.executable, "-m", "hizumi"],
    ".venv/bin/python": [sys.executable],
}
ROWS = "from hizumi.reproduction import entrants as e, protocols as p; print(*e.rows_of(p.find_protocol('elpv')))"


def run(arguments: list[str], folder: Path) -> str:
    """Run a program in the copy; what it prints."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def follow(command: str, folder: Path) -> str:
    """Run a command of the page."""
    (start,) = [start for start in PROGRAMS if command.startswith(start)]
    return run(PROGRAMS[start] + shlex.split(command.removeprefix(start)), folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the two files of the page."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("src", "tools", "docs", "tests/contract"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "figures"))
    for file in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / file, folder / file)
    for path, text in FILES.items():
        assert not (ROOT / path).exists()
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def generated(checkout: Path) -> set[str]:
    """What `make docs` has changed in the copy."""
    before = contents(checkout)
    follow(DOCS, checkout)
    after = contents(checkout)
    return {path for path in before | after if before.get(path) != after.get(path)}


def test_the_page_shows_one_source_file_and_one_test_file() -> None:
    assert list(FILES) == [f"src/hizumi/detectors/{NAME}.py", f"tests/detectors/test_{NAME}.py"]


def test_it_is_listed_fitted_and_inspects(checkout: Path) -> None:
    (checkout / "photos").mkdir()
    digit = np.rint(load_digits().images[0] * (255 / 16)).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, digit.shape, dtype=np.uint8)
    for name, pixels in {"digit": digit, "noise": noise}.items():
        Image.fromarray(pixels).save(checkout / "photos" / f"{name}.png")
    assert NAME in follow(f"{LIST} --json -", checkout)
    follow(FIT, checkout)
    follow(INSPECT, checkout)
    verdicts = json.loads((checkout / "verdicts.json").read_text())["verdicts"]
    digit_verdict, noise_verdict = sorted(verdicts, key=lambda verdict: verdict["name"])
    assert noise_verdict["anomalous"]
    assert noise_verdict["score"] > digit_verdict["score"]


def test_its_page_and_import_line_are_generated_and_nothing_else_changes(checkout: Path, generated: set[str]) -> None:
    assert generated == {"src/hizumi/detectors/__init__.py", "docs/catalogue.md", f"docs/detectors/{NAME}.md"}
    exported = (checkout / "src/hizumi/detectors/__init__.py").read_text(encoding="utf-8")
    assert f"from hizumi.detectors.{NAME} import NeighbourPrediction as NeighbourPrediction\n" in exported
    page = (checkout / "docs" / "detectors" / f"{NAME}.md").read_text(encoding="utf-8")
    assert "| `reach` | `2` | a whole number of at least 1 | Neighbours on each side" in page
    written = [*FILES, "src/hizumi/detectors/__init__.py"]
    run([sys.executable, "-m", "ruff", "format", "--check", *written], checkout)
    run([sys.executable, "-m", "ruff", "check", *written], checkout)


@pytest.mark.slow
def test_its_own_test_and_the_contract_checks_pass(checkout: Path, generated: set[str]) -> None:
    printed = follow(PYTEST, checkout)
    assert int(re.findall(r"(\d+) passed", printed)[0]) >= 15


def test_it_has_a_row_in_the_ledger(checkout: Path) -> None:
    assert NAME in run([sys.executable, "-c", ROWS], checkout).split()
