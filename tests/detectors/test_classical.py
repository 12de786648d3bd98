"""The classical detectors against scikit-learn and closed forms."""

from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from sklearn import decomposition
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.svm import OneClassSVM as SklearnSVM

from hizumi.detectors import PCA, GaussianMixture, Mahalanobis, OneClassSVM
from hizumi.detectors.features import FeatureSpace
from hizumi.detectors.gaussian import Gaussian
from hizumi.errors import UsageError
from hizumi.models import GAN, Autoencoder
from hizumi.training import Budget, TrainingOptions

RANDOM = torch.Generator().manual_seed(0)
MIXING = torch.randn(5, 5, generator=RANDOM)
TRAIN = torch.randn(300, 5, generator=RANDOM) @ MIXING + 3
TEST = torch.randn(80, 5, generator=RANDOM) @ MIXING * 2 + 3


def standardised(rows: torch.Tensor) -> np.ndarray:
    mean, deviation = TRAIN.double().mean(0), TRAIN.double().std(0, correction=0)
    return ((rows.double() - mean) / deviation).numpy()


def test_mahalanobis_equals_scikit_learn() -> None:
    for name, estimator in (("ledoit-wolf", LedoitWolf()), ("empirical", EmpiricalCovariance())):
        ours = Mahalanobis(covariance=name).fit(TRAIN).score(TEST).image.numpy()
        theirs = estimator.fit(standardised(TRAIN)).mahalanobis(standardised(TEST))
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def test_mahalanobis_of_windows_equals_scikit_learn_though_they_are_fewer_than_their_steps() -> None:
    generator = torch.Generator().manual_seed(3)
    windows = torch.randn(60, 3, 1, 40, generator=generator).cumsum(3) / 20
    windows[:, 1] = 0.25  # a channel that never moves
    new = torch.randn(9, 3, 1, 40, generator=generator).cumsum(3) / 20
    detector = Mahalanobis().fit(windows)
    scores = detector.score(new).image
    reference = LedoitWolf().fit(windows.flatten(1).double().numpy())
    np.testing.assert_allclose(scores, reference.mahalanobis(new.flatten(1).double().numpy()), rtol=1e-4)
    assert detector.degrees_of_freedom is None
    contributions = detector.contributions(new)
    assert contributions is not None
    np.testing.assert_allclose(contributions.sum((1, 2, 3)), scores, rtol=1e-9)
    moved = windows[:1].clone()
    moved[:, 1, 0, 7] += 0.6
    contributions = detector.contributions(moved)
    assert contributions is not None
    assert int(contributions[0].flatten().argmax()) == 47
    assert detector.score(moved).image > 3 * detector.score(windows).image.max()


def test_mahalanobis_does_not_change_under_affine_maps() -> None:
    matrix, shift = torch.randn(5, 5, generator=RANDOM), torch.randn(5, generator=RANDOM)
    plain = Mahalanobis(covariance="empirical").fit(TRAIN).score(TEST).image
    mapped = Mahalanobis(covariance="empirical").fit(TRAIN @ matrix + shift).score(TEST @ matrix + shift).image
    torch.testing.assert_close(plain, mapped, rtol=1e-3, atol=1e-3)


def test_mahalanobis_scores_follow_chi_square() -> None:
    many = torch.randn(20000, 5, generator=RANDOM) @ MIXING
    detector = Mahalanobis(covariance="empirical").fit(many)
    fresh = detector.score(torch.randn(20000, 5, generator=RANDOM) @ MIXING).image.numpy()
    assert detector.degrees_of_freedom == 5
    for rate in (0.1, 0.01):
        share = (fresh > chi2.isf(rate, 5)).mean()
        assert share == pytest.approx(rate, abs=4 * np.sqrt(rate / 20000) + 0.1 * rate)


def test_identity_is_the_distance_from_the_mean() -> None:
    detector = Mahalanobis(covariance="identity").fit(TRAIN)
    scores = detector.score(TEST).image.numpy()
    np.testing.assert_allclose(scores, (standardised(TEST) ** 2).sum(1), rtol=2e-5)
    assert detector.degrees_of_freedom is None


def test_robust_covariance_sees_through_contamination() -> None:
    dirty = torch.cat([TRAIN, torch.full((30, 5), 40.0) + torch.randn(30, 5, generator=RANDOM)])
    outlier = torch.full((1, 5), 40.0)
    robust, plain = (Mahalanobis(covariance=c).fit(dirty).score(outlier).image for c in ("robust", "empirical"))
    assert float(robust) > 100 * float(plain)


