"""Options that are named in what a command prints, and that the command to be given them lacks."""

import re
from collections.abc import Sequence
from typing import Any

from typer.main import get_command

from hizumi.cli import app

# A command that is spelled out, advice to fit in another way, or an option. A sentence is of the command that ran.
NAMED = re.compile(r"hizumi ((?:[a-z]+ ?){1,2})|\b(fit\b[^:;,]*?\bwith(?= --))|(?<![\w-])(--[a-z][a-z-]+)")
OF_OTHER_PROGRAMS = {"--logdir", "--head"}
COMMAND = get_command(app.app)


def misnamed(arguments: Sequence[object], printed: str) -> list[str]:
    """Sentences with an option that the command of these arguments, or the one that they name, does not have."""
    given = [str(argument) for argument in arguments]
    known = {*OF_OTHER_PROGRAMS, "--help", "--version", *(argument.partition("=")[0] for argument in given)}
    found = []
    for sentence in re.split(r"(?<=[.:;]) ", " ".join(printed.split())):
        options = _options(given)
        for match in NAMED.finditer(sentence):
            spelled_out, fit, option = match.groups()
            if spelled_out or fit:
                options = _options((spelled_out or "fit").split())
            elif option not in options | known:
                found.append(sentence)
    return found


def _options(words: Sequence[str]) -> set[str]:
    command: Any = COMMAND
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return set()
        if not hasattr(command, "commands"):
            break
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
