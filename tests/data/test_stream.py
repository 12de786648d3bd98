"""Dealing items to train on and to hold out: all of them once, and no step of a series on both sides."""

import numpy as np
import pytest
import torch

from hizumi.data import Store
from hizumi.data.series.blocks import of_recordings
from hizumi.data.series.form import Recording, SeriesForm
from hizumi.data.stream import FewerViews, TensorSource, dealt, in_order

LENGTH = 16


def windows(steps: int, hop: int) -> Store:
    """Of a recording whose values are the numbers of its steps."""
    form = SeriesForm(("a",), None, LENGTH, hop)
    recording = Recording("one", np.arange(steps, dtype=float)[:, np.newaxis])
    return Store.build(of_recordings((recording,), form, "numbers"), None)


def steps_of(store: Store, places: torch.Tensor) -> set[int]:
    assert store.scaler is not None
    batch = store.batch(places)[:, 0, 0].numpy()
    return set(np.rint(store.scaler.restore(batch[..., np.newaxis])).astype(int).ravel().tolist())


@pytest.mark.parametrize(("steps", "hop", "share"), [(5000, 4, 0.1), (5000, 4, 0.2), (700, 2, 0.1), (300, 8, 0.3)])
def test_no_step_of_a_series_is_both_trained_on_and_held_out(steps: int, hop: int, share: float) -> None:
    store = windows(steps, hop)
    held_out = round(share * len(store))
    training, kept = dealt(store, held_out, seed=3)
    assert training.indices is not None
    assert kept.indices is not None
    assert len(kept) == len(set(kept.indices.tolist())) == held_out
    assert not steps_of(store, training.indices) & steps_of(store, kept.indices)
    assert len(training) > 0.5 * len(store)
    again = dealt(store, held_out, seed=3)[1]
    assert again.indices is not None
    assert torch.equal(again.indices, kept.indices)


def test_held_out_windows_come_from_all_over_a_long_recording_and_vary_with_the_seed() -> None:
    store = windows(20_000, 4)
    first, other = (dealt(store, len(store) // 10, seed)[1].indices for seed in (0, 1))
    assert first is not None
    assert other is not None
    assert not torch.equal(first, other)
    assert (torch.histc(first.float(), bins=10, min=0, max=len(store)) > 0).all()


def test_other_items_and_too_few_windows_are_dealt_at_random() -> None:
    for source, count in ((TensorSource(torch.zeros(50, 3)), 10), (windows(24, 4), 1)):
        training, kept = dealt(source, count, seed=0)
        assert training.indices is not None
        assert kept.indices is not None
        assert len(kept) == count
        assert sorted([*training.indices.tolist(), *kept.indices.tolist()]) == list(range(len(source)))


class _Counted(TensorSource):
    """Says how many items were asked for, and whether their views were drawn."""

    views = 100

    def __init__(self, items: torch.Tensor) -> None:
        super().__init__(items)
        self.drawn: list[bool] = []

    def batch(self, indices: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        self.drawn += [generator is not None] * len(indices)
        return super().batch(indices)


@pytest.mark.parametrize(("count", "most", "passed"), [(4, 50, 52), (4, 1000, 400), (300, 50, 600), (1, 1, 2)])
def test_of_tiled_images_so_many_random_views_pass(count: int, most: int, passed: int) -> None:
    source = _Counted(torch.zeros(count, 2))
    assert sum(len(batch) for batch in in_order(FewerViews(source, most))) == passed
    assert len(source.drawn) == passed
    assert all(source.drawn)
    whole = TensorSource(torch.zeros(count, 2))
    assert sum(len(batch) for batch in in_order(FewerViews(whole, most))) == count  # whose only view is the item
