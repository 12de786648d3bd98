"""Print the result of `hizumi compare` as a table, with the false alarms that the asked rate makes likely."""

import json
import sys
from pathlib import Path

from hizumi.evaluation import binomial_acceptance


def main() -> None:
    for path in sys.argv[1:]:
        result = json.loads(Path(path).read_text())
        print(f"{result['data']}\n")
        print("| detector | seed | image AUROC | pixel AUROC | AUPRO | false alarms | likely | fit, s |")
        print("|---|---|---|---|---|---|---|---|")
        for run in result["runs"]:
            good, asked = run["normal_count"], run["false_alarm_rate"]
            low, high = binomial_acceptance(good, asked)
            print(
                f"| {run['detector']} | {run['seed']} | {number(run['image_auroc'])} | {number(run['pixel_auroc'])} "
                f"| {number(run['aupro'])} | {run['false_alarms']} of {good} | {low} to {high} at {asked:.0%} "
                f"| {run['fit_seconds']:.0f} |"
            )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
