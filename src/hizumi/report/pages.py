"""A page in Markdown for each model and detector, from its card, docstring and signature, and an index of all."""

import inspect
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from hizumi.arguments import annotation_of, arguments_of, described, is_part, parts_of, searched_of
from hizumi.models.abilities import ABILITIES
from hizumi.registry import find_detectors, find_models
from hizumi.training import Budget
from hizumi.training.card import FAMILIES

ARGUMENT = re.compile(r"^(\w+): (.*)$")
GENERATED = "<!-- Generated from the code by `make docs`: change it there. -->"


def pages() -> dict[PurePosixPath, str]:
    """The text of every page by its path below the folder of the documentation."""
    found = {f"models/{name}.md": _page(name, model, "model") for name, model in find_models().items()}
    found |= {f"detectors/{name}.md": _page(name, each, "detector") for name, each in _own_detectors().items()}
    return {PurePosixPath(path): text for path, text in [("catalogue.md", _index()), *found.items()]}


def _own_detectors() -> dict[str, Any]:
    """Detectors of this package: plug-ins are documented by their authors."""
    return {name: each for name, each in find_detectors().items() if each.__module__.startswith("hizumi.")}


def _index() -> str:
    about = "Generative models, by how they treat the density of data."
    lines = ["# Models and detectors", "", GENERATED, "", about, ""]
    for family in FAMILIES:
        models = {name: model for name, model in find_models().items() if model.card.family == family}
        lines += [f"## {family.capitalize()}", "", *_lines_of(models, "models"), ""]
    return "\n".join([*lines, "## Detectors", "", *_lines_of(_own_detectors(), "detectors"), ""])


def _lines_of(methods: dict[str, Any], folder: str) -> list[str]:
    return [f"- [{each.__name__}]({folder}/{name}.md): {each.card.idea}." for name, each in methods.items()]


def _page(name: str, method: Any, kind: str) -> str:
    card = method.card
    facts = {
        "Family": card.family,
        "Idea": card.idea,
        "Paper": card.paper,
        "Takes": ", ".join(card.takes),
        "Needs": ", ".join(card.needs) or "nothing else",
    }
    if card.no_series:
        facts["No series"] = card.no_series
    if kind == "model":
        abilities = [word for ability, word in ABILITIES.items() if issubclass(method, ability)]
        usual = _spent(method.default_budget, method.default_batch_size)
        facts |= {"Can": ", ".join(abilities) or "classify", "Trains for": f"{usual}, unless told otherwise"}
        if fast := method.presets.get("fast"):
            (budget,) = fast.options.budgets([method.default_budget])
            facts["With `--preset fast`"] = "; ".join(
                filter(None, [_spent(budget, fast.options.batch_size), fast.departure])
            )
        command = f"hizumi model train {name} DATA -o {name}.hizumi"
    else:
        facts["Draws maps"] = "yes" if card.localises else "no"
        command = f"hizumi fit DATA -d {name} -o parts.hizumi"
    lines = [f"# {method.__name__}", "", GENERATED, "", *_docstring(method)[0], "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    lines += ["", "```sh", command, "```", "", "## Arguments", "", *_arguments(method(), "")]
    parts = list(_all_parts(method(), ""))
    if parts:
        lines += ["", "Those below are set by their whole path, or by the last name alone where it is unique."]
    for path, part in parts:
        lines += ["", f"## Arguments of `{path}`, by default {_linked(type(part))}", "", *_arguments(part, f"{path}.")]
    if method.exemptions:
        lines += ["", "## Contract checks that it cannot meet", ""]
        lines += [f"- `{check}`: {reason}" for check, reason in method.exemptions.items()]
    return "\n".join([*lines, ""])


def _arguments(part: Any, prefix: str) -> list[str]:
    meanings = _docstring(type(part))[1]
    rows = [
        (f"`{prefix}{name}`", f"`{_shown(value)}`", _allowed(type(part), name), meanings.get(name, ""))
        for name, value in arguments_of(part).items()
    ]
    if not rows:
        return ["None."]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return ["| Name | Default | Must be | Meaning |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in cells)]


def _allowed(owner: type, name: str) -> str:
    allowed, searched = described(annotation_of(owner, name)), searched_of(owner, name)
    return allowed if searched is None else f"{allowed}; {searched.words()}"


def _all_parts(part: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Detectors and models among the arguments, those among theirs included, each with its path."""
    for name, inner in parts_of(part):
        yield f"{prefix}{name}", inner
        yield from _all_parts(inner, f"{prefix}{name}.")


def _linked(kind: type) -> str:
    for folder, known in (("models", find_models()), ("detectors", find_detectors())):
        for name, found in known.items():
            if found is kind:
                return f"[{kind.__name__}](../{folder}/{name}.md)"
    return kind.__name__


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and any(map(is_part, value)):
        return f"({', '.join(map(_shown, value))})"
    return f"{type(value).__name__}()" if is_part(value) else repr(value)


def _spent(budget: Budget, batch_size: int) -> str:
    limits = {"steps": budget.steps, "epochs": budget.epochs, "minutes": budget.max_minutes}
    spent = " or ".join(f"{limit:,} {unit}" for unit, limit in limits.items() if limit is not None)
    return f"{spent} of {batch_size} items"


def _docstring(method: Any) -> tuple[list[str], dict[str, str]]:
    """The docstring up to its arguments, and the meaning of each of them."""
    before, _, after = (inspect.getdoc(method) or "").partition("\nArgs:\n")
    arguments: dict[str, str] = {}
    name = ""
    for line in after.splitlines():
        text = line.strip()
        if not line.startswith("    "):
            break
        if line.startswith("     "):
            arguments[name] += f" {text}"
        elif found := ARGUMENT.match(text):
            name = found[1]
            arguments[name] = found[2]
    return before.strip().splitlines(), arguments
