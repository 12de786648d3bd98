"""Every error hizumi raises on purpose.

    HizumiError
    ├── UsageError            a wrong argument, option or name           (exit code 2)
    │   └── MissingExtraError an optional package is not installed
    ├── DataError             a file, folder, table or array is unusable (exit code 2)
    ├── BundleError           a saved bundle is damaged or unknown       (exit code 2)
    ├── NotFittedError        a detector was asked to score before fit   (exit code 2)
    └── RunError              a run failed                               (exit code 1)
        ├── DivergedError     a loss became NaN or infinite
        ├── ShortageError     memory ran out
        ├── SaveError         a file could not be written
        ├── LogError          a station's log could not be read or written
        └── BusyError         a station takes no more pictures now

Each message is one line: what was wrong, where (file, field), and what to do.
"""

import errno
import re
from collections.abc import Iterable

SHORTAGES = re.compile(
    r"not enough memory|can.?t allocate|cannot allocate|could not allocate|failed to allocate|unable to allocate"
    r"|could not (?:create|execute) a primitive(?! descriptor)"  # of oneDNN
    r"|out of memory|bad.?alloc|can.t start new thread|failed to map segment"
    r"|error return without exception set",  # of Python itself, whose error found no memory either
    re.IGNORECASE,
)
"""What numpy, torch, codecs and engines say, in errors of any type, where memory ran out."""
WANTED = re.compile(r"tried to allocate (?P<bytes>\d+) bytes|unable to allocate (?P<amount>[\d.]+ \w+)", re.IGNORECASE)


class HizumiError(Exception):
    """Base of all errors that hizumi raises on purpose; its text is one line for the user."""

    exit_code = 1


class UsageError(HizumiError, ValueError):
    """A wrong argument, option or name."""

    exit_code = 2


class MissingExtraError(UsageError, ImportError):
    """An optional package is needed and not installed; the text names the `pip install`."""


class DataError(HizumiError, ValueError):
    """A file, folder, table or array cannot be used."""

    exit_code = 2


class BundleError(HizumiError, ValueError):
    """A saved bundle is damaged, incomplete, or names a class that is not known."""

    exit_code = 2


class NotFittedError(HizumiError, ValueError, AttributeError):
    """A model or detector was used before it was fitted."""

    exit_code = 2


class RunError(HizumiError, RuntimeError):
    """A run started well and failed."""


class DivergedError(RunError):
    """A loss became NaN or infinite."""


class ShortageError(RunError, MemoryError):
    """Memory ran out; nothing is wrong with any file."""

    @classmethod
    def of(cls, error: BaseException, what: str, advice: str) -> "ShortageError":
        """Of whatever a library raised: what needed more memory than there is, how much, and what to do."""
        return cls(f"{what} needs more memory than there is{amount_wanted(error)}; {advice}")


def refuse_repeated(names: Iterable[str], called: str) -> None:
    """Raise UsageError for the first name that is in a list, which is `called` so, more than once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{called} names {name!r} more than once; name it once")
        seen.add(name)


def is_shortage(error: BaseException | None) -> bool:
    """Whether memory ran out, whatever the libraries make of it that raised and passed on the error."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if SHORTAGES.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def amount_wanted(error: BaseException) -> str:
    """How much memory was asked for in vain, in brackets, or what the library said; empty where it said nothing."""
    found = WANTED.search(str(error))
    if found is None:
        return f" ({str(error).splitlines()[0]})" if str(error) else ""
    amount = found["amount"] or f"{int(found['bytes']) / 2**20:,.1f} MiB"
    return f" ({amount} more were asked for)"


class SaveError(RunError, OSError):
    """A file could not be written; what was there before is untouched."""


class LogError(RunError):
    """A station's log could not be read or written; what was to be written is left out as a whole."""


class BusyError(RunError):
    """A station takes no more pictures now; the same one may be sent again later."""
