"""Fully connected networks."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

HIDDEN = (128, 64)


def mlp(
    inputs: int, outputs: int, hidden: Sequence[int] = HIDDEN, batch_norm: bool = False, slope: float = 0.2
) -> nn.Sequential:
    """`hidden_layers`, then a linear output layer."""
    return nn.Sequential(*hidden_layers(inputs, hidden, batch_norm, slope), nn.Linear([inputs, *hidden][-1], outputs))


def hidden_layers(
    inputs: int, hidden: Sequence[int], batch_norm: bool = False, slope: float = 0.2, dropout: float = 0.0
) -> list[nn.Module]:
    """Linear layers, each followed by a LeakyReLU and optional dropout; optional batch norm in all but the first."""
    layers: list[nn.Module] = []
    for stage, width in enumerate(hidden):
        normalised = batch_norm and stage > 0
        layers.append(nn.Linear(inputs, width, bias=not normalised))
        layers += [nn.BatchNorm1d(width)] if normalised else []
        layers.append(nn.LeakyReLU(slope))
        layers += [nn.Dropout(dropout)] if dropout else []
        inputs = width
    return layers


class VectorCritic(nn.Module):
    """Item, flattened, to logit (n,), positive for real; `features` gives the last hidden layer for feature matching.

    Without hidden layers the features are the item itself, and the logit is linear in it.

    The logit has no bias: real and fake items are equally likely, and a Wasserstein critic's bias has no gradient.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int] = HIDDEN, batch_norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(*hidden_layers(inputs, hidden, batch_norm, dropout=dropout))
        self.head = nn.Linear([inputs, *hidden][-1], 1, bias=False)

    def features(self, items: Float[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        return self.body(items.flatten(1))

    def judge(self, features: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        return self.head(features).flatten()

    def forward(self, items: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
        return self.judge(self.features(items))
