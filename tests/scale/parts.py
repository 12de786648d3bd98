"""Small labelled data, and commands run on them."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hizumi.cli import main

SIDE = 32


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: object) -> Outcome:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return Outcome(int(left.value.code or 0), out.getvalue(), err.getvalue())


def write_parts(path: Path, good: int = 60) -> Path:
    """Stripes with noise: good ones to learn from, 12 good, 12 with a square and 6 with a line to test on."""
    generator = np.random.default_rng(0)
    count = good + 30
    stripes = 128 + 60 * np.sin(np.arange(SIDE) * np.pi / 4)
    images = stripes + generator.normal(0, 8, (count, SIDE, SIDE))
    images[good + 12 : good + 24, 8:14, 9:15] -= 60
    images[good + 24 :, 20, 4:28] += 60
    kinds = np.array(["good"] * (good + 12) + ["square"] * 12 + ["line"] * 6)
    splits = np.array(["train"] * good + ["test"] * 30)
    pixels = images.clip(0, 255).astype(np.uint8)
    np.savez(path, x=pixels, kind=kinds, label=(kinds != "good").astype(int), split=splits)
    return path
