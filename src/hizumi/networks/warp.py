"""One learned affine warp for all images (after Jaderberg et al., Spatial transformer networks, 2015)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

PACE = 10.0  # Adam moves a parameter by about its learning rate a step; a warp has further to go than a weight


class AffineWarp(nn.Module):
    """Image (n, c, h, w) to image of the same shape, warped by one learned affine map.

    It starts as the identity. Outside the image, the border pixels are repeated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(2, 3))

    @property
    def matrix(self) -> Float[Tensor, "2 3"]:
        """Maps output coordinates to input coordinates; both run from -1 to 1 along x and y."""
        return torch.eye(2, 3, device=self.change.device) + PACE * self.change

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        count, _, height, width = images.shape
        places = affine_grid(self.matrix[None], [1, 1, height, width], align_corners=False)
        return grid_sample(images, places.expand(count, -1, -1, -1), padding_mode="border", align_corners=False)
