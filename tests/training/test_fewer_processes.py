"""Fewer processes than a run was begun with: each takes the batches of several, and no step sees other items."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from hizumi.errors import UsageError
from hizumi.training import Budget, Card, Trainable, TrainingOptions
from hizumi.training.journal import Journal
from hizumi.training.loop import fit, make_fabric

DATA = torch.rand(24, 5, generator=torch.Generator().manual_seed(0))
OPTIONS = TrainingOptions(budget=Budget(steps=9), batch_size=3, checkpoint_seconds=1e-9)


class Seen(Trainable):
    """Learns a mean, and remembers what each step has seen."""

    card: ClassVar[Card] = Card(family="test", idea="a mean", paper="none")
    default_budget: ClassVar[Budget] = Budget(steps=9)

    fails_after: int | None = None  # no setting of it: it goes on without

    def build(self, shape: tuple[int, ...]) -> None:
        self.mean = nn.Parameter(torch.zeros(shape))
        self.optimise("mean", [self.mean], learning_rate=0.1)
        self.items: list[list[Tensor]] = []

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        if self.steps_done == self.fails_after:
            raise KeyboardInterrupt
        if self.clock.batch == 0:
            self.items.append([])
        self.items[-1].append(batch)
        return {"error": self.update("mean", (batch - self.mean).square().mean())}


def trained(
    options: TrainingOptions, folder: Path | None = None, fails_after: int | None = None
) -> tuple[Seen, Journal]:
    """By one process, whatever the options ask for."""
    fabric = make_fabric(replace(options, devices=1))
    fabric.launch()
    model = Seen()
    model.fails_after = fails_after
    return model, fit([model], DATA, options, run_folder=folder, fabric=fabric)


def test_one_process_takes_the_batches_of_two_and_of_four() -> None:
    whole, _ = trained(replace(OPTIONS, batch_size=12))
    for processes in (2, 4):
        model, journal = trained(replace(OPTIONS, devices=processes, batch_size=12 // processes))
        assert [len(parts) for parts in model.items] == 9 * [processes]
        for parts, (once,) in zip(model.items, whole.items, strict=True):
            assert torch.equal(torch.cat(parts), once)  # the items of each step, in the order of the processes
        torch.testing.assert_close(model.mean, whole.mean, rtol=1e-6, atol=1e-7)
        assert model.images_seen == whole.images_seen == 9 * 12
        assert all(record["processes"] == 1 for record in journal.records)


def test_a_run_shared_out_among_fewer_resumes_exactly(tmp_path: Path) -> None:
    both = replace(OPTIONS, devices=2)
    straight, journal = trained(both)
    with pytest.raises(KeyboardInterrupt):
        trained(both, tmp_path, fails_after=5)
    resumed, continued = trained(both, tmp_path)
    assert torch.equal(resumed.mean, straight.mean)
    assert len(resumed.items) == 4
    without_time = [[{**record, "seconds": 0} for record in each.records] for each in (journal, continued)]
    assert without_time[0] == without_time[1]


def test_a_run_of_one_process_is_none_of_two(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(replace(OPTIONS, devices=2), tmp_path, fails_after=5)
    with pytest.raises(UsageError, match=r"processes \(2, now 1\)"):
        trained(replace(OPTIONS, accumulation=2), tmp_path)


def test_batches_that_cannot_be_shared_out_evenly_are_refused() -> None:
    from hizumi.training.loop import _shared_out

    with pytest.raises(UsageError, match="batches of 3 processes cannot be shared out evenly among 2"):
        _shared_out(replace(OPTIONS, devices=3), world_size=2)
