"""The list of mutants fits the source as it is: a stale one would count for nothing."""

import ast

import pytest

from tools.mutants import ROOT, SOURCE, Mutant, read_mutants

MUTANTS = read_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_changes_the_code_and_still_is_python(mutant: Mutant) -> None:
    assert not mutant.is_stale, f"stands in other places, or in another number of them, than {mutant.count}"
    text = (SOURCE / mutant.path).read_text(encoding="utf-8")
    mutated = ast.parse(mutant.applied_to(text))
    assert ast.dump(mutated) != ast.dump(ast.parse(text))


def test_there_are_many_all_over_the_package_and_their_tests_exist() -> None:
    assert len(MUTANTS) >= 150
    assert {mutant.path.split("/")[0] for mutant in MUTANTS} >= {"models", "detectors", "calibration", "data", "export"}
    for mutant in MUTANTS:
        assert all((ROOT / tests.split()[0]).exists() for tests in mutant.tests), mutant
