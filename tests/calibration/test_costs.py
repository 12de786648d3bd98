"""The threshold of the lowest expected cost, by brute force, by Bayes' rule, and what it promises, by simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest

from hizumi.calibration import Calibration, Costs
from hizumi.calibration.costs import at_threshold, bound_of_chosen, cheapest
from hizumi.errors import UsageError


def paid(threshold: float, good: np.ndarray, bad: np.ndarray, costs: Costs) -> float:
    """By the words of the docstring, counted one by one."""
    false_alarm_rate = (1 + sum(score > threshold for score in good)) / (1 + len(good))
    missed_share = (1 + sum(score <= threshold for score in bad)) / (1 + len(bad))
    alarms = (1 - costs.defect_share) * false_alarm_rate * costs.alarm
    return alarms + costs.defect_share * missed_share * costs.miss


@pytest.mark.parametrize("seed", range(30))
def test_no_threshold_is_cheaper_and_none_as_cheap_has_fewer_alarms(seed: int) -> None:
    generator = np.random.default_rng(seed)
    good = np.sort(generator.integers(0, 9, generator.integers(1, 30))).astype(float)  # with many ties
    bad = np.sort(generator.integers(3, 14, generator.integers(1, 12))).astype(float)
    costs = Costs(*generator.uniform(0.1, 9, 2), generator.uniform(0.01, 0.9))
    found = cheapest(good, bad, costs)
    tried = {limit: paid(limit, good, bad, costs) for limit in np.arange(-1.5, 15, 0.5)}
    assert found.expected_cost == pytest.approx(min(tried.values()), rel=1e-12)
    assert paid(found.threshold, good, bad, costs) == pytest.approx(found.expected_cost, rel=1e-12)
    as_cheap = [limit for limit, cost in tried.items() if cost <= found.expected_cost * (1 + 1e-9)]
    assert found.false_alarms == min((good > limit).sum() for limit in as_cheap)
    assert (found.false_alarms, found.missed) == ((good > found.threshold).sum(), (bad <= found.threshold).sum())
    assert at_threshold(found.threshold, good, bad, costs) == found


def test_many_scores_of_two_gaussians_lead_to_bayes_rule() -> None:
    generator, costs, distance = np.random.default_rng(0), Costs(miss=30, alarm=1, defect_share=0.01), 3.0
    good, bad = generator.normal(0, 1, 200_000), generator.normal(distance, 1, 200_000)
    ratio = (1 - costs.defect_share) * costs.alarm / (costs.defect_share * costs.miss)
    optimum = distance / 2 + math.log(ratio) / distance
    assert cheapest(np.sort(good), np.sort(bad), costs).threshold == pytest.approx(optimum, abs=0.05)


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    assert cheapest(np.array([1.0, 2.0]), np.array([6.0, 7.0]), Costs(1, 1, 0.5)).threshold == 4
    flags_all = cheapest(np.array([1.0, 2.0]), np.array([0.0]), Costs(100, 1, 0.9))
    assert flags_all.threshold < 0
    assert (flags_all.false_alarms, flags_all.missed) == (2, 0)
    flags_none = cheapest(np.array([1.0, 9.0]), np.array([5.0]), Costs(1, 100, 0.1))
    assert (flags_none.threshold, flags_none.false_alarms, flags_none.missed) == (9, 0, 1)


def test_the_bound_has_its_closed_form_and_grows_with_the_count() -> None:
    assert bound_of_chosen(0, 99) == pytest.approx(1 - 0.025 ** (1 / 99))
    assert bound_of_chosen(5, 5) == 1
    bounds = [bound_of_chosen(count, 40) for count in range(41)]
    assert all(low < high for low, high in pairwise(bounds))


def test_the_bound_holds_for_the_worst_choice_of_a_threshold() -> None:
    """Of uniform scores the rate above t is 1 - t: whoever picks the worst rank of all is still within it."""
    generator, count = np.random.default_rng(1), 40
    bounds = np.array([bound_of_chosen(above, count) for above in range(count)])
    scores = np.sort(generator.random((20_000, count)), axis=1)
    rates = 1 - scores[:, ::-1]  # at the largest score none lies above, at the second largest one, ...
    held = (rates <= bounds).all(axis=1).mean()
    assert held >= 0.95
    pointwise = [1 - 0.05 ** (1 / count)]  # what would hold for the largest score alone does not hold for all
    assert (rates[:, 0] <= pointwise[0]).mean() == pytest.approx(0.95, abs=0.01)


def test_a_calibration_keeps_known_defects_and_says_how_its_threshold_came_about() -> None:
    generator = np.random.default_rng(0)
    good, bad = generator.normal(0, 1, 200), generator.normal(3, 1, 12)
    before = Calibration.fit(good, false_alarm_rate=0.05)
    known = before.with_(defect_scores=bad)
    assert known.threshold == before.threshold
    costs = Costs(50, 1, 0.02)
    chosen = known.with_(costs=costs)
    assert chosen.threshold.value == cheapest(np.sort(good), np.sort(bad), costs).threshold
    assert chosen.threshold.promised_rate is None
    assert chosen.from_good_images == before.threshold
    for words in ("a missed defect costs 50", "2% of the parts", "of 200 held-out good images", "95% confidence"):
        assert words in chosen.promise()
    fields, arrays = chosen.to_dict()
    again = Calibration.from_dict(fields, arrays)
    assert again.threshold == chosen.threshold
    assert again.with_(false_alarm_rate=0.1).threshold == before.with_(false_alarm_rate=0.1).threshold
    folds = Calibration.fit(good, folds=5).with_(defect_scores=bad, costs=costs)
    assert "promises no rate" in folds.promise()
    assert "confidence" not in folds.promise()


@pytest.mark.parametrize(
    ("miss", "alarm", "share"), [(0, 1, 0.1), (1, -1, 0.1), (1, 1, 0), (1, 1, 1), (math.nan, 1, 0.5)]
)
def test_costs_that_mean_nothing_are_refused(miss: float, alarm: float, share: float) -> None:
    with pytest.raises(UsageError, match=r"--(cost-miss|cost-alarm|defect-share)"):
        Costs(miss, alarm, share)


def test_costs_need_known_defects() -> None:
    with pytest.raises(UsageError, match="--known-defects"):
        Calibration.fit(np.arange(9.0)).with_(costs=Costs(1, 1, 0.5))
