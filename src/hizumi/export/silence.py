"""What other libraries say of their own insides, while they do a part of an export, is nothing to the user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Without warnings of these loggers, "" for the root, and without deprecations."""
    chosen = [logging.getLogger(name) for name in loggers]
    before = [logger.level for logger in chosen]
    for logger in chosen:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for logger, level in zip(chosen, before, strict=True):
            logger.setLevel(level)
