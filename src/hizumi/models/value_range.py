"""The range of a series' values, which levels are spread over."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

MARGIN = 0.1  # of the range that was seen, at either end
UNSEEN = 4.0  # standard deviations to either side, until a range is learned
NARROWEST = 1.0  # likewise, at least: a channel that never varied has no range of its own


class ValueRange(nn.Module):
    """A range for each channel of windows (n, c, 1, t), which is brought to [-1, 1]; values may lie beyond it."""

    middle: Tensor  # (c, 1, 1)
    reach: Tensor  # (c, 1, 1), to either side

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(channels, 1, 1))
        self.register_buffer("reach", torch.full((channels, 1, 1), UNSEEN))

    def learn(self, lowest: Float[Tensor, "c 1 1"], highest: Float[Tensor, "c 1 1"]) -> None:
        """Take the range from the lowest and highest training value of each channel, with a margin."""
        self.middle.copy_((lowest + highest) / 2)
        self.reach.copy_(((highest - lowest) * (0.5 + MARGIN)).clamp(min=NARROWEST))

    def to_unit(self, windows: Float[Tensor, "n c 1 t"]) -> Float[Tensor, "n c 1 t"]:
        """Values as places in the range: -1 and 1 are its ends."""
        return (windows - self.middle) / self.reach

    def from_unit(self, places: Float[Tensor, "n c 1 t"]) -> Float[Tensor, "n c 1 t"]:
        """Values at these places of the range."""
        return places * self.reach + self.middle
