"""Bodies that judge an item and a code together (Donahue et al. 2017, Dumoulin et al. 2017)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hizumi.networks.dcgan import Encoder
from hizumi.networks.mlp import HIDDEN, VectorCritic


class JointCritic(nn.Module):
    """Item (n, *shape) and code (n, latent) to logit (n,); `features` is the last hidden layer.

    Images pass through convolutions and codes through a layer of their own, to 8 * width numbers each, before they
    meet in a layer of 16 * width. Vectors meet their codes at once, in layers of the `hidden` sizes.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        width: int = 64,
        hidden: Sequence[int] = HIDDEN,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.of_items: nn.Module = nn.Identity()
        self.of_codes: nn.Module = nn.Identity()
        if len(shape) == 1:
            self.together = VectorCritic(shape[0] + latent, hidden)
        else:
            self.of_items = nn.Sequential(Encoder(shape, 8 * width, width, batch_norm), nn.LeakyReLU(0.2))
            self.of_codes = nn.Sequential(nn.Linear(latent, 8 * width), nn.LeakyReLU(0.2))
            self.together = VectorCritic(16 * width, (16 * width,))

    def features(self, items: Float[Tensor, "n ..."], codes: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The last hidden layer, which feature matching compares."""
        return self.together.features(torch.cat([self.of_items(items), self.of_codes(codes)], dim=1))

    def judge(self, features: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Logits from features."""
        return self.together.judge(features)

    def forward(self, items: Float[Tensor, "n ..."], codes: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Logits, positive for pairs that look like the first kind."""
        return self.judge(self.features(items, codes))
