"""Too little memory, step by step."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.hard.conftest import run_hizumi, save_pictures, stripes

STEPS_GIB = np.linspace(0.3, 3.0, 6)


def test_limits_of_memory(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    generator = np.random.default_rng(0)
    save_pictures(tmp_path / "good", stripes(generator, 60, 512))
    bundle = tmp_path / "parts.hizumi"
    assert run_hizumi("fit", tmp_path / "good", "-d", "pca", "--image-size", "256", "-o", bundle).code == 0
    commands = {
        "fit": ["fit", tmp_path / "good", "-d", "reconstruction", "--steps", "3", "--image-size", "256"],
        "inspect": ["inspect", bundle, tmp_path / "good"],
        "evaluate": ["evaluate", bundle, tmp_path / "good", "-o", tmp_path / "evaluation"],
    }
    endings = []
    for gib in STEPS_GIB:
        for name, command in commands.items():
            extra = ["-o", tmp_path / f"{gib:.2f}.hizumi"] if name == "fit" else []
            ended = run_hizumi(*command, *extra, limit_bytes=int(gib * 2**30))
            accused = "damaged" in ended.err or "copy it again" in ended.err
            endings.append((name, gib, ended.code, ended.is_clean and not accused, ended.err[-300:]))
    wrong = [ending for ending in endings if not ending[3]]
    done = sum(ending[2] == 0 for ending in endings)
    catalogue(
        "18 limits of memory, from 0.3 to 3 GiB: fit, inspect, evaluate",
        f"{done} done, {len(endings) - done - len(wrong)} ended in one line, {len(wrong)} in a traceback or a signal",
        mark="no traceback, no file accused",
        holds=not wrong,
    )
