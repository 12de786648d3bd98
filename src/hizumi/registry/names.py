"""Names of models, detectors and presets, read from their files: a wrong one is refused without importing torch."""

import ast
import re
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hizumi.arguments import OF_TESTS, no_preset
from hizumi.errors import UsageError
from hizumi.registry.suggestions import unknown

PLUG_INS = "hizumi.detectors"
Kind = Literal["detector", "model"]


DEFAULT_PRESETS = ("fast", OF_TESTS)
"""Those that classes without presets may have too; see `hizumi.training.preset`."""


@cache
def names_of(kind: Kind) -> tuple[str, ...]:
    """The names that `find_detectors` or `find_models` would give, in alphabetical order."""
    plugged_in = [entry.name for entry in entry_points(group=PLUG_INS)] if kind == "detector" else []
    return tuple(sorted(_files_of(kind).keys() | set(plugged_in)))


def refuse_unknown(name: str, kind: Kind) -> None:
    """Raise UsageError, with names like it, where there is no such model or detector."""
    if name not in names_of(kind):
        others = names_of("model" if kind == "detector" else "detector")
        raise UsageError(unknown(name, kind, names_of(kind), others))


def refuse_unknown_preset(preset: str | None, name: str, kind: Kind) -> None:
    """Raise UsageError where the model or detector has no such preset; plug-ins are left to be asked themselves."""
    path = _files_of(kind).get(name)
    if path is None or preset is None or preset in DEFAULT_PRESETS:
        return
    called, known = _presets_in(path)
    if preset not in known:
        raise UsageError(no_preset(called, preset, known))


def _presets_in(path: Path) -> tuple[str, tuple[str, ...]]:
    """The name of the class that has its file's name, and the keys of its `presets`."""
    classes = (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    own = next(node for node in classes if node.name.lower() == path.stem.replace("_", ""))
    for node in own.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "presets":
            assert isinstance(node.value, ast.Dict), "presets are written out"
            return own.name, tuple(ast.literal_eval(key) for key in node.value.keys if key is not None)
    return own.name, ()


@cache
def _files_of(kind: Kind) -> dict[str, Path]:
    """The files of hizumi's own models or detectors, by name."""
    spec = find_spec(f"hizumi.{kind}s")
    assert spec is not None, "hizumi has these packages"
    files = (path for place in spec.submodule_search_locations or () for path in Path(place).glob("*.py"))
    return {path.stem: path for path in files if _holds_its_name(path)}


def _holds_its_name(path: Path) -> bool:
    """Whether a file has a class of the file's name that a card describes: those of contracts have none."""
    text = path.read_text(encoding="utf-8")
    classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
    return path.stem.replace("_", "") in map(str.lower, classes) and bool(
        re.search(r"^    card(: .+)? = ", text, re.MULTILINE)
    )
