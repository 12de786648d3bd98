"""A bundle at work: pictures that arrive one by one, from whoever sends them, are scored together."""

import hashlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hizumi.calibration import Verdict
from hizumi.data.appearance import Look, look_of
from hizumi.data.decoding import decode_content
from hizumi.data.images import Decoded
from hizumi.data.manifest import UNLABELLED, Failure, Manifest, Record
from hizumi.errors import DataError, UsageError
from hizumi.inspection.verdicts import InspectorBase, verdict_on
from hizumi.storage.archive import kind_of

BATCH_SIZE = 16  # pictures scored in one pass; more wait no longer for each other than they would alone


class Judged(NamedTuple):
    """A verdict, or why there is none, and how the picture looks where it could be read."""

    verdict: Verdict | Failure
    look: Look | None


@dataclass(frozen=True, eq=False)
class _Waiting:
    image: Decoded
    name: str
    pictures: bool
    answer: "Future[Verdict | Failure]"


class Judge:
    """Gives verdicts by one bundle, in a thread of its own that takes all pictures waiting, up to a batch, at once.

    A score depends on its picture alone, so that company changes nothing but rounding. Bundles of tables and of film
    are refused: a station takes single pictures.
    """

    def __init__(self, bundle: Path) -> None:
        self.path = bundle
        self.sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
        self.inspector = _loaded(bundle)
        self._scorer = self.inspector.scorer()
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"judge {bundle.name}", daemon=True)
        self._thread.start()

    def decode(self, content: bytes, name: str) -> Decoded:
        """The pixels of a picture, missing ones filled as at the fit; raises DataError where it cannot be read."""
        preprocessing = self.inspector.preprocessing_
        return decode_content(content, name=name, pixel_limit=preprocessing.pixel_limit, filling=preprocessing.filling)

    def submit(self, image: Decoded, name: str, *, pictures: bool = False) -> "Future[Verdict | Failure]":
        """The verdict to come on a decoded picture; with `pictures`, also the expected one, which takes longer."""
        answer: Future[Verdict | Failure] = Future()
        self._waiting.put(_Waiting(image, name, pictures, answer))
        return answer

    def judge(self, content: bytes, name: str, *, pictures: bool = False) -> Verdict | Failure:
        """The verdict on one picture, waited for."""
        try:
            return self.submit(self.decode(content, name), name, pictures=pictures).result()
        except DataError as error:
            return Failure.of(0, name, error)

    def look(self, image: Decoded) -> Look | None:
        """How a picture looks, for the watch; None where it has pixels that are not finite."""
        window = self.inspector.preprocessing_.still_window
        assert window is not None, "bundles of tables are refused"
        return look_of(image.pixels, window, 0) if np.isfinite(image.pixels).all() else None

    def close(self) -> None:
        """Answer what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch, goes_on = self._batch()
            for pictures in (False, True):
                chosen = [item for item in batch if item.pictures is pictures]
                if chosen:
                    self._answer(chosen, pictures)
            if not goes_on:
                return

    def _batch(self) -> tuple[list[_Waiting], bool]:
        """What waits now, at least one, and whether anything may follow."""
        batch: list[_Waiting] = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH_SIZE:
                return batch, True
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _answer(self, batch: list[_Waiting], pictures: bool) -> None:
        try:
            items = list(self._verdicts(_manifest(batch), pictures))
        except Exception as error:  # a shortage of memory, a fault of the engine: each who waits must hear of it
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        for waiting, item in zip(batch, items, strict=True):
            if isinstance(item, Verdict):
                item = replace(item, notes=(*waiting.image.notes, *item.notes))
            waiting.answer.set_result(item)

    def _verdicts(self, manifest: Manifest, pictures: bool) -> Iterator[Verdict | Failure]:
        for item in self._scorer.score(manifest, pictures=pictures):
            yield item if isinstance(item, Failure) else verdict_on(item, self.inspector.calibration_)


def _manifest(batch: list[_Waiting]) -> Manifest:
    arrays = np.empty(len(batch), dtype=object)
    arrays[:] = [item.image.pixels for item in batch]
    records = (Record(item.name, UNLABELLED, None, row=row) for row, item in enumerate(batch))
    return Manifest(tuple(records), arrays, name="station")


def _loaded(bundle: Path) -> InspectorBase:
    inspector = _inspector(bundle)
    if inspector.preprocessing_.vectors or inspector.uses_motion:
        what = "rows of numbers" if inspector.preprocessing_.vectors else "frames with their motion"
        raise UsageError(f"{bundle.name} judges {what}, and a station takes single pictures; give another bundle")
    return inspector


def _inspector(bundle: Path) -> InspectorBase:
    match kind_of(bundle):
        case "exported":
            from hizumi import runtime

            return runtime.load(bundle)
        case "detector":
            from hizumi.inspection.loaded import restore

            return restore(bundle)
        case _:
            raise UsageError(f"{bundle.name} holds a generative model, which gives no verdicts; fit a detector")
