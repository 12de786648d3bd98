"""The whole line as one estimator: normal images in, verdicts out."""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hizumi.arguments import PositiveFloat, PositiveInt, ProperShare, check_arguments, clone, plain
from hizumi.calibration import Calibration, Costs, check_rule
from hizumi.calibration.rules import CROSS_CONFORMAL
from hizumi.data import Failure, Manifest, Store, deal_folds, open_source
from hizumi.data.appearance import Appearance
from hizumi.data.columns import TableForm
from hizumi.data.kinds import is_frame, is_table, rows_of
from hizumi.data.missing import Filling
from hizumi.data.progress import Observer, reporting
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.data.region import Region
from hizumi.data.series.options import SeriesOptions
from hizumi.data.splitting import count_different
from hizumi.data.variation import Variation
from hizumi.detectors import Detector, FusedFeatures
from hizumi.errors import DataError, UsageError
from hizumi.inspection.fitting import Fitting, PreparedData, varied
from hizumi.inspection.holding_out import FOLDS, deal_at_most, folds_for, groups_of, share_held_out
from hizumi.inspection.known_defects import OF_DEFECTS, open_defects, scores_of_defects
from hizumi.inspection.scoring import EMBEDDING, Scored, Scorer, embeddings_of
from hizumi.inspection.seen import Seen, contents
from hizumi.inspection.unseen import OF_LABELLED, without_learned
from hizumi.inspection.verdicts import InspectorBase, opened
from hizumi.preprocessing import DataOptions, Preprocessing, in_batches, prepare
from hizumi.preprocessing.choosing import WindowOption, split_for_fit
from hizumi.preprocessing.window_health import check_window
from hizumi.registry import detector_class, specify
from hizumi.registry.standard import STANDARD, UNTRAINED_NOTE, has_weights, standard
from hizumi.runs.parameters import set_nested, with_nested
from hizumi.runs.record import notes_on, run_record
from hizumi.runs.results import plan_result
from hizumi.training import TrainingOptions
from hizumi.training.loop import launched, make_fabric
from hizumi.training.preset import made, preset_of

NOT_IMAGES = {
    "row": "rows of numbers",
    "block": "series",
    "frame": "frames with their motion",
    "image": "frames of film",
}


