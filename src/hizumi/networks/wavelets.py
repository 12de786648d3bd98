"""Oriented wavelets: local contrast by scale and direction, from fixed filters."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, pad

from hizumi.networks.efficientnet import as_multiples

SCALES = 3  # each twice as coarse as the one before
ORIENTATIONS = 6
RADIUS, WAVELENGTH, SIGMA, SLANT = 4, 3.0, 1.0, 0.5  # of the filters, in pixels of their own scale; SLANT has none
PIXELS_PER_POSITION = 8
LEVEL_CHANNELS = tuple(ORIENTATIONS + ORIENTATIONS**2 * coarser for coarser in reversed(range(SCALES)))


class OrientedWavelets(nn.Module):
    """Images (n, c, h, w) to a list of maps (n, k, h/8, w/8), one for each chosen level.

    Levels 1, 2 and 3 are scales. Each holds the moduli of six Morlet wavelets, and those of coarser wavelets applied to
    them, as in scattering networks (Bruna & Mallat, TPAMI 2013), averaged over 16x16 pixels; the square root lets weak
    contrasts count beside strong ones. Sides are enlarged to multiples of 32.
    """

    filters: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("filters", morlet_filters(), persistent=False)

    def forward(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n k p q"]]:
        """Maps of the chosen levels, lowest first."""
        at_scale = as_multiples(images.mean(1, keepdim=True))
        maps = []
        for scale in range(max(self.levels)):
            moduli = self._moduli(at_scale)
            found = [_pooled(moduli, scale)]
            for coarser in range(scale + 1, SCALES):
                moduli = _halved(moduli)
                found.append(_pooled(self._moduli(moduli), coarser))
            maps.append(torch.cat(found, 1).sqrt())
            at_scale = _halved(at_scale)
        return [maps[level - 1] for level in sorted(self.levels)]

    def _moduli(self, maps: Tensor) -> Tensor:
        """Moduli of the response of each map to each wavelet."""
        mirrored = pad(maps.flatten(0, 1)[:, None], (RADIUS,) * 4, mode="reflect")
        real, imaginary = conv2d(mirrored, self.filters[:, None]).chunk(2, 1)
        return torch.hypot(real, imaginary).reshape(maps.shape[0], -1, *maps.shape[2:])


def morlet_filters() -> Float[Tensor, "two_orientations side side"]:
    """Real parts of all orientations, then imaginary parts; each has zero mean and an L1 norm of 1."""
    rows, columns = torch.meshgrid(*[torch.arange(-RADIUS, RADIUS + 1.0)] * 2, indexing="ij")
    filters = []
    for orientation in range(ORIENTATIONS):
        angle = math.pi * orientation / ORIENTATIONS
        along = columns * math.cos(angle) + rows * math.sin(angle)
        across = rows * math.cos(angle) - columns * math.sin(angle)
        window = torch.exp(-(along.square() + (SLANT * across).square()) / (2 * SIGMA**2))
        wave = window * torch.exp(2j * math.pi / WAVELENGTH * along)
        wave = wave - window * (wave.sum() / window.sum())
        filters.append(wave / wave.abs().sum())
    together = torch.stack(filters)
    return torch.cat([together.real, together.imag])


def _halved(maps: Tensor) -> Tensor:
    # Averaged twice: detail too fine for half the size would otherwise alias.
    return avg_pool2d(avg_pool2d(maps, 3, 1, 1, count_include_pad=False), 2)


def _pooled(maps: Tensor, scale: int) -> Tensor:
    step = PIXELS_PER_POSITION >> scale
    return avg_pool2d(maps, 2 * step, step, step // 2, count_include_pad=False)
