"""Statistics from processes that each look at a part of the data: those of one process, by 1, 2 and 3 of them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hizumi.data.stream import BATCH_SIZE, TensorSource, View
from hizumi.detectors import (
    ConvAEOneClassSVM,
    Detector,
    FusedFeatures,
    GaussianFeatures,
    Mahalanobis,
    NearestFeatures,
    NearestNeighbour,
    Reconstruction,
)
from hizumi.detectors.core_set import Reservoir
from hizumi.detectors.moments import Moments
from hizumi.detectors.shard import Shard, sharded_over
from hizumi.models import Autoencoder

ITEMS = torch.rand(3 * BATCH_SIZE + 9, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Threads:
    """A group of threads in place of processes: collectives by a barrier and a table."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.barrier = threading.Barrier(count, timeout=60)
        self.table: list[Any] = [None] * count

    def run(self, part: Callable[[Any], Any]) -> list[Any]:
        """What each has as its result; each is given its own view of the group."""
        results: list[Any] = [None] * self.count
        errors: list[BaseException] = []

        def one(rank: int) -> None:
            try:
                results[rank] = part(Member(self, rank))
            except BaseException as error:
                errors.append(error)
                self.barrier.abort()

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise next((error for error in errors if not isinstance(error, threading.BrokenBarrierError)), errors[0])
        return results


class Member:
    """The part of a Fabric that shards use."""

    def __init__(self, group: Threads, rank: int) -> None:
        self.group = group
        self.world_size = group.count
        self.global_rank = rank
        self.is_global_zero = rank == 0
        self.device = torch.device("cpu")

    def all_gather(self, values: Tensor) -> Tensor:
        self.group.table[self.global_rank] = values
        self.group.barrier.wait()
        gathered = torch.stack(list(self.group.table))
        self.group.barrier.wait()
        return gathered

    def all_reduce(self, values: Tensor, reduce_op: str) -> Tensor:
        assert reduce_op == "sum"
        return self.all_gather(values).sum(0).to(values.dtype)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_moments_are_those_of_all_rows(processes: int) -> None:
    """Against numpy's formulas on all rows at once, with a mean far from 0 and other rows in every part."""
    generator = torch.Generator().manual_seed(1)
    rows = 1e3 + torch.randn(100, 4, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1])
    rows += torch.linspace(0, 7, 100)[:, None, None]  # parts differ

    def part(member: Any) -> tuple[Moments, Moments]:
        shard, both = Shard(TensorSource(rows), member), (Moments(), Moments(crossed=False))
        for first in range(10 * member.global_rank, 100, 10 * processes):
            for moments in both:
                moments.add(rows[first : first + 10])
        return both[0].of_all(shard), both[1].of_all(shard)

    results = Threads(processes).run(part)
    for moments, squares in results:
        assert moments.count == squares.count == 100
        for place in range(4):
            shifted = rows[:, place] - moments.point
            expected = shifted.T @ shifted
            torch.testing.assert_close(moments.products[place], expected, rtol=1e-10, atol=1e-9)
        torch.testing.assert_close(moments.mean, rows.mean(0), rtol=1e-13, atol=0)
        pooled = rows.flatten(0, 1).var(0, correction=0)
        torch.testing.assert_close(moments.variance()[0], pooled, rtol=1e-10, atol=0)
        torch.testing.assert_close(squares.variance()[0], pooled, rtol=1e-10, atol=0)
        assert torch.equal(moments.products, results[0][0].products)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("size", [20, 10_000])
