"""Names of models and detectors, read from their files: a wrong name is refused without importing torch."""

import re
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hizumi.errors import UsageError
from hizumi.registry.suggestions import unknown

PLUG_INS = "hizumi.detectors"
Kind = Literal["detector", "model"]


@cache
def names_of(kind: Kind) -> tuple[str, ...]:
    """The names that `find_detectors` or `find_models` would give, in alphabetical order."""
    spec = find_spec(f"hizumi.{kind}s")
    assert spec is not None, "hizumi has these packages"
    files = (path for place in spec.submodule_search_locations or () for path in Path(place).glob("*.py"))
    plugged_in = [entry.name for entry in entry_points(group=PLUG_INS)] if kind == "detector" else []
    return tuple(sorted({path.stem for path in files if _holds_its_name(path)} | set(plugged_in)))


def refuse_unknown(name: str, kind: Kind) -> None:
    """Raise UsageError, with names like it, where there is no such model or detector."""
    if name not in names_of(kind):
        raise UsageError(unknown(name, kind, names_of(kind)))


def _holds_its_name(path: Path) -> bool:
    """Whether a file has a class of the file's name that a card describes: those of contracts have none."""
    text = path.read_text(encoding="utf-8")
    classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
    return path.stem.replace("_", "") in map(str.lower, classes) and bool(
        re.search(r"^    card(: .+)? = ", text, re.MULTILINE)
    )
