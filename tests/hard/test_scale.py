"""Very many pictures, some of them broken, and all of them named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.hard.conftest import save_pictures, stripes
from tests.peaks import output_and_peak

COUNT, BROKEN = 20_000, 200


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 pictures, of which every hundredth is broken in one of several ways."""
    folder = tmp_path_factory.mktemp("many")
    save_pictures(folder, stripes(np.random.default_rng(0), COUNT))
    for place, path in enumerate(sorted(folder.iterdir())[:: COUNT // BROKEN]):
        content = path.read_bytes()
        broken = [b"", content[: len(content) // 2], b"no picture", content[:8] + content[9:], b"\0" * len(content)]
        path.write_bytes(broken[place % len(broken)])
    return folder


def test_many_pictures_with_broken_ones(many: Path, tmp_path: Path, catalogue: Callable[..., None]) -> None:
    bundle = tmp_path / "parts.hizumi"
    peaks = [
        output_and_peak("fit", many, "-d", "pca", "-o", bundle, "--json", tmp_path / "fit.json")[1],
        output_and_peak("inspect", bundle, many, "--json", tmp_path / "inspect.json")[1],
    ]
    learned, judged = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("fit", "inspect"))
    named = {entry["name"] for entry in judged["failures"]}
    broken = {path.name for path in sorted(many.iterdir())[:: COUNT // BROKEN]}
    good = len(judged["verdicts"])
    catalogue(
        "20,000 pictures, 1% of them broken: fit and inspect",
        f"{good:,} verdicts, {len(named)} named, {len(learned['failures'])} in the fit; {max(peaks):,.0f} MiB at most",
        mark="19,800 verdicts, 200 named in both",
        holds=good == COUNT - BROKEN and named == broken and len(learned["failures"]) == BROKEN,
    )
