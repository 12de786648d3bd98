"""Streams of made-up pictures: seven measures and a score, as a station would observe them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from hizumi.calibration.spread import Spread
from hizumi.data.appearance import MEASURES, Look
from hizumi.monitoring import Baseline, DriftAlarm, DriftWatch
from hizumi.monitoring.baseline import Sizes

START = datetime(2026, 1, 1, tzinfo=UTC)
CENTRES = np.array([0.31, 0.20, -1.0, 0.1, 1.5, 0.2, -0.1])  # of brightness, contrast, ... as in MEASURES
SIGMAS = np.array([0.01, 0.01, 0.1, 0.1, 0.1, 0.05, 0.05])


def law_of(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Values of a law, with no unit."""
    match name:
        case "gaussian":
            return generator.normal(size=shape)
        case "student":  # with three degrees of freedom: far values
            return generator.standard_t(3, size=shape)
        case "exponential":
            return generator.exponential(size=shape)
        case "slow":  # a lamp that wanders as much as pictures differ, within a hundred pictures
            kept = np.exp(-1 / 100)
            wander = generator.normal(size=shape[1:])
            places = []
            for step in generator.normal(size=shape) * np.sqrt(1 - kept**2):
                wander = kept * wander + step
                places.append(wander)
            return np.array(places) + generator.normal(size=shape)
    raise ValueError(name)


def look_of_values(values: np.ndarray, height: int = 64) -> Look:
    """A look with these seven values, in sigma from the centres."""
    known = dict(zip(MEASURES, (CENTRES + SIGMAS * values).tolist(), strict=True))
    return Look(**known, height=height, width=64, file_type=".png")


def baseline_of(law: str, generator: np.random.Generator, scores: int = 300) -> Baseline:
    """A bundle's: of 20 runs of five among 2,000 pictures, and of so many scores."""
    chosen = (np.linspace(0, 1995, 20).round().astype(int)[:, None] + np.arange(5)).ravel()
    values = CENTRES + SIGMAS * law_of(law, (2000, 7), generator)[chosen]
    spreads = {name: Spread.of(values[:, place]) for place, name in enumerate(MEASURES)}
    measures = {name: each for name, each in spreads.items() if each is not None}
    law_of_scores = "gaussian" if law == "slow" else law
    held_out = law_of(law_of_scores, (scores,), generator)
    return Baseline(tuple(held_out.tolist()), measures=measures, sizes=Sizes(64, 64, 64, 64))


class Line:
    """A watch with the stream before it: a picture every ten seconds."""

    def __init__(self, watch: DriftWatch, seed: int) -> None:
        self.watch = watch
        self.generator = np.random.default_rng(seed)
        self.count = 0

    @property
    def now(self) -> datetime:
        """When the last picture was taken."""
        return START + timedelta(seconds=10 * self.count)

    def run(
        self,
        pictures: int,
        shift: tuple[float, ...] = (),
        score_shift: float = 0.0,
        defects: float = 0.0,
        flicker: float = 1.0,
        height: int = 64,
    ) -> list[tuple[int, DriftAlarm]]:
        """Alarms as they are told, each with the number of the picture, counted from 1, with which it is."""
        found = []
        values = self.generator.normal(size=(pictures, 8))
        values[:, 0] *= flicker
        values[:, : len(shift)] += shift
        values[:, 7] += score_shift
        values[self.generator.random(pictures) < defects] += 12.0  # gross in every respect
        for number, row in enumerate(values, start=1):
            found += [(number, alarm) for alarm in self.observe(row, height)]
        return found

    def observe(self, row: np.ndarray, height: int = 64) -> tuple[DriftAlarm, ...]:
        """Alarms that are raised with a picture, or told again."""
        self.count += 1
        news = self.watch.observe(self.now, float(row[7]), 0.5, look_of_values(row[:7], height))
        return news.raised + news.reminded
