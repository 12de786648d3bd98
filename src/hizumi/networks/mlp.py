"""Fully connected bodies for vectors."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

HIDDEN = (128, 64)


def mlp(inputs: int, outputs: int, hidden: Sequence[int] = HIDDEN) -> nn.Sequential:
    """Linear layers with LeakyReLU 0.2 between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class VectorCritic(nn.Module):
    """Vector (n, d) to logit (n,); `features` is its last hidden layer."""

    def __init__(self, inputs: int, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        *first, last = hidden
        self.body = nn.Sequential(mlp(inputs, last, first), nn.LeakyReLU(0.2))
        self.head = nn.Linear(last, 1)

    def features(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The last hidden layer, which feature matching compares."""
        return self.body(vectors)

    def judge(self, features: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Logits from features."""
        return self.head(features).flatten()

    def forward(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Logits, positive for real."""
        return self.judge(self.features(vectors))
