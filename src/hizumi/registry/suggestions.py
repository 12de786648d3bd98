"""What to say of a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(name: str, kind: str, known: Iterable[str]) -> str:
    """One line with the names that may have been meant, or else all."""
    names = [each for each in known if "." not in each]
    close = get_close_matches(name.lower().replace("-", "_"), names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(names)}"
    return f"no {kind} is called {name!r}; {hint}"
