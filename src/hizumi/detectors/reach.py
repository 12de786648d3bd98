"""The range of values that networks are made for, for scores that would level off or turn round beyond it."""

from typing import NamedTuple

from torch import Tensor

REACH = 10.0  # images lie in [-1, 1], columns of vectors within a few standard deviations


class WithinReach(NamedTuple):
    """Items with every number clipped to [-10, 10], and how far the farthest of each lay beyond that, (n,)."""

    items: Tensor
    excess: Tensor


def within_reach(items: Tensor) -> WithinReach:
    """Split items into what a network can judge and an excess to add to its score: 0 for all but absurd values.

    Saturated units look alike for any large value, and may look most normal of all: without the excess 1e38 could pass.
    """
    return WithinReach(items.clamp(-REACH, REACH), (items.abs().flatten(1).amax(1) - REACH).clamp(min=0))
