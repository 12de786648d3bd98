"""What the benchmarks of generative models share: MNIST, seeds, and one JSON file for each run.

A script names its cases, functions (seed, smoke) -> figures, and hands them to `main`. It is called as

    HIZUMI_DATA=folder python benchmarks/models/SCRIPT.py CASE --seeds 0 1 2

which writes benchmarks/results/models/CASE-SEED.json. `--smoke` is a run of seconds that shows that the script works,
and writes nothing.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hizumi

RESULTS = Path(__file__).parent.parent / "results" / "models"


def mnist(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, 28, 28) in [-1, 1] and digits (n,) of "train" or "test"."""
    folder = os.environ.get("HIZUMI_DATA")
    if folder is None:
        raise SystemExit("set HIZUMI_DATA to the folder that holds mnist.npz (x_train, y_train, x_test, y_test)")
    with np.load(Path(folder) / "mnist.npz", allow_pickle=False) as archive:
        images, digits = archive[f"x_{split}"], archive[f"y_{split}"]
    return torch.from_numpy(images).float()[:, None] / 127.5 - 1, torch.from_numpy(digits).long()


def padded(images: torch.Tensor) -> torch.Tensor:
    """28-pixel images with a black border, 32 pixels wide."""
    return torch.nn.functional.pad(images, (2, 2, 2, 2), value=-1.0)


def binarised(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Each pixel -1 or 1, at random with its grey value as the chance, once and for all (static binarisation)."""
    uniform = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(uniform < (images + 1) / 2, 1.0, -1.0)


Run = Callable[[int, bool], dict[str, Any]]


def main(cases: Mapping[str, Run]) -> None:
    """Run the cases and seeds asked for, and write what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(cases)}; all where none is named", metavar="CASE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--smoke", action="store_true", help="a few steps of one seed, nothing written")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(cases):
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(cases)}")
    for case in arguments.cases or cases:
        for seed in arguments.seeds[:1] if arguments.smoke else arguments.seeds:
            result = _result(case, cases[case], seed, arguments.smoke)
            print(json.dumps(result, indent=1), flush=True)
            if not arguments.smoke:
                RESULTS.mkdir(parents=True, exist_ok=True)
                (RESULTS / f"{case}-{seed}.json").write_text(json.dumps(result, indent=1) + "\n")


def _result(case: str, run: Run, seed: int, smoke: bool) -> dict[str, Any]:
    started, processor = time.monotonic(), time.process_time()
    figures = run(seed, smoke)
    return {
        "case": case,
        "seed": seed,
        "hizumi": hizumi.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - processor, 1),
        "figures": figures,
    }
