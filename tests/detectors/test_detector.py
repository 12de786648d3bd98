"""What the contract itself does for every detector: phases and their budgets, data held out as reference."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from hizumi.data.stream import Batches, in_order
from hizumi.detectors import Anomaly, Detector
from hizumi.errors import DataError, UsageError
from hizumi.models import Autoencoder
from hizumi.training import Budget, Card, Trainable, TrainingOptions

ROWS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


class Watching(Detector):
    """Keeps what each stage of fitting was shown."""

    card: ClassVar[Card] = Card(family="test", idea="watches", paper="none")

    def __init__(self, reference_share: float = 0.25) -> None:
        super().__init__()
        self.reference_share = reference_share
        self.first, self.second = Autoencoder(code=1), Autoencoder(code=2)
        self.register_buffer("trained_on", None)
        self.register_buffer("held_out", None)

    def phases(self) -> tuple[Trainable, ...]:
        return self.first, self.second

    def fit_statistics(self, batches: Batches) -> None:
        self.trained_on = torch.cat(list(in_order(batches)))

    def fit_reference(self, batches: Batches) -> None:
        self.held_out = torch.cat(list(in_order(batches)))

    def score_batch(self, images: Tensor) -> Anomaly:
        return Anomaly(images.square().sum(1))


def steps(*counts: int) -> TrainingOptions:
    return TrainingOptions(budget=tuple(Budget(steps=count) for count in counts), batch_size=8)


def test_each_phase_has_a_budget_of_its_own() -> None:
    detector = Watching().fit(ROWS, steps(3, 5))
    assert [phase.images_seen for phase in detector.phases()] == [24, 40]


def test_as_many_budgets_as_phases() -> None:
    with pytest.raises(UsageError, match="3 budgets were given for 2 phases"):
        Watching().fit(ROWS, steps(1, 2, 3))


def test_reference_is_held_out_of_everything_else() -> None:
    detector = Watching().fit(ROWS, steps(2, 2))
    rows = (ROWS - ROWS.mean(0)) / ROWS.std(0, correction=0)
    assert len(detector.held_out) == 10
    together = torch.cat([detector.trained_on, detector.held_out])
    torch.testing.assert_close(together.sort(0).values, rows.sort(0).values)
    assert not (torch.cdist(detector.trained_on, detector.held_out) == 0).any()
    # Held out at random, by the seed alone.
    again = Watching().fit(ROWS, steps(1, 1)).held_out
    other = Watching().fit(ROWS, TrainingOptions(budget=Budget(steps=1), batch_size=8, seed=1)).held_out
    assert torch.equal(detector.held_out, again)
    assert not torch.equal(detector.held_out, other)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_that_make_no_sense(share: float) -> None:
    with pytest.raises(UsageError, match="reference_share is"):
        Watching(share).fit(ROWS, steps(1, 1))


def test_one_item_is_too_few_to_hold_any_out() -> None:
    with pytest.raises(DataError, match="one normal item is too few for Watching"):
        Watching().fit(ROWS[:1], steps(1, 1))
