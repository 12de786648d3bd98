"""Work that arrives item by item, done together."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar, final

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class ClosedError(RuntimeError):
    """Something was to be done by what had been closed."""


@final
class Together(Generic[Item, Answer]):
    """Does all items that wait at once, up to a limit, in a thread of its own; none waits for company.

    `work` gives an answer for each of its items, in order. What it raises, each of them raises.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Answer]], *, at_most: int, name: str) -> None:
        self._at_most = at_most
        self._waiting: queue.SimpleQueue[tuple[Item, Future[Answer]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        # The thread alone holds the work, and leaves it at its end: whoever gave it is then free of this cycle.
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item, answer: "Future[Answer] | None" = None) -> "Future[Answer]":
        """The answer to come, in `answer` where there is one already; raises ClosedError after the close."""
        answer = Future() if answer is None else answer
        with self._lock:
            if self._is_closed:
                raise ClosedError
            self._waiting.put((item, answer))
        return answer

    def close(self) -> None:
        """Answer what waits, then end."""
        with self._lock:
            if not self._is_closed:
                self._waiting.put(None)
            self._is_closed = True
        self._thread.join()

    def _run(self, work: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
        goes_on = True
        while goes_on:
            batch, goes_on = self._batch()
            if batch:
                _answer(batch, work)

    def _batch(self) -> tuple[list[tuple[Item, "Future[Answer]"]], bool]:
        """What waits now, at least one item, and whether any may follow."""
        batch = []
        found = self._waiting.get()
        while found is not None:
            batch.append(found)
            if len(batch) == self._at_most or self._waiting.empty():
                return batch, True
            found = self._waiting.get()
        return batch, False


def _answer(batch: "Sequence[tuple[Item, Future[Answer]]]", work: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
    # A future that was cancelled while it waited takes no answer; its item is left out.
    batch = [(item, answer) for item, answer in batch if answer.set_running_or_notify_cancel()]
    try:
        answers = work([item for item, _ in batch])
    except Exception as error:  # whatever it is, whoever waits must hear of it, and the thread must go on
        for _, answer in batch:
            answer.set_exception(error)
        return
    for (_, answer), given in zip(batch, answers, strict=True):
        answer.set_result(given)
