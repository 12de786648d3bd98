"""Images with their own brightness and contrast, or uneven lighting, taken out."""

from jaxtyping import Float
from torch import Tensor

from hizumi.objectives.reconstruction import smooth

FAINTEST = 1 / 127.5  # one grey level in [-1, 1]: contrast below it is not amplified


def flattened(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Images minus their Gaussian blur of standard deviation `sigma` pixels, divided by their standard deviation.

    Removes what varies more slowly than `sigma` (lighting, shading, vignetting), and contrast. The result is not
    bounded to [-1, 1].
    """
    detail = images - smooth(images, sigma)
    return detail / detail.std((1, 2, 3), correction=0, keepdim=True).clamp(min=FAINTEST)


def contrast_normalised(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Each image minus its mean, over its mean absolute deviation: global contrast normalisation in the L1 norm."""
    centred = images - _mean(images)
    return centred / _mean(centred.abs()).clamp(min=FAINTEST)


def _mean(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 1 1"]:
    """Mean of each image: of lines, of these, and of channels, each sum divided before the next.

    An exported graph's engine adds the numbers of one reduction up one by one, also of several that it can merge, and
    loses digits on tens of thousands of them, such as those of a white background.
    """
    for dimension in (3, 2, 1):
        images = images.sum(dimension, keepdim=True) / images.shape[dimension]
    return images
