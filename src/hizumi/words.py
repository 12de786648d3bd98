"""Words that many messages need."""

import shlex
from collections.abc import Sequence
from pathlib import Path


def counted(count: int, noun: str) -> str:
    """So many of these: "1 image", "1,200 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_of(ways: Sequence[str]) -> str:
    """What may be done: "this", "this, or that"."""
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])}, or {ways[-1]}"


def as_typed(path: Path | str) -> str:
    """A path within a command to be pasted into a shell: quoted, and none that would be taken for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
