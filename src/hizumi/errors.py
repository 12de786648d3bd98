"""Every error hizumi raises on purpose.

    HizumiError
    ├── UsageError            a wrong argument, option or name           (exit code 2)
    │   └── MissingExtraError an optional package is not installed
    ├── DataError             a file, folder, table or array is unusable (exit code 2)
    ├── BundleError           a saved bundle is damaged or unknown       (exit code 2)
    ├── NotFittedError        a detector was asked to score before fit   (exit code 2)
    └── RunError              a run failed                               (exit code 1)
        ├── DivergedError     a loss became NaN or infinite
        └── SaveError         a file could not be written

Each message is one line: what was wrong, where (file, field), and what to do.
"""


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


class SaveError(RunError, OSError):
    """A file could not be written; what was there before is untouched."""
