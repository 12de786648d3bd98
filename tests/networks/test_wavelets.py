"""Oriented wavelets: what they see and what they do not, and the same numbers one pixel at a time."""

import math

import pytest
import torch

from hizumi.networks.wavelets import ORIENTATIONS, RADIUS, WAVELENGTH, OrientedWavelets, morlet_filters


def test_brightness_is_not_seen() -> None:
    assert morlet_filters().sum((1, 2)).abs().max() < 1e-6
    image = torch.rand(1, 1, 32, 64, generator=torch.Generator().manual_seed(0))
    for plain, brighter in zip(OrientedWavelets((1, 2, 3))(image), OrientedWavelets((1, 2, 3))(image + 3), strict=True):
        torch.testing.assert_close(plain, brighter, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_stripes_are_seen_by_the_wavelet_across_them(orientation: int) -> None:
    angle = math.pi * orientation / ORIENTATIONS
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    stripes = torch.cos(2 * math.pi / WAVELENGTH * (columns * math.cos(angle) + rows * math.sin(angle)))
    (found,) = OrientedWavelets((1,))(stripes[None, None])
    assert int(found[0, :ORIENTATIONS, 4, 4].argmax()) == orientation


def test_a_modulus_by_hand() -> None:
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    filters = morlet_filters()
    place = image[0, 0, 16 - RADIUS : 17 + RADIUS, 9 - RADIUS : 10 + RADIUS]
    moduli = OrientedWavelets((1,))._moduli(image)
    assert moduli.shape == (1, ORIENTATIONS, 32, 32)
    for orientation in range(ORIENTATIONS):
        real, imaginary = (place * filters[orientation]).sum(), (place * filters[ORIENTATIONS + orientation]).sum()
        torch.testing.assert_close(moduli[0, orientation, 16, 9], (real**2 + imaginary**2).sqrt())


def test_levels_have_their_own_scale_and_the_coarser_ones_within() -> None:
    maps = OrientedWavelets((3, 1))(torch.rand(2, 3, 40, 64))
    assert [tuple(one.shape) for one in maps] == [(2, 6 + 36 + 36, 8, 8), (2, 6, 8, 8)]
