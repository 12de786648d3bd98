"""Generation of series: through the modeller, into units, on to any length, and measured."""

import numpy as np
import pytest
import torch

from hizumi.data import open_source
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import DataError, UsageError
from hizumi.evaluation.series_samples import distances
from hizumi.generation import Modeller, load, save
from hizumi.generation.assessment import assess
from hizumi.generation.long_samples import long_samples
from hizumi.models import VAE, GatedPixelCNN, Pix2Pix
from hizumi.models.abilities import CanContinue
from hizumi.training import Budget, TrainingOptions

from .conftest import stripes

WINDOWS = SeriesOptions(length=32, overlap=0.75)
VOLTS, BARS = (230.0, 3.0), (0.05, 0.002)  # mean and deviation of two channels of very different units


def plant(steps: int, seed: int = 0) -> np.ndarray:
    """A period of 16 steps whose phase wanders, the second channel a quarter of a period behind, with noise."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(steps) / 16 + np.cumsum(rng.normal(0, 0.05, steps))
    units = np.sqrt(2) * np.sin(np.stack([phase, phase - np.pi / 2], 1)) + rng.normal(0, 0.05, (steps, 2))
    return units * [VOLTS[1], BARS[1]] + [VOLTS[0], BARS[0]]


def trained(model, steps: int) -> Modeller:
    options = TrainingOptions(budget=Budget(steps=steps), batch_size=32)
    return Modeller(model, series=WINDOWS, training=options).fit(plant(2000))


@pytest.fixture(scope="module")
def vae() -> Modeller:
    return trained(VAE(width=8, latent=8, learning_rate=3e-3), 250)


@pytest.fixture(scope="module")
def autoregressive() -> Modeller:
    return trained(GatedPixelCNN(levels=32, width=12, layers=1, learning_rate=3e-3), 150)


def test_samples_have_units_and_beat_noise_by_far(vae: Modeller) -> None:
    made = vae.sample(64, seed=1)
    assert made.shape == (64, 32, 2)
    np.testing.assert_allclose(made.mean((0, 1)), [VOLTS[0], BARS[0]], rtol=0.02)
    np.testing.assert_allclose(made.std((0, 1)), [VOLTS[1], BARS[1]], rtol=0.3)
    scaler = vae.preprocessing_.scaler
    real = scaler.standardise(plant(2048, seed=5)).reshape(64, 32, 2).swapaxes(1, 2)
    noise = np.random.default_rng(0).normal(size=real.shape)  # of the right mean and variance
    found, of_noise = distances(real, scaler.standardise(made).swapaxes(1, 2)), distances(real, noise)
    assert max(found.spectral) < min(of_noise.spectral) / 4
    assert max(found.autocorrelation) < min(of_noise.autocorrelation) / 2


def test_what_the_data_mark_as_anomalous_is_not_learned() -> None:
    """Windows reach over the borders of normal blocks, and over none of an anomalous one."""
    steps = plant(1000)
    labels = np.zeros(1000, dtype=int)
    labels[500:503] = 1
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"volts": steps[:, 0], "bars": steps[:, 1], "anomaly": labels})
    frame.loc[500:502, "volts"] = 1e6
    fitted = Modeller(VAE(width=4, latent=2), series=WINDOWS, training=TrainingOptions(budget=Budget(steps=2)))
    fitted.fit(frame)
    # Blocks of 64 steps: 448 to 511 is left out, and windows lie 8 steps apart in 0 to 447 and 512 to 999.
    assert fitted.options_["training_images"] == ((448 - 32) // 8 + 1) + ((488 - 32) // 8 + 1)
    assert fitted.preprocessing_.scaler.mean[0] == pytest.approx(VOLTS[0], rel=0.01)


def test_a_window_is_continued_as_it_was_drawn(autoregressive: Modeller) -> None:
    """Given the first half of a sample and the same chances, the second half comes out the same: what is kept of the
    steps that were given is what drawing them would have left behind."""
    model = autoregressive.model_
    drawn = model.sample(5, seed=3)
    np.testing.assert_array_equal(model.continued(drawn[..., :16], seed=3), drawn)
    other = model.continued(drawn[..., :16], seed=4)
    assert torch.equal(other[..., :16], drawn[..., :16])
    assert (other[..., 16:] != drawn[..., 16:]).any()


def test_seams_of_long_samples_are_like_other_places(autoregressive: Modeller) -> None:
    """Each window goes on from half of the last, so that seams lie at every 16 steps."""
    made = autoregressive.sample_recordings(200, steps=80, seed=0)
    assert made.shape == (200, 80, 2)
    jumps = np.abs(np.diff(made, axis=1)) / [VOLTS[1], BARS[1]]  # jump k is from step k to k + 1
    seams, within = jumps[:, [31, 47, 63]], jumps[:, [25, 41, 57, 71]]
    for channel in range(2):
        moments = [(each[..., channel].mean(), (each[..., channel] ** 2).mean() ** 0.5) for each in (seams, within)]
        np.testing.assert_allclose(*moments, rtol=0.15)
    # With the halves of two different samples put together, the jump is larger.
    torn = np.abs(made[:100, 40] - made[100:, 41]) / [VOLTS[1], BARS[1]]
    assert torn.mean() > 1.25 * seams.mean()


class Late(CanContinue):
    """Makes windows of zeros at first, and goes on with ones."""

    card = VAE.card

    def build(self, shape: tuple[int, ...]) -> None: ...

    def step(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    def sample(self, count: int, seed: int = 0) -> torch.Tensor:
        return torch.zeros(count, *self.require_built())

    def continued(self, start: torch.Tensor, seed: int = 0) -> torch.Tensor:
        return torch.cat([start, torch.ones(*start.shape[:3], self.require_built()[2] - start.shape[3])], 3)


@pytest.mark.parametrize("steps", [5, 8, 9, 40])
def test_the_first_window_is_none_of_a_long_sample(steps: int) -> None:
    made = long_samples(Late().prepare((1, 1, 16)), 3, steps, seed=0)
    assert torch.equal(made, torch.ones(3, 1, 1, steps))


def test_long_samples_end_anywhere_and_follow_the_seed(autoregressive: Modeller) -> None:
    for steps in (7, 32, 33, 49):
        assert autoregressive.sample_recordings(2, steps=steps, seed=1).shape == (2, steps, 2)
    first, again, other = (autoregressive.sample_recordings(1, steps=40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_reconstructions_are_the_mean_of_the_windows_that_cover_a_step(vae: Modeller) -> None:
    steps = plant(100, seed=3)
    blocks = vae.reconstruct(steps)
    assert [block.shape for block in blocks] == [(64, 2), (36, 2)]
    scaler = vae.preprocessing_.scaler
    # By hand for the second block, of steps 64 to 99: windows lie 8 steps apart from it, and one more at the end.
    starts = [40, 48, 56, 64, 68]
    windows = np.stack([scaler.standardise(steps[start : start + 32]).T[:, np.newaxis] for start in starts])
    rebuilt = vae.model_.reconstruct(torch.from_numpy(windows)).detach().numpy()[:, :, 0]
    for step in (64, 75, 90, 99):
        covering = [rebuilt[n][:, step - s] for n, s in enumerate(starts) if s <= step < s + 32]
        np.testing.assert_allclose(blocks[1][step - 64], scaler.restore(np.mean(covering, 0)), rtol=1e-5)


def test_a_bundle_keeps_how_series_are_understood(vae: Modeller, tmp_path) -> None:
    loaded = load(save(vae, tmp_path / "made.hizumi"))
    assert loaded.preprocessing_.series == vae.preprocessing_.series
    np.testing.assert_array_equal(loaded.sample(3, seed=2), vae.sample(3, seed=2))
    with pytest.raises(DataError, match="channel"):
        loaded.reconstruct(plant(100)[:, :1])


def test_assessment_compares_with_other_real_windows(vae: Modeller) -> None:
    result = assess(vae, plant(4000, seed=7), seed=0)
    found = result["series"]
    assert (found["windows"], found["samples"]) == (63, 62)  # 125 windows without an overlap, two in a block
    for name in ("spectral", "autocorrelation", "marginal", "cross_correlation"):
        assert 0 <= found[f"{name}_distance"]["of_other_real_windows"] < 0.15
    error = found["next_step_squared_error"]
    assert error["of_other_real_windows"] < 0.05  # of a variance of 1; the noise alone leaves 0.05² and the phase's
    test = found["classifier_two_sample_test"]["of_other_real_windows"]
    assert test["interval"][0] < 0.5 < test["interval"][1]
    assert result["reconstruction"]["mean_squared_error"] < 0.5  # of a variance of 1
    assert result["likelihood"]["items"] == len(open_source(plant(4000), series=WINDOWS))
    with pytest.raises(DataError, match="3 windows of 32 steps are too few to compare samples with"):
        assess(vae, plant(100, seed=7))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Pix2Pix(), "Pix2Pix does not work on series: it translates pictures"),
        ("row_lstm", "RowLSTM does not work on series"),
        ("conditional_gan", "ConditionalGAN is to learn classes, of which series have none"),
    ],
)
def test_models_that_do_not_learn_series_say_so_before_reading(model, said: str) -> None:
    with pytest.raises((DataError, UsageError), match=said):
        Modeller(model, series=True).fit("nowhere.csv")


def test_what_was_not_trained_on_series_has_no_steps(fitted: Modeller, vae: Modeller) -> None:
    with pytest.raises(UsageError, match="was trained on images, which have no steps"):
        fitted.sample_recordings(1, steps=50)
    with pytest.raises(UsageError, match=r"VAE cannot continue series; models that can: .*gated_pixel_cnn"):
        vae.sample_recordings(1, steps=50)
    with pytest.raises(UsageError, match="series have no pictures; write them as a table"):
        vae.pictures(vae.sample(1))
    with pytest.raises(DataError, match="holds blocks, unlike what was learned from"):
        assess(fitted, open_source(plant(400), series=WINDOWS))


def test_starts_of_a_wrong_shape(autoregressive: Modeller) -> None:
    for shape in ((1, 2, 1, 32), (1, 1, 1, 8), (1, 2, 2, 8)):
        with pytest.raises(DataError, match=r"takes the first steps of windows, \(n, 2, 1, k\) with k below 32"):
            autoregressive.model_.continued(torch.zeros(shape))
    images = Modeller(GatedPixelCNN(levels=4, width=4, layers=0), training=TrainingOptions(budget=Budget(steps=1)))
    with pytest.raises(UsageError, match="goes on with series"):
        images.fit(stripes(4)).model_.continued(torch.zeros(1, 1, 1, 4))
