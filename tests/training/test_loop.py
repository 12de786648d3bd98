"""The loop: budgets, resuming after a real kill -9, divergence, early stopping, precision."""

import json
import math
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hizumi.data.stream import Batches, TensorSource, in_order
from hizumi.detectors import Likelihood, OnFeatures
from hizumi.errors import BundleError, DataError, DivergedError, UsageError
from hizumi.models import VAE, Autoencoder, Flow
from hizumi.storage import files
from hizumi.training import Budget, Card, Trainable, TrainingOptions, drop_at
from hizumi.training.journal import Journal
from hizumi.training.loop import fit, launched
from hizumi.training.losses import Losses
from hizumi.training.options import options_given

DATA = torch.rand(24, 5, generator=torch.Generator().manual_seed(0))


class Line(Trainable):
    """One weight, stepped down (weight - target)²."""

    card: ClassVar[Card] = Card(family="test", idea="a line", paper="none")
    default_budget: ClassVar[Budget] = Budget(steps=10)

    def __init__(self, target: float = 1.0, learning_rate: float = 0.1, diverge_at: int | None = None) -> None:
        super().__init__()
        self.target = target
        self.learning_rate = learning_rate
        self.diverge_at = diverge_at

    def build(self, shape: tuple[int, ...]) -> None:
        self.weight = nn.Parameter(torch.zeros(()))
        self.optimise("line", [self.weight], learning_rate=self.learning_rate, schedule=drop_at(0.5))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        loss = self.update("line", (self.weight - self.target).square())
        if self.diverge_at is not None and self.images_seen >= self.diverge_at:
            loss = loss * math.nan
        return {"distance": loss}

    def validation_loss(self, batch: Tensor) -> Tensor:
        return (self.weight - self.target).square()


def rates_of(model: Trainable, options: TrainingOptions) -> list[float]:
    rates: list[float] = []
    fit([model], DATA, options, observe=lambda _: rates.append(model.optimisers["line"].param_groups[0]["lr"]))
    return rates


def test_learning_rate_follows_the_budget() -> None:
    rates = rates_of(Line(), TrainingOptions(budget=Budget(steps=10)))
    assert rates == [0.1] * 5 + [0.1 * 0.1] * 5


def test_epochs_and_steps_whichever_ends_first() -> None:
    options = TrainingOptions(budget=Budget(epochs=2), batch_size=8)  # 24 items: 3 steps an epoch
    assert fit([Line()], DATA, options).records[-1]["step"] == 6
    options = TrainingOptions(budget=Budget(epochs=2, steps=4), batch_size=8)
    records = fit([Line()], DATA, options).records
    assert records[-1]["step"] == 4
    assert records[-1]["images_seen"] == 32


def test_minutes_end_training() -> None:
    started = time.monotonic()
    records = fit([Line()], DATA, TrainingOptions(budget=Budget(max_minutes=0.01))).records
    assert 0.5 < time.monotonic() - started < 10
    assert 0.6 <= records[-1]["seconds"] < 5


def test_patience_ends_training_when_nothing_is_gained() -> None:
    # From a weight of 0 with rate 0 nothing ever improves: the first epoch sets the mark, three more pass in vain.
    options = TrainingOptions(budget=Budget(epochs=50, patience=3), batch_size=24)
    records = fit([Line(learning_rate=0.0)], DATA, options, validation=TensorSource(DATA)).records
    assert records[-1]["step"] == 4
    assert [record["validation"] for record in records] == [1.0] * 4


def test_losses_of_validation_differ_by_weights_alone() -> None:
    """What they draw at random is equal in every epoch, and in all processes, whose steps draw each its own."""

    class Noisy(Line):
        def validation_loss(self, batch: Tensor) -> Tensor:
            return super().validation_loss(batch) + torch.rand(())

    options = TrainingOptions(budget=Budget(epochs=3, patience=3), batch_size=12)
    records = fit([Noisy(learning_rate=0.0)], DATA, options, validation=TensorSource(DATA)).records
    (loss,) = {record["validation"] for record in records if "validation" in record}
    assert 1 < loss < 2


def test_patience_needs_held_out_items_like_those_of_the_training() -> None:
    options, seen = TrainingOptions(budget=Budget(epochs=2, patience=1), batch_size=8), list[object]()
    with pytest.raises(UsageError, match="patience needs held-out normal data"):
        fit([Line()], DATA, options, observe=seen.append)
    with pytest.raises(DataError, match=r"validation has items of shape \(7,\), and the training"):
        fit([Line()], DATA, options, validation=TensorSource(torch.rand(4, 7)), observe=seen.append)
    assert not seen


