"""A page in Markdown for each model and detector, from its card, docstring and signature, and an index of all."""

import inspect
import re
from pathlib import PurePosixPath
from typing import Any

from hizumi.arguments import parameters_of, parts_of
from hizumi.models.abilities import ABILITIES
from hizumi.registry import find_detectors, find_models
from hizumi.training.card import FAMILIES

BAR = r"\|"  # inside a table
ARGUMENT = re.compile(r"^(\w+): (.*)$")
GENERATED = "<!-- Made by `make docs` from the code: change it there. -->"


def pages() -> dict[PurePosixPath, str]:
    """The text of every page by its path below the folder of the documentation."""
    found = {
        PurePosixPath("models") / f"{name}.md": _page(name, model, "model") for name, model in find_models().items()
    }
    for name, detector in find_detectors().items():
        if detector.__module__.startswith("hizumi."):  # plug-ins document themselves
            found[PurePosixPath("detectors") / f"{name}.md"] = _page(name, detector, "detector")
    return {PurePosixPath("catalogue.md"): _index()} | found


def _index() -> str:
    lines = [
        "# Models and detectors",
        "",
        GENERATED,
        "",
        "Generative models, by what they do about the density of data.",
        "",
    ]
    for family in FAMILIES:
        lines += [f"## {family.capitalize()}", ""]
        models = {name: model for name, model in find_models().items() if model.card.family == family}
        lines += [*_lines_of(models, "models"), ""]
    detectors = {name: each for name, each in find_detectors().items() if each.__module__.startswith("hizumi.")}
    lines += ["## Detectors", "", *_lines_of(detectors, "detectors"), ""]
    return "\n".join(lines)


def _lines_of(methods: dict[str, Any], folder: str) -> list[str]:
    return [f"- [{each.__name__}]({folder}/{name}.md): {each.card.idea}." for name, each in methods.items()]


def _page(name: str, method: Any, kind: str) -> str:
    card = method.card
    about, _ = _docstring(method)
    facts = {
        "Family": card.family,
        "Idea": card.idea,
        "Paper": card.paper,
        "Takes": ", ".join(card.inputs),
        "Needs": ", ".join(card.needs) or "nothing else",
    }
    if method.exemptions:
        facts["Contract"] = "; ".join(
            f"exempt from {check.replace('_', ' ')}: {reason}" for check, reason in method.exemptions.items()
        )
    if kind == "model":
        facts["Can"] = (
            ", ".join(word for ability, word in ABILITIES.items() if issubclass(method, ability)) or "classify"
        )
        facts["Trains for"] = _budget(method)
        use = f"hizumi model train {name} DATA -o {name}.hizumi"
    else:
        facts["Draws maps"] = "yes" if card.localises else "no"
        use = f"hizumi fit DATA -d {name} -o parts.hizumi"
    return "\n".join(
        [
            f"# {method.__name__}",
            "",
            GENERATED,
            "",
            *about,
            "",
            "| | |",
            "|---|---|",
            *(f"| {key} | {value} |" for key, value in facts.items()),
            "",
            "```sh",
            use,
            "```",
            "",
            "## Arguments",
            "",
            *_table(_rows(method)),
            "",
        ]
    )


def _table(rows: list[str]) -> list[str]:
    return ["| Name | Default | Meaning |", "|---|---|---|", *rows] if rows else ["None."]


def _rows(method: Any) -> list[str]:
    """The arguments, then those of the trainings among them, which have no page of their own."""
    _, meanings = _docstring(method)
    rows = [
        f"| `{name}` | `{_default(each.default)}` | {meanings.get(name, '').replace('|', BAR)} |"
        for name, each in parameters_of(method).items()
    ]
    with_pages = {*find_models().values(), *find_detectors().values()}
    parts = [type(part) for _, part in parts_of(method()) if type(part) not in with_pages]
    return rows + [row for part in parts for row in _rows(part)]


def _default(value: Any) -> str:
    return f"{type(value).__name__}()" if hasattr(value, "card") else repr(value)


def _budget(method: Any) -> str:
    budget = method.default_budget
    limits = {"steps": budget.steps, "epochs": budget.epochs, "minutes": budget.max_minutes}
    spent = " or ".join(f"{limit:,} {unit}" for unit, limit in limits.items() if limit is not None)
    return f"{spent} of {method.default_batch_size} items, unless told otherwise"


def _docstring(method: Any) -> tuple[list[str], dict[str, str]]:
    """What the docstring says before its arguments, and of each of them."""
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