def test_a_mixture_has_no_more_gaussians_than_there_are_different_items() -> None:
    rows = torch.tensor([[0.0, 1.0], [2.0, -1.0]]).repeat(10, 1)
    # Of more, scikit-learn would warn, which is an error here.
    assert len(GaussianMixture(max_components=5).fit(rows).means) == 2
    assert len(GaussianMixture().fit(rows[:1].repeat(12, 1)).means) == 1


def test_mixture_equals_scikit_learn_and_finds_the_number_of_groups() -> None:
    groups = torch.cat([torch.randn(150, 2, generator=RANDOM) * 0.3 + c for c in (-3.0, 0.0, 4.0)])
    detector = GaussianMixture().fit(groups)
    assert detector.means is not None
    assert len(detector.means) == 3
    rows = ((groups.double() - groups.double().mean(0)) / groups.double().std(0, correction=0)).numpy()
    reference = SklearnMixture(3, reg_covar=1e-6, n_init=2, max_iter=500, random_state=0).fit(rows)
    between = torch.from_numpy((reference.means_[[0, 1, 2]] + reference.means_[[1, 2, 0]]) / 2)  # of several groups
    both = torch.cat([groups.double(), between * groups.double().std(0, correction=0) + groups.double().mean(0)])
    theirs = reference.score_samples(np.concatenate([rows, between.numpy()]))
    np.testing.assert_allclose(detector.score(both.float()).image.numpy(), -theirs, rtol=1e-4, atol=1e-4)


def test_one_class_svm_equals_scikit_learn() -> None:
    ours = OneClassSVM(nu=0.1).fit(TRAIN).score(TEST).image.numpy()
    rows = standardised(TRAIN)
    reference = SklearnSVM(nu=0.1, gamma=1 / (5 * rows.var()), tol=1e-6).fit(rows)
    np.testing.assert_allclose(ours, -reference.decision_function(standardised(TEST)), atol=1e-5)


def test_nu_bounds_the_share_of_training_data_outside() -> None:
    for nu in (0.02, 0.1, 0.3):
        outside = (OneClassSVM(nu=nu).fit(TRAIN).score(TRAIN).image > 1e-6).float().mean()
        assert float(outside) <= nu + 2 / len(TRAIN)


@pytest.mark.parametrize("count", [40, 400])  # fewer images than pixels, and more
def test_principal_components_equal_scikit_learn(count: int) -> None:
    rows = torch.randn(count, 8, generator=RANDOM).double() @ torch.randn(8, 100, generator=RANDOM).double()
    rows = rows + 0.1 * torch.randn(count, 100, generator=RANDOM).double()
    space = FeatureSpace("pca", 0.9)
    features = space.fit(rows, images=False)
    reference = decomposition.PCA(0.9, svd_solver="full").fit(rows.numpy())
    scores = reference.transform(rows.numpy())
    assert features.shape[1] == scores.shape[1] + 1
    np.testing.assert_allclose(features[:, :-1].abs().numpy(), np.abs(scores), atol=1e-6)
    distance = np.linalg.norm(rows.numpy() - reference.inverse_transform(scores), axis=1)
    np.testing.assert_allclose(features[:, -1].numpy(), distance, atol=1e-6)


def test_pca_equals_scikit_learn_and_splits_the_distance() -> None:
    detector = PCA(variance_share=0.8).fit(TRAIN)
    scores = detector.score(TEST)
    reference = decomposition.PCA(0.8, svd_solver="full").fit(standardised(TRAIN))
    coefficients = reference.transform(standardised(TEST))
    rebuilt = reference.inverse_transform(coefficients)
    assert coefficients.shape[1] < 5
    assert scores.reconstruction is not None
    np.testing.assert_allclose(standardised(scores.reconstruction), rebuilt, atol=1e-5)
    np.testing.assert_allclose(scores.image.numpy(), ((standardised(TEST) - rebuilt) ** 2).mean(1), rtol=1e-4)
    # scikit-learn divides variances by n - 1
    within = (coefficients**2 / (reference.explained_variance_ * 299 / 300)).sum(1)
    np.testing.assert_allclose(scores.terms["within"].numpy(), within, rtol=1e-4)
    # Pythagoras: what the components leave and what they hold make up the distance from the mean.
    plain = Mahalanobis(covariance="identity").fit(TRAIN).score(TEST).image.numpy()
    np.testing.assert_allclose(5 * scores.image.numpy() + (coefficients**2).sum(1), plain, rtol=1e-4)


