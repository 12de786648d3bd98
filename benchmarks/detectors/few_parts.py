"""A detector's preset "fast" on some hundred pictures at 32 pixels: bottles, magnetic tiles, bricks.

    HIZUMI_DATA=folder python -m benchmarks.detectors.few_parts alad --sets bottle brick --seeds 0 1 2

writes benchmarks/results/detectors/few_parts-DETECTOR-SET-SEED.json. `--set model.code_norm=false` changes
arguments, for comparisons that are printed and not written.

Settings are to be chosen by what does not look at test images: "pasted" is the AUROC of held-out good images against
the same images with a square of theirs pasted elsewhere, or made lighter or darker.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.export import sets
from hizumi.data import Manifest, open_source
from hizumi.data.manifest import GOOD
from hizumi.evaluation.metrics import auroc
from hizumi.inspection import Inspector
from hizumi.registry import make_detector
from hizumi.training import TrainingOptions

RESULTS = Path(__file__).parent.parent / "results" / "detectors"
SIZE = 32
WHOLE = (10_000, 10_000, 10_000)
SETS: dict[str, Callable[[], Manifest]] = {
    "bottle": lambda: sets.bottle(WHOLE),
    "magnetic_tile": lambda: sets.magnetic_tile((200, 1000, 1000)),
    "brick": lambda: open_source("brick"),
}


def measured(detector: str, name: str, seed: int, settings: Sequence[str]) -> dict[str, Any]:
    manifest = SETS[name]()
    started = time.process_time()
    made = make_detector(detector, preset="fast", settings=dict(each.split("=", 1) for each in settings))
    options = type(made).presets["fast"].completing(TrainingOptions(seed=seed))
    inspector = Inspector(made, image_size=SIZE, training=options).fit(manifest)
    seconds = time.process_time() - started
    unseen = inspector.split_as_fitted(manifest).select(split="calibration")
    images = np.stack([unseen.read(index).pixels for index in range(len(unseen))])
    scores = [-inspector.score_samples(each) for each in (images, pasted(images, seed))]
    test = manifest.select(split="test")
    labels = np.array([record.label for record in test.records])
    return {
        "detector": detector,
        "set": name,
        "seed": seed,
        "training_images": inspector.options_["training_images"],
        "fit_cpu_seconds": round(seconds, 1),
        "pasted": round(auroc(np.concatenate(scores), np.repeat([0, 1], len(images))), 4),
        "findings": [finding.name for finding in inspector.findings_],
        "image_auroc": round(auroc(-inspector.score_samples(test), labels), 4),
        "tested": {GOOD: int((labels == 0).sum()), "defective": int((labels == 1).sum())},
    }


def pasted(images: np.ndarray, seed: int) -> np.ndarray:
    """Each image (n, h, w, c) of bytes with one square changed: a copy of another place, or lighter, or darker."""
    generator = np.random.default_rng(seed)
    changed = images.copy()
    height, width = images.shape[1:3]
    for number, image in enumerate(images):
        side = int(min(height, width) * generator.uniform(0.15, 0.3))
        (top, left), (from_top, from_left) = generator.integers(0, (height - side, width - side), (2, 2))
        square = image[from_top : from_top + side, from_left : from_left + side].astype(np.float64)
        if number % 2:
            square = image[top : top + side, left : left + side] + generator.choice([-1, 1]) * generator.uniform(40, 90)
        changed[number, top : top + side, left : left + side] = np.rint(square).clip(0, 255)
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detector")
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    for name in arguments.sets:
        for seed in arguments.seeds:
            result = measured(arguments.detector, name, seed, arguments.settings)
            print(json.dumps(result), flush=True)
            if not arguments.settings:
                path = RESULTS / f"few_parts-{arguments.detector}-{name}-{seed}.json"
                path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
