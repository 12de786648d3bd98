"""What a dry run foretells, against what the fit takes: both are printed, and agree within a factor of two."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hizumi.data.stream import as_source
from hizumi.detectors import FusedFeatures, GaussianMixture, gaussian_mixture
from hizumi.errors import ShortageError
from hizumi.inspection import Inspector
from hizumi.models import Autoencoder
from hizumi.networks.wavelets import OrientedWavelets
from hizumi.runs import planning
from hizumi.runs.planning import Trial, cost_of_statistics, of_more
from hizumi.training import Budget, TrainingOptions
from tests.peaks import output_and_peak

ATTEMPTS = 3


def pictures(folder: Path, count: int, side: int, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    waves = 128 + 60 * np.sin(np.arange(side) * np.pi / 8)
    for index in range(count):
        picture = np.roll(waves, index) + generator.normal(0, 8, (side, side))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{index:04d}.png")
    return folder


def rows(folder: Path) -> Path:
    folder.mkdir()
    table = np.random.default_rng(0).normal(size=(20_000, 30))
    np.savetxt(folder / "rows.csv", table, delimiter=",", header=",".join(f"c{i}" for i in range(30)), comments="")
    return folder / "rows.csv"


def film(folder: Path) -> Path:
    for clip in range(3):
        pictures(folder / f"Train{clip:03d}", 40, 96, seed=clip)
    return folder


CASES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "images": (lambda folder: pictures(folder, 150, 160), ["-d", "reconstruction", "--steps", "60"]),
    "tiles": (lambda folder: pictures(folder, 20, 640), ["-d", "pca", "--tiles", "--image-size", "32"]),
    "tables": (rows, ["-d", "gaussian_mixture"]),
    "film": (film, ["-d", "reconstruction", "--motion", "--steps", "40"]),
    "folds": (lambda folder: pictures(folder, 60, 64), ["-d", "reconstruction", "--folds", "3", "--steps", "50"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_dry_run_is_right_within_a_factor_of_two(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, options = CASES[case]
    command = ["fit", make(tmp_path / "data"), *options, "-o", tmp_path / "a.hizumi", "--json", "-"]
    for _ in range(ATTEMPTS):  # another program may take the processor from one of the two
        planned, (written, mebibytes) = json.loads(output_and_peak(*command, "--dry-run")[0]), output_and_peak(*command)
        fitted = json.loads(written)
        foretold = planned["estimate"]["seconds"], planned["estimate"]["memory_bytes"] / 2**20
        taken = fitted["fit_seconds"], mebibytes
        said = (f"{seconds:.1f} s and {size:.0f} MiB" for seconds, size in (foretold, taken))
        with capsys.disabled():
            sys.stdout.write(f"\n{case}: foretold {next(said)}, taken {next(said)} ")
        assert taken[1] / 2 <= foretold[1] <= 2 * taken[1]
        if taken[0] / 2 <= foretold[0] <= 2 * taken[0]:
            return
    pytest.fail(f"{case}: {ATTEMPTS} times, the time was more than a factor of two off")


def test_trials_of_few_items_are_extrapolated_without_what_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(planning.time, "monotonic", lambda: clock[0])
    done: list[int] = []

    def work(seconds_of: Callable[[int], float]) -> Callable[[int], None]:
        done.clear()

        def of(count: int) -> None:
            clock[0] += seconds_of(count) + (5.0 if not done else 0.0)  # the first one imports a library
            done.append(count)

        return of

    assert of_more(work(lambda count: 0.3 + 0.01 * count), 5000, 16).seconds == pytest.approx(50.3)
    assert max(done) < 300
    assert of_more(work(lambda count: 1e-4 * count**2), 1000, 16).seconds == pytest.approx(100)
    assert of_more(work(lambda count: 0.001 * count), 60, 16).seconds == pytest.approx(0.06)
    assert done == [16, 16, 32, 60]


@pytest.mark.parametrize(
    ("extra_mib", "foretold_mib"),
    [
        ({16: 0.01, 32: 20.0}, 20 + (20 - 0.01) / 16 * 968),  # a buffer that came in the second trial: a straight line
        ({16: 100.0, 32: 400.0}, 400 * (1000 / 32) ** 2),  # a matrix of all pairs
    ],
)
def test_memory_grows_by_a_power_only_where_there_is_enough_to_tell(
    extra_mib: dict[int, float], foretold_mib: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    mib, before = 2**20, 10**9
    monkeypatch.setattr(planning, "resident_bytes", lambda: before)
    monkeypatch.setattr(
        planning, "tried", lambda work: Trial(work.args[0] / 16, before + int(extra_mib[work.args[0]] * mib))
    )
    estimate = of_more(lambda _: None, 1000, 16)
    assert estimate.peak_bytes - before == pytest.approx(foretold_mib * mib, rel=1e-3)


@pytest.mark.parametrize(
    "rounds", [lambda count: 9.0, lambda count: 13 * (20_000 / count) ** 0.6, lambda count: count**0.3]
)
def test_rounds_of_an_estimate_are_counted_on_many_items(
    rounds: Callable[[int], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    mixture = gaussian_mixture._mixture
    monkeypatch.setattr(planning.time, "monotonic", lambda: clock[0])

    def timed(rows: np.ndarray, components: int, floor: float, starts: int) -> object:
        # A mixture of one Gaussian is there at once; of more, the rounds become more.
        clock[0] += starts * len(rows) * components * (2 + (rounds(len(rows)) - 2) * (components - 1) / 4) * 1e-6
        return mixture(rows[:40], components, floor, 1)

    monkeypatch.setattr(gaussian_mixture, "_mixture", timed)
    table = as_source(torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)), "test")
    foretold = cost_of_statistics(GaussianMixture(), table).seconds
    began = clock[0]
    GaussianMixture().fit(table)
    assert foretold == pytest.approx(clock[0] - began, rel=0.3)


def test_a_dry_run_looks_at_some_of_thousands_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, crops = [0.0], [0]
    forward = OrientedWavelets.forward

    def timed(self: OrientedWavelets, batch: torch.Tensor) -> list[torch.Tensor]:
        clock[0] += 0.02 * len(batch)
        crops[0] += len(batch)
        return forward(self, batch)

    monkeypatch.setattr(OrientedWavelets, "forward", timed)
    monkeypatch.setattr(planning.time, "monotonic", lambda: clock[0])
    images = np.random.default_rng(0).integers(0, 256, (5, 200, 200, 1), dtype=np.uint8)
    detector = FusedFeatures((1, 2), "wavelets", None, memory=20, candidates=60, channels=8)
    inspector = Inspector(detector, sizing="tile", image_size=16, calibration_share=0.4)
    foretold = inspector.plan(images)["estimate"]["seconds"]
    looked_at, crops[0], began = crops[0], 0, clock[0]
    inspector.fit(images)
    assert 2 * looked_at < crops[0]
    assert foretold == pytest.approx(clock[0] - began, rel=0.3)


def test_what_is_tried_again_may_be_steep_by_chance_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.1, 0.1, 0.9, 0.2, 0.4, 0.8, 1.6])
    monkeypatch.setattr(planning, "tried", lambda _: Trial(next(seconds), 10**9))
    assert of_more(lambda _: None, 1600, 16).seconds == pytest.approx(1.6 + 0.8 / 128 * (1600 - 256))


def test_memory_is_that_of_what_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "resident_bytes", lambda: 10**9)
    monkeypatch.setattr(planning, "tried", lambda work: Trial(work.args[0] / 16, 10**9 + 10**6 * work.args[0]))
    extra = [
        of_more(lambda _: None, 10_000, 16, held_at_once=held).peak_bytes - 10**9 for held in (None, 500, 8, 20_000)
    ]
    assert extra == [10**10, 500 * 10**6, 32 * 10**6, 10**10]


def test_a_dry_run_stops_short_of_the_size_that_it_warns_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(count: int) -> None:
        if count > 20:
            raise ShortageError("a step needs more memory than there is")

    assert of_more(work, 1000, 16).seconds < 1

    def step(_: object, batch: object) -> dict[str, object]:
        if len(batch) > 4:  # type: ignore[arg-type]
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1000 bytes")
        return original(_, batch)

    original = Autoencoder.step
    monkeypatch.setattr(Autoencoder, "step", step)
    inspector = Inspector("reconstruction", training=TrainingOptions(budget=Budget(steps=7), batch_size=32))
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    estimate = inspector.plan(images)["estimate"]
    assert estimate["steps"] == 7
    assert estimate["seconds"] > 0
    assert estimate["memory_bytes"] > 2**20
