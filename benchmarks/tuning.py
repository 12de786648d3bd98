"""Does a search by drawn defects alone find settings that do better on the true test than those it began with?

    python benchmarks/magnetic_tile.py magnetic_tile_128.npz tiles.npz
    python -m benchmarks.tuning --tiles tiles.npz -d pca,nearest_neighbour -o benchmarks/results/tuning.json

Each search begins with the preset "fast" of a detector. For each seed, which deals the splits anew, the fit with these
settings and that with the best ones are measured on the labelled test images, which no search has seen. A row that is
in the file already is not made again.
"""

import argparse
import json
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from hizumi.data import Manifest, open_source
from hizumi.detectors import Detector
from hizumi.evaluation.metrics import auroc
from hizumi.inspection import Inspector, held_out, load
from hizumi.inspection.scoring import Scored
from hizumi.preprocessing.choosing import split_for_fit
from hizumi.registry import make_detector
from hizumi.registry.searching import chosen_spaces
from hizumi.reproduction.running import processor_name
from hizumi.scale.jobs import Here
from hizumi.scale.tuning import Tuning, TuningData
from hizumi.storage.tables import write_json
from hizumi.training import TrainingOptions
from hizumi.version import __version__

CALIBRATION_SHARE = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=Path)
    parser.add_argument("-d", "--detectors", default="pca,nearest_neighbour")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    done: list[dict[str, Any]] = json.loads(given.output.read_text())["rows"] if given.output.exists() else []
    sets = ["brick"] if given.tiles is None else ["brick", str(given.tiles)]
    for detector in given.detectors.split(","):
        for data in sets:
            for seed in range(given.seeds):
                key = {"data": "brick" if data == "brick" else "magnetic tile", "detector": detector, "seed": seed}
                if any(key.items() <= row.items() for row in done):
                    continue
                print(key, flush=True)
                done.append(key | searched(data, detector, seed, given.trials, given.rounds))
                machine = {"processor": processor_name("cpu"), "hizumi": __version__}
                request = {"trials": given.trials, "rounds": given.rounds}
                write_json(given.output, {**machine, **request, "summary": summary(done), "rows": done})


def searched(data: str, name: str, seed: int, trials: int, rounds: int) -> dict[str, Any]:
    """AUROC on the true test, with the settings of the preset and with those that the search found best."""
    manifest = open_source(data)
    begun = make_detector(name, preset="fast")
    split = split_for_fit(manifest, CALIBRATION_SHARE, seed)

    def inspector(detector: Detector) -> Inspector:
        return Inspector(detector, preset="fast", training=TrainingOptions(seed=seed))

    with tempfile.TemporaryDirectory() as folder:
        tuning = Tuning(
            begun,
            name,
            chosen_spaces(begun, name),
            inspector,
            TuningData.dealt(split, rounds, "drawn", seed),
            "drawn",
            trials,
            rounds,
            seed,
            f"sqlite:///{folder}/study.db",
            name,
        )
        workplace = Here(1, lambda _: nullcontext())  # type: ignore[arg-type]  # nobody observes
        study = tuning.searched(workplace)
        bundle = Path(folder) / "best.hizumi"
        bundle.write_bytes(tuning.best_bundle(study, workplace))
        best = load(bundle)
    assert study.best is not None
    return {
        "auroc_begun": tested(inspector(begun).fit(split), manifest),
        "auroc_best": tested(best, manifest),
        "objective_begun": study.begun.value,
        "objective_best": study.best.value,
        "changed": study.changed,
        "trials": study.counts(),
    }


def tested(inspector: Inspector, manifest: Manifest) -> float:
    test = held_out(inspector, manifest)
    items = [item for item in inspector.scorer().score(test, pictures=False) if isinstance(item, Scored)]
    return float(auroc(np.array([i.score for i in items]), np.array([test.records[i.index].label for i in items])))


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over seeds: both means, and the mean and deviation of the gain."""
    lines = []
    for data, detector in dict.fromkeys((row["data"], row["detector"]) for row in rows):
        some = [row for row in rows if (row["data"], row["detector"]) == (data, detector)]
        gains = [row["auroc_best"] - row["auroc_begun"] for row in some]
        lines.append(
            {
                "data": data,
                "detector": detector,
                "seeds": len(some),
                "auroc_begun": float(np.mean([row["auroc_begun"] for row in some])),
                "auroc_best": float(np.mean([row["auroc_best"] for row in some])),
                "gain": float(np.mean(gains)),
                "gain_deviation": float(np.std(gains, ddof=1)) if len(gains) > 1 else None,
            }
        )
    return lines


if __name__ == "__main__":
    main()
