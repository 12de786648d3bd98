"""Every score of Likelihood against values computed by hand, over every model that has a likelihood."""

import io
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hizumi.arguments import clone
from hizumi.data.guard import trusted
from hizumi.detectors import Likelihood, Reconstruction
from hizumi.detectors.likelihood import Background, compressed_bytes
from hizumi.errors import DataError, UsageError
from hizumi.models import VAE, Autoencoder, Flow, GatedPixelCNN, PixelCNN
from hizumi.models.abilities import CanReconstruct, HasLikelihood
from hizumi.objectives import smooth
from hizumi.registry import construct, find_models, make_detector, specify
from hizumi.training import Budget, Trainable, TrainingOptions
from hizumi.training.checkpoint import load_fitted

SMALL = {
    "autoencoder": {"width": 4},
    "bigan": {"width": 4, "latent": 4},
    "deep_autoencoder": {"hidden": (16,), "code": 2},
    "deep_belief_network": {"hidden": (12, 6), "gibbs_steps": 2},
    "diagonal_bilstm": {"levels": 4, "hidden": 4, "layers": 1},
    "flow": {"levels": 1, "steps": 1, "width": 4},
    "gated_pixel_cnn": {"levels": 4, "width": 4, "layers": 1},
    "pixel_cnn": {"levels": 4, "width": 4, "blocks": 1},
    "row_lstm": {"levels": 4, "hidden": 4, "layers": 1},
    "vae": {"width": 4, "latent": 2},
    "veegan": {"width": 4, "hidden": (16, 16), "latent": 4},
}
SHORT = TrainingOptions(budget=Budget(steps=4), batch_size=8)
RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(40, 1, 8, 8, generator=RANDOM) - 0.5
TEST = torch.rand(5, 1, 8, 8, generator=RANDOM) * 2 - 1


def small_model(name: str) -> Trainable:
    found: type = find_models()[name]
    return found(**SMALL[name])


def vae() -> VAE:
    return VAE(latent=2, width=4)


