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


def _names(written: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(entry.partition(": ")[0] for entry in written))


def test_every_model_and_variant_is_written_down() -> None:
    assert _names(_written("optimisers")) == list(snapshots.trained_classes())
    assert _names(_written("steps")) == [*snapshots.trained_classes(), *snapshots.VARIANTS]


@pytest.mark.parametrize("name", _names(_written("optimisers")))
def test_optimisers_are_those_written_down(name: str) -> None:
    assert json.loads(json.dumps(snapshots.optimisers_of(name))) == _of(name, "optimisers")


@pytest.mark.parametrize("name", _names(_written("steps")))
def test_steps_are_those_written_down(name: str) -> None:
    made, expected = snapshots.steps_of(name), _of(name, "steps")
    assert made.keys() == expected.keys()
    for entry, written in expected.items():
        now = made[entry]
        assert [update[0] for update in now["updates"]] == [update[0] for update in written["updates"]]
        assert now["networks"].keys() == written["networks"].keys()
        assert not list(_differences(now, written)), entry


def _of(name: str, what: str) -> dict[str, Any]:
    return {entry: made for entry, made in _written(what).items() if entry.partition(": ")[0] == name}


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
