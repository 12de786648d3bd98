"""Processes of the clusters that these tests have begun, told from any others on this machine by their token."""

import os
from pathlib import Path


def processes_of_ours(title: str = "") -> list[int]:
    """Identifiers, ascending, of processes whose command line begins so."""
    token = f"RAY_AUTH_TOKEN={os.environ['RAY_AUTH_TOKEN']}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = token in (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is another user's
            continue
        if is_ours and command.startswith(title) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return sorted(found)
