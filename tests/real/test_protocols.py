"""The protocols on the real sets: what is published of their counts, and one row of each kind."""

import os
from pathlib import Path

import numpy as np
import pytest

from hizumi.reproduction import published_data
from hizumi.reproduction.protocols import find_protocol
from hizumi.reproduction.published_forms import Pool


def pool(name: str, file: str) -> Pool:
    folder = os.environ.get("HIZUMI_DATA")
    if folder is None or not (Path(folder) / file).exists():
        pytest.skip(f"HIZUMI_DATA names no folder with {file}")
    found: Pool = getattr(published_data, f"read_{name}")(Path(folder))
    return found


def test_mnist_and_its_nine_to_one_splits() -> None:
    mnist = pool("mnist", "mnist.npz")
    ruff = find_protocol("mnist-one-class-normal").split(mnist, "8", 0, "paper", "deep_svdd")
    assert (len(ruff.train), len(ruff.test), int((~ruff.anomalous).sum())) == (5851, 10_000, 974)
    honest = find_protocol("mnist-one-class-normal").split(mnist, "8", 0, "honest", "deep_svdd")
    assert not honest.notes, "no digit is there twice"
    akcay = find_protocol("mnist-one-class-anomalous").split(mnist, "8", 0, "paper", "ganomaly")
    assert int(akcay.anomalous.sum()) == 6825
    assert len(akcay.train) == round(0.8 * (70_000 - 6825))


@pytest.mark.slow
def test_kdd99_counts() -> None:
    kdd = pool("kdd99", "kddcup99_10pct.npz")
    assert kdd.items.shape == (494_021, 121)
    assert int((kdd.kinds == "normal.").sum()) == 97_278
    protocol = find_protocol("kdd99")
    paper = protocol.split(kdd, "all", 0, "paper", "egbad")
    assert paper.anomalous.mean() == pytest.approx(0.2, abs=1e-4)
    assert len(paper.train) == pytest.approx((494_021 - 97_278) / 2, rel=0.01)
    assert "% of the test rows are copies of training rows" in paper.notes[-1]
    honest = protocol.split(kdd, "all", 0, "honest", "egbad")
    assert honest.notes[0].startswith("348438 of 494021 rows left out")
    rows = np.concatenate([honest.train, honest.calibration, honest.test])
    assert len(np.unique(kdd.items[rows], axis=0)) == len(rows)
    assert set(kdd.kinds[honest.train]) == {"normal."}


def test_arrhythmia_tile_and_cell_counts() -> None:
    arrhythmia = pool("arrhythmia", "arrhythmia.npz")
    assert (len(arrhythmia), arrhythmia.items.shape[1], int((arrhythmia.kinds == "rare").sum())) == (452, 274, 66)
    tiles = pool("magnetic_tile", "magnetic_tile_128.npz")
    split = find_protocol("magnetic-tile").split(tiles, "all", 0, "paper", "mahalanobis")
    assert (len(split.train), len(split.test)) == (561, 783)
    assert tiles.groups is not None
    assert not set(tiles.groups[split.train]) & set(tiles.groups[split.test])
    cells = pool("elpv", "elpv_96.npz")
    mono = find_protocol("elpv").split(cells, "mono", 0, "paper", "mahalanobis")
    assert (len(mono.train), int((~mono.anomalous).sum())) == (392, 196)
    assert cells.sections is not None
    assert set(cells.sections[mono.test]) == {"mono"}
