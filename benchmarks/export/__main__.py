"""Fit every detector that can be exported for a short time on every set, and export it for both engines.

    HIZUMI_DATA=/folder/of/arrays python -m benchmarks.export                       # all, a few hours
    HIZUMI_DATA=/folder/of/arrays python -m benchmarks.export --sets bottle thyroid --detectors pca

What has been measured is not measured again unless it is named with --again. After each detector the results and the
page made of them are written to benchmarks/results/export/.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.export.page import page
from benchmarks.export.sets import SETS
from hizumi.data import Manifest
from hizumi.detectors import Detector
from hizumi.errors import HizumiError
from hizumi.export import export
from hizumi.inspection import Inspector
from hizumi.registry import find_detectors
from hizumi.runtime.engines import EngineName
from hizumi.training import Budget, TrainingOptions

RESULTS = Path(__file__).parents[1] / "results/export"
ENGINES: tuple[EngineName, ...] = ("onnxruntime", "openvino")
IMAGE_SIZE = 64  # pixels
FALSE_ALARM_RATE = 0.05
MINUTES = 0.15  # of training, of each phase


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=[*SETS], choices=SETS)
    parser.add_argument("--detectors", nargs="+", default=[*find_detectors()], choices=find_detectors())
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of training, of each phase")
    parser.add_argument("--again", action="store_true", help="measure also what has been measured")
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for set_name in chosen.sets:
        data = SETS[set_name]()
        for name in chosen.detectors:
            if _takes(find_detectors()[name], data) and (chosen.again or not _kept(set_name, name)):
                _keep(set_name, name, _measured(name, data, chosen.minutes))


def _takes(detector: type[Detector], data: Manifest) -> bool:
    card = detector.card
    kind = "vectors" if data.vectors else "images"
    return kind in card.inputs and card.cost != "search" and "motion" not in card.needs


def _measured(name: str, data: Manifest, minutes: float) -> dict[str, Any]:
    """The outcome for both engines, or why there was nothing to export."""
    preset = "fast" if "fast" in find_detectors()[name].presets else None
    inspector = Inspector(
        name,
        preset=preset,
        image_size=None if data.vectors else IMAGE_SIZE,
        false_alarm_rate=FALSE_ALARM_RATE,
        training=TrainingOptions(budget=Budget(max_minutes=minutes)),
    )
    try:
        inspector.fit(data)
    except HizumiError as error:
        return {"minutes": minutes, "not_fitted": str(error)}
    return {"minutes": minutes, **{engine: _exported(inspector, data, engine) for engine in ENGINES}}


def _exported(inspector: Inspector, data: Manifest, engine: EngineName) -> dict[str, Any]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcome: dict[str, Any] = export(inspector, Path(folder) / "x.hizumi", data, engine=engine).parity.to_dict()
        except HizumiError as error:
            outcome = {"refused": str(error)}
    return outcome | {"seconds": round(time.monotonic() - started, 1)}


def _kept(set_name: str, name: str) -> bool:
    return name in _results().get(set_name, {})


def _keep(set_name: str, name: str, outcome: dict[str, Any]) -> None:
    results = _results()
    results.setdefault(set_name, {})[name] = outcome
    (RESULTS / "export.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "page.md").write_text(page(results))
    print(set_name, name, json.dumps(outcome)[:300], flush=True)  # a long run shows where it is


def _results() -> dict[str, dict[str, Any]]:
    file = RESULTS / "export.json"
    return json.loads(file.read_text()) if file.exists() else {}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
