"""The benchmark of speed: every case runs, its plain code is right, and the page is what the results give."""

import json

import pytest
import torch

from benchmarks.speed.cases import CASES
from benchmarks.speed.causes import CAUSES
from benchmarks.speed.measuring import Figure, Setting, in_turn
from benchmarks.speed.page import PAGE, RESULTS, speed_page
from benchmarks.speed.pixels import masked
from benchmarks.speed.plain import PlainRecurrence, ganomaly_step
from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.networks import MaskedNetwork, lay_out
from hizumi.networks.recurrent import LEFT_AND_ABOVE, THREE_ABOVE, Recurrence, Taps


def test_the_page_in_the_repository_is_what_the_results_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == speed_page(), "run make bench"


def test_what_is_short_says_why() -> None:
    results = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    short = {result["case"] for result in results for entry in result["figures"] if Figure(**entry).reached is False}
    assert short <= CAUSES.keys()
    assert all(CAUSES[case].endswith(".") for case in short)  # a sentence, no placeholder


def test_a_step_with_shared_passes_has_the_gradients_of_the_released_code() -> None:
    torch.manual_seed(0)
    plain = GANomalyTraining(latent=6, width=8).prepare((3, 16, 16)).double().train()
    shared = GANomalyTraining(latent=6, width=8).prepare((3, 16, 16)).double().train()
    shared.load_state_dict(plain.state_dict())
    batch = torch.rand(8, 3, 16, 16, dtype=torch.float64) * 2 - 1
    ganomaly_step(plain, batch)
    lay_out(shared, channels_last_in_memory=True)
    shared.step(batch)
    # The discriminator's own step comes last in both, so that its gradients, too, are those of one loss alone.
    for (name, own), theirs in zip(shared.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(
            own.grad, theirs.grad, rtol=1e-7, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(("taps", "directions"), [(THREE_ABOVE, 1), (LEFT_AND_ABOVE, 2)])
def test_plain_recurrences_give_what_ours_give(taps: Taps, directions: int) -> None:
    torch.manual_seed(0)
    recurrence = Recurrence(3, taps, directions)
    gates = torch.randn(12 * directions, 4, 5, 2)
    torch.testing.assert_close(PlainRecurrence(recurrence)(gates), recurrence(gates))


def test_full_kernels_give_what_cropped_ones_give() -> None:
    torch.manual_seed(0)
    network, images = MaskedNetwork((1, 6, 7), levels=2, width=4, blocks=1), torch.randn(2, 1, 6, 7)
    torch.testing.assert_close(masked(network)(images), network(images))


SMOKE = Setting(rounds=0, smoke=True)
LONGER = (
    "train-all",
    "memory",
    "start",
    "score-batch",
    "score-files",
    "score-cold",
    "score-one",
    "station",
)  # all models, processes, exports


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case in LONGER else ()) for case in CASES]
)
def test_every_case_runs(case: str) -> None:
    report = CASES[case](SMOKE)
    assert report.figures
    assert all(figure.value == figure.value for figure in report.figures)


def test_ways_are_timed_in_turn_and_the_first_turn_does_not_count() -> None:
    calls: list[str] = []
    seconds = in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, Setting(rounds=2))
    assert calls == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_what_was_asked_is_a_bound_or_nothing() -> None:
    assert Figure("", 1.4, at_least=1.35).reached
    assert Figure("", 1.3, at_least=1.35).reached is False
    assert Figure("", 0.2, at_most=0.3).reached
    assert Figure("", 1.3).reached is None
