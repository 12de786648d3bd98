import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hizumi.cli import main
from tests.cli.named_options import misnamed

FIT = ["--steps", "30", "--batch-size", "8", "--image-size", "16", "--false-alarm-rate", "0.1"]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def hizumi(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run one command in this process, as the shell would; the options that it names have to be its own."""
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert not misnamed(arguments, captured.out + captured.err), captured.err
        return Outcome(left.value.code or 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes in the MVTec AD layout: 40 good to learn from, 10 good and 10 with a black square to test on."""
    root = tmp_path_factory.mktemp("parts")
    generator = np.random.default_rng(0)
    for folder, count, defective in (("train/good", 40, False), ("test/good", 10, False), ("test/hole", 10, True)):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            stripes = np.tile(128 + 60 * np.sin(np.arange(16) * np.pi / 4), (16, 1))
            image = stripes + generator.normal(0, 8, (16, 16))
            if defective:
                image[4:10, 5:11] = 0
            save(root / folder / f"{number}.png", image)
            if defective:
                mask = np.zeros((16, 16))
                mask[4:10, 5:11] = 255
                save(root / "ground_truth" / "hole" / f"{number}_mask.png", mask)
    return root


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def fitted(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "parts.hizumi"
    with pytest.raises(SystemExit) as left:
        main(["fit", os.fspath(parts), "-d", "reconstruction", "-o", os.fspath(path), *FIT])
    assert not left.value.code
    return path


@pytest.fixture
def bundle(fitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(fitted, tmp_path / "parts.hizumi"))
