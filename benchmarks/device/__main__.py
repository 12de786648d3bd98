"""Does everything work on a GPU, how fast, and does it learn there: under eight minutes, for `make device-check`.

    python -m benchmarks.device                     all parts, on a GPU
    python -m benchmarks.device speed               one part
    python -m benchmarks.device --rehearse          on the processor, in small, and nothing is written

Writes benchmarks/results/device/PART.json: `contract`, every model and detector on the GPU, and by how much scores
differ from a CPU's; `ledger`, one digit of MNIST by Deep SVDD at the paper's budget, from the folder HIZUMI_DATA;
`speed`, rows of `benchmarks.speed` with their shares of the card's ceiling. Exits with 1 where a part has failed or ran
out of time.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import hizumi
from benchmarks.device.parts import Plan, contract, ledger, speed

RESULTS = Path(__file__).parents[1] / "results" / "device"
MINUTES = 8.0
Part = Callable[[Plan], Mapping[str, Any]]
PARTS: dict[str, Part] = {"contract": contract, "ledger": ledger, "speed": speed}


def main() -> int:
    """Run the parts asked for, one after the other, until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all where none is named", metavar="PART")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which no part goes on")
    parser.add_argument("--rehearse", action="store_true", help="on the processor, in small, and write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not arguments.rehearse and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; --rehearse runs the same parts on the processor, in small")
    plan = Plan(time.monotonic() + 60 * arguments.minutes, rehearsed=arguments.rehearse)
    failed = [part for part in arguments.parts or PARTS if not _ran(part, plan)]
    print(f"failed: {', '.join(failed)}" if failed else "everything passed", flush=True)
    return 1 if failed else 0


def _ran(part: str, plan: Plan) -> bool:
    began = time.monotonic()
    found = {**_machine(plan), **PARTS[part](plan), "seconds": round(time.monotonic() - began, 1)}
    shown = {key: value for key, value in found.items() if not isinstance(value, dict)}
    print(f"{part}: {json.dumps(shown, indent=1)}", flush=True)
    if not plan.rehearsed:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return bool(found["passed"])


def _machine(plan: Plan) -> dict[str, Any]:
    return {
        "device": platform.machine() if plan.rehearsed else torch.cuda.get_device_name(),
        "hizumi": hizumi.__version__,
        "torch": torch.__version__,
    }


sys.exit(main())
