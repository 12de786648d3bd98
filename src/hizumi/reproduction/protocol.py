"""Published protocols: who is normal, who trains, who tests, by which figure, and what leaks where authors let it.

"paper" is what the authors did, every leak named. "honest" fits and calibrates on normal data alone, and nothing that
is tested on has been trained on, neither an item nor a copy of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Integer, Shaped

from hizumi.errors import DataError, UsageError
from hizumi.reproduction.collections import Collection
from hizumi.reproduction.published_forms import Pool

Mode = Literal["honest", "paper"]
BudgetName = Literal["short", "paper"]
MODES: tuple[Mode, ...] = ("honest", "paper")
ANY = "any detector"

FALSE_ALARM_RATE = 0.05  # asked in the honest mode
CALIBRATION_SHARE = 0.1  # of the normal training data
FEWEST_CALIBRATED, MOST_CALIBRATED = 19, 1000  # 19 items can just promise 5 %


class Leak(StrEnum):
    """What a published result knew of its test set."""

    BEST_EPOCH = "best epoch on the test set"
    TEST_SCALING = "scores scaled by the test set (leaves AUROC as it is)"
    BATCH_STATISTICS = "batch normalisation by test batches, each of one kind"
    CLIP_SCALING = "scores of each test clip scaled by the clip itself"
    OVERLAPPING_SPLITS = "most normal test images are training images"
    KNOWN_SHARE = "threshold set by the known share of anomalies in the test set"
    COPIES = "copies of training rows among the test rows"
    ANOMALIES_TRAINED_ON = "anomalies of the training half trained on"


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of items in their pool: who trains, calibrates and tests, and which of the tested are anomalous."""

    train: Integer[np.ndarray, "n"]
    test: Integer[np.ndarray, "m"]
    anomalous: Bool[np.ndarray, "m"]
    calibration: Integer[np.ndarray, "k"] = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: tuple[str, ...] = ()


Splitter = Callable[[Pool, str, int, frozenset[Leak]], Split]
"""Splits a pool for one case and seed, under these leaks."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """One published way to measure anomaly detectors.

    `cases` are measured one by one and averaged, such as the class that is normal. The first of `figures`, names of
    metrics with their headings, is the one that is compared. `known_share` of the test set is flagged where authors
    knew it. `leaks` of the paper mode are those of each detector whose authors used the protocol, and of `ANY`;
    `honest_splitter` stands in where the paper's own split cannot be kept honest. Collections of series come split, and
    have none. What is in the pool, `items`, and what comes with it, `offers`, says which detectors can enter;
    `variants` are entries that run besides them.
    """

    name: str
    about: str
    read: Callable[[Path], Pool | Collection]
    splitter: Splitter | None
    figures: Mapping[str, str]
    cases: tuple[str, ...] = ("all",)
    case_titles: Mapping[str, str] = field(default_factory=dict)
    known_share: float | None = None
    leaks: Mapping[str, tuple[Leak, ...]] = field(default_factory=dict)
    honest_splitter: Splitter | None = None
    items: Literal["images", "vectors", "series"] = "images"
    offers: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    @property
    def figure(self) -> str:
        """The metric that is compared with what was published."""
        return next(iter(self.figures))

    @property
    def ranking(self) -> str:
        """The metric of how scores rank items, or the steps of series, whatever the threshold."""
        return self.figure if self.items == "series" else "image_auroc"

    @property
    def only_ranks(self) -> bool:
        """Whether no figure depends on the share of anomalies in the test set."""
        return self.known_share is None and "average_precision" not in self.figures

    def leaks_of(self, detector: str, mode: Mode) -> frozenset[Leak]:
        """What this detector's run knows of the test set."""
        return frozenset() if mode == "honest" else frozenset((*self.leaks.get(ANY, ()), *self.leaks.get(detector, ())))

    def refuse_unknown_case(self, case: str) -> None:
        """Raise UsageError where it has no such case."""
        if case not in self.cases:
            raise UsageError(f"{self.name} has no class {case!r}; it has {', '.join(self.cases)}")

    def cases_in(self, pool: Pool | Collection) -> tuple[str, ...]:
        """Its cases, and of one whose cases are sections of a pool those that are there."""
        if isinstance(pool, Collection) or pool.sections is None:
            return self.cases
        return tuple(case for case in self.cases if case in pool.sections)

    def split(self, pool: Pool, case: str, seed: int, mode: Mode, detector: str) -> Split:
        """Who trains, calibrates and tests; nobody calibrates in the paper mode."""
        self.refuse_unknown_case(case)
        if case not in self.cases_in(pool):
            raise DataError(f"the folder holds nothing of {case}; it holds {', '.join(self.cases_in(pool))}")
        assert self.splitter is not None, "a pool is to be split"
        if mode == "honest":
            split = (self.honest_splitter or self.splitter)(pool, case, seed, frozenset())
            return with_calibration(pool, without_copies(pool, split), seed)
        leaks = self.leaks_of(detector, mode)
        split = self.splitter(pool, case, seed, leaks)
        if Leak.COPIES not in leaks:
            return split
        share = _copies(pool, split.test, split.train).mean()
        return replace(split, notes=(*split.notes, f"{share:.0%} of the test rows are copies of training rows"))


