"""Measure archives on this machine, and write down what was found.

    python -m benchmarks.scale costs     CPU time of an image, by step: benchmarks/results/scale/costs.json
    python -m benchmarks.scale workers   one worker and two, beside `hizumi inspect`: workers.json
    python -m benchmarks.scale memory    of a process that scores ten and a hundred thousand images: memory.json

`python -m tools.generate` then makes the tables of docs/scale.md, `python -m benchmarks.speed --page` docs/speed.md.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import hizumi
from benchmarks.scale.costs import costs
from benchmarks.scale.workers import memory, workers

RESULTS = Path(__file__).parents[1] / "results" / "scale"
CASES = {"costs": costs, "workers": workers, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--images", type=int, help="fewer or more than the case takes of itself")
    arguments = parser.parse_args()
    given = {} if arguments.images is None else {"images": arguments.images}
    before = os.getloadavg()[0]
    found = CASES[arguments.case](**given)
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(machine(before) | found, indent=1)
    (RESULTS / f"{arguments.case}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def machine(load_before: float) -> dict[str, Any]:
    """What it was measured on; a load above 0 is of other programs, which take from wall time, not from CPU time."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "hizumi": hizumi.__version__,
        "load_before": round(load_before, 1),
    }


main()
