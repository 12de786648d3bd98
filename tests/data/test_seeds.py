"""Seeds: unrelated for different purposes, numbers and counts of numbers; equal on every machine."""

from itertools import product
from typing import get_args

import torch

from hizumi.data.seeds import Purpose, seed_for


def test_purpose_numbers_and_their_count_all_matter() -> None:
    seeds = [
        seed_for(purpose, *numbers)
        for purpose in get_args(Purpose)
        for count in range(4)
        for numbers in product((0, 1, 10, 11, 101), repeat=count)
    ]
    assert len(set(seeds)) == len(seeds) == len(get_args(Purpose)) * (1 + 5 + 25 + 125)
    assert all(0 <= seed < 2**63 for seed in seeds)
    for seed in seeds[:3]:
        torch.Generator().manual_seed(seed)


def test_seeds_are_the_same_in_every_process_and_version() -> None:
    assert seed_for("batch order", 7) == 1_570_185_459_885_273_597
    assert seed_for("batch order", 7, 0) == 875_788_140_322_160_030
    assert seed_for("step", 0, 1, 2) == 9_025_546_072_631_953_872


def test_neighbouring_steps_draw_unrelated_numbers() -> None:
    draws = [torch.rand(1, generator=torch.Generator().manual_seed(seed_for("step", 0, step))) for step in range(2000)]
    values = torch.cat(draws).double()
    assert abs(float(values.mean()) - 0.5) < 0.03
    assert abs(float(torch.corrcoef(torch.stack([values[:-1], values[1:]]))[0, 1])) < 0.08
