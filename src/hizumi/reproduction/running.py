"""Detectors through the cases of a protocol, each fitted, calibrated, tested and measured, run by run."""

import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from hizumi.calibration import Calibration
from hizumi.data.progress import Observer
from hizumi.detectors import Detector
from hizumi.errors import UsageError
from hizumi.evaluation.bootstrap import number
from hizumi.evaluation.metrics import auroc, average_precision, confusion_at
from hizumi.evaluation.pixels import aupro, pixel_auroc, pixel_average_precision
from hizumi.reproduction.collections import Collection
from hizumi.reproduction.costs import Costs
from hizumi.reproduction.entrants import Entrant
from hizumi.reproduction.measuring_series import measured
from hizumi.reproduction.protocol import FALSE_ALARM_RATE, SIZES, BudgetName, Leak, Mode, Protocol, Split, thinned
from hizumi.reproduction.published_forms import Pool
from hizumi.reproduction.views import PoolView
from hizumi.training.checkpoint import load_fitted
from hizumi.version import __version__


def run(
    protocol: Protocol,
    pool: Pool | Collection,
    entrant: Entrant,
    case: str,
    seed: int,
    mode: Mode,
    budget: BudgetName,
    observe: Observer | None = None,
) -> dict[str, Any]:
    """Sizes, figures, times, versions and notes of one run, ready for JSON."""
    leaks = protocol.leaks_of(entrant.detector, mode)
    detector, options, costs = entrant.make(), replace(entrant.options, seed=seed), Costs()
    if isinstance(pool, Collection):
        run = measured(pool.tasks[case], entrant.make, options, FALSE_ALARM_RATE, costs, observe)
        return {"case": case, "seed": seed, **run, **costs.to_dict(), **_circumstances(options.accelerator)}
    whole, split = dealt(protocol, pool, entrant, case, seed, mode, budget)
    view = PoolView(pool, detector, split.train)

    # Fit.
    began = time.monotonic()
    epochs = _BestEpoch(entrant, detector, view, split, observe) if Leak.BEST_EPOCH in leaks else None
    with costs.fitting():
        detector.fit(view.of(split.train), options, observe=epochs or observe)
        best = epochs.best() if epochs else detector
    fitted = time.monotonic()

    # Score.
    with costs.scoring(len(split.test) + len(split.calibration)):
        scores, maps = view.scored(best, split.test, with_maps=pool.masks is not None)
        held_out = view.scored(best, split.calibration)[0] if len(split.calibration) else None
    scored = time.monotonic()

    # Measure.
    figures = _figures(protocol, pool, split, _leaked(scores, pool, split, leaks), held_out)
    if maps is not None:
        figures |= _pixel_figures(pool, split, maps)
    return {
        "case": case,
        "seed": seed,
        "training": len(split.train),
        "calibration": len(split.calibration),
        "tested": len(split.test),
        "anomalous": int(split.anomalous.sum()),
        "training_there": len(whole.train) + len(whole.calibration),
        "tested_there": len(whole.test),
        "item": list(view.shape),
        "figures": figures,
        "notes": [*split.notes, *(epochs.notes() if epochs else ())],
        "fit_seconds": round(fitted - began, 1),
        "score_seconds": round(scored - fitted, 1),
        **costs.to_dict(),
        **_circumstances(options.accelerator),
    }


def dealt(
    protocol: Protocol, pool: Pool, entrant: Entrant, case: str, seed: int, mode: Mode, budget: BudgetName
) -> tuple[Split, Split]:
    """Who trains, calibrates and tests in a run: of all items, and of those that the budget leaves."""
    whole = protocol.split(pool, case, seed, mode, entrant.detector)
    search = entrant.make().card.cost == "search"
    return whole, thinned(pool, whole, SIZES[budget], seed, search=search, balanced=protocol.only_ranks)


def _circumstances(accelerator: str) -> dict[str, Any]:
    return {
        "hizumi": __version__,
        "torch": torch.__version__,
        "processor": processor_name(accelerator),
        "threads": torch.get_num_threads(),
    }


