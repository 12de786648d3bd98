"""An application whose commands refuse an option given twice, of which only the last would count.

Their help shows options under headings, where there are many.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, final

import typer
from typer.core import TyperCommand

from hizumi.errors import UsageError


@final
class Application(typer.Typer):
    """See the module."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """As of Typer."""
        return super().command(name, cls=_Command, **settings)


@final
class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and parameter.param_type_name == "option" and not parameter.multiple:
                names = "/".join([*parameter.opts, *parameter.secondary_opts])
                how = "once, with commas" if "," in (parameter.metavar or "") else "once"
                raise UsageError(f"{names} was given {times} times, of which only the last would count; give it {how}")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                is_argument = parameter.param_type_name == "argument"
                heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
