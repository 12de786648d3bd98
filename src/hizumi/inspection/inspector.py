"""The whole line as one estimator: normal images in, verdicts out."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hizumi.calibration import Calibration, check_rule
from hizumi.data import Manifest, Motion, Store, deal_folds, open_source
from hizumi.data.motion import UNIT_WINDOW
from hizumi.data.source import is_table
from hizumi.data.stream import Batches, View
from hizumi.detectors import Detector
from hizumi.errors import DataError, UsageError
from hizumi.inspection.detecting import DetectorScores
from hizumi.inspection.scoring import Failure, Scored, Scorer, reporting
from hizumi.inspection.verdicts import Judge
from hizumi.preprocessing.choosing import choose_motion, choose_sizing, choose_window, deal, with_validation
from hizumi.registry import detector_class
from hizumi.registry.specification import construct, specify
from hizumi.runs.record import account, check_health
from hizumi.training import Preset, TrainingOptions
from hizumi.training.loop import Observer, make_fabric
from hizumi.training.preset import preset_of

PIXELS_FOR_MEDIAN = 10_000  # of each held-out image, for the dark end of the map's scale


class Inspector(Judge, OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns from normal images (or rows of numbers) alone, then scores, localises and decides.

    A scikit-learn outlier estimator: `predict` gives +1 for normal and -1 for anomalous, `score_samples` and
    `decision_function` are higher for normal, zero on the threshold. `inspect` says more, and there, as everywhere else
    in hizumi, a higher score is more anomalous.

    Args:
        detector: A name (`hizumi list` shows them) or an unfitted detector, which is copied.
        image_size: Working size in pixels, one side or (height, width). None: the image's own, or the detector's
            working size where that is smaller.
        sizing: "resize" keeps the aspect and pads; "tile" looks at the image's own pixels through windows.
        window: Pixel values (low, high) that become -1 and 1. None: all of an integer type's range, or the range of
            the training data where pixels are floats.
        false_alarm_rate: Share of good parts that may be called anomalous.
        rule: How the threshold follows from held-out scores; `hizumi.calibration.RULES` names them.
        calibration_share: Of the normal images, the share held out for the threshold, where the data do not say.
        preset: One of the detector's ready-made settings, such as "fast": its arguments, where the detector is named,
            and how it is trained, where `training` does not say.
        folds: Instead of holding images out: fit so many times, each time scoring the fold left out, and once more on
            all. All images train and all set the threshold, which then is steadier, and promises less. For few images.
        motion: Images are frames of video, and each is judged together with its motion. None: where the detector asks
            for it. A number: so, and a displacement of so many pixels becomes 1 in place of what the data show.
        training: Budget, batch size, seed, precision and devices.
        cache: Folder for decoded images, kept between fits. None: a temporary one.

    After `fit`: `detector_`, `calibration_`, `sizing_`, `window_`, `channels_`, `motion_`, `findings_` (health check),
    `journal_`, `options_` (what was done, in full), `notes_` and `failures_` (what was said about the data), `offset_`.
    """

    detector_: Detector
    calibration_: Calibration

    def __init__(
        self,
        detector: str | Detector = "reconstruction",
        *,
        image_size: int | tuple[int, int] | None = None,
        sizing: Literal["resize", "tile"] = "resize",
        window: tuple[float, float] | None = None,
        false_alarm_rate: float = 0.01,
        rule: str = "conformal",
        calibration_share: float = 0.2,
        folds: int | None = None,
        preset: str | None = None,
        motion: bool | float | None = None,
        training: TrainingOptions | None = None,
        cache: str | Path | None = None,
    ) -> None:
        self.detector = detector
        self.image_size = image_size
        self.sizing = sizing
        self.window = window
        self.false_alarm_rate = false_alarm_rate
        self.rule = rule
        self.calibration_share = calibration_share
        self.folds = folds
        self.preset = preset
        self.motion = motion
        self.training = training
        self.cache = cache

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        run_folder: Path | None = None,
        observe: Observer | None = None,
        strict: bool = False,
    ) -> Self:
        """Fit on normal data; anomalous records, where the data are labelled, are left alone, and `y` is ignored.

        Args:
            X: A folder, file or list of files, the name of a built-in set, an array, a tensor, a Dataset, a Manifest.
            y: Not used; it is here for scikit-learn.
            run_folder: Where checkpoints and the journal go, so that a killed run resumes from them.
            observe: Called with the record of every step.
            strict: Stop at the first image that cannot be read, instead of passing it over.
        """
        started = time.monotonic()
        self._check_rule()
        options = self._training_options()
        fabric = make_fabric(options)
        fabric.launch()
        # Seen by every process, told by the first.
        observe = observe if fabric.is_global_zero else None
        manifest = deal(self._manifest(X, reset=True), self.held_out_share, options.seed)
        store = self._store(manifest.select(split="train"), strict, observe)
        usable = replace(store.manifest, records=tuple(store.manifest.records[index] for index in store.kept))
        folds = [] if self.folds is None else deal_folds(usable, self.folds, seed=options.seed)

        def fitted(images: Batches, folder: Path | None, observe: Observer | None) -> Detector:
            training, validation = with_validation(images, options)
            detector = self._new_detector()
            detector.fit(training, options, validation=validation, run_folder=folder, observe=observe, fabric=fabric)
            return detector.cpu()

        self.detector_ = fitted(store, run_folder, observe)
        self.journal_ = self.detector_.journal
        if self.folds is None:
            calibration = manifest.select(split="calibration")
            scored = self._scored(calibration, pictures=False, strict=strict, observe=observe)
        else:
            scored = self._cross_scored(store, usable, folds, fitted, run_folder, observe)
        unread = self._calibrate(scored)
        self.failures_ = (*(Failure(-1, failure.name, failure.reason) for failure in store.failures), *unread)
        noun = "rows" if manifest.vectors else "images"
        self.notes_ = (*manifest.notes, *(f"{note}: {count} {noun}" for note, count in store.notes.items()))
        self.findings_ = check_health(self.detector_, store, self.calibration_.scores, self.journal_)
        self.options_ = self._account(manifest, store, options) | {"fit_seconds": round(time.monotonic() - started, 2)}
        self.leads_ = fabric.is_global_zero
        return self

    def dealt(self, X: Any) -> Manifest:
        """The records of what it was fitted on, each with the split that `fit` gave it."""
        seed = self._training_options().seed
        return deal(self._manifest(X), self.held_out_share, seed)

    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""
        check_is_fitted(self, "detector_")
        return self._scorer_of(self.detector_)

    @property
    def held_out_share(self) -> float | None:
        """Share of the normal images held out for the threshold; None where every fold has its turn."""
        return self.calibration_share if self.folds is None else None

    @property
    def moving(self) -> bool:
        """Whether the items are frames of video, each with its motion."""
        return "motion" in self._detector_type().card.needs if self.motion is None else self.motion is not False

    def score_samples(self, X: Any) -> np.ndarray:
        """Higher for normal, (n,): the detector's scores with their sign turned."""
        items = list(self._scored(self._manifest(X), pictures=False, strict=True))
        return -np.array([item.score for item in items if isinstance(item, Scored)])

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus `offset_`, (n,): negative where the verdict is anomalous."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """+1 for normal, -1 for anomalous, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def offset_(self) -> float:
        """Minus the threshold."""
        return -self.calibration_.threshold.value

    def calibrate(
        self, *, false_alarm_rate: float | None = None, rule: str | None = None, labelled: Any = None
    ) -> Self:
        """Change threshold, rate or rule without fitting again; best-f1 takes `labelled` data with anomalies."""
        check_is_fitted(self, "detector_")
        if labelled is not None:
            self.calibration_ = self._with_labelled(self._manifest(labelled), false_alarm_rate, rule)
        else:
            self.calibration_ = self.calibration_.with_(rule=rule, false_alarm_rate=false_alarm_rate)
        now = self.calibration_
        self.options_ = {**self.options_, "rule": now.rule, "false_alarm_rate": now.false_alarm_rate}
        return self

    def embed(self, X: Any) -> np.ndarray:
        """What the detector sees of each record, (n, k), for drawing the data as a map of points."""
        check_is_fitted(self, "detector_")
        manifest = self._manifest(X)
        manifest = replace(manifest, motion=self.motion_)
        store = Store.build(manifest, self.sizing_, window=self.window_, channels=self.channels_)
        parts = [
            self.detector_.embed(store.batch(indices)).float().cpu().numpy()
            for indices in torch.split(torch.arange(len(store)), 64)
        ]
        return np.concatenate(parts)

    def plan(self, X: Any, *, strict: bool = False) -> dict[str, Any]:
        """What `fit` would do: resolved options, with time and memory estimated from a few steps on the real data."""
        from hizumi.runs.planning import estimate

        options = self._training_options()
        manifest = deal(self._manifest(X, reset=True), self.held_out_share, options.seed)
        store = self._store(manifest.select(split="train"), strict, None)
        plan = self._account(manifest, store, options)
        return plan | {"estimate": estimate(self._new_detector(), store, options, fits=1 + (self.folds or 0))}

    def _manifest(self, X: Any, reset: bool = False) -> Manifest:
        if is_table(X):
            X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1)
            return open_source(X, motion=self.moving)
        manifest = open_source(X, motion=self.moving)
        if reset:
            self.__dict__.pop("n_features_in_", None)
        return manifest

    def _check_rule(self) -> None:
        # Before the training, not after it.
        check_rule(self.rule, self.false_alarm_rate)
        if self.rule == "best-f1":
            raise UsageError("the best-f1 rule needs labelled data: fit with another rule, then calibrate with them")
        if self.rule == "chi-square" and not self._detector_type().follows_chi_square:
            raise UsageError("the chi-square rule is for mahalanobis, whose scores follow that law; use conformal")

    def _store(self, train: Manifest, strict: bool, observe: Observer | None) -> Store:
        self.sizing_ = choose_sizing(train, self.image_size, self.sizing, self._new_detector().working_size)
        window = choose_window(train, self.window)
        self.motion_: Motion | None = None
        if self.moving and self.sizing_ is not None:
            largest = None if self.motion is None or self.motion is True else self.motion
            self.motion_ = choose_motion(train, self.sizing_, window, largest)
            train, window = replace(train, motion=self.motion_), UNIT_WINDOW
        store = Store.build(
            train,
            self.sizing_,
            window=window,
            folder=None if self.cache is None else Path(self.cache),
            strict=strict,
            on_progress=reporting(observe, "reading"),
        )
        self.window_, self.channels_ = store.window, store.channels
        return store

    def _account(self, manifest: Manifest, store: Store, options: TrainingOptions) -> dict[str, Any]:
        rule = {"rule": self.rule, "false_alarm_rate": self.false_alarm_rate}
        held_out = len(store if self.folds is not None else manifest.select(split="calibration"))
        detector = self._new_detector()
        described = account("detector", detector, detector.phases(), manifest, store, options)
        return described | {"calibration_images": held_out, "folds": self.folds} | rule

    def _detector_type(self) -> type[Detector]:
        return detector_class(self.detector) if isinstance(self.detector, str) else type(self.detector)

    def _new_detector(self) -> Detector:
        if isinstance(self.detector, Detector):
            # A copy: what the user handed in stays as it is, as in every scikit-learn estimator.
            detector: Detector = construct(specify(self.detector))
            return detector
        preset = self._preset()
        return self._detector_type()() if preset is None else preset.make()

    def _preset(self) -> Preset | None:
        return None if self.preset is None else preset_of(self._detector_type(), self.preset)

    def _training_options(self) -> TrainingOptions:
        options, preset = self.training or TrainingOptions(), self._preset()
        if preset is None:
            return options
        batch_size = options.batch_size or preset.options.batch_size
        return replace(options, budget=options.budget or preset.options.budget, batch_size=batch_size)

    def _scorer_of(self, detector: Detector) -> Scorer:
        scores = DetectorScores(detector, self.window_)
        return Scorer(scores, detector.shape, self.sizing_, self.window_, self.channels_, self.motion_)

    def _scored(
        self, manifest: Manifest, *, pictures: bool, strict: bool, observe: Observer | None = None
    ) -> Iterator[Scored | Failure]:
        progress = reporting(observe, "scoring")
        return self.scorer().score(manifest, pictures=pictures, strict=strict, on_progress=progress)

    def _cross_scored(
        self,
        store: Store,
        usable: Manifest,
        folds: Sequence[Sequence[int]],
        fitted: Callable[[Batches, Path | None, Observer | None], Detector],
        run_folder: Path | None,
        observe: Observer | None,
    ) -> Iterator[Scored | Failure]:
        """Scores of all training images, each by a detector fitted on the other folds."""
        for number, fold in enumerate(folds, 1):
            held_out = np.isin(np.arange(len(store)), fold)
            others = View(store, indices=torch.from_numpy(np.flatnonzero(~held_out)))
            told = _prefixed(observe, f"fold {number} of {len(folds)}, ")
            detector = fitted(others, run_folder / f"fold-{number}" if run_folder else None, told)
            images = replace(usable, records=tuple(usable.records[index] for index in np.flatnonzero(held_out)))
            yield from self._scorer_of(detector).score(images, pictures=False, on_progress=reporting(told, "scoring"))

    def _calibrate(self, items: Iterable[Scored | Failure]) -> list[Failure]:
        """Set the thresholds, and return what could not be read."""
        scores, maxima, pixels, unread = [], [], [], []
        for item in items:
            if isinstance(item, Failure):
                unread.append(item)
                continue
            scores.append(item.score)
            if item.map is not None:  # maps of large images would fill the memory: keep what is needed of each
                maxima.append(float(item.map.max()))
                pixels.append(item.map.ravel()[:: max(1, item.map.size // PIXELS_FOR_MEDIAN)].copy())
        if not scores:
            raise DataError("none of the held-out normal images could be read; without them there is no threshold")
        self.calibration_ = Calibration.fit(
            np.array(scores),
            rule=self.rule,
            false_alarm_rate=self.false_alarm_rate,
            pixel_maxima=np.array(maxima) if maxima else None,
            pixel_median=float(np.median(np.concatenate(pixels))) if pixels else None,
            degrees_of_freedom=self.detector_.degrees_of_freedom,
            folds=self.folds,
        )
        return unread

    def _with_labelled(self, manifest: Manifest, false_alarm_rate: float | None, rule: str | None) -> Calibration:
        known = replace(manifest, records=tuple(record for record in manifest.records if record.label is not None))
        items = [item for item in self._scored(known, pictures=False, strict=True) if isinstance(item, Scored)]
        now = self.calibration_
        return Calibration.fit(
            now.scores,
            rule=rule or "best-f1",
            false_alarm_rate=false_alarm_rate or now.false_alarm_rate,
            pixel_maxima=now.pixel_maxima,
            pixel_median=None if now.map_range is None else now.map_range[0],
            degrees_of_freedom=self.detector_.degrees_of_freedom,
            labelled=(
                np.array([item.score for item in items]),
                np.array([known.records[item.index].label for item in items]),
            ),
            folds=self.folds,
        )


def _prefixed(observe: Observer | None, prefix: str) -> Observer | None:
    return None if observe is None else lambda record: observe({**record, "phase": prefix + record["phase"]})
