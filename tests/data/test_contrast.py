"""Flattening against SciPy's Gaussian filter, and what it must remove or leave alone."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from hizumi.data.contrast import flattened

IMAGES = torch.rand(3, 2, 40, 48, generator=torch.Generator().manual_seed(0)).double() * 2 - 1


def test_flattened_is_scipys() -> None:
    for image, ours in zip(IMAGES.numpy(), flattened(IMAGES, 5.0).numpy(), strict=True):
        blurred = gaussian_filter(image, (0, 5, 5), mode="mirror", truncate=3.5)
        np.testing.assert_allclose(ours, (image - blurred) / (image - blurred).std(), atol=1e-6)


def test_brightness_contrast_and_slow_shading_go() -> None:
    expected = flattened(IMAGES, 2.0)
    torch.testing.assert_close(flattened(0.3 * IMAGES + 0.5, 2.0), expected)
    shading = torch.linspace(-1, 1, 48, dtype=torch.float64).expand(40, 48)
    inside = (..., slice(8, -8), slice(8, -8))  # a mirrored ramp has a kink at the edge
    torch.testing.assert_close(flattened(IMAGES + shading, 2.0)[inside], expected[inside], atol=0.02, rtol=0.02)


def test_an_image_with_nothing_in_it_stays_so() -> None:
    assert flattened(torch.full((1, 1, 16, 16), 0.3), 3.0).abs().max() < 1e-3
    faint = 1e-3 * torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    assert flattened(faint, 3.0).std() < 0.2