class Sizes(NamedTuple):
    """How many items take part at most; None for all."""

    training_images: int | None = None
    training_rows: int | None = None
    tested: int | None = None
    tested_by_search: int | None = None  # a search takes a hundred times as long


SIZES: dict[BudgetName, Sizes] = {"short": Sizes(5_000, 20_000, 10_000, 1_000), "paper": Sizes()}


def thinned(pool: Pool, split: Split, sizes: Sizes, seed: int, *, search: bool, balanced: bool) -> Split:
    """At most so many items to train and to test on; which ones are tested does not depend on the seed.

    The tested ones keep their order, and their kinds their shares; "balanced" takes as many normal as anomalous ones,
    and as many of each kind, which leaves AUROC what it is on average and makes it less noisy.
    """
    most_training = sizes.training_images if pool.items.ndim == 4 else sizes.training_rows
    most_tested = sizes.tested_by_search if search else sizes.tested
    train, test = split.train, np.arange(len(split.test))
    if most_training is not None and len(train) > most_training:
        train = np.sort(np.random.default_rng([seed, 1]).choice(train, most_training, replace=False))
    if most_tested is not None and len(test) > most_tested:
        kinds = pool.kinds[split.test]
        chosen = _balanced(kinds, split.anomalous, most_tested) if balanced else _in_shares(kinds, most_tested)
        test = np.sort(chosen)
    return replace(split, train=train, test=split.test[test], anomalous=split.anomalous[test])


def _balanced(kinds: Shaped[np.ndarray, "n"], anomalous: Bool[np.ndarray, "n"], count: int) -> np.ndarray:
    """Positions, normal and anomalous ones in turn, kinds in turn among each."""
    sides = [np.flatnonzero(anomalous == side) for side in (False, True)]
    queues = [side[np.argsort(_ranks(kinds[side]), kind="stable")] for side in sides]
    ranks = np.concatenate([np.arange(len(queue)) for queue in queues])
    return np.concatenate(queues)[np.argsort(ranks, kind="stable")][:count]


def _in_shares(kinds: Shaped[np.ndarray, "n"], count: int) -> np.ndarray:
    """Positions, each kind as often as its share says."""
    sizes = dict(zip(*np.unique(kinds, return_counts=True), strict=True))
    size = np.array([sizes[kind] for kind in kinds])
    return np.argsort((_ranks(kinds) + 0.5) / size, kind="stable")[:count]


def _ranks(kinds: Shaped[np.ndarray, "n"]) -> np.ndarray:
    """A random rank of each item within its kind, always the same."""
    order = np.random.default_rng(0).permutation(len(kinds))
    ranks = np.zeros(len(kinds), np.int64)
    for kind in np.unique(kinds):
        members = order[kinds[order] == kind]
        ranks[members] = np.arange(len(members))
    return ranks


def without_copies(pool: Pool, split: Split) -> Split:
    """Leave out training items of which the test set holds a copy."""
    copied = _copies(pool, split.train, split.test)
    notes = (f"{copied.sum()} training items equal to tested ones left out",) if copied.any() else ()
    return replace(split, train=split.train[~copied], notes=(*split.notes, *notes))


def with_calibration(pool: Pool, split: Split, seed: int) -> Split:
    """Hold a share of the training items out to calibrate on, whole groups where there are any."""
    wanted = min(max(FEWEST_CALIBRATED, round(CALIBRATION_SHARE * len(split.train))), MOST_CALIBRATED)
    generator = np.random.default_rng([seed, 2])
    if pool.groups is None:
        held_out = np.zeros(len(split.train), bool)
        held_out[generator.permutation(len(split.train))[:wanted]] = True
    else:
        groups = pool.groups[split.train]
        shuffled = generator.permutation(np.unique(groups))
        sizes = np.array([(groups == group).sum() for group in shuffled])
        held_out = np.isin(groups, shuffled[: int(np.searchsorted(sizes.cumsum(), wanted)) + 1])
    if held_out.all():
        raise DataError(f"{len(split.train)} normal items are too few to train and to calibrate on")
    return replace(split, train=split.train[~held_out], calibration=split.train[held_out])


def _copies(pool: Pool, some: np.ndarray, others: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Which of some items are equal to one of the others."""
    whole = as_bytes(pool.items)
    return np.isin(whole[some], whole[others])


def as_bytes(items: Shaped[np.ndarray, "n *shape"]) -> Shaped[np.ndarray, "n"]:
    """One opaque value for each item, equal where items are equal byte for byte."""
    flat = np.ascontiguousarray(items.reshape(len(items), -1))
    return flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))[:, 0]