def test_patience_needs_a_validation_loss() -> None:
    from hizumi.models import DCGAN

    images = torch.zeros(8, 1, 16, 16)
    options = TrainingOptions(budget=Budget(epochs=2, patience=1), batch_size=8)
    with pytest.raises(UsageError, match="no validation loss"):
        fit([DCGAN(width=8)], images, options, validation=TensorSource(images))


class Started(Trainable):
    """Counts how often it was begun, and adds up what it saw then."""

    card: ClassVar[Card] = Card(family="test", idea="a beginning", paper="none")
    default_budget: ClassVar[Budget] = Budget(steps=4)

    def build(self, shape: tuple[int, ...]) -> None:
        self.layer = nn.Linear(*shape, 1)
        self.register_buffer("begun", torch.zeros(2))

    def begin(self, batches: Batches) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.begun += torch.tensor([1.0, sum(float(batch.sum()) for batch in in_order(batches))])

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        assert self.training
        return {"begun": self.begun[0]}


def test_the_beginning_comes_once_and_sees_all_data(tmp_path: Path) -> None:
    for _ in range(2):  # the second resumes the first
        model = Started()
        fit([model], DATA, TrainingOptions(), run_folder=tmp_path)
        assert model.begun.tolist() == pytest.approx([1, float(DATA.sum())])


class Finishing(Line):
    """Keeps what it sees in steps and at the end."""

    def build(self, shape: tuple[int, ...]) -> None:
        super().build(shape)
        self.held_out_share = 0.25
        self.trained: list[Tensor] = []
        self.held_out: list[Tensor] = []

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        self.trained.append(batch)
        return super().step(batch)

    def finish(self, batches: Batches) -> None:
        assert not self.training
        self.held_out = list(in_order(batches))


def test_the_end_sees_what_no_step_has_seen(tmp_path: Path) -> None:
    model, options = Finishing(), TrainingOptions(budget=Budget(steps=9), batch_size=6)
    fit([model], DATA, options, run_folder=tmp_path)
    trained, held_out = torch.cat(model.trained).unique(dim=0), torch.cat(model.held_out)
    assert len(held_out) == 6
    assert torch.equal(torch.cat([trained, held_out]).unique(dim=0), DATA.unique(dim=0))
    again = Finishing()
    fit([again], DATA, options, run_folder=tmp_path)  # from a checkpoint that was finished
    assert again.trained == []
    assert torch.equal(torch.cat(again.held_out), held_out)
    fit([again], DATA[:1], replace(options, budget=Budget(steps=1)))
    assert torch.equal(torch.cat(again.held_out), DATA[:1])


def test_divergence_stops_at_once_and_says_where() -> None:
    options = TrainingOptions(budget=Budget(steps=20), batch_size=8)
    with pytest.raises(DivergedError, match=r"Line diverged at step 4: distance is nan; lower the learning rate"):
        fit([Line(diverge_at=24)], DATA, options)


class Breaking(Line):
    """A line whose weight is NaN from step 8 on."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        self.fails_at = fails_at

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        if self.steps_done == 7:
            self.weight.data.fill_(math.nan)
        if self.steps_done + 1 == self.fails_at:
            raise RuntimeError("no chances can be drawn from")
        return super().step(batch)

    def validation_loss(self, batch: Tensor) -> Tensor:
        assert torch.isfinite(self.weight)
        return super().validation_loss(batch)


LONG = Budget(steps=50)


@pytest.fixture
def every_fifth_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long training, the journal holds every fifth step."""
    monkeypatch.setattr("hizumi.training.loop.JOURNAL_RECORDS", 10)


