"""From scores to verdicts, whatever made the scores."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np

from hizumi.calibration import BlockWatch, Box, Calibration, Verdict, boxes_of_alarm
from hizumi.data import Manifest, open_source
from hizumi.data.images import is_partial
from hizumi.data.kinds import is_frame, is_table, rows_of
from hizumi.data.manifest import Failure, Unopened
from hizumi.data.progress import Observer, reporting
from hizumi.data.series.options import SeriesOptions
from hizumi.inspection.scoring import Scored, Scorer
from hizumi.preprocessing.preprocessing import Preprocessing
from hizumi.words import counted


@dataclass(frozen=True, eq=False)
class Inspection(Sequence[Verdict]):
    """Verdicts in the order of the input, the records that could not be read, and the files that were not opened.

    `notes` are sentences on how the data were understood and converted.
    """

    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()
    unopened: tuple[Unopened, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Verdict | Failure], manifest: Manifest, calibration: Calibration) -> Self:
        """Sorted out of a mixture of both, with what their manifest says; of series, whether they drift."""
        items = list(items)
        verdicts = tuple(item for item in items if isinstance(item, Verdict))
        return cls(
            verdicts,
            tuple(item for item in items if isinstance(item, Failure)),
            manifest.unopened,
            (*manifest.notes, *counted_notes(verdicts), *_notes_on_drift(verdicts, manifest, calibration)),
        )

    @property
    def has_unjudged(self) -> bool:
        """Whether anything that may be a part, or a page of one, has no verdict."""
        partly = any(is_partial(note) for verdict in self.verdicts for note in verdict.notes)
        return partly or bool(self.failures) or any(each.may_be_part for each in self.unopened)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, index: Any) -> Any:
        return self.verdicts[index]


class InspectorBase(ABC):
    """Gives verdicts: an inspector that was fitted, or one that was loaded from a bundle."""

    preprocessing_: Preprocessing
    calibration_: Calibration
    options_: Mapping[str, Any]

    @abstractmethod
    def scorer(self) -> Scorer:
        """The fitted detector with its preprocessing."""

    @abstractmethod
    def _manifest(self, X: Any) -> Manifest:
        """The records of what a user gives."""

    @property
    @final
    def uses_motion(self) -> bool:
        """Whether the items are frames of video, each judged with its motion."""
        return self.preprocessing_.motion is not None

    @property
    @final
    def as_learned(self) -> dict[str, Any]:
        """How labelled data are to be understood, by `open_source`'s names: as those of the fit were."""
        source = self.options_.get("source") or {}
        number = source.get("normal_class")
        good = source.get("good") or (() if number in (None, "all") else (str(number),))
        return {**self.preprocessing_.as_learned, "good_before": tuple(good)}

    @final
    def inspect(self, X: Any, *, strict: bool = False, observe: Observer | None = None) -> Inspection:
        """Verdicts on a folder, file, array, table, or a list of them; what cannot be read is in `failures`."""
        manifest = self.compared(self.to_inspect(X))
        each = self.inspect_each(manifest, strict=strict, observe=observe)
        return Inspection.of(each, manifest, self.calibration_)

    @final
    def to_inspect(
        self,
        X: Any,
        *,
        recursive: bool = True,
        channels: Literal["first", "last"] | None = None,
        series: SeriesOptions | None = None,
    ) -> Manifest:
        """The records of what a user gives: all images of a folder, whatever the folders in it are called.

        `channels` says which axis of the arrays in a file holds them; None: the one that has as many as were learned.
        `series` says how recordings are to be read, beyond the form that was learned.
        """
        self.scorer()  # raises NotFittedError before anything is opened
        is_source = isinstance(X, str | Path) or (isinstance(X, list | tuple) and not is_table(X))
        if is_source or series is not None:
            learned = self.preprocessing_.as_learned
            is_series = self.preprocessing_.series is not None
            return open_source(
                X,
                normal_class=None if is_series else "all",  # which of several classes is normal is no matter here
                motion=self.uses_motion,
                layout="unlabelled",
                recursive=recursive,
                channels=channels,
                series=series,
                **learned,
            )
        return self._manifest(X)

    @final
    def compared(self, manifest: Manifest) -> Manifest:
        """The records, with a note where most of them look unlike the images that were learned from."""
        differences = self.preprocessing_.differences(manifest)
        if not differences:
            return manifest
        note = f"{unlike_in(differences)}; good ones may then raise alarms: record them as those were, or fit on such"
        return replace(manifest, notes=(*manifest.notes, note))

    @final
    def inspect_each(
        self, X: Any, *, pictures: bool = True, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[Verdict | Failure]:
        """Verdicts one by one, for more images than memory holds; without pictures it is faster."""
        scorer, progress = self.scorer(), reporting(observe, "scoring")
        for item in scorer.score(self.to_inspect(X), pictures=pictures, strict=strict, on_progress=progress):
            yield item if isinstance(item, Failure) else verdict_on(item, self.calibration_)


def opened(X: Any, *, motion: bool, **learned: Any) -> Manifest:
    """The records of what a user gives, by a preprocessing's `as_learned`; rows in memory become float64."""
    if any(learned.get(name) for name in ("series", "series_form")):
        return open_source(X, motion=motion, **learned)
    rows_in_memory = is_table(X) and not is_frame(X)
    return open_source(rows_of(X) if rows_in_memory else X, motion=motion, **learned)


def unlike_in(differences: Sequence[str]) -> str:
    """What new images are unlike those learned from, as the beginning of a sentence."""
    return f"most of these images are unlike those it learned from: {', '.join(differences)}"


def counted_notes(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Each note on reading once, with the number of inputs that it is about."""
    counts = Counter(note for verdict in verdicts for note in verdict.notes)
    return tuple(f"{note}: {counted(count, 'input')}" for note, count in counts.items())


def _notes_on_drift(verdicts: Sequence[Verdict], manifest: Manifest, calibration: Calibration) -> tuple[str, ...]:
    """What the first blocks say that rank otherwise among those held out than chance allows."""
    if manifest.series is None:
        return ()
    watch = BlockWatch.after(calibration.scores)
    for verdict in verdicts:
        if (drift := watch.observe(verdict.score)) is not None:
            return (f"up to {verdict.name}: {drift.words}",)
    return ()


def verdict_on(item: Scored, calibration: Calibration) -> Verdict:
    """The decision on one scored record."""
    score = np.array([item.score])
    anomalous = bool(calibration.is_anomalous(score)[0])
    boxes: tuple[Box, ...] = ()
    if anomalous and item.map is not None and calibration.pixel_threshold is not None:
        boxes = boxes_of_alarm(item.map, calibration.pixel_threshold.value, item.inside)
    return Verdict(
        name=item.name,
        anomalous=anomalous,
        score=item.score,
        p_value=float(calibration.p_values(score)[0]),
        threshold=calibration.threshold.value,
        rule=calibration.rule,
        terms=item.terms,
        map=item.map,
        boxes=boxes,
        picture=item.picture,
        normal=item.normal,
        notes=item.notes,
        inside=item.inside,
        expected=item.expected,
        shares=item.shares,
        newest=item.newest,
    )