def nats(model: Trainable, images: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(model, HasLikelihood)
    with torch.no_grad():
        likelihood = model.log_likelihood(images)
    assert likelihood.pixel is not None
    return -likelihood.image, -likelihood.pixel


@pytest.mark.parametrize("name", [name for name, found in find_models().items() if issubclass(found, HasLikelihood)])
def test_every_model_with_a_likelihood(name: str) -> None:
    for score in ("plain", "typicality", "ratio", "complexity"):
        model = small_model(name)
        detector = Likelihood(model, image_score=score).fit(IMAGES, SHORT)
        anomaly = detector.score(TEST)
        plain = nats(detector.model, TEST)[0]
        expected = plain.double()
        if score == "typicality":
            expected = (plain.double() - detector.typical).abs()
        elif score != "plain":
            expected = plain.double() - anomaly.terms["background" if score == "ratio" else score]
        torch.testing.assert_close(anomaly.image.double(), expected, rtol=1e-5, atol=1e-3)
        assert anomaly.pixel is not None
        assert torch.isfinite(anomaly.pixel).all()
        assert len(detector.phases()) == (2 if score == "ratio" else 1)


@pytest.mark.parametrize("name", [name for name, found in find_models().items() if issubclass(found, CanReconstruct)])
def test_every_model_that_reconstructs(name: str) -> None:
    detector = Reconstruction(small_model(name), difference="l1").fit(IMAGES, SHORT)
    anomaly = detector.score(TEST)
    with torch.no_grad():
        rebuilt = detector.model.reconstruct(TEST)
    torch.testing.assert_close(anomaly.image, (TEST - rebuilt).abs().mean((1, 2, 3)))
    torch.testing.assert_close(anomaly.terms["l2"], (TEST - rebuilt).square().mean((1, 2, 3)))
    assert set(anomaly.terms) == {"l1", "l2", "ssim", "contrast"}


def test_typicality_is_the_distance_from_the_mean_of_unseen_items() -> None:
    detector = Likelihood(vae(), smoothing=0, image_score="typicality").fit(IMAGES, SHORT)
    training, reference = detector._dealt(_source(IMAGES), SHORT.seed)
    assert reference is not None
    assert (len(training), len(reference)) == (32, 8)
    unseen = IMAGES[reference.indices]
    image, pixel = nats(detector.model, unseen)
    anomaly, (test_image, test_pixel) = detector.score(TEST), nats(detector.model, TEST)
    torch.testing.assert_close(anomaly.image, (test_image - image.mean()).abs().double(), rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(anomaly.pixel, (test_pixel - pixel.mean(0)).abs(), rtol=1e-4, atol=1e-4)
    # Two items equally far from what is typical, one of them too probable, are equally anomalous.
    detector.typical = (test_image[0] + test_image[1]).double() / 2
    equal = detector.score(TEST[:2]).image
    assert float(equal[0]) == pytest.approx(float(equal[1]), rel=1e-3)


def test_ratio_of_equal_models_is_zero() -> None:
    detector = Likelihood(vae(), image_score="ratio").fit(IMAGES, SHORT)
    assert float(detector.score(TEST).image.abs().max()) > 0
    detector.background_model.load_state_dict(detector.model.state_dict())
    anomaly = detector.score(TEST)
    assert torch.equal(anomaly.image, torch.zeros(5, dtype=torch.float64))
    assert not anomaly.pixel.any()


def test_ratio_map_adds_up_to_the_score() -> None:
    detector = Likelihood(PixelCNN(levels=4, width=4, blocks=1), smoothing=0, image_score="ratio").fit(IMAGES, SHORT)
    anomaly = detector.score(TEST)
    torch.testing.assert_close(anomaly.pixel.double().sum((1, 2, 3)), anomaly.image, rtol=1e-4, atol=1e-3)
    plain, background = nats(detector.model, TEST)[0], nats(detector.background_model, TEST)[0]
    torch.testing.assert_close(anomaly.image, (plain - background).double(), rtol=1e-4, atol=1e-3)


def test_background_learns_from_mutated_items() -> None:
    background = Background(vae(), 0.3)
    items = torch.full((50, 1, 16, 16), 5.0)
    torch.manual_seed(0)
    mutated = background.mutated(items)
    changed = mutated != items
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.015)
    assert float(mutated[changed].std()) == pytest.approx(2 / math.sqrt(12), abs=0.02)
    assert float(mutated[changed].abs().max()) <= 1
    rows = background.mutated(torch.full((2000, 3), 5.0))
    assert float(rows[rows != 5].std()) == pytest.approx(1, abs=0.05)
    assert Background(PixelCNN(), 0.1).default_batch_size == PixelCNN.default_batch_size


def test_both_models_begin_with_the_data() -> None:
    windows = torch.randn(40, 2, 1, 8, generator=RANDOM) * torch.tensor([0.2, 9.0])[:, None, None]
    levels = Likelihood(PixelCNN(levels=4, width=4, blocks=1), image_score="ratio").fit(windows, SHORT)
    assert isinstance(levels.background_model, PixelCNN)
    assert torch.equal(levels.background_model.value_range.reach, levels.model.value_range.reach)
    flow = Likelihood(Flow(levels=1, steps=1, width=4, learning_rate=1e-9), image_score="ratio").fit(IMAGES, SHORT)
    assert isinstance(flow.background_model, Flow)
    first, its = (next(model.body.levels[0].children()) for model in (flow.model, flow.background_model))
    torch.testing.assert_close(its.log_scale, first.log_scale, rtol=0, atol=1e-6)


def test_the_background_has_the_validation_loss_of_its_model() -> None:
    background = Background(vae(), 0.0).prepare((1, 8, 8)).eval()
    with torch.no_grad():
        assert torch.equal(background.validation_loss(IMAGES), background.model.validation_loss(IMAGES))


def test_both_phases_resume_exactly(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(record: Mapping[str, Any]) -> None:
        if record["phase"] == "2 Background" and record["step"] == 2:
            raise KilledError

    often = replace(SHORT, checkpoint_seconds=0.0)
    straight = Likelihood(vae(), image_score="ratio").fit(IMAGES, SHORT).state_dict()
    with pytest.raises(KilledError):
        Likelihood(vae(), image_score="ratio").fit(IMAGES, often, run_folder=tmp_path, observe=kill)
    resumed = Likelihood(vae(), image_score="ratio").fit(IMAGES, often, run_folder=tmp_path).state_dict()
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


@pytest.mark.parametrize("score", ["typicality", "ratio"])
def test_saved_state_gives_equal_scores(score: str) -> None:
    fitted = Likelihood(vae(), image_score=score).fit(IMAGES, SHORT)
    again = construct(specify(fitted)).prepare(fitted.shape)
    load_fitted(again, fitted.state_dict())
    first, second = fitted.score(TEST), again.score(TEST)
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.pixel, second.pixel)


def test_another_background_may_be_given() -> None:
    detector = Likelihood(vae(), image_score="ratio", background=VAE(latent=1, width=4), mutation=0.5)
    detector.fit(IMAGES, SHORT)
    assert detector.background.latent == 1
    assert specify(construct(specify(detector))) == specify(detector)


def test_the_background_is_like_the_model_whatever_is_set_first() -> None:
    ratio = Likelihood(vae(), image_score="ratio")
    assert ratio.background is None
    assert isinstance(clone(ratio, model=Flow()).background_model, Flow)
    for settings in ({"image_score": "ratio", "model.latent": "3"}, {"image_score": "ratio", "latent": "3"}):
        made = make_detector("likelihood", settings)
        assert isinstance(made, Likelihood)
        assert (made.model.latent, made.background_model.latent) == (3, 3)


def test_compressed_size_is_that_of_the_file() -> None:
    grey, colour = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 30), dtype=np.uint8)
    for picture, parts in ((colour, [colour.transpose(1, 2, 0)]), (grey[:1], [grey[0]]), (grey[:2], list(grey[:2]))):
        total = 0
        for part in parts:
            file = io.BytesIO()
            Image.fromarray(part).save(file, format="PNG", optimize=True)
            total += len(file.getvalue())
            assert np.array_equal(np.asarray(Image.open(file)), part)
        assert compressed_bytes(picture) == total
    assert compressed_bytes(np.zeros((1, 20, 30), np.uint8)) < compressed_bytes(grey[:1]) / 5


