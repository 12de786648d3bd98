"""Every measure against its own definition, through the whole line."""

import numpy as np
import pytest
import torch

from hizumi.errors import DataError
from hizumi.evaluation import frechet_distance
from hizumi.generation import Modeller
from hizumi.generation.assessment import assess
from hizumi.models import Autoencoder, ConditionalGAN, CycleGAN, Pix2Pix

from .conftest import SHORT, stripes, table


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64) / 127.5 - 1


def test_samples_likelihood_and_reconstruction(fitted: Modeller) -> None:
    images = stripes(60, seed=5)
    result = assess(fitted, images, seed=3)
    samples = fitted.model_.sample(60, 3).flatten(1).double().numpy()
    assert result["items"] == result["samples"]["sample_count"] == result["samples"]["real_count"] == 60
    assert result["samples"]["frechet_distance"] == pytest.approx(frechet_distance(flat(images), samples), rel=1e-5)
    assert result["samples"]["half_count"] == 30
    assert result["likelihood"]["nats"] == pytest.approx(fitted.log_likelihood(images).mean())
    rebuilt = np.stack(fitted.reconstruct(images))
    squares = ((images / 255.0 - rebuilt / 255.0) ** 2).reshape(60, -1)
    assert result["reconstruction"]["squared_error_per_item"] == pytest.approx(squares.sum(1).mean(), rel=0.01)


def test_the_codes_of_another_model_as_features(fitted: Modeller) -> None:
    other = Modeller(Autoencoder(width=8), training=SHORT).fit(stripes(30)).model_
    result = assess(fitted, stripes(30), features=other)
    assert result["samples"]["features"] == "Autoencoder"
    assert result["samples"]["dimensions"] == 16


class Sorted(ConditionalGAN):
    """Makes exactly the class that was asked for, but for class 1, of which it makes class 0."""

    def sample(self, count: int, seed: int = 0, labels: torch.Tensor | None = None) -> torch.Tensor:
        assert labels is None or len(labels) == count
        labels = torch.arange(count) % self.classes if labels is None else labels
        wanted = torch.where(labels == 1, 0, labels)
        return (wanted[:, None, None, None] - 1.0).expand(-1, 1, 8, 8) + 0.1 * torch.randn(
            count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)
        )


def test_agreement_with_a_classifier() -> None:
    names = np.arange(90) % 3
    rng = np.random.default_rng(0)
    images = (127.5 * names[:, None, None] + rng.normal(0, 5, (90, 8, 8))).clip(0, 255).astype(np.uint8)
    fitted = Modeller(ConditionalGAN(width=8), training=SHORT).fit(images, names)
    fitted.model_.__class__ = Sorted
    agreement = assess(fitted, images, names)["classes"]
    assert agreement["classifier_accuracy_on_items"] == 1.0
    assert agreement["by_class"] == {"0": 1.0, "1": 0.0, "2": 1.0}
    assert agreement["share"] == pytest.approx(2 / 3)


def test_translations_of_pairs() -> None:
    images = stripes(12)
    fitted = Modeller(Pix2Pix(width=4), training=SHORT).fit(images, 255 - images)
    result = assess(fitted, images, 255 - images)["translation"]
    made = np.stack(fitted.translate(images)) / 255
    error = ((made - (255 - images) / 255) ** 2).mean()
    of_inputs = ((images / 255 - (255 - images) / 255) ** 2).mean()
    assert result["psnr_db"] == pytest.approx(-10 * np.log10(error), abs=0.1)
    assert result["psnr_db_of_inputs"] == pytest.approx(-10 * np.log10(of_inputs), abs=0.01)


def test_noise_is_measured_where_pairs_are_made() -> None:
    fitted = Modeller(Pix2Pix(width=4), pairing="denoise", training=SHORT).fit(stripes(12))
    result = assess(fitted, stripes(40, seed=2))["translation"]
    assert result["psnr_db_of_inputs"] == pytest.approx(20.0, abs=0.2)  # a deviation of 0.1


def test_two_sets_are_compared_as_sets() -> None:
    fitted = Modeller(CycleGAN(width=4), training=SHORT).fit(stripes(12), 255 - stripes(12, seed=1))
    result = assess(fitted, stripes(20), stripes(20))["translation"]
    assert result["frechet_distance_of_inputs"] == pytest.approx(0, abs=1e-6)
    assert result["frechet_distance"] > 0.01


def test_data_unlike_what_was_learned_from(fitted: Modeller) -> None:
    with pytest.raises(DataError, match="holds rows, unlike what was learned from"):
        assess(fitted, table(9))
    rows = Modeller(Autoencoder(width=8), training=SHORT).fit(table(30))
    with pytest.raises(DataError, match=r"items are of shape \(1,\), the model learned ones of \(2,\)"):
        assess(rows, table(9)[:, :1])


@pytest.mark.parametrize(("channels", "features", "is_told"), [(4, "efficientnet", True), (4, "pixels", False)])
def test_features_that_see_the_mean_of_channels_say_so(channels: int, features: str, is_told: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, channels), dtype=np.uint8)
    fitted = Modeller("vae", preset="fast", image_size=16, training=SHORT).fit(images)
    told = [note for note in assess(fitted, images, features=features)["notes"] if "mean of the 4 channels" in note]
    assert bool(told) == is_told
