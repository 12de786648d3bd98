"""Penalties that keep a critic smooth."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Float[Tensor, "n *shape"], fake: Float[Tensor, "n *shape"]
) -> Float[Tensor, ""]:
    """E (‖∇D(x̂)‖ - 1)² at random points x̂ between real and fake items, one point a pair (Gulrajani et al. 2017).

    The norm is over all numbers of one item, so the critic must judge each item by itself: no batch norm. The result
    carries gradient to the critic alone.
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.to(real.dtype), real, share).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
