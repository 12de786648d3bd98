"""A memory of normal patches' features, and how far other patches are from it."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from hizumi.detectors.core_set import Reservoir, core_set, nearest, projected
from hizumi.detectors.shard import Shard
from hizumi.errors import NotFittedError

PROJECTED_DIMENSIONS = 64  # in which the core-set is chosen


class PatchMemory(nn.Module):
    """d(p) = distance of patch p's features from the nearest in a memory of normal patches' (PatchCore's).

    The memory is a core-set: patches chosen one by one, each the farthest from those before it, from an even sample of
    all patches, so that any number of images fits.

    Args:
        size: Patches that are remembered.
        candidates: Patches that these are chosen from.
        neighbours: A patch's distance is the mean of those to its so many nearest.
    """

    patches: Tensor | None  # (m, k)

    def __init__(self, size: int, candidates: int, neighbours: int = 1) -> None:
        super().__init__()
        self.size = size
        self.candidates = candidates
        self.neighbours = neighbours
        self.register_buffer("patches", None)
        self._sample: Reservoir | None = None

    def begin(self) -> None:
        """Forget what an attempt that broke off has added."""
        self._sample = None

    def add(self, placed: Float[Tensor, "n positions k"], first: int) -> None:
        """Add normal images' patches to those that `fit` chooses from; `first` is the first one's position."""
        self._sample = self._sample or Reservoir(self.candidates)
        self._sample.add(placed.flatten(0, 1), first * placed.shape[1])

    def fit(self, shard: Shard) -> None:
        """Choose the memory from all that was added, by whoever shares, and forget the rest."""
        assert self._sample is not None, "nothing was added"
        rows, self._sample = self._sample.of_all(shard), None
        self.patches = rows[core_set(projected(rows, PROJECTED_DIMENSIONS), self.size)]

    def forward(
        self, placed: Float[Tensor, "n positions k"]
    ) -> tuple[Float[Tensor, "n positions"], Int[Tensor, "n positions"]]:
        """Distances, and the index of the nearest patch of the memory."""
        found, indices = nearest(placed.flatten(0, 1), self._fitted(), self.neighbours)
        return found.mean(1).reshape(placed.shape[:2]), indices[:, 0].reshape(placed.shape[:2])

    def weight(self, patches: Float[Tensor, "n k"], closest: Int[Tensor, " n"], count: int) -> Float[Tensor, " n"]:
        """PatchCore's 1 - exp d / Σ exp d', low where the nearest patch lies among others that are as near.

        The sum is over the `count` patches of the memory that are nearest to a patch's `closest` one.
        """
        memory = self._fitted()
        around = memory[nearest(memory[closest], memory, count)[1]]  # itself the first
        distances = (patches[:, None] - around).norm(dim=2)
        return 1 - distances.softmax(1)[:, 0]

    def _fitted(self) -> Tensor:
        if self.patches is None:
            raise NotFittedError("this PatchMemory is not fitted yet; call fit first")
        return self.patches
