"""Imports go only downwards, never between rooms of one level, and the command line starts without heavy imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "hizumi"
LEVELS = [
    {"networks", "objectives", "calibration", "storage"},
    {"data"},
    {"training"},
    {"preprocessing"},
    {"models"},
    {"detectors", "evaluation"},
    {"registry"},
    {"runs", "reproduction"},
    {"inspection", "generation"},
    {"report", "runtime"},
    {"monitoring", "export"},
    {"station"},
    {"serving", "scale"},
    {"cli"},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
FREE = {"arguments", "errors", "lazy", "shapes", "version"}  # everyone may import them, and they import only each other
OUTSIDE = {"__init__", "__main__"}  # the package's front doors, above all rooms
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each module or name that a file imports, at its top or inside functions."""
    package = ("hizumi", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def objection(room: str, module: str) -> str | None:
    """Why `room` may not import `module`; None where it may."""
    package, _, rest = module.partition(".")
    target = rest.partition(".")[0]
    if package != "hizumi":
        return "calibration does without torch" if (room, package) == ("calibration", "torch") else None
    if target in FREE or target == room or room in OUTSIDE:
        return None
    if room in FREE or target not in LEVEL_OF:
        return f"{room} may not import {module}"
    if LEVEL_OF[target] >= LEVEL_OF[room]:
        return f"{room} is not above {target}"
    return None


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_imports_go_only_downwards(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL_OF.keys() | FREE | OUTSIDE, f"{room} has no level yet; give it one in LEVELS"
    objections = [
        f"line {line}: {reason}" for line, module in imported_modules(path) if (reason := objection(room, module))
    ]
    assert not objections


@pytest.mark.parametrize(
    ("room", "module", "allowed"),
    [
        ("training", "hizumi.data.stream", True),
        ("cli", "hizumi.calibration.Verdict", True),
        ("report", "hizumi.evaluation.Evaluation", True),
        ("data", "hizumi.errors.DataError", True),
        ("data", "torch", True),
        ("data", "hizumi.detectors", False),
        ("networks", "hizumi.objectives", False),
        ("inspection", "hizumi.evaluation", True),
        ("evaluation", "hizumi.inspection", False),
        ("evaluation", "hizumi.detectors", False),
        ("generation", "hizumi.registry.specification", True),
        ("export", "hizumi.runtime", True),
        ("runtime", "hizumi.detectors", True),
        ("inspection", "hizumi.storage.archive", True),
        ("inspection", "hizumi.generation", False),
        ("models", "hizumi.detectors.detector", False),
        ("detectors", "hizumi.registry", False),
        ("calibration", "torch.nn", False),
        ("errors", "hizumi.data", False),
        ("training", "hizumi.Inspector", False),
    ],
)
def test_the_rule_itself(room: str, module: str, allowed: bool) -> None:
    assert (objection(room, module) is None) == allowed


def test_relative_imports_are_resolved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "vae.py"
    path.write_text("from ..detectors import detector\nfrom .abilities import CanSample\nfrom . import dcgan\n")
    assert [module for _, module in imported_modules(path)] == [
        "hizumi.detectors.detector",
        "hizumi.models.abilities.CanSample",
        "hizumi.models.dcgan",
    ]


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("hizumi", "torch numpy scipy sklearn skimage matplotlib PIL lightning_fabric pydantic typer rich"),
        ("hizumi.cli", "torch numpy scipy sklearn skimage matplotlib PIL lightning_fabric pydantic rich"),
        ("hizumi.calibration", "torch scipy sklearn matplotlib PIL lightning_fabric"),
    ],
)
def test_import_stays_light(module: str, kept_out: str) -> None:
    code = f"import sys, {module}; print(*sorted(sys.modules.keys() & set(sys.argv[1].split())))"
    done = subprocess.run([sys.executable, "-c", code, kept_out], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
