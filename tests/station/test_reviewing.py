"""The order of the review queue, by the words of each measure, counted one by one."""

import math
from dataclasses import replace
from datetime import timedelta
from statistics import median

import numpy as np
import pytest

from hizumi.calibration import Box
from hizumi.station import Entry
from hizumi.station.log import Log, Review
from hizumi.station.reviewing import Queued, disagreement, doubt, novelty, queue, review_queue
from tests.station.entries import START, entry

THRESHOLD = 5.0


def inspected(count: int, seed: int, held_out: int = 40) -> list[Entry]:
    """Conformal p-values of scores with ties, two terms, and a region where anomalous; some could not be judged."""
    random = np.random.default_rng(seed)
    calibration = np.sort(random.gamma(2, 1, held_out))
    made = []
    for number in range(count):
        score = float(random.integers(1, 20)) / 2
        if random.integers(8) == 0:
            made.append(entry(number, anomalous=None, score=None, p_value=None, threshold=None, reason="cut short"))
            continue
        p_value = (1 + int((calibration >= score).sum())) / (held_out + 1)
        left, top = (int(value) for value in random.integers(0, 50, 2))
        boxes = (Box(left, top, 4, 2, 8, 9.0), Box(0, 0, 1, 1, 1, 1.0)) if score > THRESHOLD else ()
        terms = {"residual": float(random.integers(5)), "feature": float(random.integers(5))}
        made.append(
            entry(
                number,
                anomalous=score > THRESHOLD,
                score=score,
                p_value=p_value,
                threshold=THRESHOLD,
                terms=terms if number % 9 else {"residual": 1.0},
                boxes=boxes,
            )
        )
    return made


def rank(value: float, values: list[float]) -> float:
    return (sum(other < value for other in values) + sum(other == value for other in values) / 2) / len(values)


@pytest.mark.parametrize("seed", range(5))
def test_doubt_by_its_words(seed: int) -> None:
    entries = inspected(50, seed)
    judged = [each for each in entries if each.anomalous is not None]
    flagged = max(each.p_value for each in judged if each.anomalous)
    limit = math.sqrt(flagged * min(each.p_value for each in judged if not each.anomalous))
    middle = median(abs(each.score - THRESHOLD) for each in judged)
    for each, found in zip(entries, doubt(entries), strict=True):
        if each.anomalous is None:
            assert found == 0
        else:
            ratio = min(each.p_value / limit, limit / each.p_value)
            assert found == pytest.approx(min(ratio, math.exp(-abs(each.score - THRESHOLD) / middle)), rel=1e-12)


def test_what_is_far_beyond_all_held_out_scores_is_not_in_doubt() -> None:
    just, far = (entry(n, anomalous=True, score=s, p_value=1 / 41, threshold=5.0) for n, s in ((1, 5.1), (2, 50.0)))
    clear = [entry(n, score=1.0, p_value=0.6, threshold=5.0) for n in range(3, 9)]
    found = doubt([just, far, *clear])
    assert found[0] > 0.1 > 1e-3 > found[1]


@pytest.mark.parametrize("seed", range(5))
def test_disagreement_by_its_words(seed: int) -> None:
    entries = inspected(50, seed)
    for each, found in zip(entries, disagreement(entries), strict=True):
        ranks = [
            rank(value, [other.terms[name] for other in entries if name in other.terms])
            for name, value in each.terms.items()
        ]
        assert found == pytest.approx(max(ranks) - min(ranks) if len(ranks) > 1 else 0, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_novelty_by_its_words(seed: int) -> None:
    entries = inspected(50, seed)
    reviewed = {each.id for each in entries[::7]}
    boxed = [each for each in entries if each.boxes]

    def place(each: Entry) -> list[float]:
        values = [rank(each.score or 0.0, [other.score or 0.0 for other in entries])]
        for name in ("residual", "feature"):
            others = [other.terms[name] for other in entries if name in other.terms]
            values.append(rank(each.terms[name], others) if name in each.terms else 0.5)
        for start, length in (("left", "width"), ("top", "height")):
            middles = [getattr(other.boxes[0], start) + getattr(other.boxes[0], length) / 2 for other in boxed]
            own = middles[boxed.index(each)] if each.boxes else None
            values.append(0.5 if own is None else rank(own, middles))
        return [*values, float(bool(each.boxes))]

    known = [place(each) for each in entries if each.id in reviewed and each.anomalous is not None]
    for each, found in zip(entries, novelty(entries, reviewed), strict=True):
        distances = [max(abs(a - b) for a, b in zip(place(each), other, strict=True)) for other in known]
        assert found == pytest.approx(0 if each.anomalous is None else min(distances), abs=1e-12)
    assert novelty(entries, set()) == [float(each.anomalous is not None) for each in entries]


def test_the_queue_puts_the_sample_first_then_the_unjudged_then_the_doubtful(lite: Log) -> None:
    entries = [replace(each, sampled=number in (3, 20)) for number, each in enumerate(inspected(40, 1))]
    entries[5] = replace(entries[5], pruned_at=START)
    lite.add(entries)
    for each in (entries[3], entries[8]):
        lite.review(Review(each.id, "good", "ann"))
    found = review_queue(lite, order="doubt", limit=100)
    assert [each.entry.id for each in found[:1]] == [entries[20].id]
    left_out = {entries[n].id for n in (3, 5, 8)}
    assert {each.entry.id for each in found} == {each.id for each in entries} - left_out
    unjudged = [each for each in entries if each.anomalous is None and not each.sampled and each.id not in left_out]
    assert [each.entry for each in found[1 : 1 + len(unjudged)]] == unjudged[::-1]
    rest = [each.doubt for each in found[1 + len(unjudged) :]]
    assert rest == sorted(rest, reverse=True)
    assert review_queue(lite, order="doubt", limit=4) == found[:4]
    assert review_queue(lite, since=START + timedelta(hours=9)) == ()


def test_bundles_are_ranked_apart_and_the_mean_orders_by_default() -> None:
    first, second = inspected(30, 1), inspected(30, 2)
    second = [
        replace(each, id=f"f{each.id[1:]}", bundle_sha256="c" * 64, score=each.score and each.score * 1e6)
        for each in second
    ]
    together = {each.entry.id: each for each in queue([*first, *second], set())}
    assert together == {each.entry.id: each for each in (*queue(first, set()), *queue(second, set()))}
    assert Queued(first[0], 0.2, 0.3, 0.7).worth("all") == pytest.approx(0.4)
    judged = [each.worth("all") for each in queue([*first, *second], set()) if each.entry.anomalous is not None]
    assert judged == sorted(judged, reverse=True)
