"""One-class networks and machines against closed forms, definitions and scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from sklearn.svm import OneClassSVM as Reference
from torch import nn

from hizumi.data.contrast import contrast_normalised
from hizumi.data.stream import TensorSource
from hizumi.detectors import ConvAEOneClassSVM, DBNOneClassSVM, DeepOneClass, DeepSVDD, OneClassSVM
from hizumi.detectors.deep_svdd import DeepSVDDTraining, Pretraining
from hizumi.detectors.features import FeatureSpace
from hizumi.detectors.support import SupportVectorBall, SupportVectorMachine
from hizumi.errors import DataError, UsageError
from hizumi.objectives import compactness
from hizumi.training import Budget, TrainingOptions
from hizumi.training.checkpoint import load_fitted

RANDOM = torch.Generator().manual_seed(0)
ROWS = (torch.randn(400, 4, generator=RANDOM) @ torch.randn(4, 4, generator=RANDOM)).double() + 1.5
OTHERS = torch.randn(150, 4, generator=RANDOM).double() * 2 + 1.5
IMAGES = torch.rand(24, 1, 16, 16, generator=RANDOM) * 2 - 1


def short(steps: int = 3) -> TrainingOptions:
    return TrainingOptions(budget=Budget(steps=steps), batch_size=8)


# Support vector machines


@pytest.mark.parametrize("machine", [SupportVectorMachine(k, 0.1) for k in ("rbf", "fourier", "linear")])
def test_machines_equal_scikit_learn(machine: SupportVectorMachine) -> None:
    """Exactly with the exact kernel; the others up to a scale, as far as descent and random features go."""
    machine.fit(ROWS)
    kernel = "linear" if machine.kernel == "linear" else "rbf"
    theirs = (
        -Reference(kernel=kernel, nu=0.1, gamma=1 / (4 * float(ROWS.var(correction=0))), tol=1e-6)
        .fit(ROWS.numpy())
        .decision_function(OTHERS.numpy())
    )
    ours = machine(OTHERS).numpy()
    if machine.kernel == "rbf":
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    else:
        assert np.corrcoef(ours, theirs)[0, 1] > 0.98
        assert ((ours > 0) == (theirs > 0)).mean() > 0.95


def test_random_features_approach_the_kernel() -> None:
    machine = SupportVectorMachine("fourier", 0.1)
    machine.fit(ROWS)
    features = machine.features(OTHERS)
    kernel = (-torch.cdist(OTHERS, OTHERS).square() / (4 * ROWS.var(correction=0))).exp()
    error = (features @ features.T - kernel).abs()
    assert error.square().mean().sqrt() < 1 / np.sqrt(1024)  # the standard error of so many random features
    assert error.max() < 5 / np.sqrt(1024)


@pytest.mark.parametrize("nu", [0.02, 0.1, 0.33])
@pytest.mark.parametrize("kernel", ["rbf", "fourier", "linear", "ball"])
def test_nu_bounds_the_share_outside(kernel: str, nu: float) -> None:
    machine = SupportVectorBall(nu) if kernel == "ball" else SupportVectorMachine(kernel, nu)
    machine.fit(ROWS)
    outside = float((machine(ROWS) > 1e-5).double().mean())
    assert nu - 0.05 <= outside <= nu + 1 / len(ROWS)


def test_the_ball_is_the_optimum_of_its_quadratic_programme() -> None:
    rows, nu = ROWS[:15, :2], 0.3
    count = len(rows)

    def cost(values: np.ndarray) -> float:
        return float(values[2] + values[3:].sum() / (nu * count))

    def slack(values: np.ndarray) -> np.ndarray:
        return values[2] + values[3:] - ((rows.numpy() - values[:2]) ** 2).sum(1)

    start = np.concatenate([rows.mean(0).numpy(), [30.0], np.zeros(count)])
    bounds = [(None, None)] * 2 + [(0, None)] * (count + 1)
    solved = minimize(cost, start, constraints={"type": "ineq", "fun": slack}, bounds=bounds, tol=1e-12)
    ball = SupportVectorBall(nu)
    ball.fit(rows)
    assert ball.centre is not None
    assert ball.squared_radius is not None
    ours = float(ball.squared_radius + ball(rows).relu().sum() / (nu * count))
    assert ours == pytest.approx(solved.fun, rel=1e-4)
    np.testing.assert_allclose(ball.centre.numpy(), solved.x[:2], atol=0.02)


def test_an_encoder_without_stages_is_refused() -> None:
    with pytest.raises(UsageError, match="widths is empty; give the channels of one stage or more"):
        DeepSVDD(DeepSVDDTraining(Pretraining(widths=()))).fit(IMAGES)


def test_machines_refuse_what_makes_no_sense() -> None:
    detector = ConvAEOneClassSVM()
    detector.kernel = "cubic"  # the type checker of these tests refuses it as an argument
    with pytest.raises(UsageError, match="kernel is 'cubic'; it must be 'rbf', 'fourier' or 'linear'"):
        detector.fit(IMAGES)
    for nu in (0.0, 1.0, 5):
        for found in (OneClassSVM, ConvAEOneClassSVM, DBNOneClassSVM, DeepSVDD):
            with pytest.raises(UsageError, match=f"nu is {nu}; it must be a number above 0 and below 1"):
                found(nu=nu).fit(IMAGES)


def test_codes_are_whitened_and_wide_ones_reduced() -> None:
    standardised = ((ROWS - ROWS.mean(0)) / ROWS.std(0, correction=0)).numpy()
    for kept in (2, 256):
        space = FeatureSpace(ConvAEOneClassSVM().model, max_whitened=kept)
        features = space.fit(ROWS, images=False)
        reference = PCA(min(kept, 4)).fit(standardised)
        variances = reference.explained_variance_ * (len(ROWS) - 1) / len(ROWS)
        theirs = reference.transform(standardised) / np.sqrt(variances + 1e-3)
        np.testing.assert_allclose(features.abs().numpy(), np.abs(theirs), atol=1e-8)


def test_codes_go_to_the_machine() -> None:
    autoencoder = ConvAEOneClassSVM(code=6, width=4).fit(IMAGES, short())
    codes = autoencoder.embed(IMAGES).numpy()
    theirs = -Reference(nu=0.05, gamma=1 / (6 * codes.var()), tol=1e-6).fit(codes).decision_function(codes)
    np.testing.assert_allclose(autoencoder.score(IMAGES).image.numpy(), theirs, atol=1e-5)
    for boundary in ("linear", "ball"):
        network = DBNOneClassSVM(hidden=(12, 5), boundary=boundary).fit(IMAGES, short(8))
        codes = network.model.encode(IMAGES.double()).detach()
        features = codes if boundary == "linear" else network.space(codes)
        torch.testing.assert_close(network.score(IMAGES).image, network.machine(features))
        again = SupportVectorBall(0.05) if boundary == "ball" else SupportVectorMachine(boundary, 0.05)
        again.fit(features)
        torch.testing.assert_close(network.machine.state_dict(), again.state_dict())  # of what is judged, too
        assert bool((codes >= 0).all())  # without which no plane would part them from the origin


# Deep SVDD


def linear_ball(boundary: str, weight_decay: float) -> DeepSVDDTraining:
    pretraining = Pretraining(3, (8, 4), False, learning_rate=0.02).prepare((4,))
    pretraining.encoder = nn.Linear(4, 3, bias=False)
    return DeepSVDDTraining(pretraining, boundary, nu=0.2, warm_up=0.1, weight_decay=weight_decay).prepare((4,))


def test_deep_svdd_finds_the_optimum_of_a_linear_network() -> None:
    torch.manual_seed(0)
    items, weight_decay = ROWS.float(), 0.3
    ball = linear_ball("hard", weight_decay)
    with torch.no_grad():
        ball.begin(TensorSource(items))
    for step in range(1500):
        ball.clock.progress = step / 1500
        ball.step(items)
    # d/dW of mean |Wx - c|² + wd/2 |W|² is 0 at W = 2 c mᵀ (2 S + wd I)⁻¹, S = mean x xᵀ, m = mean x.
    second_moments = 2 * ROWS.T @ ROWS / len(ROWS) + weight_decay * torch.eye(4)
    optimum = 2 * ball.centre.double()[:, None] * torch.linalg.solve(second_moments, ROWS.mean(0))
    assert isinstance(ball.encoder, nn.Linear)
    torch.testing.assert_close(ball.encoder.weight.double(), optimum, rtol=1e-3, atol=1e-4)


def test_the_centre_is_the_mean_code_away_from_zero() -> None:
    ball = linear_ball("hard", 0.0)
    assert isinstance(ball.encoder, nn.Linear)
    with torch.no_grad():
        ball.encoder.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1e-3, 0], [0, 0, 0, -1e-3]]))
        ball.begin(TensorSource(torch.tensor([[3.0, 0, 1, 1], [1.0, 0, 1, 1]])))
    assert ball.centre.tolist() == pytest.approx([2.0, 0.1, -0.1])


def test_the_soft_radius_is_the_quantile_that_minimises_the_loss() -> None:
    torch.manual_seed(0)
    ball = linear_ball("soft", 0.0)
    items = ROWS.float()
    ball.step(items)
    assert float(ball.radius) == 0  # still warming up
    ball.clock.progress = 0.5
    distances = ball.squared_distances(items).detach().sqrt().numpy()
    ball.step(items)
    assert float(ball.radius) == pytest.approx(float(np.quantile(distances, 0.8)), rel=1e-5)
    losses = {r: r**2 + np.maximum(distances**2 - r**2, 0).mean() / 0.2 for r in np.linspace(0, distances.max(), 2000)}
    assert min(losses, key=losses.__getitem__) == pytest.approx(float(ball.radius), rel=0.02)
    detector = DeepSVDD(boundary="soft", code=4).fit(ROWS.float(), short())
    first, ball = detector.model.pretraining.encoder, detector.model.encoder
    assert not any(torch.equal(*pair) for pair in zip(first.parameters(), ball.parameters(), strict=True))  # a copy
    vectors = detector._standardise(OTHERS.float())
    square = detector.model.squared_distances(vectors) - detector.model.radius.square()
    torch.testing.assert_close(detector.score(OTHERS.float()).image, square)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 21, 34), (6,)])
def test_nothing_but_weights_that_multiply_can_learn(shape: tuple[int, ...]) -> None:
    detector = DeepSVDD(widths=(8, 4), code=32).prepare(shape)
    for phase in detector.phases():
        for name, parameter in phase.named_parameters():
            assert name.endswith("weight")
            assert parameter.ndim > 1
    if shape == (1, 28, 28):  # the published network: 5x5 kernels 1-8-4, then 4 x 7 x 7 to 32
        assert sum(p.numel() for p in detector.model.parameters()) == 25 * 8 + 25 * 8 * 4 + 196 * 32


def test_contrast_is_normalised_as_published() -> None:
    images = IMAGES * torch.linspace(0.1, 1, 24)[:, None, None, None] + 0.2
    for image, ours in zip(images.numpy(), contrast_normalised(images).numpy(), strict=True):
        centred = image - image.mean()
        np.testing.assert_allclose(ours, centred / np.abs(centred).mean(), rtol=1e-4, atol=1e-5)
    detector = DeepSVDD(widths=(4,), code=4).fit(images, short())
    inputs = detector.pretraining.inputs(images)
    assert inputs.aminmax() == (pytest.approx(0), pytest.approx(1))
    brighter = detector.score(0.5 * images + 0.1).image  # no lamp changes the score
    torch.testing.assert_close(brighter, detector.score(images).image, rtol=1e-3, atol=1e-6)
    flat = contrast_normalised(torch.full((1, 1, 4, 4), 0.3))
    assert float(flat.abs().max()) < 1e-3


# Deep one-class features


def test_compactness_is_its_definition() -> None:
    features = torch.randn(7, 5, generator=RANDOM, dtype=torch.float64, requires_grad=True)
    others = [torch.cat([features[:i], features[i + 1 :]]).mean(0) for i in range(7)]
    terms = torch.stack([(row - mean).square().sum() for row, mean in zip(features, others, strict=True)])
    torch.testing.assert_close(compactness(features), terms.sum() / (7 * 5))
    assert torch.autograd.gradcheck(compactness, features)  # against finite differences
    assert float(compactness(features[:1]).detach()) == 0


@pytest.fixture(scope="module")
def doc() -> DeepOneClass:
    return DeepOneClass(width=4, features=8, templates=5, smoothing=0.0).fit(IMAGES, short())


def test_a_template_is_at_distance_zero_and_others_at_that_of_the_nearest(doc: DeepOneClass) -> None:
    assert doc.template_images is not None
    assert len(doc.template_images) == 5
    assert float(doc.score(doc.template_images).image.max()) < 1e-5
    features, templates = doc.embed(IMAGES).numpy(), doc.embed(doc.template_images).numpy()
    nearest = np.linalg.norm(features[:, None] - templates, axis=2).min(1)
    np.testing.assert_allclose(doc.score(IMAGES).image.numpy(), nearest, atol=1e-5)


def test_the_map_is_the_slope_of_the_score_times_the_difference(doc: DeepOneClass) -> None:
    exact = DeepOneClass(width=4, features=8, templates=5, smoothing=0.0).prepare(IMAGES.shape[1:])
    load_fitted(exact, doc.state_dict())
    exact.double()
    image = torch.randn(1, 1, 16, 16, generator=RANDOM).double()
    anomaly = exact.score(image)
    assert anomaly.pixel is not None
    assert anomaly.normal is not None
    for row, column in ((3, 4), (8, 8), (15, 0)):
        nudge = torch.zeros_like(image)
        nudge[0, 0, row, column] = 1e-6
        rise = (exact.score(image + nudge).image - exact.score(image - nudge).image) / 2e-6
        share = float(rise) * float(image[0, 0, row, column] - anomaly.normal[0, 0, row, column])
        assert abs(share) == pytest.approx(float(anomaly.pixel[0, 0, row, column]), rel=1e-3, abs=1e-7)


def test_a_reference_set_of_ones_own(tmp_path: Path, doc: DeepOneClass) -> None:
    for kind, level in (("dark", 30), ("bright", 220)):
        (tmp_path / kind).mkdir()
        for index in range(5):
            pixels = np.full((20, 30, 3), level + index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{index}.png")
    detector = DeepOneClass(reference=str(tmp_path), width=4, features=8, classes=2)
    detector.fit(IMAGES, TrainingOptions(budget=Budget(steps=150), batch_size=8))
    for kind in ("dark", "bright"):
        for path in (tmp_path / kind).iterdir():
            path.unlink()
    grey = torch.tensor([0.75, -0.75])[:, None, None, None].expand(2, 1, 16, 16)
    assert detector.model.head(detector.embed(grey)).argmax(1).tolist() == [0, 1]  # bright, dark
    again = DeepOneClass(reference=str(tmp_path), width=4, features=8, classes=2).prepare((1, 16, 16))
    load_fitted(again, detector.state_dict())  # the reference set was needed for training only
    assert torch.equal(again.score(IMAGES).image, detector.score(IMAGES).image)
    with pytest.raises(DataError, match=r"holds 17 classes.*set classes, which is 3"):
        DeepOneClass(classes=3, width=4).fit(IMAGES, short())
    with pytest.raises(DataError, match="holds numbers"):
        DeepOneClass(reference="ring", width=4).fit(IMAGES, short())
