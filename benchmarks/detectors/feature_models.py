"""Models of features, and of pixels, beside Gaussian features: magnetic tiles, solar cells, bricks, bottles.

    HIZUMI_DATA=folder python -m benchmarks.detectors.feature_models on_features:fast draem:fast --sets brick --seeds 0

fits each detector, named with its preset, on at most 150 good images at its own working size, after
`gaussian_features` in the same process, tests on at most 150 good and 150 defective ones, and writes
benchmarks/results/detectors/feature_models-DETECTOR-SET-SEED.json.
`--set detector.steps=8` changes arguments, and `--steps 800` the budget, for comparisons that are printed and not
written.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import interpolate

from benchmarks.export import sets
from hizumi.data import Manifest, open_source
from hizumi.detectors import Detector
from hizumi.evaluation.metrics import auroc
from hizumi.evaluation.pixels import pixel_auroc
from hizumi.registry import make_detector
from hizumi.training import Budget, TrainingOptions
from hizumi.training.preset import preset_of

RESULTS = Path(__file__).parent.parent / "results" / "detectors"
BESIDE = "gaussian_features"
MOST = 150  # good images to learn from, and good and defective ones to test
WHOLE = 10_000


class Parts(NamedTuple):
    """Images (n, c, h, w) in [-1, 1]; labels are 1 where defective; masks (n, h, w) where the set has them."""

    train: torch.Tensor
    test: torch.Tensor
    labels: np.ndarray
    masks: np.ndarray | None


def magnetic_tile() -> Parts:
    """Split by the tile that was photographed."""
    found = sets._arrays("magnetic_tile_128")
    masks = np.unpackbits(found["mask"], axis=-1)[..., : found["x"].shape[2]]
    return _parts(found["x"][..., None], found["cls"] != "Free", found["split"] == "test", masks)


def elpv_poly() -> Parts:
    """Polycrystalline cells: every third functional one, and all that may be defective, to test."""
    found = sets._arrays("elpv_96")
    poly = found["type"] == "poly"
    defective = found["prob"][poly] > 0
    return _parts(found["x"][poly][..., None], defective, defective | (np.cumsum(~defective) % 3 == 0), None)


def bottle() -> Parts:
    """MVTec AD's split."""
    found = sets._arrays("mvtec_bottle_256")
    manifest = sets.bottle((WHOLE, WHOLE, WHOLE))
    rows = [int(record.name.rpartition("-")[2]) for record in manifest.records]
    height, width = found["mask_size"]
    marks = np.zeros((len(found["kind"]), height, width), bool)
    marks[found["mask_of"]] = np.unpackbits(found["mask"], axis=-1)[..., :width]
    assert manifest.arrays is not None, "the set lies in memory"
    return _parts(manifest.arrays, found["kind"][rows] != "good", found["split"][rows] == "test", marks[rows])


def brick() -> Parts:
    """Crops of a photograph at 64 pixels, the defects drawn."""
    manifest: Manifest = open_source("brick")
    images = np.stack([manifest.read(index).pixels for index in range(len(manifest))])
    marks = [manifest.read_mask(index) for index in range(len(manifest))]
    masks = np.stack([np.zeros(images.shape[1:3], bool) if mask is None else mask for mask in marks])
    labels = np.array([record.label == 1 for record in manifest.records])
    return _parts(images, labels, np.array([record.split == "test" for record in manifest.records]), masks)


SETS: dict[str, Callable[[], Parts]] = {each.__name__: each for each in (magnetic_tile, elpv_poly, brick, bottle)}


def _parts(images: np.ndarray, defective: np.ndarray, tested: np.ndarray, masks: np.ndarray | None) -> Parts:
    train = sets._spread(np.flatnonzero(~defective & ~tested), MOST)
    test = np.sort(
        np.concatenate([sets._spread(np.flatnonzero(tested & part), MOST) for part in (defective, ~defective)])
    )
    return Parts(
        _in_range(images[train]),
        _in_range(images[test]),
        defective[test].astype(int),
        None if masks is None else masks[test].astype(bool),
    )


def _in_range(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _at_working_size(images: torch.Tensor, detector: Detector) -> torch.Tensor:
    sizing = detector.working_sizing(images.shape[2], images.shape[3])
    if sizing.height >= images.shape[2]:
        return images
    return interpolate(images, (sizing.height, sizing.width), mode="bilinear", antialias=True).clamp(-1, 1)


def measured(detector: Detector, parts: Parts, options: TrainingOptions) -> dict[str, Any]:
    """AUROC of images and of pixels, and CPU seconds."""
    train, test = (_at_working_size(images, detector) for images in (parts.train, parts.test))
    started = time.process_time()
    detector.fit(train, options)
    fitted = time.process_time()
    anomaly = detector.score(test, batch_size=16)
    scored = time.process_time()
    result: dict[str, Any] = {
        "image_auroc": round(auroc(anomaly.image.double().numpy(), parts.labels), 4),
        "fit_cpu_seconds": round(fitted - started, 1),
        "score_cpu_milliseconds_an_image": round(1000 * (scored - fitted) / len(parts.test), 1),
    }
    if parts.masks is not None and anomaly.pixel is not None:
        maps = interpolate(anomaly.pixel, parts.masks.shape[1:], mode="bilinear")[:, 0].double().numpy()
        result["pixel_auroc"] = round(pixel_auroc(list(maps), list(parts.masks)), 4)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detectors", nargs="+", metavar="DETECTOR:PRESET")
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    for name, seed in itertools.product(given.sets, given.seeds):
        parts = SETS[name]()
        tested = {
            "training_images": len(parts.train),
            "tested": len(parts.labels),
            "defective": int(parts.labels.sum()),
        }
        beside = measured(make_detector(BESIDE), parts, TrainingOptions(seed=seed))
        for called in given.detectors:
            detector, _, preset = called.partition(":")
            made = make_detector(detector, dict(each.split("=", 1) for each in given.settings), preset or None)
            options = TrainingOptions(seed=seed)
            if preset:
                options = preset_of(type(made), preset).completing(options)
            if given.steps:
                options = replace(options, budget=Budget(steps=given.steps))
            result = {"detector": called, "set": name, "seed": seed, **tested, **measured(made, parts, options)}
            result["beside"] = {"detector": BESIDE, **beside}
            print(json.dumps(result), flush=True)
            if not given.settings and not given.steps:
                path = RESULTS / f"feature_models-{called.replace(':', '_')}-{name}-{seed}.json"
                path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
