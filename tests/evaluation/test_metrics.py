"""Image metrics against scikit-learn and against plain loops; binomial limits against scipy.stats."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from hizumi.errors import DataError, UsageError
from hizumi.evaluation import (
    auroc,
    average_precision,
    best_f1,
    binomial_acceptance,
    binomial_interval,
    confusion_at,
)

TIED = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=2, max_size=30).filter(
    lambda pairs: len({label for _, label in pairs}) == 2
)


def brute_force_auroc(scores, labels):
    positive = [s for s, y in zip(scores, labels, strict=True) if y == 1]
    negative = [s for s, y in zip(scores, labels, strict=True) if y == 0]
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def brute_force_average_precision(scores, labels):
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        flagged = [y for s, y in zip(scores, labels, strict=True) if s >= threshold]
        recall = sum(flagged) / sum(labels)
        area += (recall - recall_before) * sum(flagged) / len(flagged)
        recall_before = recall
    return area


@settings(max_examples=80, deadline=None)
@given(TIED)
def test_ranking_metrics_match_loops_and_scikit_learn_under_ties(pairs):
    scores, labels = np.array([float(s) for s, _ in pairs]), np.array([y for _, y in pairs])
    assert auroc(scores, labels) == pytest.approx(brute_force_auroc(scores, labels))
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(brute_force_average_precision(scores, labels))
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


def test_ranking_metrics_match_scikit_learn_on_many_scores():
    generator = np.random.default_rng(0)
    labels = (generator.random(5000) < 0.1).astype(np.int64)
    scores = (generator.normal(size=5000) + labels).astype(np.float32)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.0, 1.0, 2.0, 3.0], 1.0), ([3.0, 2.0, 1.0, 0.0], 0.0), ([1.0, 1.0, 1.0, 1.0], 0.5)]
)
def test_auroc_of_perfect_reversed_and_constant_scores(scores, expected):
    assert auroc(np.array(scores), np.array([0, 0, 1, 1])) == expected


def test_average_precision_of_constant_scores_is_the_share_of_anomalies():
    assert average_precision(np.ones(10), np.arange(10) // 8) == pytest.approx(0.2)


def test_metrics_do_not_change_under_a_rising_function_of_the_scores():
    generator = np.random.default_rng(1)
    scores, labels = generator.normal(size=60), np.arange(60) % 3 // 2
    for metric in (auroc, average_precision, best_f1):
        assert metric(np.exp(scores), labels) == metric(scores, labels)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_gives_nan(label):
    labels = np.full(3, label)
    for metric in (auroc, average_precision, best_f1):
        assert math.isnan(metric(np.arange(3.0), labels))


def test_nan_scores_are_refused():
    with pytest.raises(DataError, match="NaN"):
        auroc(np.array([0.0, np.nan]), np.array([0, 1]))


def test_infinite_scores_rank_last_and_first():
    assert auroc(np.array([-np.inf, 0.0, np.inf]), np.array([0, 0, 1])) == 1.0


@pytest.mark.parametrize("threshold", [-5.0, -0.3, 0.0, 0.5, 5.0])
def test_confusion_matches_scikit_learn(threshold):
    generator = np.random.default_rng(2)
    scores, labels = generator.normal(size=80), (generator.random(80) < 0.3).astype(np.int64)
    confusion = confusion_at(scores, labels, threshold)
    expected = precision_recall_fscore_support(labels, scores > threshold, average="binary", zero_division=0)
    assert (confusion.precision, confusion.recall, confusion.f1) == pytest.approx(expected[:3])
    assert sum(confusion) == 80


def test_a_score_on_the_threshold_is_no_alarm():
    assert confusion_at(np.array([1.0, 1.0]), np.array([0, 1]), 1.0) == (0, 0, 1, 1)


def test_recall_and_f1_without_anomalies_are_nan():
    confusion = confusion_at(np.array([1.0, 3.0]), np.array([0, 0]), 2.0)
    assert confusion.precision == 0.0
    assert math.isnan(confusion.recall)
    assert math.isnan(confusion.f1)


def test_best_f1_matches_a_search_over_all_thresholds():
    generator = np.random.default_rng(3)
    scores, labels = np.round(generator.normal(size=50), 1), (generator.random(50) < 0.4).astype(np.int64)
    thresholds = [*scores, scores.min() - 1]
    assert best_f1(scores, labels) == pytest.approx(max(confusion_at(scores, labels, t).f1 for t in thresholds))


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (7, 300), (0, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_binomial_interval_is_clopper_pearson(count, total, confidence):
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    assert binomial_interval(count, total, confidence) == pytest.approx((expected.low, expected.high))


def test_binomial_interval_of_nothing_is_everything():
    assert binomial_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("total", [1, 20, 157, 2000])
def test_binomial_acceptance_holds_what_scipy_says(total, rate):
    low, high = binomial_acceptance(total, rate)
    assert (low, high) == stats.binom(total, rate).interval(0.95)
    law = stats.binom(total, rate)
    assert law.cdf(high) - law.cdf(low - 1) >= 0.95


@pytest.mark.parametrize(
    "measure", [auroc, average_precision, best_f1, lambda scores, labels: confusion_at(scores, labels, 0.5)]
)
def test_labels_that_are_classes_are_refused_not_left_out(measure):
    with pytest.raises(UsageError, match=r"labels are 0 \(normal\), 1 .* got 2; scores come first, then labels"):
        measure(np.array([0.1, 0.7, 0.9]), np.array([0, 1, 2]))
    measure(np.array([0.1, 0.7, 0.9]), np.array([0, 1, -1]))
