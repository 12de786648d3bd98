"""Ten, twenty and fifty good magnetic tiles, with and without declared variation: AUROC of each detector on features.

Each good image is of another tile. The variation is small shifts and turns and some light, declared before anything was
measured; test images are those of the tiles that nothing is learned from, good and defective, `--tested` of each.

    python -m benchmarks.detectors.few_good_images magnetic_tile_128.npz --seeds 0 1 2

writes benchmarks/results/detectors/few_good_images.json and prints its table.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hizumi.data.stream import Batches, TensorSource
from hizumi.data.variation import COPIES, Variation, Varied
from hizumi.detectors import Detector, FusedFeatures, GaussianFeatures, NearestFeatures
from hizumi.detectors.kept_maps import maps_are_kept
from hizumi.evaluation.metrics import auroc
from hizumi.training import TrainingOptions

RESULT = Path(__file__).parent.parent / "results" / "detectors" / "few_good_images.json"
COUNTS = (10, 20, 50)
VARIATION = Variation(shifts=0.05, turns=5, brightness=0.1)
DETECTORS: tuple[type[Detector], ...] = (GaussianFeatures, NearestFeatures, FusedFeatures)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="magnetic_tile_128.npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tested", type=int, default=130, help="good and defective images, of each so many")
    arguments = parser.parse_args()
    with np.load(arguments.data, allow_pickle=False) as archive:
        data = {name: archive[name] for name in ("x", "cls", "split", "group")}
    rows = []
    with maps_are_kept():  # of the test images, once
        for seed in arguments.seeds:
            rows += measured(data, seed, arguments.tested)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"variation": asdict(VARIATION), "copies": COPIES, "runs": rows}, indent=2) + "\n")
    print(table(rows))


def measured(data: dict[str, np.ndarray], seed: int, tested: int) -> list[dict[str, object]]:
    """A row for each detector, number of good images, and with and without variation."""
    generator = np.random.default_rng(0)  # the same test images for every seed
    good, test = data["cls"] == "Free", data["split"] == "test"
    chosen = [
        generator.choice(np.flatnonzero(test & (good == is_good)), tested, replace=False) for is_good in (True, False)
    ]
    images, labels = as_tensor(data["x"][np.concatenate(chosen)]), np.repeat([0, 1], tested)
    learned = one_of_each(data["group"], np.flatnonzero(good & ~test), seed)
    rows: list[dict[str, object]] = []
    for kind in DETECTORS:
        for count in COUNTS:
            source = TensorSource(as_tensor(data["x"][learned[:count]]))
            sources: dict[str, Batches] = {"as photographed": source, "varied": Varied(source, VARIATION)}
            for name, batches in sources.items():
                detector = kind().fit(batches, TrainingOptions(seed=seed))
                area = auroc(detector.score(images).image.double().numpy(), labels)
                rows.append({"detector": kind.__name__, "images": count, "source": name, "seed": seed, "auroc": area})
                print(rows[-1], flush=True)
    return rows


def as_tensor(pixels: np.ndarray) -> Tensor:
    """(n, h, w) of 8 bits as (n, 1, h, w) in [-1, 1]."""
    return torch.from_numpy(pixels[:, None].astype(np.float32) / 127.5 - 1)


def one_of_each(groups: np.ndarray, indices: np.ndarray, seed: int) -> np.ndarray:
    """One index of each group, in a random order."""
    shuffled = np.random.default_rng(seed).permutation(indices)
    _, first = np.unique(groups[shuffled], return_index=True)
    return shuffled[np.sort(first)]


def table(rows: list[dict[str, object]]) -> str:
    """Mean AUROC over the seeds, as Markdown."""
    lines = ["| detector | good images | as photographed | varied | gain, each seed |", "|---|---|---|---|---|"]
    for detector in dict.fromkeys(row["detector"] for row in rows):
        for count in COUNTS:
            areas = [
                np.array([row["auroc"] for row in rows if (row["detector"], row["images"], row["source"]) == key])
                for key in ((detector, count, "as photographed"), (detector, count, "varied"))
            ]
            gains = ", ".join(f"{gain:+.3f}" for gain in areas[1] - areas[0])
            lines.append(f"| {detector} | {count} | {areas[0].mean():.3f} | {areas[1].mean():.3f} | {gains} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
