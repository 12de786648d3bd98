"""Lighting that differs from place to place and from image to image, taken out of an image."""

from jaxtyping import Float
from torch import Tensor

from hizumi.objectives.reconstruction import smooth

FAINTEST = 1 / 127.5  # standard deviation, in units of [-1, 1], of an image with nothing to see in it: one grey level


def flattened(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Images minus their own Gaussian blur of standard deviation `sigma` pixels, over their own standard deviation.

    What varies more slowly than `sigma` goes (lighting, shading, vignetting), and so does contrast; an image with less
    than a grey level of it is not amplified. The result is not bounded to [-1, 1].
    """
    detail = images - smooth(images, sigma)
    return detail / detail.std((1, 2, 3), correction=0, keepdim=True).clamp(min=FAINTEST)
