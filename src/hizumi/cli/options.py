"""Options and arguments that several commands share."""

from typing import Annotated

import typer

JsonTo = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Also write the result as JSON; - is standard output."),
]