@pytest.mark.usefixtures("every_fifth_step")
def test_losses_are_read_once_in_a_journal_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[float] = []
    told: list[dict[str, float]] = []
    reads: list[int] = []
    read = Losses.read

    class Watched(Line):
        def step(self, batch: Tensor) -> dict[str, Tensor]:
            losses = super().step(batch)
            computed.append(float(losses["distance"]))
            return losses

    def counted(self: Losses) -> None:
        reads.append(len(computed))
        read(self)

    monkeypatch.setattr(Losses, "read", counted)
    options = TrainingOptions(budget=LONG, batch_size=8)
    records = fit(
        [Watched(learning_rate=1e-3)], DATA, options, observe=lambda record: told.append(record["losses"])
    ).records
    assert reads == [1, *range(5, 51, 5)]
    assert [record["step"] for record in records] == list(range(5, 51, 5))
    assert [record["losses"]["distance"] for record in records] == computed[4::5]
    # An observer is told of every step, with the losses that were read last.
    assert [losses["distance"] for losses in told] == [computed[max(0, step // 5 * 5 - 1)] for step in range(1, 51)]


@pytest.mark.usefixtures("every_fifth_step")
def test_divergence_between_two_readings_is_found_at_the_next_and_named_by_its_step() -> None:
    steps: list[int] = []
    with pytest.raises(DivergedError, match="Breaking diverged at step 8: distance is nan"):
        fit([Breaking()], DATA, TrainingOptions(budget=LONG), observe=lambda record: steps.append(record["step"]))
    assert steps == list(range(1, 10))  # the tenth step is looked at


@pytest.mark.usefixtures("every_fifth_step")
def test_a_step_that_fails_on_diverged_weights_is_told_as_divergence() -> None:
    with pytest.raises(DivergedError, match="Breaking diverged at step 8: distance is nan"):
        fit([Breaking(fails_at=9)], DATA, TrainingOptions(budget=LONG))
    with pytest.raises(RuntimeError, match="no chances can be drawn from"):  # what fails otherwise is told as it is
        fit([Breaking(fails_at=5)], DATA, TrainingOptions(budget=LONG))


@pytest.mark.usefixtures("every_fifth_step")
def test_a_batch_in_which_batch_norm_has_no_spread_is_refused_in_words() -> None:
    message = (
        r"a step of Autoencoder with a batch of 1 item of 1x4x4 gives batch norm one number a channel.*--batch-size"
    )
    with pytest.raises(UsageError, match=message):
        Autoencoder(width=8).fit(torch.zeros(3, 1, 4, 4), TrainingOptions(budget=Budget(steps=1), batch_size=1))


def test_diverged_weights_are_neither_saved_nor_validated(tmp_path: Path) -> None:
    often = TrainingOptions(budget=LONG, batch_size=8, checkpoint_seconds=0.0)
    with pytest.raises(DivergedError, match="diverged at step 8"):
        fit([Breaking()], DATA, often, run_folder=tmp_path)
    saved = load_file(tmp_path / "phase-0.safetensors")
    assert saved["model.weight"].isfinite()
    assert int(saved["model.images_seen"]) == 56

    patient = TrainingOptions(budget=replace(LONG, patience=9), batch_size=6)  # epochs end at steps 4 and 8
    with pytest.raises(DivergedError, match="diverged at step 8"):
        fit([Breaking()], DATA, patient, validation=TensorSource(DATA))


def test_what_an_interrupted_training_has_learned_can_be_used() -> None:
    class Interrupted(Autoencoder):
        def step(self, batch: Tensor) -> dict[str, Tensor]:
            if self.steps_done == 3:
                raise KeyboardInterrupt
            return super().step(batch)

    model, items = Interrupted(width=4, layout="flat"), torch.rand(12, 1, 8, 8) * 2 - 1
    with pytest.raises(KeyboardInterrupt):
        model.fit(items, TrainingOptions(budget=Budget(steps=9), batch_size=4, accumulation=2))
    assert (model.steps_done, model.fabric, model.clock.accumulation) == (3, None, 1)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        codes = model.encode(items)
        torch.testing.assert_close(codes[5:6], model.encode(items[5:6]))  # without a batch's own statistics
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_fit_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit([VAE(width=8, latent=2)], DATA, TrainingOptions(budget=Budget(steps=2)))
    assert torch.equal(before, torch.get_rng_state())


def test_seed_decides_everything() -> None:
    states = []
    for seed in (0, 0, 1):
        model = VAE(latent=2).fit(DATA, TrainingOptions(budget=Budget(steps=3), seed=seed))
        states.append(torch.cat([p.flatten() for p in model.parameters()]).detach())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_fits_in_several_threads_are_those_of_each_alone() -> None:
    def fitted(seed: int) -> dict[str, Tensor]:
        model = VAE(width=4, latent=2)
        return model.fit(DATA, TrainingOptions(budget=Budget(steps=20), seed=seed)).state_dict()

    alone = [fitted(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(fitted, range(4)))
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_bf16_trains_in_low_precision_and_keeps_weights_in_full() -> None:
    images = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        options = TrainingOptions(budget=Budget(steps=10), batch_size=8, precision=precision)
        model = Autoencoder(width=8)
        records = fit([model], images, options).records
        assert all(p.dtype == torch.float32 for p in model.parameters())
        losses[precision] = torch.tensor([record["losses"]["reconstruction"] for record in records])
    assert not torch.equal(*losses.values())
    torch.testing.assert_close(*losses.values(), rtol=0.02, atol=0)  # bfloat16 has eight bits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs steps, epochs or minutes"),
        ({"steps": 0}, "steps is 0"),
        ({"max_minutes": -1.0}, r"--max-time \(`max_minutes`\) is -1.0;"),
        ({"patience": 2}, "needs steps, epochs or minutes"),
    ],
)
def test_budgets_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Budget(**arguments)


def test_numbers_of_numpy_are_those_of_python(tmp_path: Path) -> None:
    plain = TrainingOptions(budget=Budget(steps=2, max_minutes=9.0), batch_size=4, seed=7)
    budget = Budget(steps=2, max_minutes=9.0)
    given = replace(plain, budget=budget)
    of_options, of_budget = {"batch_size": np.uint8(4), "seed": np.arange(8)[7]}, {"steps": np.int32(2)}
    for part, numbers in ((given, of_options), (budget, of_budget)):
        for name, value in numbers.items():
            object.__setattr__(part, name, value)  # in tests, the constructor also checks types
        part.__post_init__()
    assert given == plain
    items = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fit([Autoencoder(width=4)], items, given, run_folder=tmp_path)  # whose journal and checkpoint name the options
    journal = (tmp_path / "journal.jsonl").read_bytes()
    fit([Autoencoder(width=4)], items, plain, run_folder=tmp_path)
    assert (tmp_path / "journal.jsonl").read_bytes() == journal


def test_options_are_no_budget() -> None:
    assert options_given(None, "VAE") == TrainingOptions()
    with pytest.raises(UsageError, match="VAE: options are a Budget; give TrainingOptions, such as"):
        options_given(Budget(steps=2), "VAE")


def test_a_budget_of_half_steps() -> None:
    budget = Budget(steps=2)
    object.__setattr__(budget, "steps", 2.5)  # in tests, the constructor also checks types
    with pytest.raises(UsageError, match=r"steps is 2\.5; it must be a whole number"):
        budget.__post_init__()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 100}, "budget is 100; it must be a Budget, a tuple of Budgets or None"),
        ({"budget": (Budget(steps=1), 3)}, "it must be a Budget, a tuple of Budgets or None"),
        ({"accelerator": "gpu"}, "accelerator is 'gpu'; it must be 'cpu', 'cuda', 'mps' or 'auto'"),
        ({"precision": "16"}, "precision is '16'; it must be '32-true' or 'bf16-mixed'"),
        ({"batch_size": True}, "batch_size is True; it must be a whole number of at least 1 or None"),
        ({"seed": 2**64}, "seed is 18446744073709551616; it must be a whole number from 0 to 18446744073709551615"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds is -1; it must be a number of at least 0"),
    ],
)
def test_options_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    options = TrainingOptions()
    for name, value in arguments.items():
        object.__setattr__(options, name, value)  # in tests, the constructor also checks types
    with pytest.raises(UsageError, match=message):
        options.__post_init__()


