"""Who trains and who tests, counted; what leaks, named; what must not leak, looked for."""

from dataclasses import replace

import numpy as np
import pytest

from hizumi.errors import UsageError
from hizumi.evaluation.metrics import confusion_at
from hizumi.registry import find_detectors
from hizumi.reproduction.protocol import ANY, Leak, Protocol, Sizes, Split, thinned, with_calibration
from hizumi.reproduction.protocols import PROTOCOLS, find_protocol
from hizumi.reproduction.published_forms import Pool
from hizumi.reproduction.published_numbers import NOT_COMPARABLE, PUBLISHED
from hizumi.reproduction.running import share_threshold

DIGITS = np.repeat(np.arange(10), 70)


def digits() -> Pool:
    """Ten classes of 70 different images, of which 10 are the official test images."""
    items = np.random.default_rng(0).integers(0, 256, (700, 4, 4, 1), dtype=np.uint8)
    return Pool(items, DIGITS.astype(str), np.tile(np.arange(70) >= 60, 10))


def table(copies: int = 3) -> Pool:
    """Rows of which 20% are "normal.", each different row there several times."""
    rows = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)
    return Pool(np.tile(rows, (copies, 1)), np.tile(np.where(np.arange(1000) % 5, "smurf.", "normal."), copies))


def content(pool: Pool, positions: np.ndarray) -> set[bytes]:
    return {pool.items[position].tobytes() for position in positions}


def test_one_class_normal_tests_on_the_whole_official_test_set() -> None:
    pool, protocol = digits(), find_protocol("mnist-one-class-normal")
    paper = protocol.split(pool, "3", 0, "paper", "deep_svdd")
    assert set(pool.kinds[paper.train]) == {"3"}
    assert len(paper.train) == 60
    assert len(paper.test) == 100
    assert paper.anomalous.sum() == 90
    assert not len(paper.calibration)
    honest = protocol.split(pool, "3", 0, "honest", "deep_svdd")
    assert len(honest.calibration) == 19
    assert set(honest.train) | set(honest.calibration) == set(paper.train)


def test_one_class_anomalous_deals_eighty_to_twenty() -> None:
    pool, protocol = digits(), find_protocol("mnist-one-class-anomalous")
    split = protocol.split(pool, "3", 0, "paper", "ganomaly")
    assert len(split.train) == round(0.8 * 630)
    assert len(split.test) == 630 - len(split.train) + 70
    assert not split.anomalous[:-70].any(), "normal ones come first, which is what lets batches tell them apart"
    assert split.anomalous[-70:].all()
    assert not set(split.train) & set(split.test)
    assert "3" not in pool.kinds[split.train]
    assert not np.array_equal(split.train, protocol.split(pool, "3", 1, "paper", "ganomaly").train)


def test_egbad_tests_on_what_it_trained_on_and_the_honest_mode_does_not() -> None:
    pool, protocol = digits(), find_protocol("mnist-one-class-anomalous")
    split = protocol.split(pool, "3", 0, "paper", "egbad")
    shared = np.isin(split.test[~split.anomalous], split.train).mean()
    assert 0.7 < shared < 0.9  # four standard errors around the 80 % of a second, independent shuffle
    assert Leak.OVERLAPPING_SPLITS in protocol.leaks_of("egbad", "paper")
    honest = protocol.split(pool, "3", 0, "honest", "egbad")
    assert not set(honest.test) & (set(honest.train) | set(honest.calibration))
    assert not protocol.leaks_of("egbad", "honest")


def test_kdd_as_published_and_as_it_should_be() -> None:
    pool, protocol = table(), find_protocol("kdd99")
    paper = protocol.split(pool, "all", 0, "paper", "egbad")
    assert paper.anomalous.mean() == pytest.approx(0.2, abs=0.002)
    assert set(pool.kinds[paper.test][paper.anomalous]) == {"normal."}
    assert set(pool.kinds[paper.train]) == {"smurf."}
    trained = content(pool, paper.train)
    copied = np.mean([pool.items[position].tobytes() in trained for position in paper.test])
    assert paper.notes[-1] == f"{copied:.0%} of the test rows are copies of training rows"
    assert copied > 0.5

    honest = protocol.split(pool, "all", 0, "honest", "egbad")
    assert honest.anomalous.mean() == pytest.approx(0.2, abs=0.01)
    assert set(pool.kinds[honest.test][honest.anomalous]) == {"smurf."}
    parts = [content(pool, part) for part in (honest.train, honest.calibration, honest.test)]
    assert (
        sum(map(len, parts)) == len(set.union(*parts)) == sum(map(len, (honest.train, honest.calibration, honest.test)))
    )
    assert honest.notes[0] == "2000 of 3000 rows left out: copies of others, or labelled both ways"


def test_arrhythmia_trains_on_anomalies_only_where_alad_did() -> None:
    pool, protocol = replace(table(1), kinds=np.where(np.arange(1000) % 7, "good", "rare")), find_protocol("arrhythmia")
    for detector, mode, contaminated in (("alad", "paper", True), ("egbad", "paper", False), ("alad", "honest", False)):
        split = protocol.split(pool, "all", 0, mode, detector)
        assert ("rare" in pool.kinds[split.train]) == contaminated
        assert len(split.test) == 500


def test_a_copy_of_a_tested_item_is_not_trained_on() -> None:
    pool = digits()
    pool.items[65] = pool.items[5]  # a test image of class 0 that is a training image too
    honest = find_protocol("mnist-one-class-normal").split(pool, "0", 0, "honest", "mahalanobis")
    assert 5 not in np.concatenate([honest.train, honest.calibration])
    assert honest.notes == ("1 training items equal to tested ones left out",)


