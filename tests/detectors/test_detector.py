"""What the contract itself does for every detector: phases and their budgets, data held out as reference."""

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn import decomposition
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hizumi.arguments import ProperShare
from hizumi.data import Sizing, Store, open_source
from hizumi.data.stream import Batches, in_order
from hizumi.detectors import (
    ALOCC,
    EGBAD,
    PCA,
    Anomaly,
    ControlChart,
    ConvAEOneClassSVM,
    DBNOneClassSVM,
    DeepSVDD,
    Detector,
    Ensemble,
    FAnoGAN,
    GANomaly,
    Likelihood,
    Mahalanobis,
    NearestNeighbour,
    OneClassSVM,
    Reconstruction,
    SkipGANomaly,
)
from hizumi.detectors.f_anogan import FAnoGANEncoding
from hizumi.errors import DataError, NotFittedError, UsageError
from hizumi.inspection import Inspector
from hizumi.inspection.health import check_detector
from hizumi.models import DCGAN, Autoencoder, GatedPixelCNN
from hizumi.preprocessing import Preprocessing
from hizumi.training import Budget, Card, Trainable, TrainingOptions

ROWS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


class Watching(Detector):
    """Keeps what each stage of fitting was shown."""

    card: ClassVar[Card] = Card(family="test", idea="watches", paper="none")

    def __init__(self, reference_share: ProperShare = 0.25) -> None:
        super().__init__()
        self.reference_share = reference_share
        self.first, self.second = Autoencoder(code=1), Autoencoder(code=2)
        self.register_buffer("trained_on", None)
        self.register_buffer("held_out", None)

    def phases(self) -> tuple[Trainable, ...]:
        return self.first, self.second

    def fit_statistics(self, batches: Batches) -> None:
        self.trained_on = torch.cat(list(in_order(batches)))

    def fit_reference(self, batches: Batches) -> None:
        self.held_out = torch.cat(list(in_order(batches)))

    def score_batch(self, images: Tensor) -> Anomaly:
        return Anomaly(images.square().sum(1))


def steps(*counts: int) -> TrainingOptions:
    return TrainingOptions(budget=tuple(Budget(steps=count) for count in counts), batch_size=8)


def test_each_phase_has_a_budget_of_its_own() -> None:
    detector = Watching().fit(ROWS, steps(3, 5))
    assert [phase.images_seen for phase in detector.phases()] == [24, 40]


def test_as_many_budgets_as_phases() -> None:
    with pytest.raises(UsageError, match="3 budgets were given for 2 phases"):
        Watching().fit(ROWS, steps(1, 2, 3))


def test_reference_is_held_out_of_everything_else() -> None:
    detector = Watching().fit(ROWS, steps(2, 2))
    rows = (ROWS - ROWS.mean(0)) / ROWS.std(0, correction=0)
    assert len(detector.held_out) == 10
    together = torch.cat([detector.trained_on, detector.held_out])
    torch.testing.assert_close(together.sort(0).values, rows.sort(0).values)
    assert not (torch.cdist(detector.trained_on, detector.held_out) == 0).any()
    # Held out at random, by the seed alone.
    again = Watching().fit(ROWS, steps(1, 1)).held_out
    other = Watching().fit(ROWS, TrainingOptions(budget=Budget(steps=1), batch_size=8, seed=1)).held_out
    assert torch.equal(detector.held_out, again)
    assert not torch.equal(detector.held_out, other)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_that_make_no_sense(share: float) -> None:
    with pytest.raises(UsageError, match="reference_share is"):
        Watching(share).fit(ROWS, steps(1, 1))


def test_one_item_is_too_few_to_hold_any_out() -> None:
    with pytest.raises(DataError, match="one normal item is too few for Watching"):
        Watching().fit(ROWS[:1], steps(1, 1))


class Mean(Detector):
    """Shows the mean of the training images, as what normal looks like or as its reconstruction of the image."""

    card: ClassVar[Card] = Card(family="test", idea="compares with the mean", paper="none")
    mean: Tensor

    def __init__(self, rebuilds: bool) -> None:
        super().__init__()
        self.rebuilds = rebuilds
        self.register_buffer("mean", None)

    def fit_statistics(self, batches: Batches) -> None:
        self.mean = torch.cat(list(in_order(batches))).mean(0)

    def score_batch(self, images: Tensor) -> Anomaly:
        shown = self.mean.expand_as(images)
        score = (images - self.mean).square().flatten(1).mean(1)
        return Anomaly(score, reconstruction=shown) if self.rebuilds else Anomaly(score, normal=shown)


