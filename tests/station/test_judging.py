"""A bundle at work gives the verdicts that it gives alone, whoever asks, however many at once."""

import gc
import io
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from hizumi import Inspector, bundles
from hizumi.calibration import Verdict
from hizumi.data.manifest import Failure, Manifest
from hizumi.data.region import Region
from hizumi.errors import UsageError
from hizumi.inspection.scoring import Scorer
from hizumi.station.batching import ClosedError, Together
from hizumi.station.judging import Judge, Question
from tests.station.plates import picture, plate, plates_bundle, png


def tiff(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels)
    return file.getvalue()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plates_bundle(tmp_path_factory.mktemp("bundle"))


def test_verdicts_in_company_are_those_of_inspect(bundle: Path) -> None:
    contents = [picture(seed, defect=seed % 3 == 0) for seed in range(100, 140)]
    judge = Judge(bundle)
    answers = [judge.submit(Question(judge.decode(content, "x"), "x")) for content in contents]
    alone = bundles.load(bundle).inspect(np.stack([plate(seed, defect=seed % 3 == 0) for seed in range(100, 140)]))
    for answer, expected in zip(answers, alone, strict=True):
        verdict = answer.result()
        assert isinstance(verdict, Verdict)
        assert verdict.anomalous == expected.anomalous
        np.testing.assert_allclose(verdict.score, expected.score, rtol=1e-6)
        np.testing.assert_allclose(verdict.p_value, expected.p_value)
        assert [box.area for box in verdict.boxes] == [box.area for box in expected.boxes]
    judge.close()


def test_a_picture_that_the_engine_fails_on_costs_no_other_its_verdict(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = Scorer.score

    def short(scorer: Scorer, manifest: Manifest, **known: Any) -> Any:
        if "large" in [record.name for record in manifest.records]:
            raise MemoryError
        return score(scorer, manifest, **known)

    judge = Judge(bundle)
    questions = [Question(judge.decode(picture(7), "x"), name) for name in ("a", "large", "b")]
    expected = judge.judge(picture(7), "a")
    monkeypatch.setattr(Scorer, "score", short)
    first, large, last = judge._verdicts(questions)
    judge.close()
    assert isinstance(expected, Verdict)
    assert isinstance(first, Verdict)
    assert isinstance(last, Verdict)
    assert first.score == last.score == pytest.approx(expected.score, rel=1e-6)
    assert large == Failure(0, "large", "memory ran out")


def test_a_lamp_is_measured_inside_the_region(tmp_path: Path) -> None:
    good = np.stack([plate(seed) for seed in range(20)])
    mask = np.zeros(good.shape[1:], dtype=bool)
    mask[8:16, 8:16] = True
    path = bundles.save(Inspector("pca", region=Region.of(mask)).fit(good), tmp_path / "region.hizumi")
    judge = Judge(path)
    looks = [judge.look(judge.decode(png((light * good[0]).astype(np.uint8)), "x")) for light in (1, 0.8)]
    bright, dim = (look.brightness for look in looks if look is not None)
    assert dim == pytest.approx(0.8 * bright, rel=0.02)
    judge.close()


def test_a_closed_judge_is_freed_without_a_collection(bundle: Path) -> None:
    judge = Judge(bundle)
    judge.judge(picture(7), "x")
    gone = weakref.ref(judge.inspector)
    gc.disable()
    try:
        judge.close()
        del judge
        assert gone() is None
    finally:
        gc.enable()


def test_thirty_two_clients_with_one_picture_get_one_verdict(bundle: Path) -> None:
    judge, content = Judge(bundle), picture(7, defect=True)
    found: list[Verdict | Failure] = []
    threads = [threading.Thread(target=lambda: found.append(judge.judge(content, "x"))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    judge.close()
    scores = [verdict.score for verdict in found if isinstance(verdict, Verdict)]
    assert len(scores) == 32
    assert max(scores) - min(scores) <= 1e-6 * max(scores)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no picture", "is not an image"),
        (png(np.zeros((32, 32), np.uint8))[:50], "damaged"),
        (png(np.zeros((32, 32), np.uint16)), "is uint16, and the training images were uint8"),
        (tiff(np.zeros((32, 32), np.int32)), r"is float32 (int32 values kept as float32), and the training"),
    ],
)
def test_what_cannot_be_judged_is_a_failure_with_its_reason(bundle: Path, content: bytes, reason: str) -> None:
    judge = Judge(bundle)
    outcome = judge.judge(content, "part.png")
    judge.close()
    assert isinstance(outcome, Failure)
    assert reason in outcome.reason


def test_tables_and_models_are_refused(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    table = bundles.save(Inspector("mahalanobis").fit(rows), tmp_path / "table.hizumi")
    with pytest.raises(UsageError, match="judges rows of numbers"):
        Judge(table)


def test_items_that_wait_are_done_together_and_answered_in_order() -> None:
    sizes: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def doubled(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        begun.set()
        assert go_on.wait(10)
        return [2 * item for item in items]

    together: Together[int, int] = Together(doubled, at_most=4, name="test")
    first = together.submit(0)
    assert begun.wait(10)
    others = [together.submit(item) for item in range(1, 10)]
    go_on.set()
    assert [answer.result(10) for answer in (first, *others)] == [2 * item for item in range(10)]
    assert sizes == [1, 4, 4, 1]
    together.close()


def test_an_error_reaches_all_who_wait_and_the_work_goes_on() -> None:
    def fussy(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("13")
        return list(items)

    together: Together[int, int] = Together(fussy, at_most=1, name="test")
    answers = [together.submit(item) for item in (1, 13, 2)]
    assert answers[0].result(10) == 1
    with pytest.raises(ValueError, match="13"):
        answers[1].result(10)
    assert answers[2].result(10) == 2
    together.close()


def test_closing_answers_what_waits() -> None:
    def slow(items: Sequence[int]) -> list[int]:
        time.sleep(0.01)
        return list(items)

    together: Together[int, int] = Together(slow, at_most=2, name="test")
    answers = [together.submit(item) for item in range(9)]
    together.close()
    assert [answer.result(0) for answer in answers] == list(range(9))
    together.close()  # again, which does nothing
    with pytest.raises(ClosedError):
        together.submit(1)
