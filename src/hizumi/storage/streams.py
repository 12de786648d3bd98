"""Standard output and standard error of a command: whatever they are, and when whoever read them has gone."""

import io
import os
import sys


def prepare_streams() -> None:
    """Let them take any name of a file, and be there where they were closed before the start."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold what the terminal cannot show


def leave_quietly() -> int:
    """The exit code where whoever read our output has gone; Python would complain when it flushes the rest at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
