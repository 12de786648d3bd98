"""Fabric without what other installed packages would add to it."""

from typing import Any

from lightning_fabric import Fabric


class PlainFabric(Fabric):
    """A Fabric whose callbacks are those it is given.

    Fabric asks every installed package for more of them, which reads the metadata of all: .01 s a fit, most of the time
    that a small one takes, and what a package then adds would be called in every fit.
    """

    @staticmethod
    def _configure_callbacks(callbacks: Any) -> list[Any]:
        given = [] if callbacks is None else callbacks
        return given if isinstance(given, list) else [given]
