"""`python -m hizumi.runtime` as a shell sees it: what it never writes over, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.export import export
from hizumi.inspection import Inspector
from hizumi.runtime.command import main

COMMAND = [sys.executable, "-m", "hizumi.runtime"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported bundle, and the pictures that it has learned from."""
    folder = tmp_path_factory.mktemp("line")
    for number, image in enumerate(np.random.default_rng(0).integers(90, 130, (30, 16, 16)).astype(np.uint8)):
        Image.fromarray(image).save(folder / f"{number:02}.png")
    export(Inspector("pca").fit(folder), folder / "parts.onnx.hizumi", data=folder)
    (folder / "notes.txt").write_text("the first lot\n")
    return folder


@pytest.mark.parametrize("output", ["parts.onnx.hizumi", "00.png"])
def test_neither_the_bundle_nor_a_picture_is_written_over(
    output: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / output).read_bytes()
    assert main([str(folder / "parts.onnx.hizumi"), str(folder / "00.png"), "-o", str(folder / output)]) == 2
    assert "name another" in capsys.readouterr().err
    assert (folder / output).read_bytes() == before
    assert main([str(folder / "parts.onnx.hizumi"), str(folder), "-o", str(folder / "notes.txt")]) == 0
    table = (folder / "notes.txt").read_text()
    assert main([str(folder / "parts.onnx.hizumi"), str(folder / "notes.txt"), "-o", str(folder / "notes.txt")]) == 2
    assert "is what is read, and would be lost" in capsys.readouterr().err
    assert (folder / "notes.txt").read_text() == table


@pytest.mark.parametrize(
    ("output", "code", "said"), [("pipe", 1, ""), ("/dev/full", 1, "Error: No space left on device"), (None, 0, "")]
)
def test_it_ends_in_one_line_where_nobody_takes_what_it_prints(
    output: str | None, code: int, said: str, folder: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    place = writing if output == "pipe" else os.open(output or os.devnull, os.O_WRONLY)
    closed = ["sh", "-c", 'exec "$@" >&-', "sh"] if output is None else []
    command = [*closed, *COMMAND, folder / "parts.onnx.hizumi", folder]
    done = subprocess.run(command, stdout=place, stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stderr
