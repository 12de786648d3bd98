"""What tuning by drawn defects gains on true tests, from what `benchmarks/tuning.py` has measured."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "tuning.json"
PAGE = ROOT / "docs" / "tune.md"
MARKERS = "<!-- Gains, from tools/tuning_gains.py by `make docs`. -->", "<!-- End of the gains. -->"


def table() -> str:
    """One row for each set of data and detector, means over seeds."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines = [
        f"Measured on {found['processor']} with {found['trials']} trials of {found['rounds']} rounds: AUROC on the",
        "true test, which no trial saw, and over the seeds the mean and deviation of what it gains.",
        "",
        "| Data | Detector | Seeds | Preset `fast` | Best by drawn defects | Gain |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["summary"]:
        cells = [row["data"], row["detector"], row["seeds"], f"{row['auroc_begun']:.3f}", f"{row['auroc_best']:.3f}"]
        gain = f"{row['gain']:+.3f} ± {row['gain_deviation']:.3f}"
        lines.append("| " + " | ".join(map(str, [*cells, gain])) + " |")
    return "\n".join(lines)
