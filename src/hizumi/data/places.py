"""Where data are: paths, and the names of built-in sets. What reads them takes longer to import than this."""

from difflib import get_close_matches

from hizumi.errors import UsageError
from hizumi.storage.files import printable, with_home

TOY_NAMES = ("ring", "ring_veegan", "grid")
BUILTIN_NAMES = ("digits", "brick", "gravel", "grass", "photographs", *TOY_NAMES)


def refuse_absent(data: str) -> None:
    """Raise UsageError where this is neither a path nor the name of a built-in set."""
    if not data.strip():  # which would be the working folder
        raise UsageError("the path is empty; name a folder or file, such as . for this folder")
    if with_home(data).exists() or data in BUILTIN_NAMES:
        return
    if with_home(data).is_symlink():
        raise UsageError(f"{printable(data)}: is a link to nothing")
    if "://" in data:
        raise UsageError(f"{printable(data)}: is an address, and none is fetched; download it and give the file")
    if any(mark in data for mark in "*?["):
        raise UsageError(
            f"{printable(data)}: there is no such file or folder; for a pattern, give the folder or a list of files"
        )
    close = get_close_matches(data.lower(), BUILTIN_NAMES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"built-in sets are {', '.join(BUILTIN_NAMES)}"
    raise UsageError(f"{printable(data)}: there is no such file or folder; {hint}")
