"""The fits of an inspector, one on all its training data and one for each fold, and the scores of what is held out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch

from hizumi.arguments import clone
from hizumi.data import Failure, Manifest, Store
from hizumi.data.progress import Observer, reporting
from hizumi.data.series.form import SeriesForm, Steps
from hizumi.data.series.steadying import Steadying
from hizumi.data.series.windows import covering
from hizumi.data.splitting import most_folds, without_fold
from hizumi.data.stream import Batches, View
from hizumi.data.variation import Variation, Varied
from hizumi.detectors import CrossConformal, Detector
from hizumi.detectors.kept_maps import maps_are_kept, maps_pass
from hizumi.errors import DataError
from hizumi.inspection.drawn_scratches import IMAGES, DrawnScratches
from hizumi.inspection.health import check_detector, some_of
from hizumi.inspection.scoring import Scored, Scorer
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.choosing import with_validation
from hizumi.preprocessing.scaling_health import check_constants
from hizumi.runs.nouns import FOLDS_OFFERED
from hizumi.shapes import Float
from hizumi.training import TrainingOptions
from hizumi.training.health import Finding, check_outliers

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PIXELS_FOR_MEDIAN = 10_000  # of each held-out image, for the dark end of the map's scale


class HeldOut(NamedTuple):
    """What normal items that their detector had not seen score, and what could not be read of them."""

    names: list[str]
    scores: Float[np.ndarray, "n"]
    pixel_maxima: Float[np.ndarray, "n"] | None
    pixel_median: float | None
    unread: list[Failure]

    @classmethod
    def gathered(cls, items: Iterable[Scored | Failure]) -> Self:
        """Keep what thresholds need; raises DataError where nothing has a score."""
        names, scores, maxima, pixels, unread = [], [], [], [], []
        for item in items:
            if isinstance(item, Failure):
                unread.append(item)
                continue
            names.append(item.name)
            scores.append(item.score)
            if item.map is not None:  # maps of large images would fill the memory: keep what is needed of each
                maxima.append(float(item.map.max()))
                seen = item.map.ravel() if item.inside is None else item.map[item.inside]
                pixels.append(seen[:: max(1, len(seen) // PIXELS_FOR_MEDIAN)].copy())
        if not scores:
            first = f"; the first is {unread[0].name}: {unread[0].reason}" if unread else ""
            raise DataError(f"none of the held-out normal items has a score, so there is no threshold{first}")
        median = float(np.median(np.concatenate(pixels))) if pixels else None
        return cls(names, np.array(scores), np.array(maxima) if maxima else None, median, unread)


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The records of a fit with their splits, those that train as a store, and the folds they are dealt in, if any.

    `marked` says whether the data came with their calibration records marked.
    """

    manifest: Manifest
    preprocessing: Preprocessing
    store: Store
    folds: Sequence[Sequence[int]]
    marked: bool

    @property
    def folds_offered(self) -> int | None:
        """How many folds the fit could have been by, as far as there is something to deal; None: by none."""
        if self.marked or self.manifest.series is not None:
            return None
        good = tuple(record for record in self.manifest.records if record.split != "test")
        return most_folds(replace(self.manifest, records=good), FOLDS_OFFERED)

    @property
    def usable(self) -> Manifest:
        """The training records that could be read, in the order of the store."""
        return replace(self.store.manifest, records=tuple(self.store.manifest.records[i] for i in self.store.kept))

    @property
    def held_out(self) -> Manifest:
        """The records that set the threshold: with folds, those that train."""
        return self.usable if self.folds else self.manifest.select(split="calibration")


class Fitted(NamedTuple):
    """A fitted detector, what held-out items score, and what scratches do that were drawn on them.

    Of series, also how scores of steps near an end are steadied.
    """

    detector: Detector
    held_out: HeldOut
    drawn: DrawnScratches
    steadying: Steadying | None = None


