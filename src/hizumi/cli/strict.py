"""An application whose commands refuse an option given twice, of which only the last would count.

They say of a value that does not fit what to give instead. Their help shows options under headings, where there are
many.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final, get_args

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from hizumi.errors import UsageError

WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
THOUSANDS = re.compile(r"[1-9]\d{0,2}([., _'\u2019]\d{3})+", re.ASCII)  # as 1.000 in Germany is one thousand


@final
class Application(typer.Typer):
    """See the module."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """As of Typer."""
        return super().command(name, cls=_Command, **settings)


@final
class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parser: Any = self.make_parser(ctx)
        values, _, given = parser.parse_args(list(args))
        for parameter, times in Counter(given).items():
            if times > 1 and parameter.param_type_name == "option" and not parameter.multiple:
                names = "/".join([*parameter.opts, *parameter.secondary_opts])
                how = "once, with commas" if "," in (parameter.metavar or "") else "once"
                raise UsageError(f"{names} was given {times} times, of which only the last would count; give it {how}")
        help_where = f"(see {ctx.command_path} --help)"
        for parameter in given:
            text = values[parameter.name]
            if parameter.get_runtime_param().annotation is int and not WHOLE_NUMBER.fullmatch(text):
                raise UsageError(f"{_in_words(parameter, text)} {help_where}")  # typer would take 1.000 for 1
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is None or not isinstance(error.__cause__, ValidationError):
                raise
            refusal = _in_words(error.param, error.__cause__.errors()[0]["input"])
            if refusal is None:
                raise
            raise UsageError(f"{refusal} {help_where}") from error

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                is_argument = parameter.param_type_name == "argument"
                if is_argument:  # without the name that the type has in Python, which the sentence says better
                    record = (record[0].split(" <")[0], record[1])
                heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _in_words(parameter: Any, given: Any) -> str | None:
    """What was given for an option or argument and what to give; None where its kind has no words here."""
    runtime = parameter.get_runtime_param()
    kind, low, high = runtime.annotation, runtime.parameter_info.min, runtime.parameter_info.max
    if kind in (int, float):
        needed = "a whole number" if kind is int else "a number"
        if high is not None:
            needed += f" from {low} to {high}"
        elif low is not None:
            needed += f" of at least {low}"
        meant = _number_meant(str(given))
        is_bounded = (low is None or meant >= low) and (high is None or meant <= high)
        if math.isfinite(meant) and is_bounded and (kind is float or meant.is_integer()):
            needed += f", such as {meant:.12g}"
    elif choices := get_args(kind):
        needed = f"one of {', '.join(map(str, choices))}"
    else:
        return None
    names = [name for name in parameter.opts if name.startswith("--")] or [parameter.human_readable_name]
    return f"{names[0]} is {given!r}; give {needed}"


def _number_meant(text: str) -> float:
    """What a text with separators of thousands, a decimal comma, a percent sign or an exponent says, or else NaN."""
    if THOUSANDS.fullmatch(text):
        return float(re.sub(r"\D", "", text))
    with suppress(ValueError):
        number = float(text.strip().removesuffix("%").replace(",", "."))
        return number / 100 if "%" in text else number
    return math.nan