class Inspector(InspectorBase, OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns from normal images (or rows of numbers) alone, then scores, localises and decides.

    A scikit-learn outlier estimator: `predict` gives +1 for normal and -1 for anomalous, `score_samples` and
    `decision_function` are higher for normal, zero on the threshold. `inspect` says more, and there, as everywhere else
    in hizumi, a higher score is more anomalous.

    Args:
        detector: A name (`hizumi list` shows them) or an unfitted detector, which is copied. "standard": by kind of
            data, `fused_features` for images, `mahalanobis` for rows and series, `reconstruction` for frames with their
            motion.
        image_size: Working size in pixels, one side or (height, width). None: the image's own, shrunk to as
            many pixels as a square of the detector's working size has.
        sizing: "resize" keeps the aspect and pads; "tile" looks at the image's own pixels through windows.
        window: Pixel values (low, high) that become -1 and 1, or a list of such for the channels. None: all of an
            integer type's range, or the range of the training data where pixels are floats; of images with 2, 4 or more
            channels, as "auto". "auto": the range that most pixels of the training data use, of such images by channel.
        nodata: The pixel value that stands for no measurement: such pixels take the value of the nearest one.
        fill_nan: Pixels that are NaN take the value of the nearest one, instead of making the image unreadable.
        pixel_limit: Files of more pixels are refused, since a small file can expand to fill the memory.
        false_alarm_rate: Share of good parts that may be called anomalous.
        rule: How the threshold follows from held-out scores; `hizumi.calibration.RULES` names them.
        calibration_share: Of the normal images, the share held out for the threshold, where the data do not say. None:
            a fifth, or for the standard detector, where a fifth is too few for the rate, `folds` instead.
        preset: One of the detector's ready-made settings, such as "fast": its arguments, where the detector is named,
            and how it is trained, where `training` does not say.
        folds: Instead of holding images out: fit so many times, each time scoring the fold left out, and once more on
            all. All images train and all set the threshold, which then is steadier, and promises less. For few images.
            None: 10 where the standard detector has nothing to train and a fifth of the images is too few for the rate.
        motion: Images are frames of video, and each is judged together with its motion. None: where the detector asks
            for it. A number: so, and a displacement of so many pixels becomes 1 in place of what the data show.
        training: Budget, batch size, seed, precision and devices.
        cache: Folder for decoded images, kept between fits. None: a temporary one.
        costs: What a missed defect and a false alarm cost, and how many parts are defective: the known defects given to
            `fit` then set the threshold together with the held-out images, in place of the rule.
        variation: How good parts may lie and look, which changed copies of the training images show. For few images.
        align: Turn and shift each image until its part lies as in a reference, one of the good images. Maps come back
            as the image lies.
        region: Which pixels are looked at, such as `Region.of("mask.png")`; others neither train nor decide. With
            `align`, of the aligned image.
        series: Tables and arrays (t, c) are recordings, whose rows follow one another in time: windows of them are
            learned, and blocks of two windows' length judged. `SeriesOptions` say how they are read and cut.

    After `fit`: `detector_`, `preprocessing_`, `calibration_`, `findings_` (health check), `journal_`, `options_` (what
    was done, in full), `notes_`, `failures_` and `unopened_` (what was said about the data), `offset_`; of tables,
    `n_features_in_`, and `feature_names_in_` where their columns have names.
    """

    detector_: Detector
    calibration_: Calibration

    def __init__(
        self,
        detector: str | Detector = STANDARD,
        *,
        image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None,
        sizing: Literal["resize", "tile"] = "resize",
        window: WindowOption = None,
        nodata: float | None = None,
        fill_nan: bool = False,
        pixel_limit: PositiveInt = PIXEL_LIMIT,
        false_alarm_rate: float = 0.01,
        rule: str = "conformal",
        calibration_share: ProperShare | None = None,
        folds: Annotated[int, Ge(2)] | None = None,
        preset: str | None = None,
        motion: bool | PositiveFloat | None = None,
        training: TrainingOptions | None = None,
        cache: str | Path | None = None,
        costs: Costs | None = None,
        variation: Variation | None = None,
        align: bool = False,
        region: Region | None = None,
        series: SeriesOptions | bool = False,
    ) -> None:
        self.detector = detector
        self.image_size = image_size
        self.sizing = sizing
        self.window = window
        self.nodata = nodata
        self.fill_nan = fill_nan
        self.pixel_limit = pixel_limit
        self.false_alarm_rate = false_alarm_rate
        self.rule = rule
        self.calibration_share = calibration_share
        self.folds = folds
        self.preset = preset
        self.motion = motion
        self.training = training
        self.cache = cache
        self.costs = costs
        self.variation = variation
        self.align = align
        self.region = region
        self.series = series

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        known_defects: Any = None,
        run_folder: str | Path | None = None,
        observe: Observer | None = None,
        strict: bool = False,
    ) -> Self:
        """Fit on normal data; anomalous records, where the data are labelled, are left alone, and `y` is ignored.

        Args:
            X: A folder, file or list of files, the name of a built-in set, an array, a tensor, a Dataset, a Manifest.
            y: Not used, as `notes_` then say; it is here for scikit-learn.
            known_defects: Data of the same kind that are all defective, or labelled so. Nothing is trained on them:
                they tell how many of them a threshold finds, and with `costs` set it.
            run_folder: Where checkpoints and the journal go, so that a killed run resumes from them.
            observe: Called with the record of every step.
            strict: Stop at the first image that cannot be read, instead of passing it over.
        """
        started = time.monotonic()
        self.check()
        if self.costs is not None and known_defects is None:
            raise UsageError(
                "costs set the threshold by known defects: give some (`known_defects`), or leave costs out"
            )
        manifest = self._manifest(X, reset=True)
        if y is not None:
            note = f"y was given and is not looked at: give the good {manifest.noun}s alone, or data that have labels"
            manifest = replace(manifest, notes=(*manifest.notes, note))
        detector, options = self._chosen(manifest)
        fabric = launched(options)
        # Every process trains, the first one reports.
        observe = observe if fabric.is_global_zero else None
        data = self._prepared(manifest, detector, options, self._data_options(strict=strict, observe=observe))
        data = replace(data, preprocessing=_with_appearance(data))
        seen = Seen.of(data.manifest)
        defects = None if known_defects is None else _opened_defects(known_defects, seen, data.preprocessing)
        keeps_folds = self.rule == CROSS_CONFORMAL
        fitting = Fitting(data, options, self.variation, fabric, run_folder, observe, strict, keeps_folds)
        detector, held_out, drawn, steadying = fitting.run(detector)
        self.calibration_ = Calibration.fit(
            held_out.scores,
            rule=self.rule,
            false_alarm_rate=self.false_alarm_rate,
            pixel_maxima=held_out.pixel_maxima,
            pixel_median=held_out.pixel_median,
            degrees_of_freedom=detector.degrees_of_freedom,
            folds=len(data.folds) or None,
            groups=groups_of(data.held_out, held_out.names),
        )
        self.detector_ = detector
        self.seen_ = seen
        self.preprocessing_ = replace(data.preprocessing, steadying=steadying)
        self.journal_ = detector.journal
        self.failures_ = (*data.store.failures, *held_out.unread)
        self.unopened_ = data.manifest.unopened
        self.notes_ = (*notes_on(data.manifest, data.store), *self._notes_on_choice(detector, data.store))
        self.findings_ = fitting.findings(detector, held_out)
        self.options_ = {
            **self._record(data, detector, options),
            "calibration_images": len(held_out.scores),
            "drawn_scratches": drawn.to_record(),
            "fit_seconds": round(time.monotonic() - started, 2),
        }
        if defects is not None:
            self._know(defects, self.calibration_, self.costs, observe, strict=strict)
        self.is_main_process_ = fabric.is_global_zero
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As scikit-learn does; deep ones have names such as `training__seed` or `detector__model__latent`, too."""
        own: dict[str, Any] = super().get_params(deep=False)
        return with_nested(own, ("training", "detector")) if deep else own

    def set_params(self, **parameters: Any) -> Self:
        """As scikit-learn does; names such as `training__seed` or `detector__model__latent` reach into the parts."""
        parts = {"training": self._training, "detector": self._named}
        set_nested(self, super().set_params, parameters, parts)
        return self

    def check(self) -> None:
        """Raise UsageError where an argument, its own or the detector's, is wrong; `fit` does so before it reads."""
        check_arguments(self)
        check_rule(self.rule, self.false_alarm_rate)
        if self.rule == "given":
            raise UsageError("a threshold of your own is given to calibrate, after the fit: fit with another rule")
        if self.rule == "best-f1":
            raise UsageError("the best-f1 rule needs labelled data: fit with another rule, then calibrate with them")
        if self.rule == "cost":
            raise UsageError("the cost rule follows from costs (`costs`): give them, and leave the rule out")
        if isinstance(self.detector, Detector):
            specify(self.detector)  # refuses one that no record could name
        if self.folds is not None and self.calibration_share is not None:
            raise UsageError("folds let every image set the threshold: leave --calibration-share out, or --folds")
        if self.detector != STANDARD:
            self._check_for(self._detector_type())

    def know_columns(self, table: TableForm | None, count: int) -> None:
        """Keep the number of columns that were learned from, and their names where they have any, as `fit` does."""
        self.n_features_in_ = count if table is None else len(table.names)
        if table is not None and table.has_names:
            self.feature_names_in_ = np.array(table.names, dtype=object)

    def split_as_fitted(self, X: Any) -> Manifest:
        """The records of what it was fitted on, each with the split that `fit` gave it."""
        return split_for_fit(self._manifest(X), self.held_out_share, self.options_["training"]["seed"])

    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""
        check_is_fitted(self, "detector_")
        return Scorer.of(self.detector_, self.preprocessing_)

    @property
    def held_out_share(self) -> float | None:
        """Share of the normal images that the fit held out for the threshold; None where every fold had its turn."""
        check_is_fitted(self, "detector_")
        return share_held_out(self.calibration_share, self.options_["folds"])

    @property
    def wants_motion(self) -> bool:
        """Whether data are to be opened as frames of video: as asked for, or as the detector needs for pictures."""
        if self.motion is not None or self.detector == STANDARD or self.series:
            return self.motion not in (None, False)
        return "motion" in self._detector_type().card.needs

    def score_samples(self, X: Any) -> np.ndarray:
        """Higher for normal, (n,): the detector's scores with their sign turned."""
        return -np.array([item.score for item in self._strictly_scored(self.to_inspect(X))])

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
        self,
        *,
        false_alarm_rate: float | None = None,
        rule: str | None = None,
        labelled: Any = None,
        threshold: float | None = None,
        known_defects: Any = None,
        costs: Costs | None = None,
    ) -> Self:
        """Change threshold, rate or rule without fitting again; best-f1 takes `labelled` data with anomalies.

        A `threshold` of your own, in units of the score, comes in place of a rule; that of maps keeps to the rate. A
        rate alone sets the threshold by the rule in use, or by the conformal one where that goes by no rate.
        `known_defects` are taken as by `fit`; `costs` set the threshold by these, or by those that are known already.
        Records that cannot be read are left out and added to `failures_`; labelled images that the fit has learned from
        are left out, and `notes_` say so.
        """
        check_is_fitted(self, "detector_")
        if costs is not None and not (rule is None and labelled is None and threshold is None):
            raise UsageError("costs set the threshold by themselves: leave rule, labelled data and a threshold out")
        defects = None if known_defects is None else _opened_defects(known_defects, self.seen_, self.preprocessing_)
        if labelled is not None and rule not in (None, "best-f1"):
            raise UsageError(f"labelled data are for the rule best-f1: leave them out, or the rule {rule}")
        if threshold is not None and not (rule is None and labelled is None):
            raise UsageError("a threshold of your own leaves nothing to a rule or to labelled data; give one of them")
        unread: list[Failure] = []
        notes: tuple[str, ...] = ()
        if labelled is not None:
            calibration, unread, notes = self._with_labelled(self._manifest(labelled), false_alarm_rate)
        else:
            calibration = self.calibration_.with_(rule=rule, false_alarm_rate=false_alarm_rate, threshold=threshold)
        if defects is not None:
            self._know(defects, calibration, costs)
        else:
            self.calibration_ = calibration if costs is None else calibration.with_(costs=costs)
        self.failures_ = (*self.failures_, *unread)
        if labelled is not None:
            self.notes_ = (*(note for note in self.notes_ if not note.startswith(OF_LABELLED)), *notes)
        now = self.calibration_
        self.options_ = {**self.options_, "rule": now.rule, "false_alarm_rate": now.false_alarm_rate}
        return self

    def embed(self, X: Any) -> np.ndarray:
        """What the detector sees of each record, (n, k), for drawing the data as a map of points.

        Of an image in tiles, the mean over its tiles. Raises DataError for a record that cannot be read.
        """
        pieces = self.scorer().reader.pieces(self.to_inspect(X), strict=True)
        done = in_batches(embeddings_of(self.detector_, self.preprocessing_), pieces)
        return np.stack([item[1][EMBEDDING].mean(0) for item in done if isinstance(item, tuple)])

    def plan(self, X: Any, *, strict: bool = False) -> dict[str, Any]:
        """What `fit` would do: resolved options, with time and memory estimated from a few steps on the real data.

        Says what reading the data has shown, too: `findings` on pixel values, `notes`, `failures` and `unopened`.

        Changes nothing: a fitted inspector stays as it is.
        """
        from hizumi.inspection.planning import cost_of_fit

        self.check()
        manifest = opened(X, motion=self.wants_motion, series=self.series or None)
        detector, options = self._chosen(manifest)
        started = time.monotonic()
        make_fabric(options)  # what it imports takes a second, of a fit, too
        data = self._prepared(manifest, detector, options, replace(self._data_options(strict=strict), cache=None))
        reading_seconds = time.monotonic() - started
        record = self._record(data, detector, options)  # before the detector is used up
        cost = cost_of_fit(
            detector,
            data,
            varied(data.store, self.variation, data.preprocessing),
            options,
            reading_seconds=reading_seconds,
        )
        return plan_result(
            record,
            cost,
            check_window(data.store),
            (*notes_on(data.manifest, data.store), *self._notes_on_choice(detector, data.store)),
            [(failure.name, failure.reason) for failure in data.store.failures],
            [(each.name, each.reason) for each in data.manifest.unopened],
        )

    def _prepared(
        self, manifest: Manifest, detector: Detector, options: TrainingOptions, data_options: DataOptions
    ) -> PreparedData:
        """The data as they are fitted on, read and dealt."""
        fold_count = self._fold_count(manifest, detector)
        marked = any(record.split == "calibration" for record in manifest.records)
        manifest = split_for_fit(manifest, share_held_out(self.calibration_share, fold_count), options.seed)
        preprocessing, store = prepare(manifest.select(split="train"), data_options, detector)
        data = PreparedData(manifest, preprocessing, store, (), marked)
        return data if fold_count is None else replace(data, folds=self._dealt(data.usable, fold_count, options.seed))

    def _manifest(self, X: Any, reset: bool = False) -> Manifest:
        if not reset:
            check_is_fitted(self, "detector_")
        motion = self.wants_motion if reset else self.uses_motion
        learned = {"series": self.series or None} if reset else self.as_learned
        if any(learned.get(name) for name in ("series", "series_form")):
            return open_source(X, motion=motion, **learned)
        if is_table(X) and not is_frame(X):
            # Rows that hold NaN are refused by name, one by one, or all at once by what a fit reads.
            X = self._validated(X, reset)
            return open_source(X, motion=motion, **learned)
        manifest = open_source(X, motion=motion, **learned)
        if reset:
            self.__dict__.pop("n_features_in_", None)
            self.__dict__.pop("feature_names_in_", None)
            if manifest.vectors:
                self.know_columns(manifest.table, len(manifest.columns))
        return manifest

    def _validated(self, X: Any, reset: bool) -> np.ndarray:
        """Rows as scikit-learn takes them, its errors in one line."""
        try:
            rows: np.ndarray = validate_data(
                self,
                X,
                reset=reset,
                dtype=np.float64,
                ensure_min_samples=2 if reset else 1,
                ensure_all_finite=False,
            )
        except (OverflowError, ValueError) as error:
            rows_of(X)  # says in words of our own what cannot be made numbers
            raise DataError(" ".join(str(error).split())) from error
        return rows

    def _named(self) -> Detector:
        """The unfitted detector that was handed in or named."""
        if isinstance(self.detector, Detector):
            return clone(self.detector)  # as in scikit-learn, what the user handed in stays as it is
        if self.detector == STANDARD:
            raise UsageError("the standard detector is chosen by the data and has no settings yet; name one first")
        named: Detector = made(self._detector_type(), self.preset)
        return named

    def _detector_type(self) -> type[Detector]:
        return detector_class(self.detector) if isinstance(self.detector, str) else type(self.detector)

    def _chosen(self, manifest: Manifest) -> tuple[Detector, TrainingOptions]:
        """The unfitted detector for these data, and how it is trained."""
        if self.variation is not None and (manifest.vectors or manifest.series is not None or self.wants_motion):
            raise UsageError(
                "--shifts, --turns, --flips and --brightness (`variation`) are for single images, and these are "
                f"{NOT_IMAGES[manifest.noun]}; leave them out"
            )
        options, preset = self._training(), self.preset
        if self.detector == STANDARD:
            series = manifest.series is not None
            found, its_preset = standard(vectors=manifest.vectors, motion=self.wants_motion, series=series)
            self._check_for(found)
            preset = its_preset or preset
            detector = made(found, preset)
        else:
            detector = self._named()
        if self.rule == CROSS_CONFORMAL:
            self._check_crossed(manifest, detector)
        return detector, options if preset is None else preset_of(type(detector), preset).completing(options)

    def _check_crossed(self, manifest: Manifest, detector: Detector) -> None:
        """Raise UsageError where the fits of folds cannot all be kept."""
        if manifest.series is not None:
            raise UsageError("the cross-conformal rule is not for series, whose windows overlap; use conformal")
        if self.calibration_share is not None:
            raise UsageError("the cross-conformal rule holds nothing out: leave --calibration-share out")
        if models := detector.phases():
            raise UsageError(
                f"the cross-conformal rule keeps a fit for each fold, and {type(models[0]).__name__} would be trained "
                "for each: use it with a detector that trains nothing, such as fused_features or mahalanobis, or "
                "--folds with the conformal rule"
            )

    def _fold_count(self, manifest: Manifest, detector: Detector) -> int | None:
        """Folds to fit: as asked for; where nothing is said, for the standard detector, as the count of images asks."""
        if self.rule == CROSS_CONFORMAL:
            return self.folds or max(2, min(FOLDS, count_different(manifest)))
        is_said = self.folds is not None or self.calibration_share is not None
        if is_said or self.detector != STANDARD or detector.phases() or manifest.series is not None:
            return self.folds  # to train it again would take long, and windows of neighbouring folds overlap
        return folds_for(manifest, self.false_alarm_rate)

    def _dealt(self, usable: Manifest, fold_count: int, seed: int) -> list[list[int]]:
        # Images that cannot be read have been left out since they were counted.
        return (deal_at_most if self.folds is None else deal_folds)(usable, fold_count, seed=seed)

    def _notes_on_choice(self, detector: Detector, store: Store) -> tuple[str, ...]:
        untrained = self.detector == STANDARD and isinstance(detector, FusedFeatures) and not has_weights()
        declared = () if self.variation is None else self.variation.assumptions
        aligned = () if store.alignment is None else store.alignment.notes
        return (*((UNTRAINED_NOTE,) if untrained else ()), *declared, *aligned)

    def _training(self) -> TrainingOptions:
        return self.training or TrainingOptions()

    def _check_for(self, found: type[Detector]) -> None:
        """Raise UsageError where rule or preset are not for this class of detectors."""
        if self.rule == "chi-square" and not found.follows_chi_square:
            raise UsageError("the chi-square rule is for mahalanobis, whose scores follow that law; use conformal")
        if self.preset is not None:
            preset_of(found, self.preset)

    def _data_options(self, *, strict: bool, observe: Observer | None = None) -> DataOptions:
        return DataOptions(
            image_size=self.image_size,
            sizing=self.sizing,
            window=self.window,
            filling=filling if (filling := Filling(self.nodata, self.fill_nan)).fills else None,
            pixel_limit=self.pixel_limit,
            motion=self.wants_motion if self.motion is None else plain(self.motion),
            align=self.align,
            region=self.region,
            cache=None if self.cache is None else Path(self.cache),
            strict=strict,
            on_progress=reporting(observe, "reading"),
        )

    def _record(self, data: PreparedData, detector: Detector, options: TrainingOptions) -> dict[str, Any]:
        """What is fitted on what, and how its threshold is set."""
        manifest, store = data.manifest, data.store
        return {
            **run_record("detector", detector, detector.phases(), manifest, store, data.preprocessing, options),
            "calibration_images": len(data.held_out),
            "folds": len(data.folds) or None,
            "folds_offered": data.folds_offered,
            "variation": None if self.variation is None else asdict(self.variation),
            "alignment": None if store.alignment is None else store.alignment.agreement,
            "region": None if store.region is None else {"looks_at": store.region.words, "key": store.region.key},
            "rule": self.rule,
            "false_alarm_rate": self.false_alarm_rate,
        }

    def _strictly_scored(self, manifest: Manifest) -> list[Scored]:
        items = self.scorer().score(manifest, pictures=False, strict=True)
        return [item for item in items if isinstance(item, Scored)]

    def _know(
        self,
        defects: Manifest,
        calibration: Calibration,
        costs: Costs | None,
        observe: Observer | None = None,
        *,
        strict: bool = False,
    ) -> None:
        """Score known defects, which join a calibration, and let them and the costs, if any, set the threshold."""
        progress = reporting(observe, "scoring known defects")
        items = self.scorer().score(defects, pictures=False, strict=strict, on_progress=progress)
        scores, groups, unread = scores_of_defects(items, defects)
        self.calibration_ = calibration.with_(defect_scores=scores, defect_groups=groups, costs=costs)
        self.seen_ = replace(self.seen_, known_defects=contents(defects))
        self.failures_ = (*self.failures_, *unread)
        self.unopened_ = (*self.unopened_, *defects.unopened)
        others = (note for note in self.notes_ if not note.startswith(OF_DEFECTS))
        self.notes_ = (*others, *(f"{OF_DEFECTS}{note}" for note in defects.notes))
        known = {"data": defects.name, "data_sha256": defects.data_hash(), "count": len(scores)}
        self.options_ = {**self.options_, "rule": self.calibration_.rule, "known_defects": known}

    def _with_labelled(
        self, manifest: Manifest, false_alarm_rate: float | None
    ) -> tuple[Calibration, list[Failure], tuple[str, ...]]:
        labelled = replace(manifest, records=tuple(record for record in manifest.records if record.label is not None))
        known = without_learned(labelled, self.seen_)  # as these score lower than new ones
        good, unseen = (sum(record.label == 0 for record in each.records) for each in (labelled, known))
        if good and not unseen:
            raise DataError(f"{manifest.name}: all {good} good {manifest.noun}s in it are of the fit; give others, too")
        notes = tuple(f"{OF_LABELLED}{note}" for note in known.notes[len(manifest.notes) :])
        scored = list(self.scorer().score(known, pictures=False))
        items = [item for item in scored if isinstance(item, Scored)]
        unread = [item for item in scored if isinstance(item, Failure)]
        labels = np.array([known.records[item.index].label for item in items])
        if unread and not labels.any():
            unusable = f"{len(unread)} of {len(scored)} labelled records cannot be used, and no other is anomalous"
            raise DataError(f"{unusable}; the first is {unread[0].name}: {unread[0].reason}")
        scores = np.array([item.score for item in items])
        calibration = self.calibration_.with_(labelled=(scores, labels), false_alarm_rate=false_alarm_rate)
        return calibration, unread, notes


def _opened_defects(data: Any, seen: Seen, preprocessing: Preprocessing) -> Manifest:
    return open_defects(data, seen, motion=preprocessing.motion is not None, **preprocessing.as_learned)


def _with_appearance(data: PreparedData) -> Preprocessing:
    """The preprocessing, with what the good images look like: new ones are compared with it."""
    preprocessing, manifest = data.preprocessing, data.manifest
    good = replace(preprocessing.decoding(manifest), records=tuple(r for r in manifest.records if r.split != "test"))
    return replace(
        preprocessing, appearance=Appearance.of(good, preprocessing.still_window, preprocessing.still_region)
    )
