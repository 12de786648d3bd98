"""Lines that C libraries write to standard error by themselves, kept from the user's terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_ONE_AT_A_TIME = Lock()  # the descriptor belongs to the whole process


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Send what is written to the descriptor of standard error nowhere; damage is raised as an error as well."""
    with _ONE_AT_A_TIME:
        sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:  # a process may have no standard error
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
