"""The reliability catalogue: each test measures one row, which `docs/reliability.md` shows."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.reliability import RESULTS, Row

HARD = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder are hard."""
    for item in items:
        if HARD in item.path.parents and item.get_closest_marker("hard") is None:
            item.add_marker("hard")


@pytest.fixture
def catalogue() -> Callable[..., None]:
    """Writes a row of the catalogue, and fails where its figure is short of the mark and nothing says why."""

    def row(what: str, figure: str, *, mark: str, holds: bool, cause: str = "") -> None:
        made = Row(what, figure, mark, holds, cause, platform.python_version(), date.today().isoformat())
        RESULTS.mkdir(parents=True, exist_ok=True)
        name = "".join(letter if letter.isalnum() else "-" for letter in what.lower())
        text = json.dumps(asdict(made), indent=1, ensure_ascii=False)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        assert holds or cause, f"{what}: {figure}; the mark is {mark}"

    return row


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def is_clean(self) -> bool:
        """Whether it said whatever it had to say in words of its own: no traceback, no signal."""
        return self.code in range(5) and "Traceback" not in self.out + self.err


def run_hizumi(*arguments: object, cwd: Path | None = None, limit_bytes: int | None = None) -> Ended:
    """One command in a process of its own, with a limit of its address space where one is given."""
    words = [sys.executable, "-m", "hizumi", *map(str, arguments)]
    if limit_bytes is not None:
        words = ["bash", "-c", f'ulimit -v {limit_bytes >> 10}; exec "$@"', "bash", *words]
    settings = os.environ | {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=cwd, env=settings, capture_output=True, timeout=1800)
    return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def hizumi_process(*arguments: object) -> subprocess.Popen[bytes]:
    """A command that goes on beside this process."""
    words = [sys.executable, "-m", "hizumi", *map(str, arguments)]
    settings = os.environ | {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stripes(generator: np.random.Generator, count: int, side: int = 32) -> np.ndarray:
    """Good pictures (n, side, side) uint8: stripes with noise."""
    waves = 128 + 60 * np.sin(np.arange(side) * np.pi / 4)
    return (waves + generator.normal(0, 8, (count, side, side))).clip(0, 255).astype(np.uint8)


def save_pictures(folder: Path, pictures: np.ndarray, suffix: str = ".png") -> None:
    """Numbered files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:05d}{suffix}")
