"""Generated images of earlier steps, which a discriminator is shown again (Shrivastava et al. 2017)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Up to `size` images; each new one is, with probability 1/2, exchanged for one of them.

    The images are stored bit for bit as integers: floating-point buffers are averaged over processes after each step,
    which a pool, identical in all of them, does not need.

    Args:
        shape: (c, h, w) of an image.
        size: Images kept; with 0, every image is returned at once.
    """

    bits: Tensor
    filled: Tensor

    def __init__(self, shape: tuple[int, ...], size: int = 50) -> None:
        super().__init__()
        self.register_buffer("bits", torch.zeros(size, *shape, dtype=torch.int32))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, images: Float[Tensor, "n c h w"], draws: Float[Tensor, "n 2"]) -> Float[Tensor, "n c h w"]:
        """The images, or older ones in their place; `draws` are uniform in [0, 1): whether, and for which."""
        kept, filled = self.bits.view(torch.float32), int(self.filled)
        shown = images.detach().float().clone()
        for image, (whether, which) in zip(shown, draws.tolist(), strict=True):
            if filled < len(kept):
                kept[filled] = image
                filled += 1
            elif whether < 0.5 and len(kept):
                place = int(which * len(kept))
                older = kept[place].clone()
                kept[place] = image
                image.copy_(older)
        self.filled.fill_(filled)
        return shown.to(images)
