"""Nothing that the program does reaches for the network."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.hard.conftest import save_pictures, stripes
from tools.reliability import ROOT


def test_no_command_reaches_for_the_network(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    for needed in ("onnxruntime", "openvino"):
        pytest.importorskip(needed, reason="exported bundles run in ONNX Runtime and OpenVINO")
    namespace = ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace of its own can be had here")
    generator = np.random.default_rng(0)
    save_pictures(tmp_path / "good", stripes(generator, 60))
    save_pictures(tmp_path / "new", stripes(generator, 6))
    np.savetxt(tmp_path / "rows.csv", generator.normal(size=(60, 3)), delimiter=",")
    words = [*namespace, sys.executable, "-m", "tests.hard.offline", tmp_path]
    subprocess.run(words, cwd=ROOT, check=True)
    found = json.loads((tmp_path / "offline.json").read_text(encoding="utf-8"))
    # Both counters see what there is to see.
    assert len(found["asked"]["attempts"]) == found["asked unrouted"] == 1, found
    attempts = [f"{name}: {attempt}" for name, ended in found["ended"].items() for attempt in ended["attempts"]]
    failed = [f"{name}: {ended['error']}" for name, ended in found["ended"].items() if ended["code"]]
    catalogue(
        "No network: commands in a namespace without a route",
        f"{len(attempts)} attempts seen by Python, {found['unrouted']} by the kernel, {len(failed)} failed, of "
        f"{len(found['ended'])}: {', '.join(found['ended'])}",
        mark="0, 0, 0",
        holds=not attempts and not found["unrouted"] and not failed,
    )
    assert not failed, failed
