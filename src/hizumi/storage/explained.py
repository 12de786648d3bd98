"""One line for whatever goes wrong while a bundle is put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hizumi.errors import BundleError, MissingExtraError
from hizumi.storage.files import first_line


@contextmanager
def explained(path: Path, writer: str, remedy: str) -> Iterator[None]:
    """Turn any error of a bundle's parts into a BundleError that names the file, who wrote it, and what to do."""
    try:
        yield
    except MissingExtraError as error:
        raise MissingExtraError(f"{path}: {error}") from error
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = first_line(error)
        raise BundleError(
            f"{path}: was written by hizumi {writer}, and its parts do not fit each other ({reason}); {remedy}"
        ) from error