@pytest.mark.parametrize("rebuilds", [False, True])
def test_only_a_constant_reconstruction_is_a_collapse(rebuilds: bool) -> None:
    store = Store.build(open_source("digits"), Sizing(8, 8))
    images = store.batch(torch.arange(40))
    detector = Mean(rebuilds).fit(images)
    anomaly = detector.score(images)
    assert torch.equal(anomaly.expected, detector.mean.expand_as(images))
    findings = check_detector(
        detector, Preprocessing.of(store), store, anomaly.image.double().numpy(), detector.journal
    )
    assert ("collapsed reconstructions" in [finding.name for finding in findings]) is rebuilds


def test_the_map_of_a_reconstruction_is_its_difference_blurred() -> None:
    images = torch.rand(6, 1, 24, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1
    detector = Reconstruction(Autoencoder(width=4), difference="l2", smoothing=1.5).fit(images, steps(2))
    anomaly = detector.score(images)
    assert anomaly.pixel is not None
    assert anomaly.reconstruction is not None
    error = (images - anomaly.reconstruction).square().mean(1)[0].numpy()
    np.testing.assert_allclose(
        anomaly.pixel[0, 0].numpy(), gaussian_filter(error, 1.5, mode="mirror", truncate=3.5), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (np.zeros((6, 8)), "Mean: seen is True nowhere, and items are of 1x6x8; give"),
        (np.ones((8, 6)), r"seen is of shape \(8, 6\), and items are of 1x6x8"),
        (torch.ones(1, 6, 8), r"seen is of shape \(1, 6, 8\)"),
    ],
)
def test_a_region_lies_in_the_images(seen: Any, message: str) -> None:
    images = torch.zeros(4, 1, 6, 8)
    with pytest.raises(DataError, match=message):
        Mean(rebuilds=False).fit(images, seen=seen)
    detector = Mean(rebuilds=False).fit(images, seen=[[True] + 7 * [False]] + 5 * [8 * [False]])
    assert detector.in_view(torch.arange(48)[None], (6, 8)).tolist() == [[0]]
    with pytest.raises(DataError, match="seen is of shape"):
        Mean(rebuilds=False).fit(ROWS, seen=np.ones((6, 8)))


def test_labels_go_to_models_that_learn_them_alone() -> None:
    images, labels = torch.rand(12, 1, 8, 8) * 2 - 1, torch.arange(12) % 3
    model = GatedPixelCNN(levels=2, width=4, layers=1, classes=3)
    assert Likelihood(model).fit((images, labels), steps(2)).score(images).image.shape == (12,)
    for detector in (Mahalanobis(), Reconstruction(Autoencoder(width=4))):
        with pytest.raises(DataError, match="learns from items alone; give no tuple"):
            detector.fit((images, labels), steps(2))


