"""`hizumi list`: the models and detectors that there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hizumi.cli.console import console_beside, print_table
from hizumi.cli.options import JsonTo


def list_methods(
    json_to: JsonTo = None,
    pages: Annotated[
        Path | None, typer.Option("--pages", metavar="DIR", help="Write a page in Markdown for each into this folder.")
    ] = None,
) -> None:
    """List the detectors and models, plug-ins included."""
    if pages is not None:
        _write_pages(pages)
        return
    methods = _methods()
    if json_to is not None:
        from hizumi.report.tables import write_json

        write_json(json_to, {"methods": methods})
    console = console_beside(json_to)
    columns = ["Name", "Family", "Map", "Takes", "Idea", "Needs"]
    rows = [_row(method, "yes" if method["localises"] else "no") for method in methods if method["kind"] == "detector"]
    print_table(console, columns, rows, "Detectors (hizumi fit DATA -d NAME)")
    columns = ["Name", "Family", "Can", "Takes", "Idea", "Needs"]
    rows = [_row(method, ", ".join(method["can"])) for method in methods if method["kind"] == "model"]
    print_table(console, columns, rows, "Generative models (hizumi model train NAME DATA)")


def _write_pages(folder: Path) -> None:
    from hizumi.files import write_atomically
    from hizumi.report.pages import pages

    for path, text in pages().items():
        write_atomically(folder / path, text.encode())
    typer.echo(f"Wrote {folder / 'catalogue.md'} and a page for each model and detector.")


def _row(method: Mapping[str, Any], third: str) -> list[str]:
    takes, needs = (", ".join(method[key]) for key in ("inputs", "needs"))
    return [method["name"], method["family"], third, takes, method["idea"], needs]


def _methods() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from hizumi.models.abilities import ABILITIES
    from hizumi.registry import find_detectors, find_models
    from hizumi.training.card import FAMILIES

    detectors = [{"name": name, "kind": "detector", **asdict(each.card)} for name, each in find_detectors().items()]
    models = [
        {
            "name": name,
            "kind": "model",
            **asdict(each.card),
            "can": [word for ability, word in ABILITIES.items() if issubclass(each, ability)],
        }
        for name, each in find_models().items()
    ]
    return detectors + sorted(models, key=lambda model: FAMILIES.index(model["family"]))
