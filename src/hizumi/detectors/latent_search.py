"""Gradient search for the code of each image, all images of a batch at once and each by itself."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-8  # Adam's
ENOUGH = 1e-3  # share of a loss by which it must fall to count as improving


def search_codes(
    losses_of: Callable[[Tensor, Tensor], Tensor],
    starts: Float[Tensor, "n d"],
    steps: int,
    rate_at: Callable[[int], float],
    patience: int | None = None,
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """The best code that Adam's steps from its start pass through, for each row, and its loss.

    Adam works number by number, so the sum of all losses has every row go as if it were alone.

    Args:
        losses_of: What to minimise: losses (m,) of codes (m, d) of the rows (m,), each of its own code alone.
        starts: First codes.
        steps: At most so many.
        rate_at: The learning rate of a step, counted from 0.
        patience: A row leaves the batch when its loss has not improved, by a thousandth, for so many steps.
    """
    best, lowest = starts.clone(), starts.new_full((len(starts),), math.inf)
    rows, codes = torch.arange(len(starts), device=starts.device), starts
    mean, square = torch.zeros_like(codes), torch.zeros_like(codes)
    improved = rows.new_zeros(len(rows))  # the step in which each last did
    target = lowest.clone()  # a loss below this counts as improving

    for step in range(steps + 1):
        # Look at where the codes are.
        with torch.enable_grad():
            codes = codes.detach().requires_grad_()
            losses = losses_of(codes, rows)
            (gradient,) = torch.autograd.grad(losses.sum(), codes)
        codes, losses = codes.detach(), losses.detach()
        better = losses < lowest[rows]
        best[rows[better]], lowest[rows[better]] = codes[better], losses[better]
        improved = torch.where(losses < target, step, improved)
        target = torch.where(losses < target, losses * (1 - ENOUGH), target)
        if step == steps:
            break

        # Let those that no longer improve leave.
        if patience is not None and not bool((staying := step - improved < patience).all()):
            rows, codes, gradient, mean, square, improved, target = (
                state[staying] for state in (rows, codes, gradient, mean, square, improved, target)
            )
            if len(rows) == 0:
                break

        # Step on.
        mean = torch.lerp(gradient, mean, BETAS[0])
        square = torch.lerp(gradient.square(), square, BETAS[1])
        mean_now, square_now = mean / (1 - BETAS[0] ** (step + 1)), square / (1 - BETAS[1] ** (step + 1))
        codes = codes - rate_at(step) * mean_now / (square_now.sqrt() + EPSILON)
    return best, lowest