@pytest.mark.parametrize("statistic", ["residual", "within", "combined"])
def test_each_statistic_of_pca_is_the_sum_of_its_contributions(statistic: str) -> None:
    generator = torch.Generator().manual_seed(3)
    windows = torch.randn(60, 2, 1, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    detector = PCA(variance_share=0.8, smoothing=0.0, statistic=statistic).fit(windows / 8)
    scores, training = detector.score(windows[:9] / 4), detector.score(windows / 8)
    assert torch.equal(scores.image, scores.terms[statistic])
    contributions = detector.contributions(windows[:9] / 4)
    assert contributions is not None
    torch.testing.assert_close(contributions.flatten(1).sum(1), scores.image)
    assert scores.pixel is not None
    torch.testing.assert_close(scores.pixel, 12 * contributions.mean(1, keepdim=True).float())
    # Of the training data, T² averages the number of axes, and each half of the combined index 1.
    assert float(training.terms["within"].mean()) == pytest.approx(detector.axes.shape[1])
    assert float(training.terms["combined"].mean()) == pytest.approx(2)
    halves = scores.terms["residual"] / training.terms["residual"].mean() + scores.terms["within"] / len(
        detector.variances
    )
    torch.testing.assert_close(scores.terms["combined"], halves)


@pytest.mark.parametrize("statistic", ["residual", "combined"])
def test_pca_of_a_single_number_has_no_axis_and_squares_it(statistic: Literal["residual", "combined"]) -> None:
    anomaly = PCA(statistic=statistic).fit(TRAIN[:, :1]).score(TEST[:, :1])
    torch.testing.assert_close(anomaly.image, torch.from_numpy(standardised(TEST)[:, 0] ** 2), rtol=1e-5, atol=1e-8)
    assert all(term.isfinite().all() for term in anomaly.terms.values())


def test_pca_leaves_a_direction_out_however_much_it_is_to_hold() -> None:
    scores = PCA(variance_share=1.0).fit(TRAIN).score(TEST)
    axis = np.linalg.eigh(np.cov(standardised(TRAIN).T))[1][:, 0]
    np.testing.assert_allclose(scores.image.numpy(), (standardised(TEST) @ axis) ** 2 / 5, rtol=1e-3, atol=1e-6)
    only = TRAIN[:, :1]
    one_column = PCA().fit(only).score(TEST[:, :1]).image.numpy()
    np.testing.assert_allclose(one_column, standardised(TEST)[:, 0] ** 2, rtol=1e-4)
    with pytest.raises(UsageError, match=r"variance_share is 1\.5; it must be a number above 0"):
        PCA(variance_share=1.5).fit(TRAIN)


def test_a_field_of_gaussians_equals_one_by_one() -> None:
    means, factors = torch.randn(3, 4, generator=RANDOM), torch.randn(3, 4, 4, generator=RANDOM)
    covariances = factors @ factors.mT + torch.eye(4)
    values = torch.randn(6, 3, 4, generator=RANDOM)
    field = Gaussian()
    field.assign(means, covariances)
    centred = values - means
    expected = torch.einsum("npi,pij,npj->np", centred, torch.linalg.inv(covariances), centred)
    torch.testing.assert_close(field.squared_distance(values), expected, rtol=1e-4, atol=1e-4)


def test_constant_column_stays_visible() -> None:
    rows = TRAIN.clone()
    rows[:, 2] = 7.0
    moved = rows[:5].clone()
    moved[:, 2] = 8.0
    for found in (Mahalanobis, GaussianMixture, OneClassSVM):
        detector = found().fit(rows)
        good, bad = detector.score(rows[:5]).image, detector.score(moved).image
        assert torch.isfinite(bad).all()
        assert bool((bad > good).all())


def test_codes_of_an_encoder_as_features() -> None:
    detector = Mahalanobis(features=Autoencoder(code=3))
    detector.fit(TRAIN, TrainingOptions(budget=Budget(steps=200)))
    assert detector.embed(TEST).shape == (80, 3)
    assert detector.degrees_of_freedom == 3
    far = detector.score(TEST + 30).image.mean()
    assert far > detector.score(TRAIN).image.mean()


def test_features_that_make_no_sense_are_refused() -> None:
    for argument, value, message in (
        ("features", GAN(hidden=(8,)), "features is GAN; it must be 'auto', 'raw'.* or a model that encodes"),
        ("features", "codes", "features is 'codes'; it must be 'auto'"),
        ("covariance", "full", "covariance is 'full'"),
    ):
        detector = Mahalanobis()
        setattr(detector, argument, value)  # the type checker of these tests refuses it as an argument
        with pytest.raises(UsageError, match=message):
            detector.fit(TRAIN, TrainingOptions(budget=Budget(steps=1)))
    with pytest.raises(UsageError, match="variance_share is 95"):
        OneClassSVM(features="pca", variance_share=95).fit(TRAIN)
