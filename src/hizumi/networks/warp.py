"""A learned change of position, one for all images (after Jaderberg et al., Spatial transformer networks, 2015)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

PACE = 10.0  # an optimiser moves a number by its learning rate a step, and a picture has further to go than a weight


class AffineWarp(nn.Module):
    """Image (n, c, h, w) to image of the same shape, turned, scaled, sheared and shifted by one learned affine map.

    It starts as the identity. Beyond the border, the border's pixels go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(2, 3))

    @property
    def matrix(self) -> Float[Tensor, "2 3"]:
        """From places in the result to places in the image; both run from -1 to 1 along x and y."""
        return torch.eye(2, 3, device=self.change.device) + PACE * self.change

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Images seen from elsewhere."""
        count, _, height, width = images.shape
        places = affine_grid(self.matrix[None], [1, 1, height, width], align_corners=False)
        return grid_sample(images, places.expand(count, -1, -1, -1), padding_mode="border", align_corners=False)
