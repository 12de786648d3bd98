"""The published protocols that `hizumi reproduce` knows: how each splits its data, and the list of all."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from hizumi.errors import UsageError
from hizumi.reproduction import collections, published_data
from hizumi.reproduction.protocol import ANY, Leak, Protocol, Split, as_bytes
from hizumi.reproduction.published_data import CIFAR10, MVTEC_AD
from hizumi.reproduction.published_forms import Pool

TRAINING_SHARE_OF_POOL = 0.8  # GANomaly and EGBAD, of the nine normal classes
ELPV_TEST_SHARE = 1 / 3
GARMENTS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def _one_class_normal(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """Deep SVDD: the training images of one class train, the whole official test set tests."""
    assert pool.tested is not None, "the set has an official split"
    test = np.flatnonzero(pool.tested)
    return Split(np.flatnonzero((pool.kinds == case) & ~pool.tested), test, pool.kinds[test] != case)


def _one_class_anomalous(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """GANomaly, EGBAD: 80% of nine classes train; the other 20%, then all of the tenth, test."""
    generator = np.random.default_rng([seed, 0])
    normal = generator.permutation(np.flatnonzero(pool.kinds != case))
    cut = round(TRAINING_SHARE_OF_POOL * len(normal))
    kept = normal[cut:]
    if Leak.OVERLAPPING_SPLITS in leaks:  # EGBAD's loader shuffles anew before it takes the test part
        kept = generator.permutation(normal)[cut:]
    anomalous = np.flatnonzero(pool.kinds == case)
    test = np.concatenate([np.sort(kept), anomalous])
    return Split(np.sort(normal[:cut]), test, np.repeat([False, True], [len(kept), len(anomalous)]))


def _official(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """The set's own split: good training items train, all test items test."""
    assert pool.tested is not None, "the set has an official split"
    good, test = pool.kinds == "good", np.flatnonzero(pool.tested)
    return Split(np.flatnonzero(good & ~pool.tested), test, ~good[test])


