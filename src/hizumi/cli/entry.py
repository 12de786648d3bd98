"""Where a command begins, before anything is imported that takes time."""

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 a failed run, 2 bad usage or input, 130 or 143 interrupted."""
    try:
        from hizumi.cli import app
    except KeyboardInterrupt:  # before there is anything to clean up
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    app.main(arguments)
