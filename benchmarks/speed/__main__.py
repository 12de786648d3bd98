"""Measure what was asked, write it down, and make the page of all results.

    python -m benchmarks.speed CASE ... --rounds 7 --device cpu

writes benchmarks/results/speed/CASE-DEVICE.json and docs/speed.md; the case "series" reads the folder HIZUMI_DATA.
`--smoke` is a run of seconds that writes nothing.
"""

import argparse
import json

import torch

from benchmarks.speed.cases import CASES
from benchmarks.speed.measuring import Report, Setting
from benchmarks.speed.page import PAGE, RESULTS, described, speed_page


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all where none is named", metavar="CASE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of wall time; CPU time is of one")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round, nothing written")
    parser.add_argument("--page", action="store_true", help="make the page from what has been written, measure nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    torch.set_num_threads(arguments.threads)
    setting = Setting(0 if arguments.smoke else arguments.rounds, arguments.device, arguments.smoke)
    for case in [] if arguments.page else arguments.cases or CASES:
        torch.manual_seed(0)
        _report(case, CASES[case](setting), setting)
    if arguments.page:
        PAGE.write_text(speed_page(), encoding="utf-8")


def _report(case: str, report: Report, setting: Setting) -> None:
    for figure in report.figures:
        print(f"{case}: {described(figure)}", flush=True)
    if not setting.smoke:
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{case}-{setting.device}.json"
        path.write_text(json.dumps(report.to_dict(case, setting), indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(speed_page(), encoding="utf-8")


main()