class Answering(Detector):
    """Answers every batch with the same."""

    card: ClassVar[Card] = Card(family="test", idea="answers", paper="none")

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer = answer

    def score_batch(self, images: Tensor) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (torch.zeros(3), "Answering.score_batch gave a Tensor; it must give an Anomaly"),
        (Anomaly(torch.zeros(())), r"gave scores of shape \(\) for 3 items; it must give one each, \(n,\)"),
        (Anomaly(torch.zeros(3, 1)), r"gave scores of shape \(3, 1\) for 3 items"),
    ],
)
def test_answers_that_are_no_scores_are_refused(answer: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Answering(answer).fit(ROWS).score(ROWS[:3])


def test_a_detector_that_no_record_could_name_is_refused_before_data_are_read() -> None:
    for estimator in (Inspector(Answering()), Inspector(Ensemble((Mahalanobis(), Answering())))):
        with pytest.raises(UsageError, match="Answering is not known to the registry; install it as a plug-in"):
            estimator.fit("no folder of this name")


def test_arguments_that_a_constructor_does_not_store_are_named() -> None:
    detector = Watching()
    del detector.reference_share
    with pytest.raises(UsageError, match="Watching must store its argument 'reference_share' under that name"):
        detector.fit(ROWS)


def test_rows_keep_their_digits_until_they_are_standardised() -> None:
    since = 1_700_000_000  # seconds: of time stamps, single precision knows every 128th
    seconds = torch.randint(100, (40, 3), generator=torch.Generator().manual_seed(1))
    expected = Mahalanobis().fit(seconds).score(seconds[:7]).image
    for rows in (since + seconds, since + seconds.double(), (since + seconds).numpy()):
        detector = Mahalanobis().fit(rows, validation=rows)
        torch.testing.assert_close(detector.score(rows[:7]).image, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(detector(rows[:7]).image, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(detector.embed(rows[:7]), detector.embed((since + seconds[:7]).tolist()))


def test_rows_are_shown_in_their_own_units() -> None:
    rows = (ROWS @ torch.tensor([[1.0, 0.8, 0.1], [0.0, 0.3, 1.0], [0.0, 0.0, 0.01]])).numpy()
    rows = rows * [1, 50, 0.001] + [0, 1000, 7]
    scaler, components = StandardScaler().fit(rows), decomposition.PCA(2)
    rebuilt = scaler.inverse_transform(components.inverse_transform(components.fit_transform(scaler.transform(rows))))
    anomaly = PCA().fit(rows).score(rows[:5])
    np.testing.assert_allclose(anomaly.reconstruction, rebuilt[:5], rtol=1e-6)
    np.testing.assert_allclose(Mean(rebuilds=False).fit(rows).score(rows[:5]).normal, [rows.mean(0)] * 5, rtol=1e-6)


def test_what_is_expected_is_the_normal_item_where_there_is_one() -> None:
    scores, normal, rebuilt = torch.zeros(2), torch.ones(2, 3), torch.full((2, 3), 2.0)
    assert Anomaly(scores).expected is None
    assert Anomaly(scores, reconstruction=rebuilt).expected is rebuilt
    assert Anomaly(scores, normal=normal, reconstruction=rebuilt).expected is normal


def test_models_among_the_arguments_are_trained_each_after_those_within_it() -> None:
    f_anogan = FAnoGAN(model=FAnoGANEncoding(DCGAN()))
    assert f_anogan.phases() == (f_anogan.gan, f_anogan.model)
    ensemble = Ensemble((Mahalanobis(), f_anogan, Mahalanobis(features=Autoencoder(code=2))))
    assert ensemble.phases() == (f_anogan.gan, f_anogan.model, ensemble.detectors[2].features)
    assert ControlChart(ensemble).phases() == ensemble.phases()
    assert Mahalanobis().phases() == ()


def test_arguments_are_found_in_their_home() -> None:
    ganomaly = GANomaly(latent=7, bn_mode="batch")
    assert (ganomaly.model.latent, ganomaly.model.width, ganomaly.bn_mode) == (7, 64, "batch")
    assert FAnoGAN(gan=DCGAN(latent=3), width=16).gan.latent == 3
    svdd = DeepSVDD(code=32, widths=(8, 16), learning_rate=1e-3, boundary="soft")
    assert (svdd.pretraining.code, svdd.model.pretraining.learning_rate, svdd.model.boundary) == (32, 1e-3, "soft")
    autoencoder = ConvAEOneClassSVM(code=8, width=8).model
    assert (autoencoder.code, autoencoder.layout, autoencoder.learning_rate) == (8, "flat", 1e-3)
    network = DBNOneClassSVM(hidden=(64,), boundary="ball").model
    assert (network.hidden, network.chains) == ((64,), 0)


@pytest.mark.parametrize(
    ("make", "argument", "value", "message"),
    [
        (GANomaly, "model.adversarial", "bec", "adversarial is 'bec'; it must be 'features' or 'bce'; did you mean"),
        (SkipGANomaly, "difference", "l3", "difference is 'l3'; it must be 'l1' or 'l2'"),
        (FAnoGAN, "model.loss", "izif", "loss is 'izif'; it must be 'izi_f', 'izi' or 'ziz'; did you mean"),
        (EGBAD, "discrimination", "sigmoit", "discrimination is 'sigmoit'; .*did you mean"),
        (ALOCC, "judged", "refine", "judged is 'refine'; .*did you mean"),
        (Reconstruction, "difference", "l3", "difference is 'l3'"),
        (Reconstruction, "model", DCGAN(), "model is DCGAN; it must be a model that reconstructs"),
        (GANomaly, "model.learning_rate", -1.0, "learning_rate is -1.0; it must be a number above 0"),
        (GANomaly, "model.latent", 0, "latent is 0; it must be a whole number of at least 1"),
        (DeepSVDD, "model.boundary", "firm", "boundary is 'firm'; it must be 'hard' or 'soft'"),
    ],
)
def test_wrong_arguments_are_refused_before_data_are_read(
    make: type[Detector], argument: str, value: object, message: str
) -> None:
    detector = make()
    *parts, name = argument.split(".")
    home = detector
    for part in parts:
        home = getattr(home, part)
    setattr(home, name, value)  # the type checker of these tests refuses it as an argument
    with pytest.raises(UsageError, match=message):
        detector.fit("no source at all")


def test_a_detector_in_double_precision_takes_any_items_and_one_in_half_is_refused() -> None:
    images = 2 * torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) - 1
    options = TrainingOptions(budget=Budget(steps=2), batch_size=8)
    detector = Reconstruction(Autoencoder(code=4, width=4)).fit(images, options)
    single = detector.score(images).image
    double = detector.double().score(images).image
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single)
    assert torch.equal(detector.model.reconstruct(images), detector.model.reconstruct(images.double()))
    with pytest.raises(UsageError, match="this Reconstruction was turned into one of float16, in which"):
        detector.half().score(images)
    rows = torch.rand(30, 3, generator=torch.Generator().manual_seed(1))
    with pytest.raises(UsageError, match="this Mahalanobis was turned into one of bfloat16"):
        Mahalanobis().fit(rows).bfloat16().score(rows)


@pytest.mark.parametrize("unit", [1e-9, 1e-30, 1e30])
def test_the_unit_of_a_column_makes_no_difference(unit: float) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, new = torch.randn(2, 60, 4, generator=generator, dtype=torch.float64).unbind()
    units = torch.tensor([1.0, 1.0, unit, unit], dtype=torch.float64)
    for make in (Mahalanobis, PCA, NearestNeighbour):
        expected, scores = make().fit(rows).score(new), make().fit(rows * units).score(new * units)
        torch.testing.assert_close(scores.image, expected.image, rtol=1e-5, atol=1e-6)


def test_a_column_too_small_for_single_precision_is_refused() -> None:
    rows = torch.randn(20, 2, dtype=torch.float64) * torch.tensor([1.0, 5e-41], dtype=torch.float64)
    with pytest.raises(
        DataError, match=r"^column 2 given to PCA varies by \d.*e-41, which single precision cannot hold"
    ):
        PCA().fit(rows)


def test_a_part_that_another_fit_has_taken_over_is_noticed() -> None:
    options = TrainingOptions(budget=Budget(steps=1))
    images, others = torch.rand(2, 8, 1, 8, 8).unbind()
    model = Autoencoder(code=2, width=4)
    first = Reconstruction(model).fit(images, options)
    kept = deepcopy(first)
    expected = first.score(images).image
    second = Reconstruction(model).fit(others, options)
    second.score(images)
    with pytest.raises(NotFittedError, match="another fit has taken over a part of this Reconstruction; give each"):
        first.score(images)
    assert torch.equal(kept.score(images).image, expected), "a copy has parts of its own"
    assert torch.equal(first.fit(images, options).score(images).image, expected)
    model.fit(others, options)
    with pytest.raises(NotFittedError, match="taken over a part of this Reconstruction"):
        first.embed(images)


def test_a_member_that_is_fitted_by_itself_is_no_longer_the_ensemble_s() -> None:
    rows = torch.randn(40, 3)
    member = PCA()
    ensemble = Ensemble((Mahalanobis(), member)).fit(rows)
    ensemble.score(rows)
    member.fit(2 * rows + 1)
    with pytest.raises(NotFittedError, match="taken over a part of this Ensemble"):
        ensemble.score(rows)


def test_one_part_in_two_places_is_refused() -> None:
    member, model = PCA(), Autoencoder(code=2, width=4)
    with pytest.raises(UsageError, match=r"^Ensemble: detectors.0 and detectors.1 are one PCA; give each an object"):
        Ensemble((member, member)).fit(torch.randn(20, 3))
    with pytest.raises(UsageError, match=r"detectors.0.model and detectors.1.features are one Autoencoder"):
        Ensemble((Reconstruction(model), OneClassSVM(model))).fit(torch.rand(8, 1, 8, 8))
