"""Too little memory, step by step; and how much evaluations take as images become more."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.hard.conftest import Ended, run_hizumi, save_pictures, stripes
from tests.peaks import output_and_peak

STEPS_GIB = np.linspace(0.3, 3.0, 18)
ACCUSATIONS = ("damaged", "copy it again", "cut short", "export it again", "is not a hizumi bundle")
STATISTICS = ("mahalanobis", "gaussian_mixture", "one_class_svm", "fused_features")
FEWER_STEPS_GIB = np.linspace(0.6, 2.0, 8)
SIDE = 1024
PICTURES = (40, 160)
CRASHES = (
    "in a narrow range, libraries crash that get no memory of their own: oneDNN in a convolution, others in threads"
)


def _wrong_ending(ended: Ended) -> str:
    """The signal or the last words of a command that did not end as one should; empty for one that did."""
    if ended.is_clean and not any(words in ended.out + ended.err for words in ACCUSATIONS):
        return ""
    return signal.Signals(-ended.code).name if ended.code < 0 else ended.err[-300:]


def test_limits_of_memory(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    generator = np.random.default_rng(0)
    good, new, bundle = tmp_path / "good", tmp_path / "new", tmp_path / "parts.hizumi"
    save_pictures(good, stripes(generator, 60, 512))
    save_pictures(new / "good", stripes(generator, 20, 512))
    save_pictures(new / "bad", 255 - stripes(generator, 20, 512))
    assert run_hizumi("fit", good, "-d", "pca", "--image-size", "256", "-o", bundle).code == 0
    endings, done = {}, 0
    for gib in STEPS_GIB:
        out = tmp_path / f"{gib:.2f}"
        commands = {
            "fit": ["fit", good, "-d", "reconstruction", "--steps", "3", "--image-size", "256", "-o", f"{out}.hizumi"],
            "inspect": ["inspect", bundle, new, "--maps", f"{out}-maps"],
            "evaluate with its report": ["evaluate", bundle, new, "-o", f"{out}-evaluation"],
            "export": ["export", bundle, "--data", good, "-o", f"{out}.onnx.hizumi"],
        }
        for name, command in commands.items():
            ended = run_hizumi(*command, limit_bytes=int(gib * 2**30))
            endings[f"{name} at {gib:.2f} GiB"] = _wrong_ending(ended)
            done += ended.code == 0
    wrong = {place: ending for place, ending in endings.items() if ending}
    catalogue(
        f"18 limits of memory, from 0.3 to 3 GiB: {', '.join(commands)}",
        f"{done} done, {len(endings) - done - len(wrong)} ended in one line, "
        f"{len(wrong)} in a traceback, a signal or an accusation{f': {wrong}' if wrong else ''}",
        mark="no traceback, no file accused",
        holds=not wrong,
        cause=CRASHES if set(wrong.values()) <= {"SIGSEGV", "SIGABRT"} else "",
    )


def test_limits_of_memory_where_statistics_alone_are_fitted(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    save_pictures(tmp_path / "good", stripes(np.random.default_rng(0), 60, 512))
    endings, done = {}, 0
    for gib in FEWER_STEPS_GIB:
        for detector in STATISTICS:
            bundle = tmp_path / f"{detector}-{gib:.2f}.hizumi"
            ended = run_hizumi("fit", tmp_path / "good", "-d", detector, "-o", bundle, limit_bytes=int(gib * 2**30))
            endings[f"{detector} at {gib:.2f} GiB"] = _wrong_ending(ended)
            done += ended.code == 0
    wrong = {place: ending for place, ending in endings.items() if ending}
    catalogue(
        f"{len(FEWER_STEPS_GIB)} limits of memory, from 0.6 to 2 GiB, fits without training: {', '.join(STATISTICS)}",
        f"{done} done, {len(endings) - done - len(wrong)} ended in one line, "
        f"{len(wrong)} in a traceback, a signal or an accusation{f': {wrong}' if wrong else ''}",
        mark="no traceback, no file accused",
        holds=not wrong,
    )


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_no_more_memory_is_taken_for_more_pictures(
    command: str, tmp_path: Path, catalogue: Callable[..., None]
) -> None:
    generator = np.random.default_rng(0)
    bundle = tmp_path / "parts.hizumi"
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[400:480, 300:360] = True
    pictures = stripes(generator, 8, SIDE)
    for count in PICTURES:
        root = tmp_path / str(count)
        for folder in ("train/good", "test/good", "test/cut", "ground_truth/cut"):
            (root / folder).mkdir(parents=True)
        for index in range(count):
            picture, kind = pictures[index % 8].copy(), "cut" if index % 2 else "good"
            picture[0, 0] = index  # no two files are alike
            if kind == "cut":
                picture[mask] += 40
                Image.fromarray(mask).save(root / f"ground_truth/cut/{index:03d}_mask.png")
            Image.fromarray(picture).save(root / f"test/{kind}/{index:03d}.bmp")
        save_pictures(root / "train/good", stripes(generator, 10, SIDE), ".bmp")
    assert run_hizumi("fit", tmp_path / "40", "-d", "pca", "-o", bundle).code == 0
    peaks = {}
    for count in PICTURES:
        given = [bundle, tmp_path / str(count)] if command == "evaluate" else [tmp_path / str(count), "-d", "pca"]
        _, peaks[count] = output_and_peak(command, *given, "-o", tmp_path / f"{count}-report")
    few, many = PICTURES
    what = {"evaluate": "Evaluation", "compare": "Comparison"}[command]
    catalogue(
        f"{what} of {few} and of {many} pictures of one megapixel, with masks",
        f"{peaks[few]:,.0f} and {peaks[many]:,.0f} MiB at most",
        mark="at most 15% more for four times as many",
        holds=peaks[many] <= 1.15 * peaks[few],
    )