def test_groups_stay_together_in_calibration() -> None:
    groups = np.repeat(np.arange(50), 6).astype(str)
    items = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)
    kinds = np.where(np.arange(300) % 6 == 5, "crack", "good")
    pool = Pool(items, kinds, np.arange(300) >= 240, groups=groups)
    split = find_protocol("magnetic-tile").split(pool, "all", 0, "honest", "mahalanobis")
    assert not set(groups[split.train]) & set(groups[split.calibration])
    assert not set(groups[np.concatenate([split.train, split.calibration])]) & set(groups[split.test])
    assert 19 <= len(split.calibration) <= 24
    assert set(kinds[split.train]) == {"good"}


def test_calibration_depends_on_the_seed_and_nothing_else() -> None:
    pool, split = digits(), Split(np.arange(60), np.arange(60, 70), np.zeros(10, bool))
    one, again, other = (with_calibration(pool, split, seed) for seed in (0, 0, 1))
    assert np.array_equal(one.calibration, again.calibration)
    assert not np.array_equal(one.calibration, other.calibration)


def test_a_short_budget_keeps_every_kind_in_the_test() -> None:
    pool, protocol = digits(), find_protocol("mnist-one-class-normal")
    split = protocol.split(pool, "3", 0, "honest", "anogan")
    even = thinned(pool, split, Sizes(20, None, 40, 38), 0, search=True, balanced=True)
    assert len(even.train) == 20
    assert even.anomalous.sum() == 28, "all ten normal ones, and as many others as there is room for"
    assert set(pool.kinds[even.test]) == set(map(str, range(10)))
    shares = thinned(pool, split, Sizes(20, None, 40, 20), 1, search=False, balanced=False)
    assert np.unique(pool.kinds[shares.test], return_counts=True)[1].tolist() == 10 * [4]
    assert (np.diff(shares.test) > 0).all()
    assert np.array_equal(
        shares.test, thinned(pool, split, Sizes(20, None, 40, 20), 5, search=False, balanced=False).test
    )


def test_flagging_the_known_share_makes_precision_recall_and_f1_one_number() -> None:
    generator = np.random.default_rng(0)
    labels = (np.arange(1000) < 200).astype(int)
    scores = generator.normal(size=1000) + labels
    confusion = confusion_at(scores, labels, share_threshold(scores, 0.2))
    assert confusion.true_alarms + confusion.false_alarms == 200
    assert confusion.precision == confusion.recall == confusion.f1
    top = np.argsort(-scores)[:200]
    assert confusion.precision == labels[top].mean()


def test_shares_are_kept_where_a_figure_depends_on_them() -> None:
    pool, protocol = table(1), find_protocol("kdd99")
    assert not protocol.only_ranks
    assert not find_protocol("mnist-one-class-anomalous").only_ranks
    assert find_protocol("mnist-one-class-normal").only_ranks
    split = protocol.split(pool, "all", 0, "honest", "mahalanobis")
    small = thinned(pool, split, Sizes(None, 50, 60, 60), 0, search=False, balanced=protocol.only_ranks)
    assert (len(small.train), len(small.test), int(small.anomalous.sum())) == (50, 60, 12)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_leaks_are_of_the_paper_mode_only(protocol: Protocol) -> None:
    for detector in protocol.leaks.keys() - {ANY}:
        assert detector in find_detectors()
        assert protocol.leaks_of(detector, "paper")
        assert not protocol.leaks_of(detector, "honest")
    assert not protocol.leaks_of("mahalanobis", "honest")
    assert (Leak.KNOWN_SHARE in protocol.leaks.get(ANY, ())) == (protocol.known_share is not None)


def test_the_leaks_that_are_known() -> None:
    akcay = {Leak.BEST_EPOCH, Leak.TEST_SCALING, Leak.BATCH_STATISTICS}
    for name in ("mnist-one-class-anomalous", "cifar10-one-class-anomalous"):
        assert find_protocol(name).leaks_of("ganomaly", "paper") == akcay
        assert not find_protocol(name).leaks_of("mahalanobis", "paper")
    assert find_protocol("kdd99").leaks_of("egbad", "paper") == {Leak.KNOWN_SHARE, Leak.COPIES}
    assert not find_protocol("magnetic-tile").leaks


def test_published_numbers_are_of_protocols_and_cases_that_exist() -> None:
    for entry in PUBLISHED:
        protocol = find_protocol(entry.protocol)
        assert entry.figure == protocol.figure
        assert set(entry.by_case) <= set(protocol.cases)
    means = {(entry.protocol, entry.row): round(100 * entry.value, 1) for entry in PUBLISHED if entry.by_case}
    assert means["mnist-one-class-normal", "deep_svdd"] == 94.8
    assert means["mnist-one-class-normal", "one_class_svm"] == 91.3
    assert means["cifar10-one-class-normal", "deep_svdd"] == 64.8
    assert means["cifar10-one-class-anomalous", "ganomaly"] == 61.0
    assert means["cifar10-one-class-anomalous", "skip_ganomaly"] == 73.1


def test_what_is_not_comparable_is_named_beside_protocols_that_exist() -> None:
    for entry in NOT_COMPARABLE:
        assert entry.why
        assert all(find_protocol(name).items == "series" for name in entry.protocols)
    systems = {entry.system for entry in NOT_COMPARABLE}
    assert systems == {"LSTM-VAE", "OmniAnomaly", "USAD", "TadGAN", "Donut"}


def test_unknown_names_are_answered_with_known_ones() -> None:
    with pytest.raises(UsageError, match="mnist-one-class-normal"):
        find_protocol("mnist")
    with pytest.raises(UsageError, match="no class '11'; it has 0, 1"):
        find_protocol("mnist-one-class-normal").split(digits(), "11", 0, "honest", "mahalanobis")
