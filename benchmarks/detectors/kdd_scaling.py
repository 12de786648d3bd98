"""KDD99 by the protocol of EGBAD and ALAD: what scores are worth when its columns are scaled otherwise.

Hizumi's detectors standardise the columns of a table. The authors' code leaves them as they are, so that columns of
large numbers decide. On the paper's split of the rows, with the paper's threshold:

    python benchmarks/detectors/kdd_scaling.py columns DATA                  # each column alone, nothing learned
    python benchmarks/detectors/kdd_scaling.py "mahalanobis(mean)" DATA      # distance from the mean
    python benchmarks/detectors/kdd_scaling.py egbad DATA --scaling none     # or alad: half an hour
    python benchmarks/detectors/kdd_scaling.py egbad DATA --scaling none --free-critic    # as published

writes benchmarks/results/detectors/kdd_scaling-NAME-SCALING-SEED.json, for a detector with the test figures after each
epoch, none of which chooses anything. A free critic is one without spectral norm.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch

import hizumi
from hizumi.data.stream import Batches, View, in_order
from hizumi.detectors import EGBAD, Detector
from hizumi.evaluation.metrics import auroc, confusion_at
from hizumi.reproduction.entrants import Entrant, detector_of, settled
from hizumi.reproduction.protocol import Protocol
from hizumi.reproduction.protocols import find_protocol
from hizumi.reproduction.published_forms import Pool
from hizumi.reproduction.running import run, share_threshold
from hizumi.reproduction.views import PoolView
from hizumi.training.checkpoint import load_fitted

RESULTS = Path(__file__).parent.parent / "results" / "detectors"
LARGEST = 10  # columns that are listed


def main() -> None:
    """Run, and write what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", help='columns, or a detector of the ledger such as egbad, alad, "mahalanobis(mean)"')
    parser.add_argument("data", type=Path)
    parser.add_argument("--scaling", choices=["standardised", "range", "none"], default="standardised")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--free-critic", action="store_true")
    arguments = parser.parse_args()
    protocol = find_protocol("kdd99")
    pool = protocol.read(arguments.data)
    if arguments.what == "columns":
        result, scaling = columns_alone(protocol, pool, arguments.seed), "none"
    else:
        scaling = arguments.scaling
        result = detector_scaled(protocol, pool, arguments.what, scaling, arguments.seed, arguments.free_critic)
    print(json.dumps(result, indent=1))
    RESULTS.mkdir(parents=True, exist_ok=True)
    words = ["kdd_scaling", arguments.what.replace("(", "_").replace(")", ""), scaling, str(arguments.seed)]
    words += ["free_critic"] if arguments.free_critic else []
    (RESULTS / f"{'-'.join(words)}.json").write_text(json.dumps(result, indent=1) + "\n")


def columns_alone(protocol: Protocol, pool: Pool, seed: int) -> dict[str, Any]:
    """Figures of the columns that tell most alone, by the distance from their median among what trains.

    Columns are counted in the 121: 102 is `count`, the connections to the same host in the past two seconds, 103
    `srv_count`, those to the same service.
    """
    split = protocol.split(pool, "all", seed, "paper", "egbad")
    rows = np.asarray(pool.items, np.float64)
    train, test, labels = rows[split.train], rows[split.test], split.anomalous.astype(int)
    found = []
    for column, (median, deviation) in enumerate(zip(np.median(train, 0), train.std(0), strict=True)):
        found.append(
            {"column": column, "standard_deviation": round(float(deviation), 3)}
            | figures(protocol, np.abs(test[:, column] - median), labels)
        )
    found.sort(key=lambda entry: entry["f1_at_known_share"] or 0, reverse=True)
    return {"case": "columns", "seed": seed, "hizumi": hizumi.__version__, "columns": found[:LARGEST]}


def detector_scaled(
    protocol: Protocol, pool: Pool, name: str, scaling: str, seed: int, free_critic: bool
) -> dict[str, Any]:
    """A run as `hizumi reproduce kdd99 --protocol paper --budget paper` makes it, its table scaled in this way."""
    make, options, _ = settled(name, protocol, "paper", "paper")
    made: list[Detector] = []

    def scaled() -> Detector:
        detector = make()
        if free_critic:
            (detector.model if isinstance(detector, EGBAD) else detector).spectral_norm = False
        if scaling != "standardised":
            detector._standardised = MethodType(by_range if scaling == "range" else as_it_is, detector)
        made.append(detector)
        return detector

    split = protocol.split(pool, "all", seed, "paper", detector_of(name))
    view = PoolView(pool, make(), split.train)
    epochs: list[dict[str, float | None]] = []

    def after_each_epoch(record: Mapping[str, Any]) -> None:
        if record["images_seen"] // len(split.train) > len(epochs):
            copy = scaled().prepare(view.shape)
            load_fitted(copy, {key: value.clone() for key, value in made[0].state_dict().items()})
            epochs.append(figures(protocol, view.scored(copy, split.test)[0], split.anomalous.astype(int)))

    entrant = Entrant(name, detector_of(name), scaled, options, {}, {})
    result = run(protocol, pool, entrant, "all", seed, "paper", "paper", after_each_epoch)
    return {"scaling": scaling, "free_critic": free_critic} | result | {"epochs": epochs}


def figures(protocol: Protocol, scores: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """AUROC, and F1 at the paper's threshold."""
    assert protocol.known_share is not None, "the paper's threshold needs it"
    threshold = share_threshold(scores, protocol.known_share)
    return {"image_auroc": auroc(scores, labels), "f1_at_known_share": confusion_at(scores, labels, threshold).f1}


def as_it_is(detector: Detector, source: Batches) -> Batches:
    """In place of Detector._standardised: columns stay in their own units."""
    return source


def by_range(detector: Detector, source: Batches) -> Batches:
    """In place of Detector._standardised: what trains lies between 0 and 1 in each column."""
    rows = torch.cat(list(in_order(source)))
    low, high = rows.amin(0), rows.amax(0)
    detector.vector_mean, detector.vector_scale = low, torch.where(high > low, high - low, 1.0)
    return View(source, function=detector._standardise)


if __name__ == "__main__":
    main()
