"""Which positions of a map see anything of a region of interest."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def positions_on(seen: Bool[Tensor, "h w"], grid: tuple[int, int]) -> Int[Tensor, " positions"]:
    """The positions of a grid, row by row, that cover any pixel that is True; a pixel may lie in several."""
    rows, columns = (_covers(cells, side, seen.device) for cells, side in zip(grid, seen.shape, strict=True))
    return (rows @ seen.double() @ columns.T).flatten().nonzero().flatten()


def _covers(cells: int, side: int, device: torch.device) -> Tensor:
    """(cells, side), 1 where a cell and a pixel overlap, both of them evenly spread over the same length."""
    cell, pixel = torch.arange(cells, device=device)[:, None], torch.arange(side, device=device)[None]
    return ((pixel * cells < (cell + 1) * side) & ((pixel + 1) * cells > cell * side)).double()
