import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy

from hizumi import objectives

RANDOM = torch.Generator().manual_seed(0)


def test_adversarial_losses_are_cross_entropies() -> None:
    real, fake = torch.randn(2, 50, generator=RANDOM, dtype=torch.float64)
    ones, zeros = torch.ones(50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    expected = binary_cross_entropy(real.sigmoid(), ones) + binary_cross_entropy(fake.sigmoid(), zeros)
    torch.testing.assert_close(objectives.discriminator_loss(real, fake), expected)
    torch.testing.assert_close(objectives.non_saturating_loss(fake), binary_cross_entropy(fake.sigmoid(), ones))
    torch.testing.assert_close(objectives.minimax_loss(fake), (1 - fake.sigmoid()).log().mean())


def test_minimax_saturates_and_the_other_does_not() -> None:
    logits = torch.full((1,), -8.0, requires_grad=True)  # the discriminator is sure that the sample is fake
    (flat,) = torch.autograd.grad(objectives.minimax_loss(logits), logits)
    (steep,) = torch.autograd.grad(objectives.non_saturating_loss(logits), logits)
    assert abs(float(flat)) < 1e-3 < 0.9 < abs(float(steep))


def test_losses_stay_finite_where_sigmoids_do_not() -> None:
    extreme = torch.tensor([-500.0, 500.0])
    assert torch.isfinite(objectives.discriminator_loss(extreme, extreme))


def test_densities_against_torch_distributions() -> None:
    values, mean, log_variance = torch.randn(3, 20, 4, generator=RANDOM, dtype=torch.float64)
    normal = Normal(mean, (log_variance / 2).exp())
    torch.testing.assert_close(objectives.gaussian_log_density(values, mean, log_variance), normal.log_prob(values))
    kl = kl_divergence(normal, Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(objectives.kl_to_standard_normal(mean, log_variance), kl)
    bits = (values > 0).double()
    torch.testing.assert_close(objectives.bernoulli_log_density(bits, mean), Bernoulli(logits=mean).log_prob(bits))


def test_gaussian_density_integrates_to_one() -> None:
    grid = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    log_variance = torch.tensor(math.log(2.5)).double()
    density = objectives.gaussian_log_density(grid, torch.full_like(grid, 0.7), log_variance).exp()
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=1e-7)


def test_differences_by_hand() -> None:
    a = torch.tensor([[[[0.5]], [[-0.5]]]])
    b = torch.tensor([[[[0.0]], [[0.5]]]])
    assert float(objectives.absolute_difference(a, b)) == pytest.approx((0.5 + 1.0) / 2)
    assert float(objectives.squared_difference(a, b)) == pytest.approx((0.25 + 1.0) / 2)


@pytest.mark.parametrize(("low", "dynamic_range"), [(-1.0, 2.0), (0.0, 1.0)])
def test_ssim_against_scikit_image(low: float, dynamic_range: float) -> None:
    a, b = torch.rand(2, 3, 2, 24, 31, generator=RANDOM, dtype=torch.float64) * dynamic_range + low
    ours = objectives.structural_dissimilarity(a, b, dynamic_range=dynamic_range)[:, 0]
    for i in range(3):
        _, theirs = structural_similarity(
            a[i].numpy(),
            b[i].numpy(),
            channel_axis=0,
            data_range=dynamic_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        inner = np.s_[6:-6, 6:-6]  # borders differ in how the mirror counts the last pixel
        np.testing.assert_allclose(ours[i].numpy()[inner], 1 - theirs.mean(0)[inner], atol=1e-6)
    assert float(objectives.structural_dissimilarity(a, a).abs().max()) < 1e-9


@pytest.mark.parametrize("difference", [objectives.structural_dissimilarity, objectives.contrast_difference])
def test_differences_on_a_saturated_background_keep_the_digits_of_single_precision(
    difference: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.ones(2, 3, 48, 40)
    image[:, :, 16:30, 14:28] = 2 * torch.rand(2, 3, 14, 14, generator=generator) - 1
    rebuilt = image + 0.003 * torch.randn(image.shape, generator=generator)
    double, single = difference(image.double(), rebuilt.double()), difference(image, rebuilt).double()
    for part in (slice(None), slice(0, 8)):  # everywhere, and far from the object
        error, size = (single - double)[:, :, part].abs().max(), double[:, :, part].max()
        assert float(error / size) < 2e-6


def test_contrast_difference_pixel_by_pixel() -> None:
    image, rebuilt = torch.rand(2, 1, 1, 15, 18, generator=RANDOM, dtype=torch.float64)
    ours = objectives.contrast_difference(image, rebuilt, sigma=1.0, floor=0.1)[0, 0]
    rows, columns = torch.meshgrid(torch.arange(15), torch.arange(18), indexing="ij")
    for row, column in ((7, 9), (6, 8)):  # away from the borders
        near = ((rows - row).abs() <= 4) & ((columns - column).abs() <= 4)
        weight = torch.exp(-0.5 * ((rows - row) ** 2 + (columns - column) ** 2).double()) * near
        weight = weight / weight.sum()
        mean = (weight * rebuilt[0, 0]).sum()
        variance = (weight * (rebuilt[0, 0] - mean).square()).sum()
        expected = (image[0, 0, row, column] - rebuilt[0, 0, row, column]) ** 2 / (variance + 0.1**2)
        torch.testing.assert_close(ours[row, column], expected)


@pytest.mark.parametrize("sigma", [0.8, 2.0, 4.0])
def test_smoothing_against_scipy(sigma: float) -> None:
    image = torch.rand(2, 1, 20, 33, generator=RANDOM, dtype=torch.float64)
    expected = gaussian_filter(image.numpy(), (0, 0, sigma, sigma), mode="mirror", truncate=3.5)
    np.testing.assert_allclose(objectives.smooth(image, sigma).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(
    "of_maps",
    [
        lambda a, b: objectives.smooth(a, 2.0),
        objectives.structural_dissimilarity,
        objectives.contrast_difference,
    ],
)
def test_a_window_is_an_image_all_of_whose_rows_are_the_same(of_maps: Callable[..., torch.Tensor]) -> None:
    pair = torch.randn(2, 3, 2, 1, 40, generator=RANDOM, dtype=torch.float64)
    of_images = of_maps(*pair.expand(-1, -1, -1, 9, -1))
    torch.testing.assert_close(of_maps(*pair), of_images[:, :, 4:5])


def test_smoothing_works_where_the_window_is_wider_than_the_image() -> None:
    image = torch.full((1, 1, 5, 3), 0.3)
    torch.testing.assert_close(objectives.smooth(image, 9.0), image)
    assert objectives.smooth(image, 0) is image
