"""`hizumi list`: the models and detectors that there are."""

from typing import Any

from hizumi.cli.console import console_beside, print_table
from hizumi.cli.options import JsonTo


def list_methods(json_to: JsonTo = None) -> None:
    """List the detectors and models, plug-ins included."""
    methods = _methods()
    if json_to is not None:
        from hizumi.report.tables import write_json

        write_json(json_to, {"methods": methods})
    console = console_beside(json_to)
    columns = ["Name", "Family", "Map", "Takes", "Idea", "Needs"]
    for kind, title in (("detector", "Detectors (hizumi fit DATA -d NAME)"), ("model", "Generative models")):
        rows = [
            [
                method["name"],
                method["family"],
                "yes" if method["localises"] else "no",
                ", ".join(method["inputs"]),
                method["idea"],
                ", ".join(method["needs"]),
            ]
            for method in methods
            if method["kind"] == kind
        ]
        print_table(console, columns, rows, title)


def _methods() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from hizumi.registry import find_detectors, find_models

    detectors = [{"name": name, "kind": "detector", **asdict(each.card)} for name, each in find_detectors().items()]
    models = [{"name": name, "kind": "model", **asdict(each.card)} for name, each in find_models().items()]
    return detectors + models
