"""A bundle at work: pictures that arrive one by one, from whoever sends them, are scored together."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Semaphore
from typing import NamedTuple, final

import numpy as np

from hizumi.calibration import Verdict
from hizumi.data.appearance import Look, Within
from hizumi.data.decoding import decode_content
from hizumi.data.images import Decoded
from hizumi.data.manifest import UNLABELLED, Failure, Manifest, Record
from hizumi.errors import BundleError, DataError, UsageError, is_shortage
from hizumi.inspection.scoring import Scored
from hizumi.inspection.verdicts import InspectorBase, verdict_on
from hizumi.runtime.any_bundle import load_inspector
from hizumi.station.batching import Together

BATCH_SIZE = 16  # pictures scored in one pass; more wait no longer for each other than they would alone


class Question(NamedTuple):
    """A decoded picture to be judged; with `pictures` the expected one is asked for too, which takes longer."""

    image: Decoded
    name: str
    pictures: bool = False


@final
class Judge:
    """Gives verdicts by one bundle, in a thread of its own.

    A score depends on its picture alone, so that company changes nothing but rounding. Bundles of tables and of film
    are refused: a station takes single pictures. `called` is what errors call the bundle, None: by the file's name.

    Attributes:
        workers: Threads that decode pictures and wait for their verdicts: as many as decode one batch while another is
            scored. Pictures beyond these lie undecoded, which takes far less memory.
        turns: Taken by a worker that decodes or draws, one for each core: the first pictures can be scored sooner, and
            nothing keeps that waiting.
    """

    def __init__(self, bundle: Path, called: str | None = None) -> None:
        self.path = bundle
        self.sha256 = hashlib.sha256(bundle.read_bytes()).hexdigest()
        self.inspector = _loaded(bundle, called or bundle.name)
        self._scorer = self.inspector.scorer()
        self.workers = ThreadPoolExecutor(2 * BATCH_SIZE, f"pictures for {bundle.name}")
        self.turns = Semaphore(os.cpu_count() or 1)
        self._together: Together[Question, Verdict | Failure] = Together(
            self._verdicts, at_most=BATCH_SIZE, name=f"judge {bundle.name}"
        )

    def decode(self, content: bytes, name: str) -> Decoded:
        """The pixels of a picture, missing ones filled as at the fit.

        Raises DataError where it cannot be read, or is of another type than those of the training images.
        """
        known = self.inspector.preprocessing_
        image = decode_content(content, name=name, pixel_limit=known.pixel_limit, filling=known.filling)
        if known.still_window is not None:
            known.still_window.check(image.pixels.dtype, name, image.notes)  # which later are not at hand
        return image

    def submit(self, question: Question) -> "Future[Verdict | Failure]":
        """The verdict to come."""
        return self._together.submit(question)

    def judge(self, content: bytes, name: str, *, pictures: bool = False) -> Verdict | Failure:
        """The verdict on one picture, waited for."""
        try:
            return self.submit(Question(self.decode(content, name), name, pictures)).result()
        except DataError as error:
            return Failure.of(0, name, error)

    def look(self, image: Decoded) -> Look | None:
        """How a picture looks, inside the region of interest, for the watch; None where that cannot be said."""
        preprocessing = self.inspector.preprocessing_
        if preprocessing.still_window is None:
            return None
        known = preprocessing.appearance
        within = Within(preprocessing.still_region, framed=known is None or known.framed)
        try:
            look = within.look(image.pixels, "it", preprocessing.still_window, 0)
        except DataError:
            return None
        return look if look.is_finite else None

    def close(self) -> None:
        """Answer what waits, then end."""
        self.workers.shutdown()
        self._together.close()

    def _verdicts(self, questions: Sequence[Question]) -> list[Verdict | Failure]:
        try:
            return self._scored(questions)
        except Exception as error:  # whatever an engine raises, the picture is not judged, which is never good
            if len(questions) == 1:
                why = "memory ran out" if is_shortage(error) else f"the detector failed on it ({type(error).__name__})"
                return [Failure(0, questions[0].name, why)]
        return [self._verdicts([question])[0] for question in questions]  # it may be of one of them alone

    def _scored(self, questions: Sequence[Question]) -> list[Verdict | Failure]:
        answers: dict[int, Verdict | Failure] = {}
        for pictures in {question.pictures for question in questions}:
            alike = [index for index, question in enumerate(questions) if question.pictures is pictures]
            items = self._scorer.score(_manifest([questions[index] for index in alike]), pictures=pictures)
            answers |= {index: self._verdict(item, questions[index]) for index, item in zip(alike, items, strict=True)}
        return [answers[index] for index in range(len(questions))]

    def _verdict(self, item: Scored | Failure, question: Question) -> Verdict | Failure:
        if isinstance(item, Failure):
            return item
        verdict = verdict_on(item, self.inspector.calibration_)
        return replace(verdict, notes=(*question.image.notes, *verdict.notes))


def _manifest(questions: Sequence[Question]) -> Manifest:
    arrays = np.empty(len(questions), dtype=object)
    arrays[:] = [question.image.pixels for question in questions]
    records = (Record(question.name, UNLABELLED, None, row=row) for row, question in enumerate(questions))
    return Manifest(tuple(records), arrays, name="station")


def _loaded(bundle: Path, called: str) -> InspectorBase:
    try:
        inspector = load_inspector(bundle)
    except BundleError as error:  # whoever asks from afar is told no paths
        raise BundleError(str(error).replace(str(bundle), called)) from error
    if inspector.preprocessing_.vectors or inspector.uses_motion:
        what = "rows of numbers" if inspector.preprocessing_.vectors else "frames with their motion"
        raise UsageError(f"{called} judges {what}, and a station takes single pictures; give another bundle")
    return inspector
