"""What to say of a name that is not known."""

from collections.abc import Container, Iterable
from difflib import get_close_matches

OF_THE_OTHER_KIND = {
    "detector": "{!r} is a model, and no detector: train it by hizumi model train; hizumi list shows both",
    "model": "{!r} is a detector, and no model: fit it by hizumi fit -d; hizumi list shows both",
}


def unknown(name: str, kind: str, known: Iterable[str], others: Container[str] = ()) -> str:
    """One line with the names that may have been meant, or else all; or that it is one of the `others`."""
    if name in others:
        return OF_THE_OTHER_KIND[kind].format(name)
    names = [each for each in known if "." not in each]
    close = get_close_matches(name.lower().replace("-", "_"), names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(names)}"
    return f"no {kind} is called {name!r}; {hint}"
