"""The discriminator of pix2pix (Isola et al. 2017): one logit for each patch."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from hizumi.networks.dcgan import initialise, widths
from hizumi.networks.normalisation import Normalisation, norm

MOST_LAYERS = 3


class PatchGAN(nn.Module):
    """Image (n, c, h, w) to a map of logits (n, 1, p, q), positive for real.

    With 1, 2 or 3 layers that halve the image, each logit sees 16, 34 or 70 pixels.

    Args:
        channels: Of the images; for pairs, of input and output together.
        width: Channels of the first convolution; they double with each layer, up to eight times.
        layers: How many layers halve the image; see `patch_layers`.
        normalisation: Of all layers but the first and the last.
    """

    def __init__(
        self, channels: int, width: int = 64, layers: int = MOST_LAYERS, normalisation: Normalisation = "batch"
    ) -> None:
        super().__init__()
        self.smallest = 3 * 2**layers  # side in pixels that still gives one logit
        first, *outputs = widths(width, layers + 1)
        body: list[nn.Module] = [nn.Conv2d(channels, first, 4, 2, 1), nn.LeakyReLU(0.2)]
        for layer, output in enumerate(outputs, start=1):
            convolution = nn.Conv2d(first, output, 4, stride=2 if layer < layers else 1, padding=1, bias=False)
            body += [convolution, norm(normalisation, output), nn.LeakyReLU(0.2)]
            first = output
        self.body = nn.Sequential(*body, nn.Conv2d(first, 1, 4, 1, 1))
        initialise(self)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 p q"]:
        """Logits of patches; images that are too small are padded by repeating their last row and column."""
        rows, columns = (max(0, self.smallest - size) for size in images.shape[2:])
        return self.body(pad(images, (0, columns, 0, rows), mode="replicate") if rows or columns else images)


def patch_layers(height: int, width: int) -> int:
    """Halving layers for a size in pixels: 1 below 64 (patches of 16), 2 below 128 (34), 3 from there on (70)."""
    return min(max(min(height, width).bit_length() - 5, 1), MOST_LAYERS)