RUN = """
    import sys, time, torch
    from pathlib import Path
    from hizumi.models import DCGAN
    from hizumi.training import Budget, TrainingOptions
    from hizumi.training.loop import fit, launched
    from safetensors.torch import save_file

    images = torch.rand(32, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    folder, slow = Path(sys.argv[1]), sys.argv[2] == "slow"
    model = DCGAN(width=8, latent=4)
    options = TrainingOptions(budget=Budget(steps=30), batch_size=8, checkpoint_seconds=0.0)
    fit([model], images, options, run_folder=folder, observe=lambda _: time.sleep(0.05 * slow))
    save_file(model.state_dict(), folder / "done.safetensors")
"""


def run(folder: Path, speed: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(RUN), str(folder), speed])


def test_resume_after_kill_minus_nine_is_bit_equal(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    assert run(straight, "fast").wait(120) == 0

    process = run(killed, "slow")
    journal = killed / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") >= 8):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "done.safetensors").exists()
    steps_before = journal.read_text().count("\n") - 1
    assert steps_before < 30

    assert run(killed, "fast").wait(120) == 0
    one, other = load_file(straight / "done.safetensors"), load_file(killed / "done.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    # The journal tells of every step once.
    lines = [line.split('"step": ')[1].split(",")[0] for line in journal.read_text().splitlines()[1:]]
    assert [int(line) for line in lines] == list(range(1, 31))


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    options = TrainingOptions(budget=Budget(steps=2), checkpoint_seconds=0.0)
    fit([Line()], DATA, options, run_folder=tmp_path)
    checkpoint = tmp_path / "phase-0.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:40])
    with pytest.raises(BundleError, match="is damaged"):
        fit([Line()], DATA, options, run_folder=tmp_path)
    save_file({"weight": torch.zeros(1)}, checkpoint)  # of another program
    with pytest.raises(BundleError, match="is damaged"):
        fit([Line()], DATA, options, run_folder=tmp_path)


def without_seconds(folder: Path) -> list[dict[str, object]]:
    records = Journal(folder / "journal.jsonl").records
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


class Crash(BaseException):
    """A process that dies here and now."""


@pytest.mark.parametrize("point", ["journal", "temporary", "fsync", "replace", "renamed"])
@pytest.mark.parametrize("at", [1, 4])
def test_a_crash_at_any_point_of_writing_ends_in_equal_weights_and_journal(
    point: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainingOptions(budget=Budget(steps=8), batch_size=8, checkpoint_seconds=0.0)
    straight, crashed = [VAE(width=8, latent=2) for _ in range(2)]
    fit([straight], DATA, options, run_folder=tmp_path / "straight")
    count = 0

    def crashing(owner: object, name: str, *, after: bool = False) -> None:
        original = getattr(owner, name)

        def called(*arguments: object, **keywords: object) -> object:
            nonlocal count
            count += 1
            if count == at and not after:
                raise Crash
            result = original(*arguments, **keywords)
            if count == at:
                raise Crash
            return result

        patch.setattr(owner, name, called)

    with monkeypatch.context() as patch:
        match point:
            case "journal":
                crashing(Journal, "write", after=True)
            case "temporary":
                crashing(files.uuid, "uuid4")
            case "fsync":
                crashing(files.os, "fsync")
            case "replace":
                crashing(Path, "replace")
            case "renamed":
                crashing(Path, "replace", after=True)
        with pytest.raises(Crash):
            fit([VAE(width=8, latent=2)], DATA, options, run_folder=tmp_path / "crashed")
    # What a kill in the middle of a line leaves behind.
    with (tmp_path / "crashed" / "journal.jsonl").open("a") as journal:
        journal.write('{"phase": "VAE", "st')
    fit([crashed], DATA, options, run_folder=tmp_path / "crashed")
    for key, value in straight.state_dict().items():
        assert torch.equal(value, crashed.state_dict()[key]), key
    assert without_seconds(tmp_path / "crashed") == without_seconds(tmp_path / "straight")
    lines = [json.loads(line) for line in (tmp_path / "crashed" / "journal.jsonl").read_text().splitlines()]
    assert [*lines[0]] == ["run"]
    assert [line["step"] for line in lines[1:]] == [*range(1, 9)]  # every one of them whole


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    options = TrainingOptions(budget=Budget(steps=2), batch_size=8)
    fit([Line()], DATA, options, run_folder=tmp_path)
    with pytest.raises(UsageError, match=r"of a run with another seed \(0, now 1\); "):
        fit([Line()], DATA, replace(options, seed=1), run_folder=tmp_path)
    with pytest.raises(UsageError, match=r"another items \(24, now 20\)"):
        fit([Line()], DATA[:20], options, run_folder=tmp_path)


def test_a_run_with_other_settings_does_not_take_over_what_was_learned(tmp_path: Path) -> None:
    def ratio(mutation: float, width: int = 4) -> Likelihood:
        return Likelihood(VAE(latent=2, width=width), image_score="ratio", mutation=mutation)

    def on_features(neighbourhood: int) -> OnFeatures:
        flow = Likelihood(Flow("positions", steps=1, width=4), smoothing=0.0)
        return OnFeatures(flow, (1, 2), "wavelets", input_size=None, neighbourhood=neighbourhood)

    images = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    options = TrainingOptions(budget=Budget(steps=2), batch_size=8)
    cases = {
        r"settings.2 Background.mutation \(0.2, now 0.8\)": (ratio(0.2), ratio(0.8)),
        r"settings.1 VAE.width \(4, now 5\), settings.2 Background.model.width": (ratio(0.2), ratio(0.2, 5)),
        r"settings.OnFeaturesTraining.front.neighbourhood \(3, now 5\)": (on_features(3), on_features(5)),
    }
    for number, (named, (first, second)) in enumerate(cases.items()):
        folder = tmp_path / str(number)
        first.fit(images, options, run_folder=folder)
        expected = first.score(images).image
        with pytest.raises(UsageError, match=rf"journal .* is of a run with another {named}"):
            second.fit(images, options, run_folder=folder)
        (folder / "journal.jsonl").unlink()
        with pytest.raises(UsageError, match=r"checkpoint .* is of a run with another settings"):
            second.fit(images, options, run_folder=folder)
        again = first.fit(images, options, run_folder=folder)
        assert torch.equal(again.score(images).image, expected)


def test_a_journal_of_another_run_is_never_appended_to(tmp_path: Path) -> None:
    options = TrainingOptions(budget=Budget(steps=2), batch_size=8)
    fit([Line()], DATA, options, run_folder=tmp_path)
    (tmp_path / "phase-0.safetensors").unlink()  # as after a kill before the first checkpoint
    journal = tmp_path / "journal.jsonl"
    before = journal.read_bytes()
    others = {
        r"seed \(0, now 1\)": ([Line()], DATA, replace(options, seed=1)),
        r"batch_size \(\[8\], now \[4\]\)": ([Line()], DATA, replace(options, batch_size=4)),
        r"phases \(\['Line'\], now \['VAE'\]\)": ([VAE(width=8, latent=2)], DATA, options),
        r"items \(24, now 20\)": ([Line()], DATA[:20], options),
        r"data.checksum \(\d+, now \d+\)": ([Line()], DATA.flip(0), options),
    }
    for named, (phases, data, asked) in others.items():
        with pytest.raises(UsageError, match=rf"journal .* is of a run with another {named}; resume with the same"):
            fit(phases, data, asked, run_folder=tmp_path)
        assert journal.read_bytes() == before
    # The same run may go on for longer; lines without an identity, and a half-written one, are nobody's.
    fit([Line()], DATA, replace(options, budget=Budget(steps=3)), run_folder=tmp_path)
    assert [record["step"] for record in without_seconds(tmp_path)] == [1, 2, 3]
    (tmp_path / "phase-0.safetensors").unlink()
    journal.write_bytes(journal.read_bytes().partition(b"\n")[2])
    with pytest.raises(UsageError, match=r"another phases \(None, now \['Line'\]\), seed \(None, now 0\)"):
        fit([Line()], DATA, options, run_folder=tmp_path)
    journal.write_bytes(before[:9])
    fit([Line()], DATA, options, run_folder=tmp_path)
    assert [record["step"] for record in without_seconds(tmp_path)] == [1, 2]
    assert journal.read_bytes().startswith(before.partition(b"\n")[0])


def test_a_seed_that_torch_cannot_take_is_refused() -> None:
    assert TrainingOptions(seed=2**64 - 1).seed == 2**64 - 1
    with pytest.raises(UsageError, match=f"seed is {2**64}; it must be a whole number from 0 to {2**64 - 1}"):
        TrainingOptions(seed=2**64)


class Steep(Trainable):
    """Two weights on a slope of 30 and 40."""

    card: ClassVar[Card] = Card(family="test", idea="a slope", paper="none")
    default_budget: ClassVar[Budget] = Budget(steps=1)

    def build(self, shape: tuple[int, ...]) -> None:
        self.weights = nn.Parameter(torch.zeros(2))
        self.optimise("weights", [self.weights], kind="sgd", learning_rate=0.1, clip_norm=0.5)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": self.update("weights", (self.weights * torch.tensor([30.0, 40.0])).sum())}


def test_a_gradient_that_is_too_long_is_shortened_to_the_norm_asked_for() -> None:
    model = Steep().fit(torch.zeros(4, 1), TrainingOptions(budget=Budget(steps=1)))
    torch.testing.assert_close(model.weights.detach(), -0.1 * 0.5 * torch.tensor([0.6, 0.8]))


def test_other_installed_packages_add_nothing_to_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**_: object) -> None:
        raise AssertionError("installed packages were looked through for callbacks")

    monkeypatch.setattr("lightning_fabric.utilities.registry.entry_points", asked)
    with pytest.raises(AssertionError, match="looked through"):
        Fabric(accelerator="cpu")
    assert launched(TrainingOptions())._callbacks == []
