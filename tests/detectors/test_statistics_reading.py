"""Statistics in little memory: the same from fewer items at a time, and one line where one item is too many."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hizumi.data.stream import TensorSource
from hizumi.detectors import Detector
from hizumi.errors import ShortageError
from hizumi.registry import find_detectors
from hizumi.training.preset import preset_of

ITEMS = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
NAMES = ("mahalanobis", "pca", "nearest_neighbour", "nearest_features", "gaussian_features", "fused_features")


class Short(TensorSource):
    """Breaks off, after the first batch, where more items are asked for than there is room for."""

    def __init__(self, items: Tensor, room: int) -> None:
        super().__init__(items)
        self.room = room
        self.read: list[int] = []

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.read.append(len(indices))
        if len(indices) > self.room and len(self.read) > 1:
            raise MemoryError
        return super().batch(indices, generator)


def small(name: str) -> Detector:
    made: Detector = preset_of(find_detectors()[name], "small").make()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_statistics_from_fewer_items_at_a_time_are_the_same(name: str) -> None:
    twice = torch.cat([ITEMS, ITEMS.flip(3)])  # 80: the second batch of 64 is the one that breaks off
    source = Short(twice, room=8)
    found = small(name).fit(source).score(ITEMS)
    plain = small(name).fit(TensorSource(twice)).score(ITEMS)
    assert source.read[1] == 16
    assert set(source.read[2:]) == {8}
    torch.testing.assert_close(found.image, plain.image, rtol=1e-4, atol=1e-5)


def test_where_one_item_is_too_many_it_is_said() -> None:
    source = Short(torch.cat([ITEMS, ITEMS]), room=0)
    with pytest.raises(ShortageError, match=r"statistics of Mahalanobis on 80 items of 1x16x16 needs more memory"):
        small("mahalanobis").fit(source)
    assert source.read[-1] == 1


def test_what_is_no_shortage_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    detector = small("mahalanobis")
    monkeypatch.setattr(type(detector), "fit_statistics", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        detector.fit(ITEMS)