@dataclass(frozen=True, eq=False)
class Fitting:
    """How a detector is fitted on such data; see `Inspector.fit` for the rest.

    Where it `keeps_folds`, the fits for these are the members of a detector, and there is none on all.
    """

    data: PreparedData
    options: TrainingOptions
    variation: Variation | None
    fabric: "Fabric"
    run_folder: str | Path | None
    observe: Observer | None
    strict: bool
    keeps_folds: bool = False

    def run(self, detector: Detector) -> Fitted:
        """Fit the detector on all training data, and score what is held out of it, or of its fits for the folds."""
        drawn = DrawnScratches(self.options.seed)
        shares_maps = self.data.folds and self.variation is None  # no two varied images are equal
        with maps_are_kept() if shares_maps else nullcontext():
            if self.keeps_folds:
                return self._crossed(detector, drawn)
            scorer = self._fitted(detector, self.data.store, self.run_folder, self.observe)
            if self.data.folds:
                return Fitted(detector, HeldOut.gathered(self._cross_scored(detector, drawn)), drawn)
            progress = reporting(self.observe, "scoring")
            scored = scorer.score(self.data.held_out, pictures=False, strict=self.strict, on_progress=progress)
            if self.data.manifest.series is not None:
                steadying, blocks = _steadied(list(scored), self.data.held_out, self.data.manifest.series)
                return Fitted(detector, HeldOut.gathered(blocks), drawn, steadying)
            held_out = HeldOut.gathered(scored)
            if not detector.phases():  # whose scoring costs little
                drawn.add(scorer, self.data.held_out, IMAGES)
        return Fitted(detector, held_out, drawn)

    def findings(self, detector: Detector, held_out: HeldOut) -> list[Finding]:
        """What the health check says of the fitted detector."""
        data, by_folds = self.data, bool(self.data.folds)
        # With folds, the detector has seen all.
        unseen = () if by_folds else some_of(data.held_out, Scorer.of(detector, data.preprocessing).reader)
        return [
            *check_outliers(held_out.names, held_out.scores, data.manifest.noun),
            *check_detector(
                detector,
                data.preprocessing,
                data.store,
                np.sort(held_out.scores),
                detector.journal,
                unseen,
                by_folds=by_folds,
            ),
            *check_constants(data.preprocessing, data.manifest.select(split="calibration"), folds=data.folds_offered),
        ]

    def _fitted(
        self, detector: Detector, images: Batches, folder: str | Path | None, observe: Observer | None
    ) -> Scorer:
        training, validation = with_validation(images, self.options)
        detector.fit(
            varied(training, self.variation, self.data.preprocessing),
            self.options,
            validation=validation,
            run_folder=folder,
            observe=observe,
            fabric=self.fabric,
            seen=seen_by(self.data.preprocessing),
        )
        detector.cpu()
        return Scorer.of(detector, self.data.preprocessing)

    def _cross_scored(self, detector: Detector, drawn: DrawnScratches) -> Iterator[Scored | Failure]:
        """Scores of all training images, each by a detector fitted on the other folds."""
        folds = len(self.data.folds)
        for number, (_, scorer, images) in enumerate(self._fits_of_folds(detector), 1):
            yield from self._scored(scorer, images, number)
            if not detector.phases():
                drawn.add(scorer, images, IMAGES * number // folds - IMAGES * (number - 1) // folds)

    def _crossed(self, detector: Detector, drawn: DrawnScratches) -> Fitted:
        """The fits of the folds as one detector, on which nothing is drawn: most of them have seen each image."""
        members: list[Detector] = []
        scores: list[list[float]] = []

        def each_scored() -> Iterator[Scored | Failure]:
            for number, (member, scorer, images) in enumerate(self._fits_of_folds(detector), 1):
                members.append(member)
                scores.append([])
                for item in self._scored(scorer, images, number):
                    if isinstance(item, Scored):
                        scores[-1].append(item.score)
                    yield item

        held_out = HeldOut.gathered(each_scored())
        if empty := sum(not of_fold for of_fold in scores):
            raise DataError(f"{empty} of {len(scores)} folds hold nothing that can be scored; give fewer --folds")
        crossed = CrossConformal(tuple(members))
        crossed.know([torch.tensor(of_fold, dtype=torch.float64) for of_fold in scores])
        return Fitted(crossed.eval(), held_out, drawn)

    def _scored(self, scorer: Scorer, images: Manifest, number: int) -> Iterator[Scored | Failure]:
        observe = _prefixed(self.observe, f"fold {number} of {len(self.data.folds)}, ")
        # A tile is scored once, and would take the room of crops that every fit sees; a whole image is one of these.
        with maps_pass() if self.data.store.views > 1 else nullcontext():
            yield from scorer.score(images, pictures=False, on_progress=reporting(observe, "scoring"))

    def _fits_of_folds(self, detector: Detector) -> Iterator[tuple[Detector, Scorer, Manifest]]:
        """For each fold a fit on the others, and the images that it has not seen."""
        store, usable, folds = self.data.store, self.data.usable, self.data.folds
        for number, fold in enumerate(folds, 1):
            others = View(store, indices=torch.from_numpy(without_fold(usable, fold)))
            observe = _prefixed(self.observe, f"fold {number} of {len(folds)}, ")
            folder = None if self.run_folder is None else Path(self.run_folder, f"fold-{number}")
            member = clone(detector)
            scorer = self._fitted(member, others, folder, observe)
            yield member, scorer, usable.only(sorted(fold))


def _steadied(
    items: Sequence[Scored | Failure], held_out: Manifest, form: SeriesForm
) -> tuple[Steadying | None, Sequence[Scored | Failure]]:
    """How scores near an end of a recording are steadied, by blocks held out, and these blocks, so scored.

    None where none of them has a score.
    """
    windows = [
        item.newest[form.hop - 1 :: form.hop] for item in items if isinstance(item, Scored) and item.newest is not None
    ]
    if not windows:
        return None, items
    steadying = Steadying.of([scores[~np.isnan(scores)] for scores in windows], form.length // form.hop)
    found: list[Scored | Failure] = []
    for item in items:
        steps = held_out.records[item.index].steps
        if isinstance(item, Scored) and item.map is not None and steps is not None:
            starts = form.starts(steps, Steps(0, len(held_out.recording(item.index))))
            scores = steadying(item.map[0], covering(starts, form.length, steps))
            item = replace(item, score=float(scores.max()), map=scores[np.newaxis])
        found.append(item)
    return steadying, found


def _prefixed(observe: Observer | None, prefix: str) -> Observer | None:
    return None if observe is None else lambda record: observe({**record, "phase": prefix + record["phase"]})


def seen_by(preprocessing: Preprocessing) -> torch.Tensor | None:
    """Where the region of interest lies in every image at the working size, (h, w); None where that differs."""
    seen = None if preprocessing.region is None else preprocessing.region.seen(preprocessing.sizing)
    return None if seen is None else torch.from_numpy(seen)


def varied(images: Batches, variation: Variation | None, preprocessing: Preprocessing) -> Batches:
    """Training images, which vary as declared within the region of interest."""
    if variation is None:
        return images
    seen, region, window = seen_by(preprocessing), preprocessing.region, preprocessing.window
    if seen is None or region is None or window is None:  # a region that differs between images moves with the part
        return Varied(images, variation)
    image = np.empty(images.shape, dtype=window.dtype)
    colour = torch.from_numpy(window.to_unit(region.colour_of(image)))
    return Varied(images, variation, lambda changed: torch.where(seen, changed, colour))
