import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hizumi.detectors import Detector, GANomaly, GaussianFeatures, Mahalanobis, Reconstruction
from hizumi.models import Autoencoder
from hizumi.reproduction.entrants import Entrant
from hizumi.reproduction.protocol import Leak
from hizumi.reproduction.protocols import find_protocol
from hizumi.reproduction.published_forms import Pool
from hizumi.reproduction.running import run
from hizumi.reproduction.views import PoolView, with_motion
from hizumi.training import Budget, TrainingOptions


def entrant(detector: type[Detector], steps: int = 4, **arguments: object) -> Entrant:
    options = TrainingOptions(budget=Budget(steps=steps), batch_size=16)
    name = {GANomaly: "ganomaly", Mahalanobis: "mahalanobis", Reconstruction: "reconstruction"}[detector]
    return Entrant(name, name, lambda: detector(**arguments), options, {}, {})


def blobs(count: int = 60) -> Pool:
    """Ten classes: a bright square whose place tells the class, in noise."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 40, (10 * count, 8, 8, 1), dtype=np.uint8)
    classes = np.repeat(np.arange(10), count)
    for index, label in enumerate(classes):
        images[index, label % 5 : label % 5 + 3, 3 * (label // 5) : 3 * (label // 5) + 3] += 180
    return Pool(images, classes.astype(str), np.tile(np.arange(count) >= count - 12, 10))


def test_a_run_is_a_fit_and_a_score_by_hand() -> None:
    pool, protocol = blobs(), find_protocol("mnist-one-class-normal")
    result = run(protocol, pool, entrant(Mahalanobis), "7", 0, "paper", "paper")
    images = pool.items.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    assert pool.tested is not None
    train, test = (pool.kinds == "7") & ~pool.tested, pool.tested
    import torch

    detector = Mahalanobis().fit(torch.from_numpy(images[train]))
    scores = detector.score(torch.from_numpy(images[test])).image.numpy()
    expected = roc_auc_score(pool.kinds[test] != "7", scores)
    assert result["figures"]["image_auroc"] == pytest.approx(expected, abs=1e-6)
    assert set(result["figures"]["auroc_by_kind"]) == set("0123456789") - {"7"}
    assert (result["training"], result["calibration"], result["tested"], result["anomalous"]) == (48, 0, 120, 108)
    assert "realised_false_alarm_rate" not in result["figures"]


def test_the_best_epoch_on_test_is_named_and_is_no_worse_than_the_last() -> None:
    pool, protocol = blobs(), find_protocol("mnist-one-class-anomalous")
    ganomaly = entrant(GANomaly, steps=120, width=4, latent=4, bn_mode="batch")
    paper = run(protocol, pool, ganomaly, "4", 0, "paper", "paper")
    note = next(note for note in paper["notes"] if "best on the test set" in note)
    best, last = (float(text) for text in note.partition("AUROC ")[2].split(", the last "))
    assert best >= last
    assert paper["figures"]["image_auroc"] == pytest.approx(best, abs=6e-4)
    honest = run(protocol, pool, entrant(GANomaly, width=4, latent=4), "4", 0, "honest", "paper")
    assert not honest["notes"]
    assert honest["calibration"] > 0


def test_watching_epochs_does_not_change_the_training() -> None:
    pool, protocol = blobs(), find_protocol("mnist-one-class-anomalous")
    assert Leak.BEST_EPOCH in protocol.leaks_of("ganomaly", "paper")
    watched = run(protocol, pool, entrant(GANomaly, width=4, latent=4), "4", 0, "paper", "paper")
    unwatched = Entrant("other", "other", lambda: GANomaly(width=4, latent=4), entrant(GANomaly).options, {}, {})
    plain = run(protocol, pool, unwatched, "4", 0, "paper", "paper")
    # Four steps are less than an epoch: the best epoch is the last one.
    assert watched["figures"]["image_auroc"] == pytest.approx(plain["figures"]["image_auroc"], abs=1e-9)


def test_false_alarms_come_at_the_rate_that_was_asked() -> None:
    rows = np.random.default_rng(0).normal(size=(6000, 4)).astype(np.float32)
    rows[::5] += 2
    pool = Pool(rows, np.where(np.arange(6000) % 5, "good", "rare"))
    result = run(find_protocol("arrhythmia"), pool, entrant(Mahalanobis), "all", 0, "honest", "paper")
    assert result["figures"]["realised_false_alarm_rate"] == pytest.approx(0.05, abs=0.025)
    assert {"f1_at_known_share", "precision_at_known_share", "f1", "image_auroc"} <= result["figures"].keys()


def test_maps_are_measured_at_the_images_own_size() -> None:
    generator = np.random.default_rng(0)
    images = np.tile((128 + 60 * np.sin(np.arange(96) / 5)).astype(np.uint8), (40, 80, 1))[..., None].copy()
    images += generator.integers(0, 8, images.shape, dtype=np.uint8)
    masks = np.zeros((40, 80, 96), bool)
    masks[30:39, 20:40, 30:50] = True  # the last defective one is not marked
    images[30:, 20:40, 30:50] = 0
    kinds = np.where(np.arange(40) >= 30, "hole", "good")
    pool = Pool(images, kinds, np.arange(40) >= 22, masks=masks)
    small = entrant(Reconstruction, 80, model=Autoencoder(width=8), difference="l1")
    result = run(find_protocol("magnetic-tile"), pool, small, "all", 0, "paper", "paper")
    assert result["item"] == [1, 58, 70]
    assert result["figures"]["pixel_auroc"] > 0.9
    assert result["figures"]["aupro"] is not None


def test_motion_is_scaled_by_training_frames_and_stays_in_its_clip() -> None:
    generator = np.random.default_rng(0)
    texture = np.kron(generator.integers(0, 256, (12, 12)), np.ones((4, 4))).astype(np.uint8)
    still, moved = np.stack(4 * [texture]), np.stack([np.roll(texture, step, 1) for step in range(4)])
    frames = np.concatenate([still, moved])[..., None]
    joined = with_motion(frames, np.repeat(["a", "b"], 4), np.arange(8))
    assert joined.shape == (8, 48, 48, 4)
    assert np.abs(joined[:4, :, :, 1:]).max() < 0.05, (
        "the last frame of a clip is no neighbour of the next clip's first"
    )
    assert np.median(joined[4:, 8:-8, 8:-8, 1]) > 0.3, "to the right"
    assert np.abs(np.median(joined[4:, 8:-8, 8:-8, 2])) < 0.05
    assert joined[..., 0].min() >= -1
    assert joined[..., 0].max() <= 1


def test_images_keep_a_size_that_the_detector_can_take() -> None:
    pool = blobs(2)
    for detector in (Mahalanobis(), GaussianFeatures()):
        assert PoolView(pool, detector, np.arange(4)).shape == (1, 8, 8)


def test_what_a_run_costs_is_counted() -> None:
    pool, protocol = blobs(), find_protocol("mnist-one-class-normal")
    short, long = (
        run(protocol, pool, entrant(Reconstruction, steps, model=Autoencoder(width=8)), "7", 0, "honest", "paper")
        for steps in (2, 40)
    )
    for result in (short, long):
        assert result["scored"] == result["tested"] + result["calibration"]
        assert 0 < result["fit_cpu_seconds"] + result["score_cpu_seconds"] <= result["cpu_seconds"] + 0.06
        assert 20 < result["peak_memory_mib"] < 20_000
    assert long["fit_cpu_seconds"] > short["fit_cpu_seconds"]
