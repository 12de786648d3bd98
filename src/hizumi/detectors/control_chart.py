"""ControlChart: does an image differ from the others, or has the whole line drifted?"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Interval
from torch import Tensor

from hizumi.arguments import PositiveFloat
from hizumi.calibration.charts import CUSUM, EWMA, Points, Shewhart
from hizumi.calibration.run_length import cusum_limit, ewma_width, shewhart_width
from hizumi.data.stream import Batches, as_source, in_order
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.image_statistics import COLOURS, image_statistics, statistic_names
from hizumi.detectors.nested import fit_references
from hizumi.detectors.p_values import ReferenceScores
from hizumi.detectors.shard import Shard
from hizumi.errors import DataError
from hizumi.training import Card

REFERENCE_SHARE = 0.2
FEWEST = 30  # normal items; below, centres and sigmas are too uncertain for limits that keep a promise
KINDS_OF_CHARTS = 5  # of each statistic: single values, means and ranges of subgroups, EWMA, CUSUM
FARTHEST = 3.0  # sigma, for charts of lasting shifts: one bad part, however bad, moves none of them over its limit
LEAST_SIGMA = 1e-3  # of a statistic that never varied; they are all of the order of 1
SMALLEST_LOG_P = -600.0  # whose Gaussian quantile floating-point numbers can still hold

LOOK_AT = {
    "brightness": "the lamp, or the exposure",
    "contrast": "the lamp's direction, or dirt on the lens",
    "sharpness": "the lens and its focus",
    "background": "the background, or how parts lie",
    "score": "what the detector's maps show",
} | dict.fromkeys(COLOURS, "the lamp's colour, or the white balance")


class Drift(NamedTuple):
    """A lasting shift of one statistic."""

    statistic: str
    since: int  # the image, counted from 0, with which it seems to have begun
    noticed: int  # the image with which the first chart gave alarm
    charts: tuple[str, ...]  # that gave alarm, in this order
    shift: float  # mean distance from the centre since then, in sigma; negative is lower


class Part(NamedTuple):
    """One image that stands out, while those around it do not."""

    image: int  # counted from 0
    statistic: str  # of the largest distance
    distance: float  # from the centre, in sigma


@dataclass(frozen=True, eq=False)
class Watch:
    """The result of control charts over a stream of images."""

    images: int
    run_length: float  # good images between two false alarms, in the mean
    drifts: tuple[Drift, ...]  # largest shift first
    parts: tuple[Part, ...]  # in the order of the stream
    charts: dict[str, tuple[Points, ...]]  # of each statistic, in sigma
    noun: str = "image"  # what sentences call one item: an image or a row

    @property
    def verdict(self) -> Literal["drift", "part", "nothing"]:
        """What to look into first."""
        return "drift" if self.drifts else "part" if self.parts else "nothing"

    @property
    def words(self) -> str:
        """The verdict, with its reasons, in sentences for the operator."""
        sentences = [_told(drift, self.noun) for drift in self.drifts[:1]] + [
            f"{self.noun.capitalize()} {part.image} stands out alone ({part.statistic}, {part.distance:+.1f} sigma) "
            "and those around it do not: look at the part."
            for part in self.parts[:3]
        ]
        if len(self.drifts) > 1:
            others = ", ".join(f"{drift.statistic} ({self.noun} {drift.since})" for drift in self.drifts[1:])
            sentences.insert(1, f"Other statistics that have shifted: {others}.")
        if len(self.parts) > 3:
            sentences.append(f"So do {len(self.parts) - 3} more.")
        if not sentences:
            sentences = [f"Nothing unusual in {self.images:,} {self.noun}s."]
        return " ".join([*sentences, f"A false alarm is due every {self.run_length:,.0f} good {self.noun}s."])


class ControlChart(Detector):
    """A(x) = the largest distance of a statistic of x from its mean over normal data, in sigma (Shewhart's chart).

    Statistics are `image_statistics`, or the columns of vectors, and the score of another detector, brought to a
    Gaussian by its law over normal data held out. Terms are the distances of all of them.

    `watch` looks at images in the order in which they were taken. Single values tell parts that stand out. Means and
    ranges of subgroups, EWMA and CUSUM tell lasting shifts: of the lamp, the lens, the camera. Those see values
    clipped at 3 sigma, so that no single part moves them, and both see values with independent errors: images that
    are much like the ones just before them, such as frames of a video, cause more false alarms.

    Args:
        detector: Whose score is watched too; its map and expected image are passed on.
        run_length: Good images between two false alarms, in the mean, of all charts together.
        subgroup: Consecutive images whose means and ranges are charted.
        weight: Of the newest image in the EWMA.
        slack: Of the CUSUM, in sigma: half the shift it finds soonest.
    """

    card = Card(
        family="chart",
        idea="statistics of a picture against limits; over a stream, bad parts told from a drifting lamp or lens",
        paper="Shewhart 1931; Page, Continuous inspection schemes, 1954; Roberts, Control chart tests, 1959",
        no_series="its statistics say how a picture was taken",
    )
    means: Tensor
    sigmas: Tensor
    count: Tensor

    def __init__(
        self,
        detector: Detector | None = None,
        run_length: PositiveFloat = 1000.0,
        subgroup: Annotated[int, Ge(2)] = 5,
        weight: Annotated[float, Interval(gt=0, le=1)] = 0.1,
        slack: PositiveFloat = 0.5,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.run_length = run_length
        self.subgroup = subgroup
        self.weight = weight
        self.slack = slack
        if detector is not None:
            self.reference_share = REFERENCE_SHARE
            self.working_size = detector.working_size
        self.scores = ReferenceScores()
        for name in ("means", "sigmas", "count"):
            self.register_buffer(name, None)

    def fit_statistics(self, batches: Batches) -> None:
        """Estimate centres and sigmas, or the detector's statistics; then centres come later, from data new to it."""
        if self.detector is None:
            self._estimate(batches)
        else:
            self.detector.fit_statistics(batches)

    def fit_reference(self, batches: Batches) -> None:
        assert self.detector is not None, "without a detector no share is held out as reference"
        unseen = fit_references([self.detector], batches)
        score = self.detector.score_batch
        self.scores.fit(Shard.of(unseen).of_all(lambda batch: score(batch).image))
        self._estimate(unseen)

    def score_batch(self, images: Tensor) -> Anomaly:
        inner = None if self.detector is None else self.detector.score_batch(images)
        distances = self._distances(images, inner).abs()
        terms = dict(zip(self._names(images.shape[1:]), distances.unbind(1), strict=True))
        if inner is None:
            return Anomaly(distances.amax(1), None, terms)
        return inner._replace(image=distances.amax(1), terms=terms)

    def embedding(self, images: Tensor) -> Tensor:
        """Signed distances of all statistics from their centres, in sigma."""
        return self._distances(images, None if self.detector is None else self.detector.score_batch(images))

    def watch(self, images: Any) -> Watch:
        """Chart images in the order in which they were taken: a tensor as for `score`, or any source of batches."""
        if self.shape is not None and self.count < FEWEST:
            raise DataError(f"{int(self.count)} normal items set no limits that keep a promise; give {FEWEST} or more")
        source = as_source(images)
        names = self._names(source.shape)
        values = torch.cat([self.embed(batch) for batch in in_order(source)]).cpu().numpy()
        count = int(self.count)
        # Limits hold for a centre and a sigma that are wrong by a standard error, as estimates are.
        shift, stretch = 1 / math.sqrt(count), 1 + 1 / math.sqrt(2 * count)
        each = self.run_length * KINDS_OF_CHARTS * len(names)
        single = stretch * (shewhart_width(each) + shift)
        subgroups = shewhart_width(each / self.subgroup) + shift * math.sqrt(self.subgroup)
        shewhart = Shewhart(0, stretch, self.subgroup, width=subgroups, exact=True)
        ewma = EWMA(0, stretch, self.weight, ewma_width(each, self.weight, shift))
        cusum = CUSUM(0, stretch, self.slack, cusum_limit(each, self.slack, shift))
        charts, drifts = {}, []
        for name, column in zip(names, values.T, strict=True):
            clipped = column.clip(-FARTHEST, FARTHEST)
            means = shewhart.run(clipped) if len(clipped) >= self.subgroup else ()
            charts[name] = (*means, ewma.run(clipped), *cusum.run(clipped))
            drifts += _drift(name, column, charts[name])
        drifts.sort(key=lambda drift: -abs(drift.shift))
        parts = _parts(values, names, single, self.subgroup)
        noun = "row" if len(source.shape) == 1 else "image"
        return Watch(len(values), self.run_length, tuple(drifts), parts, charts, noun)

    def _estimate(self, batches: Batches) -> None:
        values = torch.cat([self._statistics(batch) for batch in in_order(batches)])
        self.means, self.sigmas = values.mean(0), values.std(0, correction=0).clamp(min=LEAST_SIGMA)
        self.count = torch.tensor(len(batches), device=values.device)  # several views of an item are no more items

    def _distances(self, images: Tensor, inner: Anomaly | None) -> Tensor:
        distances = (self._statistics(images) - self.means) / self.sigmas
        return distances if inner is None else torch.cat([self._gaussian(inner.image)[:, None], distances], 1)

    def _statistics(self, images: Tensor) -> Tensor:
        return images.double() if images.ndim == 2 else image_statistics(images)

    def _gaussian(self, scores: Tensor) -> Tensor:
        """Standard Gaussian quantiles with the tail probabilities of these scores."""
        log_p = self.scores(scores)
        within = log_p.clamp(min=SMALLEST_LOG_P)
        quantile = -torch.special.ndtri(within.exp().clamp(max=1 - 1e-15))
        return torch.where(log_p < within, (quantile.square() + 2 * (within - log_p)).sqrt(), quantile)

    def _names(self, shape: tuple[int, ...]) -> list[str]:
        own = statistic_names(shape[0]) if len(shape) == 3 else [f"column {number + 1}" for number in range(shape[0])]
        return own if self.detector is None else ["score", *own]


def _drift(name: str, column: np.ndarray, charts: tuple[Points, ...]) -> list[Drift]:
    first = [(int(chart.seen[chart.alarms.argmax()]), chart) for chart in charts if chart.alarms.any()]
    if not first:
        return []
    first.sort(key=lambda pair: pair[0])
    noticed, earliest = first[0]
    since = int(earliest.onset[earliest.alarms.argmax()])
    return [Drift(name, since, noticed, tuple(chart.name for _, chart in first), float(column[since:].mean()))]


def _parts(values: np.ndarray, names: list[str], limit: float, reach: int) -> tuple[Part, ...]:
    """Images beyond the limit that are as far from the images before them, and from those after."""
    parts = []
    for image in np.flatnonzero((np.abs(values) > limit).any(1)):
        sides = values[max(image - reach, 0) : image], values[image + 1 : image + 1 + reach]
        medians = [np.median(side, axis=0) for side in sides if len(side)] or [np.zeros(values.shape[1])]
        away = np.min([np.abs(values[image] - median) for median in medians], axis=0)
        alone = np.where((away > limit) & (np.abs(values[image]) > limit), np.abs(values[image]), 0)
        if alone.any():
            worst = int(alone.argmax())
            parts.append(Part(int(image), names[worst], float(values[image, worst])))
    return tuple(parts)


def _told(drift: Drift, noun: str) -> str:
    way = "less steady" if set(drift.charts) == {"range"} else "higher" if drift.shift > 0 else "lower"
    return (
        f"Drift: {drift.statistic} has been {way} since about {noun} {drift.since} ({drift.shift:+.1f} sigma; noticed "
        f"at {noun} {drift.noticed} by {', '.join(drift.charts)}). "
        f"Look at {LOOK_AT.get(drift.statistic, 'its source')}."
    )
