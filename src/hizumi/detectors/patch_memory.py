"""A memory of normal patches' features, and how far other patches are from it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hizumi.detectors.core_set import Reservoir, core_set, nearest, projected
from hizumi.detectors.shard import Shard
from hizumi.errors import NotFittedError

PROJECTED_DIMENSIONS = 64  # in which the core-set is chosen


class PatchMemory(nn.Module):
    """d(p) = distance of patch p's features from the nearest in a memory of normal patches' (PatchCore's).

    The memory is a core-set: patches chosen one by one, each the farthest from those before it, from an even sample of
    all patches, so that any number of images fits. Each of several pictures (see `FixedFeatures`) has its own.

    Args:
        size: Patches that are remembered.
        candidates: Patches that these are chosen from.
        neighbours: A patch's distance is the mean of those to its so many nearest.
    """

    patches: Tensor | None  # (m, k); (pictures, m, k) of several

    def __init__(self, size: int, candidates: int, neighbours: int = 1) -> None:
        super().__init__()
        self.size = size
        self.candidates = candidates
        self.neighbours = neighbours
        self.register_buffer("patches", None)
        self._samples: list[Reservoir] = []  # one of each picture

    def begin(self, pictures: int = 1) -> None:
        """Say how many pictures' positions the places are, and forget what an attempt that broke off has added."""
        self._samples = [Reservoir(self.candidates) for _ in range(pictures)]

    def add(self, placed: Float[Tensor, "n places k"], first: int) -> None:
        """Add normal images' patches to those that `fit` chooses from; `first` is the first one's position."""
        for sample, patches in zip(self._samples, placed.chunk(len(self._samples), 1), strict=True):
            sample.add(patches.flatten(0, 1), first * patches.shape[1])

    def fit(self, shard: Shard) -> None:
        """Choose the memory from all that was added, by whoever shares, and forget the rest."""
        samples, self._samples = self._samples, []
        memories = []
        for sample in samples:
            rows = sample.of_all(shard)
            memories.append(rows[core_set(projected(rows, PROJECTED_DIMENSIONS), self.size)])
        self.patches = memories[0] if len(memories) == 1 else _alike(memories)

    def forward(self, placed: Float[Tensor, "n places k"]) -> tuple[Float[Tensor, "n places"], Int[Tensor, "n places"]]:
        """Distances, and the index of the nearest patch, in the memory of its picture."""
        memories, distances, indices = self._memories(), [], []
        for memory, patches in zip(memories, placed.chunk(len(memories), 1), strict=True):
            found, places = nearest(patches.flatten(0, 1), memory, self.neighbours)
            distances.append(found.mean(1).reshape(patches.shape[:2]))
            indices.append(places[:, 0].reshape(patches.shape[:2]))
        return torch.cat(distances, 1), torch.cat(indices, 1)

    def weight(
        self, patches: Float[Tensor, "n k"], closest: Int[Tensor, " n"], count: int, picture: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """PatchCore's 1 - exp d / Σ exp d', low where the nearest patch lies among others that are as near.

        The sum is over the `count` patches of the memory that are nearest to a patch's `closest` one, all of one
        picture.
        """
        weights = []
        for memory in self._memories():
            around = memory[nearest(memory[closest], memory, count)[1]]  # itself the first
            distances = (patches[:, None] - around).norm(dim=2)
            weights.append(1 - distances.softmax(1)[:, 0])
        return torch.stack(weights).gather(0, picture[None])[0]

    def _memories(self) -> tuple[Tensor, ...]:
        if self.patches is None:
            raise NotFittedError("this PatchMemory is not fitted yet; call fit first")
        return (self.patches,) if self.patches.ndim == 2 else self.patches.unbind()


def _alike(memories: list[Float[Tensor, "_ k"]]) -> Float[Tensor, "pictures m k"]:
    """Those of several pictures, of as many patches: one ends early where all patches are, and has its first again."""
    most = max(map(len, memories))
    return torch.stack([torch.cat([memory, memory[:1].expand(most - len(memory), -1)]) for memory in memories])
