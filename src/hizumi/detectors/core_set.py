"""A memory of feature rows: an even sample of a stream, its core-set, and the search for the nearest."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from hizumi.detectors.shard import Shard
from hizumi.networks.parts import in_parts

BLOCK = 64  # rows that are compared with at once
NUMBERS_AT_ONCE = 10_000_000  # that are drawn for rows which others see
CHUNK = 256  # rows at a time in a search: their distances to a whole memory then stay in the processor's cache


class Reservoir:
    """An even random sample of a stream of rows, in bounded memory, determined by the seed.

    Each row has a number, drawn for its place in the stream, and those with the lowest numbers stay: whoever sees which
    part of the stream, all together keep the same rows.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.generator = torch.Generator().manual_seed(seed)
        self.drawn = 0  # numbers, of the stream's first rows
        self.rows: Tensor | None = None
        self._numbers = torch.empty(0, dtype=torch.float64)
        self._places = torch.empty(0, dtype=torch.int64)

    def add(self, rows: Float[Tensor, "n d"], first: int | None = None) -> None:
        """Add rows of the stream: those that follow, or those from place `first` on, which is none passed before."""
        first = self.drawn if first is None else first
        assert first >= self.drawn, "the stream has passed these rows"
        while self.drawn < first:
            self._draw(min(first - self.drawn, NUMBERS_AT_ONCE))
        places = torch.arange(first, first + len(rows))
        self._keep(rows, self._draw(len(rows)), places)

    def of_all(self, shard: Shard) -> Float[Tensor, "n d"]:
        """The sample of the whole stream, which processes have each seen a part of, in the stream's order."""
        assert self.rows is not None, "nothing was added"
        if shard.fabric is None:
            return self.rows
        device, whole = self.rows.device, Reservoir(self.size)
        others = (shard.from_all(part.to(device)) for part in (self.rows, self._numbers, self._places))
        for rows, numbers, places in zip(*others, strict=True):
            whole._keep(rows, numbers.cpu(), places.cpu())
        assert whole.rows is not None, "somebody has seen something"
        return whole.rows

    def _draw(self, count: int) -> Float[Tensor, " n"]:
        self.drawn += count
        return torch.rand(count, generator=self.generator, dtype=torch.float64)

    def _keep(self, rows: Float[Tensor, "n d"], numbers: Float[Tensor, " n"], places: Int[Tensor, " n"]) -> None:
        if self.rows is not None:
            rows = torch.cat([self.rows, rows])
            numbers, places = torch.cat([self._numbers, numbers]), torch.cat([self._places, places])
        kept = numbers.argsort()[: self.size]
        kept = kept[places[kept].argsort()]
        self.rows, self._numbers, self._places = rows[kept.to(rows.device)], numbers[kept], places[kept]


def core_set(rows: Float[Tensor, "n d"], size: int) -> Int[Tensor, " m"]:
    """Indices of at most `size` rows: the first, then one by one the row that is farthest from those chosen.

    No choice of as many rows leaves every row less than half as far from the nearest one chosen (Gonzalez 1985).
    Ends early where every row equals one that was chosen.
    """
    size = min(size, len(rows))
    farness = _Farness((rows - rows.mean(0)).cpu().numpy(), size)
    chosen = [0]
    farness.choose(0)
    while len(chosen) < size:
        farthest, distance = farness.largest()
        if distance <= farness.nothing:
            break
        farness.choose(farthest)
        chosen.append(farthest)
    return torch.tensor(chosen, device=rows.device)


class _Farness:
    """Squared distances of rows from the nearest one chosen, of which there are at most `size`.

    They only fall as more are chosen, so an old one is an upper bound, and only those that may be the largest are
    brought up to date one by one (lazy greedy, Minoux 1978); all are, in one product of matrices, after every BLOCK.
    """

    def __init__(self, rows: Float[np.ndarray, "n d"], size: int) -> None:
        self.rows = rows
        self.squares = np.square(rows).sum(1)
        self.nothing = 1e-6 * self.squares.max()
        self.bounds = np.full(len(rows), np.inf, rows.dtype)
        self.known = np.zeros(len(rows), np.int64)  # how many of those chosen each bound knows of
        self.count = 0
        self.chosen = np.empty((size, rows.shape[1]), rows.dtype)
        self.chosen_squares = np.empty(size, rows.dtype)

    def choose(self, row: int) -> None:
        """Choose one more row."""
        self.chosen[self.count], self.chosen_squares[self.count] = self.rows[row], self.squares[row]
        self.count += 1
        if self.count % BLOCK == 1:  # the first alone, since before it there is no bound
            new = slice(max(0, self.count - BLOCK), self.count)
            nearest = (self.chosen_squares[new] - 2 * (self.rows @ self.chosen[new].T)).min(1)
            np.minimum(self.bounds, nearest + self.squares, out=self.bounds)
            self.known[:] = self.count

    def largest(self) -> tuple[int, float]:
        """The row that is farthest from those chosen, and how far it is."""
        while True:
            row = int(self.bounds.argmax())
            new = slice(self.known[row], self.count)
            if new.start == new.stop:
                return row, float(self.bounds[row])
            nearest = (self.chosen_squares[new] - 2 * (self.chosen[new] @ self.rows[row])).min()
            self.bounds[row] = min(self.bounds[row], nearest + self.squares[row])
            self.known[row] = self.count


def projected(rows: Float[Tensor, "n d"], dimensions: int, seed: int = 0) -> Float[Tensor, "n k"]:
    """A random projection that keeps distances about as they are (Johnson & Lindenstrauss 1984)."""
    if rows.shape[1] <= dimensions:
        return rows
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(rows.shape[1], dimensions, generator=generator, dtype=rows.dtype) / dimensions**0.5
    return rows @ axes.to(rows.device)


def nearest(
    rows: Float[Tensor, "n d"], memory: Float[Tensor, "m d"], count: int
) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """Distances to the `count` nearest rows of a memory, nearest first, and their indices."""
    centre = memory.mean(0)
    rows, memory = rows - centre, memory - centre
    beyond = -len(memory) % BLOCK  # rows of nothing, infinitely far away, which make blocks whole
    squares = pad(memory.square().sum(1), (0, beyond), value=torch.inf)
    columns = pad(memory, (0, 0, 0, beyond)).T.contiguous()
    distances, indices = [], []
    for chunk in in_parts(rows, CHUNK):
        # The quick formula finds them, the plain one measures them: the first loses digits where distances are small.
        quick = torch.addmm(squares, chunk, columns, alpha=-2)
        found = _smallest(quick) if count == 1 else quick.topk(min(count, len(memory)), 1, largest=False).indices
        measured, order = (chunk[:, None] - memory[found]).norm(dim=2).sort(1)
        distances.append(measured)
        indices.append(found.gather(1, order))
    return torch.cat(distances), torch.cat(indices)


def _smallest(values: Float[Tensor, "n m"]) -> Int[Tensor, "n 1"]:
    """Where each row is smallest; by blocks of columns, since PyTorch's minimum is vectorised and its argmin is not."""
    blocks = values.reshape(-1, values.shape[1] // BLOCK, BLOCK)
    block = blocks.amin(2).argmin(1, keepdim=True)
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK)).argmin(2)
    return block * BLOCK + inside