def processor_name(accelerator: str) -> str:
    """What computes here, as its maker calls it."""
    if accelerator in ("cuda", "auto") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class _BestEpoch:
    """Watches training and keeps the epoch that does best on the test set, as some authors do."""

    def __init__(
        self, entrant: Entrant, detector: Detector, view: PoolView, split: Split, observe: Observer | None
    ) -> None:
        if len(detector.phases()) != 1:
            raise UsageError(f"{entrant.name} trains in several phases, so it has no best epoch on the test set")
        self.entrant = entrant
        self.detector = detector
        self.view = view
        self.split = split
        self.observe = observe
        self.aurocs: list[float] = []
        self.state: dict[str, torch.Tensor] = {}

    def __call__(self, record: Mapping[str, Any]) -> None:
        """After each epoch, and at the end, score the test set and keep the best state."""
        if self.observe is not None:
            self.observe(record)
        if record["images_seen"] // len(self.split.train) > len(self.aurocs) or record["share"] >= 1:
            state = {name: value.detach().cpu().clone() for name, value in self.detector.state_dict().items()}
            scores, _ = self.view.scored(self._with(state), self.split.test)
            self.aurocs.append(auroc(scores, self.split.anomalous.astype(int)))
            if self.aurocs[-1] == max(self.aurocs):
                self.state = state

    def best(self) -> Detector:
        """The detector as it was after its best epoch."""
        return self._with(self.state)

    def notes(self) -> tuple[str, ...]:
        """Which epoch that was, and how much the choice gained over the last one."""
        best = int(np.argmax(self.aurocs))
        return (
            f"epoch {best + 1} of {len(self.aurocs)} is best on the test set: AUROC {self.aurocs[best]:.3f}, "
            f"the last {self.aurocs[-1]:.3f}",
        )

    def _with(self, state: dict[str, torch.Tensor]) -> Detector:
        detector = self.entrant.make().prepare(self.view.shape)
        load_fitted(detector, state)
        return detector


def _leaked(scores: Float[np.ndarray, "n"], pool: Pool, split: Split, leaks: frozenset[Leak]) -> Float[np.ndarray, "n"]:
    """Scores as authors scaled them with the test set before their eyes."""
    if Leak.TEST_SCALING in leaks:
        return _from_zero_to_one(scores)
    if Leak.CLIP_SCALING in leaks and pool.groups is not None:
        clips, scaled = pool.groups[split.test], scores.copy()
        for clip in np.unique(clips):
            scaled[clips == clip] = _from_zero_to_one(scores[clips == clip])
        return scaled
    return scores


def _from_zero_to_one(scores: np.ndarray) -> np.ndarray:
    span = scores.max() - scores.min()
    return (scores - scores.min()) / span if span > 0 else np.zeros_like(scores)


def _figures(
    protocol: Protocol,
    pool: Pool,
    split: Split,
    scores: Float[np.ndarray, "n"],
    held_out: Float[np.ndarray, "m"] | None,
) -> dict[str, Any]:
    labels = split.anomalous.astype(int)
    figures: dict[str, Any] = {
        "image_auroc": number(auroc(scores, labels)),
        "average_precision": number(average_precision(scores, labels)),
    }
    if protocol.known_share is not None:
        figures |= _decisions(scores, labels, share_threshold(scores, protocol.known_share), "_at_known_share")
    if held_out is not None:
        threshold = Calibration.fit(held_out, false_alarm_rate=FALSE_ALARM_RATE).threshold.value
        figures |= _decisions(scores, labels, threshold)
        figures["realised_false_alarm_rate"] = float((scores[labels == 0] > threshold).mean())
    kinds = pool.kinds[split.test]
    anomalous_kinds = np.unique(kinds[split.anomalous])
    if 1 < len(anomalous_kinds) < 20:
        chosen = {str(kind): (kinds == kind) & split.anomalous | ~split.anomalous for kind in anomalous_kinds}
        by_kind = {kind: number(auroc(scores[which], labels[which])) for kind, which in chosen.items()}
        figures["auroc_by_kind"] = by_kind
    return figures


def _decisions(scores: np.ndarray, labels: np.ndarray, threshold: float, ending: str = "") -> dict[str, float | None]:
    confusion = confusion_at(scores, labels, threshold)
    return {f"{name}{ending}": number(getattr(confusion, name)) for name in ("precision", "recall", "f1")}


def share_threshold(scores: Float[np.ndarray, "n"], share: float) -> float:
    """The threshold above which this share of the scores lies; equal scores at the border are above it."""
    return float(np.nextafter(np.percentile(scores, 100 * (1 - share)), -np.inf))


def _pixel_figures(pool: Pool, split: Split, maps: list[np.ndarray]) -> dict[str, float | None]:
    """Over all tested images but anomalous ones of which no pixel is marked."""
    assert pool.masks is not None, "there are masks where there are maps"
    masks = pool.masks[split.test] & split.anomalous[:, None, None]
    usable: Bool[np.ndarray, "n"] = masks.any((1, 2)) | ~split.anomalous
    chosen = [maps[position] for position in np.flatnonzero(usable)]
    truths = list(masks[usable])
    return {
        "pixel_auroc": number(pixel_auroc(chosen, truths)),
        "pixel_average_precision": number(pixel_average_precision(chosen, truths)),
        "aupro": number(aupro(chosen, truths)),
    }
