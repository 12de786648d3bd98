"""No training step changes unnoticed: optimisers, losses, gradients and networks are those that were written down.

Where a change is meant, `python -m tools.snapshots` writes them anew, and its differences say what it changed.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools import snapshots

RELATIVE = 1e-4  # double precision leaves far less between processors


def _written(name: str) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((snapshots.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return written


@pytest.fixture(scope="module")
def steps() -> dict[str, Any]:
    return snapshots.steps()


def test_optimisers_are_those_written_down() -> None:
    assert json.loads(json.dumps(snapshots.optimisers())) == _written("optimisers")


def test_every_model_has_its_steps_written_down(steps: dict[str, Any]) -> None:
    assert steps.keys() == _written("steps").keys()


@pytest.mark.parametrize("entry", _written("steps"))
def test_steps_are_those_written_down(entry: str, steps: dict[str, Any]) -> None:
    now, written = steps[entry], _written("steps")[entry]
    assert [update[0] for update in now["updates"]] == [update[0] for update in written["updates"]]
    assert now["networks"].keys() == written["networks"].keys()
    assert not list(_differences(now, written))


def _differences(now: dict[str, Any], written: dict[str, Any]) -> Iterator[str]:
    for place, (ours, theirs) in enumerate(zip(now["updates"], written["updates"], strict=True)):
        size = theirs[2]  # of the gradient, which its product with a fixed vector may be far below
        for what, mine, its, scale in zip(
            ("loss", "gradient's norm", "gradient"), ours[1:], theirs[1:], (abs(theirs[1]), size, size), strict=True
        ):
            if abs(mine - its) > RELATIVE * scale + 1e-9:
                yield f"update {place} of {ours[0]}: {what} is {mine}, was {its}"
    for name, place_now in now["networks"].items():
        if abs(place_now - written["networks"][name]) > RELATIVE * (1 + abs(place_now)):
            yield f"network {name} is at {place_now}, was at {written['networks'][name]}"
