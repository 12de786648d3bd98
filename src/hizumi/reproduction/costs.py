"""What a run of the ledger costs: processor seconds of fitting and of scoring, and the most memory held at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from hizumi.memory import forget_peak, peak_memory


class Costs:
    """Counted from here on, on all threads of the process."""

    def __init__(self) -> None:
        forget_peak()
        self._began = time.process_time()
        self._seconds = {"fit": 0.0, "scores": 0.0}
        self._scored = 0

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """What is done inside counts as a fit."""
        yield from self._counted("fit")

    @contextmanager
    def scoring(self, items: int) -> Iterator[None]:
        """What is done inside counts as scoring so many items."""
        self._scored += items
        yield from self._counted("scores")

    def to_dict(self) -> dict[str, Any]:
        """Processor seconds, in all and of either, the number of items scored, and mebibytes of the process."""
        return {
            "cpu_seconds": round(time.process_time() - self._began, 1),
            "fit_cpu_seconds": round(self._seconds["fit"], 3),
            "score_cpu_seconds": round(self._seconds["scores"], 3),
            "scored": self._scored,
            "peak_memory_mib": round(peak_memory() / 2**20),
        }

    def _counted(self, what: Literal["fit", "scores"]) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self._seconds[what] += time.process_time() - began
