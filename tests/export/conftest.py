"""Folders of images of several kinds, and inspectors fitted on them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hizumi.detectors import Reconstruction
from hizumi.export import export, exporting
from hizumi.export.graph import Graph
from hizumi.export.tracing import traced
from hizumi.inspection import Inspector
from hizumi.models import Autoencoder
from hizumi.training import Budget, TrainingOptions

SHORT = TrainingOptions(budget=Budget(steps=30), batch_size=8)


def picture(kind: str, generator: np.random.Generator, flawed: bool) -> Image.Image:
    """Stripes in 16-bit grey, or in colour under a half transparent layer, of any size from 19 to 41 pixels."""
    height, width = generator.integers(19, 42, 2)
    stripes = (
        0.5
        + 0.3 * np.sin(np.arange(width) / 2 + generator.random())[None]
        + 0.05 * generator.normal(size=(height, width))
    )
    if flawed:
        stripes[4:16, 5:17] = generator.integers(0, 2, (12, 12))
    if kind == "16 bit":
        return Image.fromarray((stripes.clip(0, 1) * 65535).astype(np.uint16))
    layers = np.stack([stripes, stripes**2, 1 - stripes, np.linspace(0.5, 1, width)[None].repeat(height, 0)], 2)
    return Image.fromarray((layers.clip(0, 1) * 255).astype(np.uint8), "RGBA")


@dataclass(frozen=True)
class Line:
    """Images of one kind, what was fitted on them, and its graph."""

    folder: Path
    inspector: Inspector
    model: Any


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Line]:
    @cache
    def made(kind: str) -> Line:
        root = tmp_path_factory.mktemp("parts")
        generator = np.random.default_rng(0)
        for name, count, flawed in (("train/good", 40, False), ("test/good", 6, False), ("test/hole", 6, True)):
            (root / name).mkdir(parents=True)
            for number in range(count):
                picture(kind, generator, flawed).save(root / name / f"{number}.png")
        detector = Reconstruction(Autoencoder(width=8))
        inspector = Inspector(detector, image_size=(24, 28), false_alarm_rate=0.1, training=SHORT).fit(root)
        return Line(root, inspector, traced(Graph(inspector.detector_, inspector.preprocessing_.window)))

    return made


@pytest.fixture
def line(lines: Callable[[str], Line], monkeypatch: pytest.MonkeyPatch) -> Line:
    """That of 16-bit images, whose graph is not traced again."""
    found = lines("16 bit")
    monkeypatch.setattr(exporting, "traced", lambda graph: found.model)
    return found


@pytest.fixture
def folder(line: Line) -> Path:
    return line.folder


@pytest.fixture
def fitted(line: Line) -> Inspector:
    return line.inspector


@pytest.fixture
def exported(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(line.inspector, tmp_path_factory.mktemp("bundle") / "parts.onnx.hizumi").path