def test_a_sample_is_the_same_whoever_sees_what(processes: int, size: int) -> None:
    """By brute force: the rows with the lowest of all numbers, in the order of the stream."""
    rows = torch.randn(1000, 2, generator=torch.Generator().manual_seed(2))
    numbers = torch.rand(1000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    kept = sorted(range(1000), key=lambda row: float(numbers[row]))[:size]

    def part(member: Any) -> Tensor:
        sample = Reservoir(size, seed=5)
        for first in range(70 * member.global_rank, 1000, 70 * processes):
            sample.add(rows[first : first + 70], first)
        return sample.of_all(Shard(TensorSource(rows), member))

    for result in Threads(processes).run(part):
        assert torch.equal(result, rows[sorted(kept)])


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_rows_come_in_the_order_of_one_process(processes: int) -> None:
    def part(member: Any) -> tuple[Tensor, int]:
        looked_at = 0
        with sharded_over(member):
            shard = Shard.of(TensorSource(ITEMS))
            made = []
            for first, batch in shard.batches():
                assert torch.equal(batch[0], ITEMS[first])
                made.append(batch.flatten(1)[:, :3].repeat_interleave(2, 0))  # two rows an item
                looked_at += len(batch)
        return shard.in_turn(made), looked_at

    results = Threads(processes).run(part)
    for rows, _ in results:
        assert torch.equal(rows, ITEMS.flatten(1)[:, :3].repeat_interleave(2, 0))
    assert sum(count for _, count in results) == len(ITEMS)
    assert max(count for _, count in results) <= -(-4 // processes) * BATCH_SIZE


def test_few_items_and_several_views_are_not_shared_out() -> None:
    class Crops(TensorSource):
        views = 2

    def part(member: Any) -> list[bool]:
        with sharded_over(member):
            sources = (TensorSource(ITEMS), TensorSource(ITEMS[:BATCH_SIZE]), Crops(ITEMS))
            return [Shard.of(source).fabric is None for source in sources]

    assert Threads(2).run(part) == 2 * [[False, True, True]]
    assert Threads(1).run(part) == [[True, True, True]]


DETECTORS = {
    "nearest_features": lambda: NearestFeatures.presets["small"].make(),
    "gaussian_features": lambda: GaussianFeatures.presets["small"].make(),
    "gaussian_features by levels": lambda: GaussianFeatures(
        "levels", (1, 2), (2,), "wavelets", channels=8, flips=True, input_size=None
    ),
    "fused_features": lambda: FusedFeatures.presets["small"].make(),
    "mahalanobis": lambda: Mahalanobis("raw"),
    "mahalanobis, empirical": lambda: Mahalanobis("raw", "empirical"),
    "nearest_neighbour": lambda: NearestNeighbour(memory=20),
    "reconstruction": lambda: Reconstruction(Autoencoder(code=2, width=4), "whitened"),
    "conv_ae_one_class_svm": lambda: ConvAEOneClassSVM.presets["small"].make(),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_learn_together_what_one_learns(name: str) -> None:
    """`fit_statistics` and `fit_reference` by two, and all they keep, against one; equal in both, to the last bit."""

    items = ITEMS.flatten(1)[:, :40] if name.startswith("mahalanobis") else ITEMS

    def statistics(detector: Detector) -> dict[str, Tensor]:
        source = TensorSource(items)
        training, reference = View(source, indices=torch.arange(150)), View(source, indices=torch.arange(150, 201))
        detector.fit_statistics(training)
        if detector.reference_share:
            detector.fit_reference(reference)
        return {key: value.detach() for key, value in detector.state_dict().items()}

    def part(member: Any) -> dict[str, Tensor]:
        detector = copies[member.global_rank]
        with torch.no_grad(), sharded_over(member):
            return statistics(detector)

    def prepared() -> Detector:
        torch.manual_seed(0)
        detector: Detector = DETECTORS[name]()
        detector.prepare(tuple(items.shape[1:]))
        return detector

    one = prepared()
    copies = [prepared() for _ in range(2)]
    for copy in copies:
        copy.load_state_dict(one.state_dict())
    with torch.no_grad():
        alone = statistics(one)
    first, second = Threads(2).run(part)
    for key, value in alone.items():
        assert torch.equal(first[key], second[key]), key
        torch.testing.assert_close(first[key], value, rtol=1e-6 if value.dtype == torch.float32 else 1e-10, atol=1e-10)