def _official_of_section(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """As `_official`, of one kind of parts."""
    assert pool.sections is not None, "parts are of several kinds"
    here, whole = pool.sections == case, _official(pool, case, seed, leaks)
    tested = here[whole.test]
    return Split(whole.train[here[whole.train]], whole.test[tested], whole.anomalous[tested])


def _elpv(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """Two thirds of one kind's functional cells train; the rest, and all that may be defective, test."""
    assert pool.sections is not None, "cells are mono- or polycrystalline"
    good, here = pool.kinds == "good", pool.sections == case
    order = np.random.default_rng(0).permutation(np.flatnonzero(good & here))
    cut = int(len(order) * ELPV_TEST_SHARE)
    test = np.concatenate([np.sort(order[:cut]), np.flatnonzero(here & ~good)])
    return Split(np.sort(order[cut:]), test, ~good[test])


def _attacks_are_normal(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """EGBAD's KDD99: four in five rows are attacks, so they count as normal; 20% of the test rows are anomalous."""
    anomalous = pool.kinds == "normal."
    return _with_share(_halves(np.arange(len(pool)), anomalous, seed, leaks), 0.2, seed)


def _attacks_are_anomalous(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    """KDD99 with each row once: half of the normal connections train, 20% of the test rows are attacks."""
    anomalous = pool.kinds != "normal."
    rows = _each_once(pool, anomalous)
    split = _with_share(_halves(rows, anomalous, seed, leaks), 0.2, seed)
    return replace(
        split, notes=(f"{len(pool) - len(rows)} of {len(pool)} rows left out: copies of others, or labelled both ways",)
    )


def _rare_are_anomalous(pool: Pool, case: str, seed: int, leaks: frozenset[Leak]) -> Split:
    return _halves(np.arange(len(pool)), pool.kinds == "rare", seed, leaks)


def _each_once(pool: Pool, classes: Bool[np.ndarray, "n"]) -> np.ndarray:
    """Positions of the first of all equal items, ascending; items that are in both classes are left out."""
    _, firsts, which = np.unique(as_bytes(pool.items), return_index=True, return_inverse=True)
    share = np.bincount(which, weights=classes) / np.bincount(which)
    return np.sort(firsts[(share == 0) | (share == 1)])


def _halves(rows: np.ndarray, anomalous: np.ndarray, seed: int, leaks: frozenset[Leak]) -> Split:
    """One half of the rows, its anomalies left out, trains; the other tests."""
    order = np.random.default_rng([seed, 0]).permutation(rows)
    train, test = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    kept = train if Leak.ANOMALIES_TRAINED_ON in leaks else train[~anomalous[train]]
    return Split(kept, test, anomalous[test])


def _with_share(split: Split, share: float, seed: int) -> Split:
    """Make this share of the test set anomalous, leaving out at random what is too many."""
    order = np.random.default_rng([seed, 3]).permutation(len(split.test))
    normal, anomalous = order[~split.anomalous[order]], order[split.anomalous[order]]
    count = min(len(anomalous), int(len(normal) * share / (1 - share)))
    kept = np.sort(np.concatenate([normal[: round(count * (1 - share) / share)], anomalous[:count]]))
    return replace(split, test=split.test[kept], anomalous=split.anomalous[kept])


_AUROC = {"image_auroc": "AUROC"}
_AUROC_AND_AP = {**_AUROC, "average_precision": "AP"}
_AT_SHARE = {"f1_at_known_share": "F1 at the known share", **_AUROC, "f1": "F1 at the calibrated limit"}
_PIXELS = {**_AUROC, "pixel_auroc": "pixel AUROC", "aupro": "AUPRO"}
_DIGITS = tuple(map(str, range(10)))
_AKCAY = (Leak.BEST_EPOCH, Leak.TEST_SCALING, Leak.BATCH_STATISTICS)
_TABLE_VARIANTS = (
    "mahalanobis(mean)",  # what a generator is worth that makes nothing but the mean
    "egbad(feature matching)",
    "likelihood(flow)",
)
_SOFT = ("deep_svdd(soft)",)
_DENSITIES = (
    "likelihood(pixel_cnn)",
    "likelihood(pixel_cnn, typicality)",
    "likelihood(pixel_cnn, ratio)",
    "likelihood(pixel_cnn, complexity)",
    "likelihood(flow)",
)
_SERIES = {
    "vus_pr": "VUS-PR",
    "average_precision": "AP of steps",
    "event_recall": "events found",
    "false_alarms_per_1000": "false alarms per 1,000 normal steps",
    "vus_pr_by_chance": "VUS-PR of random scores",
}
_OF_SERIES = ("reconstruction(plain)", "reconstruction(vae)", "likelihood(pixel_cnn)")
_ON_FEATURES = ("on_features(autoencoder)",)
_FLATTENED = (
    "gaussian_features(flattened)",
    "gaussian_features(untrained)",
    "nearest_features(flattened)",
    "ensemble(flattened)",
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "mnist-one-class-normal",
            "One digit is normal: its training images train, the 10,000 official test images test (Deep SVDD).",
            published_data.read_mnist,
            _one_class_normal,
            _AUROC,
            _DIGITS,
            variants=(*_SOFT, *_DENSITIES),
        ),
        Protocol(
            "mnist-one-class-anomalous",
            "Nine digits are normal: 80% of their images, training and test files pooled, train; the other 20% and "
            "all of the tenth digit test (GANomaly, EGBAD).",
            published_data.read_mnist,
            _one_class_anomalous,
            _AUROC_AND_AP,
            _DIGITS,
            leaks={"ganomaly": _AKCAY, "skip_ganomaly": _AKCAY, "egbad": (Leak.OVERLAPPING_SPLITS,)},
        ),
        Protocol(
            "cifar10-one-class-normal",
            "One class is normal: its training images train, the official test images test (Deep SVDD).",
            published_data.read_cifar10,
            _one_class_normal,
            _AUROC,
            _DIGITS,
            dict(zip(_DIGITS, CIFAR10, strict=True)),
            variants=_SOFT,
        ),
        Protocol(
            "cifar10-one-class-anomalous",
            "Nine classes are normal: 80% of their images, training and test files pooled, train; the other 20% and "
            "all of the tenth class test (GANomaly, Skip-GANomaly).",
            published_data.read_cifar10,
            _one_class_anomalous,
            _AUROC_AND_AP,
            _DIGITS,
            dict(zip(_DIGITS, CIFAR10, strict=True)),
            leaks={"ganomaly": _AKCAY, "skip_ganomaly": _AKCAY},
        ),
        Protocol(
            "fashion-mnist",
            "One kind of garment is normal: its training images train, the official test images test.",
            published_data.read_fashion_mnist,
            _one_class_normal,
            _AUROC,
            _DIGITS,
            dict(zip(_DIGITS, GARMENTS, strict=True)),
            variants=(*_SOFT, *_DENSITIES),
        ),
        Protocol(
            "kdd99",
            "Paper: attacks are normal, for they are 80% of the rows; one half of the rows trains, the other, cut to "
            "20% anomalies, tests; the top 20% of the scores are flagged (EGBAD, ALAD). Honest: each different row "
            "once, normal connections are normal, half of them train, 20% of the test rows are attacks.",
            published_data.read_kdd99,
            _attacks_are_normal,
            _AT_SHARE,
            known_share=0.2,
            leaks={ANY: (Leak.KNOWN_SHARE, Leak.COPIES)},
            honest_splitter=_attacks_are_anomalous,
            items="vectors",
            variants=_TABLE_VARIANTS,
        ),
        Protocol(
            "arrhythmia",
            "Rare classes, 15% of the patients, are anomalous; one half of the patients trains, the other tests; the "
            "top 15% of the scores are flagged (ALAD).",
            published_data.read_arrhythmia,
            _rare_are_anomalous,
            _AT_SHARE,
            known_share=0.15,
            leaks={ANY: (Leak.KNOWN_SHARE,), "alad": (Leak.ANOMALIES_TRAINED_ON,)},
            items="vectors",
            variants=_TABLE_VARIANTS,
        ),
        Protocol(
            "magnetic-tile",
            "Photographs of good tiles train; good and defective ones of other tiles test: a tile is photographed up "
            "to six times, and all its photographs stay together.",
            published_data.read_magnetic_tile,
            _official,
            _PIXELS,
            variants=(*_SOFT, *_FLATTENED, *_ON_FEATURES),
        ),
        Protocol(
            "elpv",
            "Two thirds of the functional solar cells of one kind train; the rest, and those that may be defective, "
            "test.",
            published_data.read_elpv,
            _elpv,
            {**_AUROC, "auroc_by_kind/probability 1.00": "AUROC, surely defective cells only"},
            ("mono", "poly"),
            variants=(*_SOFT, *_ON_FEATURES),
        ),
        Protocol(
            "deeppcb",
            "Tiles of circuit boards without a defect train; others, half of them with one, test.",
            published_data.read_deeppcb,
            _official,
            _PIXELS,
            variants=_SOFT,
        ),
        Protocol(
            "pneumoniamnist",
            "Healthy chest X-rays train; the official test images, healthy and with pneumonia, test.",
            published_data.read_pneumoniamnist,
            _official,
            _AUROC,
            variants=_SOFT,
        ),
        Protocol(
            "mvtec",
            "Photographs of good parts of one kind train; good and defective ones test, as the set is split (MVTec "
            "AD), all at 256 pixels. The kinds that the folder holds are measured.",
            published_data.read_mvtec,
            _official_of_section,
            _PIXELS,
            MVTEC_AD,
            variants=_ON_FEATURES,
        ),
        Protocol(
            "cookies",
            "Photographs of whole biscuits train; others of the same few biscuits, whole and cracked, test. An easy "
            "set: good for trying things out, not for ranking.",
            published_data.read_cookies,
            _official,
            _PIXELS,
            variants=_ON_FEATURES,
        ),
        Protocol(
            "battery-weld",
            "Height maps of good welds train; good and defective ones of other welds test. As published their "
            "height alone tells much, for every defective one has 256 rows: here only images of 256 rows test, 15 good "
            "ones among them, and what trains is cut or mirrored to that.",
            published_data.read_welds,
            _official,
            _PIXELS,
            variants=_ON_FEATURES,
        ),
        Protocol(
            "ped2",
            "Clips without an event train; frames of other clips test.",
            published_data.read_ped2,
            _official,
            _PIXELS,
            leaks={"cross_channel": (Leak.CLIP_SCALING,)},
            offers=("motion",),
        ),
        Protocol(
            "nab",
            "Each of 50 series by itself: what comes more than two windows before the first event trains, the rest "
            "tests. The benchmark's own combined windows, about a tenth of each series, are the events. Medians.",
            collections.read_nab,
            None,
            _SERIES,
            items="series",
            variants=_OF_SERIES,
        ),
        Protocol(
            "skab",
            "Each of 34 experiments of a water loop with 8 sensors by itself: the recording without an anomaly trains, "
            "or the experiment's own first 400 steps, and the rest tests. Medians.",
            collections.read_skab,
            None,
            _SERIES,
            ("anomaly-free file", "first 400 steps"),
            items="series",
            variants=_OF_SERIES,
        ),
        Protocol(
            "smap-msl",
            "Each of 81 channels of telemetry by itself, without the commands: its training part trains, its test part "
            "tests. The labels are known to be flawed. Medians.",
            collections.read_smap_msl,
            None,
            _SERIES,
            items="series",
            variants=_OF_SERIES,
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of this name; raises a UsageError that names those there are."""
    if name not in PROTOCOLS:
        raise UsageError(f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
