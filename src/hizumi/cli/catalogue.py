"""`hizumi list`: the models and detectors that there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hizumi.cli.console import answer, lines, print_table
from hizumi.cli.options import JsonTo

if TYPE_CHECKING:
    from hizumi.training import Card


WIDE = 130  # characters

STANDARD_ROW = {
    "Name": "standard",
    "Family": "",
    "Map": "",
    "Cost": "",
    "Takes": "images, vectors, series",
    "Idea, paper": "what fit takes where none is named: fused_features for images, mahalanobis for rows and series, "
    "reconstruction for frames with their motion",
    "Needs": "",
}


def list_methods(
    json_to: JsonTo = None,
    pages: Annotated[
        Path | None, typer.Option("--pages", metavar="DIR", help="Write a page in Markdown for each into this folder.")
    ] = None,
) -> None:
    """List the detectors and models, plug-ins included."""
    if pages is not None:
        from hizumi.report import pages as written
        from hizumi.storage.files import write_atomically

        for path, text in written.pages().items():
            write_atomically(pages / path, text.encode())
        typer.echo(f"Wrote {pages / 'catalogue.md'} and a page for each model and detector.")
        return
    methods = _methods()
    console = answer({"methods": methods}, json_to)
    for kind, title in (
        ("detector", "Detectors (hizumi fit DATA -d NAME)"),
        ("model", "Generative models (hizumi model train NAME DATA)"),
    ):
        rows = [_row(method) for method in methods if method["kind"] == kind]
        if kind == "detector":
            rows.insert(0, STANDARD_ROW)
        if console.width < WIDE:  # a column for each fact would be a word wide
            rows = [{"Name": row["Name"], "Idea, paper, facts": _told(row)} for row in rows]
        print_table(console, list(rows[0]), [list(map(lines, row.values())) for row in rows], title)


def _row(method: Mapping[str, Any]) -> dict[str, str]:
    row = {"Name": method["name"], "Family": method["family"]}
    if method["kind"] == "detector":
        row |= {"Map": "yes" if method["localises"] else "no", "Cost": method["cost"]}
    else:
        row["Can"] = ", ".join(method["can"])
    about = f"{method['idea']}\n{method['paper']}"
    return row | {"Takes": ", ".join(method["takes"]), "Idea, paper": about, "Needs": ", ".join(method["needs"])}


def _told(row: Mapping[str, str]) -> str:
    facts = [f"{key.lower()}: {row[key]}" for key in row if key not in ("Name", "Idea, paper") and row[key]]
    return f"{row['Idea, paper']}\n{'; '.join(facts)}"


def _methods() -> list[dict[str, Any]]:
    from hizumi.models.abilities import ABILITIES
    from hizumi.registry import find_detectors, find_models
    from hizumi.training.card import FAMILIES

    detectors = [{"name": name, "kind": "detector", **_facts(each.card)} for name, each in find_detectors().items()]
    models = [
        {
            "name": name,
            "kind": "model",
            **_facts(each.card),
            "can": [word for ability, word in ABILITIES.items() if issubclass(each, ability)],
        }
        for name, each in find_models().items()
    ]
    return detectors + sorted(models, key=lambda model: FAMILIES.index(model["family"]))


def _facts(card: "Card") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(card) | {"takes": card.takes, "profile": card.profile}