def test_complexity_counts_the_levels_of_the_model() -> None:
    detector = Likelihood(PixelCNN(levels=4, width=4, blocks=1), smoothing=0, image_score="complexity")
    anomaly = detector.fit(IMAGES, SHORT).score(TEST)
    levels = ((TEST + 1) / 2 * 3).round().to(torch.uint8).numpy()
    bits = torch.tensor([8.0 * compressed_bytes(picture) for picture in levels], dtype=torch.float64)
    torch.testing.assert_close(anomaly.terms["complexity"], bits * math.log(2))
    plain = nats(detector.model, TEST)[0]
    torch.testing.assert_close(anomaly.image, plain.double() - bits * math.log(2), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(anomaly.pixel.double().sum((1, 2, 3)), anomaly.image, rtol=1e-4, atol=1e-2)


def test_plain_map_is_each_pixels_share() -> None:
    detector = Likelihood(vae(), smoothing=1.5).fit(IMAGES, SHORT)
    torch.testing.assert_close(detector.score(TEST).pixel, smooth(nats(detector.model, TEST)[1], 1.5))


@pytest.mark.parametrize(
    "model", [VAE(latent=2, width=4, density="bernoulli"), GatedPixelCNN(4, 4, 1), PixelCNN(2, 4, 1)]
)
def test_what_is_brighter_than_white_is_no_more_probable_than_white(model: HasLikelihood) -> None:
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    detector = Likelihood(model, smoothing=0.0).fit(images, TrainingOptions(budget=Budget(steps=2), batch_size=8))
    white, beyond = images.clone(), images.clone()
    white[:, :, 2, 3], beyond[:, :, 2, 3] = 1.0, 5.0
    excess = detector.score(beyond).image - detector.score(white).image
    if isinstance(model, VAE):  # whose code of the image differs, too
        decoded = torch.zeros(8, 1, 8, 8)
        excess = (model._log_density(white, decoded) - model._log_density(beyond, decoded)).sum((1, 2, 3))
    nats = 4 * (127.5 if isinstance(model, VAE) else (model.levels - 1) / 2)
    torch.testing.assert_close(excess.detach(), torch.full((8,), nats), rtol=1e-4, atol=1e-3)
    highest = detector.score(images).image.max()
    for value in (1e10, 1e38, -1e38):
        beyond[:, :, 2, 3] = value
        with trusted():
            scores = detector.score(beyond).image
        assert (scores > highest).logical_or(~scores.isfinite()).all()


def test_what_is_beyond_both_models_does_not_cancel_out() -> None:
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    detector = Likelihood(GatedPixelCNN(4, 4, 1), image_score="ratio", smoothing=0.0)
    detector.fit(images, TrainingOptions(budget=Budget(steps=2), batch_size=8))
    white, beyond = images.clone(), images.clone()
    white[:, :, 2, 3], beyond[:, :, 2, 3] = 1.0, 5.0
    excess = detector.score(beyond).image - detector.score(white).image
    torch.testing.assert_close(excess.double(), torch.full((8,), 4 * 1.5).double(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["diagonal_bilstm", "flow", "gated_pixel_cnn", "pixel_cnn", "vae"])
def test_windows_of_series(name: str) -> None:
    start = 6.3 * torch.rand(48, 1, 1, 1, generator=RANDOM)
    windows = torch.sin(start + torch.arange(16) / 2) * torch.tensor([3.0, 1.0])[:, None, None] + 2
    windows = windows + 0.1 * torch.randn(windows.shape, generator=RANDOM)
    detector = Likelihood(small_model(name), smoothing=0.0).fit(windows, SHORT)
    again = construct(specify(detector)).prepare((2, 1, 16))
    load_fitted(again, detector.state_dict())
    changed = windows[:8].clone()
    changed[1::2, 0, 0, 5] = 60.0
    anomaly = detector.score(changed)
    assert torch.equal(anomaly.image, again.score(changed).image)
    assert anomaly.pixel is not None
    torch.testing.assert_close(anomaly.pixel.flatten(1).sum(1), nats(detector.model, changed)[1].flatten(1).sum(1))
    assert anomaly.image[1::2].min() > anomaly.image[::2].max()


def test_vectors() -> None:
    rows = torch.randn(60, 4, generator=RANDOM)
    for score in ("plain", "typicality", "ratio"):
        anomaly = Likelihood(VAE(latent=2, width=4), image_score=score).fit(rows, SHORT).score(rows[:3])
        assert anomaly.pixel is None
        assert anomaly.image.shape == (3,)


def test_wrong_settings_are_refused() -> None:
    steps: list[object] = []
    for others in (torch.randn(20, 4, generator=RANDOM), torch.randn(20, 2, 1, 8, generator=RANDOM)):
        with pytest.raises(DataError, match="compresses images"):
            Likelihood(vae(), image_score="complexity").fit(others, SHORT, observe=steps.append)
    assert not steps, "refused after the training"
    with pytest.raises(UsageError, match='no background model; set image_score="ratio"'):
        Likelihood(vae(), background=vae()).fit(IMAGES, SHORT)
    with pytest.raises(UsageError, match=r'density "bernoulli" is for grey values.*set density="gaussian"'):
        Likelihood(VAE(density="bernoulli")).fit(torch.randn(20, 2, 1, 8, generator=RANDOM), SHORT)
    for argument in ("model", "background"):
        detector = Likelihood(vae(), image_score="ratio")
        setattr(detector, argument, Autoencoder(code=2, width=4))  # the tests' type checker refuses it as an argument
        with pytest.raises(UsageError, match=f"{argument} is Autoencoder; it must be a model with a likelihood"):
            detector.fit(IMAGES, SHORT)


def _source(images: Tensor):
    from hizumi.data.stream import as_source

    return as_source(images)
