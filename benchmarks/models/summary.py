"""Tables of benchmarks/results/models: every figure of every case, over its seeds.

python benchmarks/models/summary.py
"""

import json
import statistics
from collections import defaultdict
from typing import Any

from common import RESULTS


def main() -> None:
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text())
        runs[result["case"]].append(result)
    for case, results in runs.items():
        results.sort(key=lambda result: result["seed"])
        print(f"\n{case}\n")
        print("| figure | " + " | ".join(f"seed {result['seed']}" for result in results) + " | median | s.d. |")
        print("|---" * (len(results) + 3) + "|")
        rows = [result["figures"] | {"minutes": result["seconds"] / 60} for result in results]
        for name in rows[0]:
            values = [row.get(name) for row in rows]
            numbers = [float(value) for value in values if isinstance(value, int | float)]
            if len(numbers) < len(values):  # curves and words stay in the files
                continue
            spread = f"{statistics.stdev(numbers):.3g}" if len(numbers) > 1 else "-"
            cells = [f"{number:.4g}" for number in numbers]
            print(f"| {name} | {' | '.join(cells)} | {statistics.median(numbers):.4g} | {spread} |")


if __name__ == "__main__":
    main()
