"""Hashes of what every detector and every model gives: a change of structure must leave all of them as they are.

    python -m benchmarks.house.hashes              compare with benchmarks/results/house/hashes.json; exit with 1 if not
    python -m benchmarks.house.hashes --write      measure anew, and write that file

Hashes are those of one kind of processor and one version of torch, both of which stand in the file: elsewhere, measure
the commit before and the commit after. Each detector is fitted by its fast preset for a few steps, on two built-in
sets, a table, and, where it asks for motion, a short film.
"""

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_breast_cancer

from hizumi import Budget, Inspector, Manifest, Modeller, TrainingOptions, open_source
from hizumi.errors import HizumiError
from hizumi.registry import find_detectors, find_models

RESULTS = Path(__file__).parents[1] / "results" / "house" / "hashes.json"
STEPS = 4
KEPT = {"train": 48, "calibration": 24, "test": 12}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--only", help="names that contain this")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found = dict(hashes(Path(folder), chosen.only or ""))
    if chosen.write:
        machine = {"torch": torch.__version__, "processor": platform.processor(), "machine": platform.machine()}
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(json.dumps({"machine": machine, "hashes": found}, indent=1) + "\n")
        return 0
    known = json.loads(chosen.output.read_text())["hashes"]
    changed = [name for name in found if known.get(name) != found[name]]
    missing = [name for name in known if name not in found and (chosen.only or "") in name]
    for name in changed:
        print(f"{name}: {known.get(name)} before, {found[name]} now")
    print(f"{len(found)} compared, {len(changed)} changed, {len(missing)} missing {' '.join(missing)}")
    return 1 if changed or missing else 0


def hashes(folder: Path, only: str) -> Iterator[tuple[str, str]]:
    """The name of each case with its hash, or with the reason why there is none."""
    images = {"digits": few(open_source("digits")), "brick": few(open_source("brick"))}
    cancer = load_breast_cancer()
    table = np.ascontiguousarray(cancer.data[cancer.target == 1][:84].astype(np.float64))
    film = written_film(folder)
    for name, detector in find_detectors().items():
        sources: dict[str, Any] = {"film": film} if "motion" in detector.card.needs else images | {"table": table}
        for data, source in sources.items():
            if only in f"detector {name} {data}":
                yield f"detector {name} {data}", hashed(lambda: of_detector(name, source))  # noqa: B023
    for name in find_models():
        for data, source in {"digits": images["digits"], "table": table}.items():
            if only in f"model {name} {data}":
                yield f"model {name} {data}", hashed(lambda: of_model(name, source))  # noqa: B023


def hashed(measure: Any) -> str:
    """The first 16 digits of the SHA-256 of all arrays, or the error."""
    try:
        digest = hashlib.sha256()
        for array in measure():
            digest.update(np.ascontiguousarray(array).tobytes())
        result = digest.hexdigest()[:16]
    except HizumiError as error:
        result = f"{type(error).__name__}: {error}"
    print(result, file=sys.stderr, flush=True)
    return result


def of_detector(name: str, source: Any) -> Iterator[np.ndarray]:
    """Threshold, then score, p-value, terms, map and normal image of each item."""
    print(name, end=" ", file=sys.stderr, flush=True)
    training = TrainingOptions(budget=Budget(steps=STEPS), batch_size=8)
    inspector = Inspector(name, preset="fast", training=training).fit(source)
    yield np.array([inspector.calibration_.threshold.value])
    asked = source.select(split="test") if isinstance(source, Manifest) else source
    for verdict in inspector.inspect(asked, strict=True):
        yield np.array([verdict.score, verdict.p_value, *verdict.terms.values()])
        if verdict.map is not None:
            yield verdict.map
        if verdict.normal is not None:
            yield verdict.normal


def of_model(name: str, source: Any) -> Iterator[np.ndarray]:
    """All that the model can do with a few items."""
    print(name, end=" ", file=sys.stderr, flush=True)
    found = find_models()[name]
    training = TrainingOptions(budget=Budget(steps=STEPS), batch_size=8)
    model = Modeller(name, training=training, pairing="denoise" if "pairs" in found.card.needs else None)
    first: Any = source
    second: Any = None
    if "labels" in found.card.needs and not isinstance(source, Manifest):
        second = np.arange(len(source)) % 3
    if "labels" in found.card.needs and isinstance(source, Manifest):
        first = few(open_source("digits", normal_class="all"))
    if "two sets" in found.card.needs:
        first, second = source, source
    model.fit(first, second)
    asked = source.select(split="test") if isinstance(source, Manifest) else source[:6]
    able: dict[str, Any] = {
        "sample": lambda: [model.sample(4)],
        "reconstruct": lambda: model.reconstruct(asked),
        "translate": lambda: model.translate(asked),
        "log_likelihood": lambda: [model.log_likelihood(asked)],
        "encode": lambda: [model.encode(asked)],
    }
    for ability, made in able.items():
        if hasattr(model.model_, ability):
            yield from made()


def few(manifest: Manifest) -> Manifest:
    """The first records of each split; where the data name no calibration split, of what they have."""
    kept: dict[str, int] = {}
    records = []
    for record in manifest.records:
        split = record.split or "train"
        kept[split] = kept.get(split, 0) + 1
        if kept[split] <= KEPT.get(split, 0):
            records.append(record)
    return replace(manifest, records=tuple(records))


def written_film(folder: Path) -> Path:
    """A bright square that goes to and fro over a textured ground, 60 frames of 48 x 64 pixels."""
    ground = np.random.default_rng(0).integers(60, 120, (48, 64)).astype(np.uint8)
    clip = folder / "clip"
    clip.mkdir()
    for frame in range(60):
        picture = ground.copy()
        left = 8 + 2 * (frame % 20 if frame // 20 % 2 == 0 else 20 - frame % 20)
        picture[16:32, left : left + 12] = 220
        Image.fromarray(picture).save(clip / f"{frame:03}.png")
    return folder


if __name__ == "__main__":
    sys.exit(main())
