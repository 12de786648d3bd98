"""A small inspection with everything in it: good and anomalous images, maps, reconstructions, terms."""

from typing import Any

import numpy as np
import pytest

from hizumi.calibration import Calibration, Verdict, boxes_over
from hizumi.evaluation import evaluate
from hizumi.report import Finding, ReportContent

SIZE = 24
KINDS = ("good", "scratch", "good", "stain")


def make_calibration() -> Calibration:
    generator = np.random.default_rng(0)
    maxima = generator.uniform(0.8, 1.2, 99)
    return Calibration.fit(
        generator.uniform(0.1, 0.2, 99), false_alarm_rate=0.05, pixel_maxima=maxima, pixel_median=0.2
    )


def make_verdict(calibration: Calibration, index: int, is_defect: bool) -> Verdict:
    generator = np.random.default_rng(index)
    normal = np.repeat(generator.integers(80, 160, (SIZE, SIZE, 1), dtype=np.uint8), 3, axis=2)
    picture, heat = normal.copy(), generator.uniform(0.1, 0.5, (SIZE, SIZE)).astype(np.float32)
    if is_defect:
        picture[5:9, 10:16], heat[5:9, 10:16] = 255, 2.0
    score = float(generator.uniform(0.1, 0.2)) + 0.02 * is_defect * index
    return Verdict(
        name=f"test/{index:03d}.png",
        anomalous=score > calibration.threshold.value,
        score=score,
        p_value=float(calibration.p_values(np.array([score]))[0]),
        threshold=calibration.threshold.value,
        terms={"residual": 0.8 * score, "feature": 0.2 * score},
        map=heat,
        boxes=boxes_over(heat, calibration.pixel_threshold.value),
        picture=picture,
        normal=normal,
    )


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    return make_calibration()


@pytest.fixture(scope="session")
def verdicts(calibration: Calibration) -> list[Verdict]:
    return [make_verdict(calibration, index, KINDS[index % 4] != "good") for index in range(24)]


@pytest.fixture(scope="session")
def parts(calibration: Calibration, verdicts: list[Verdict]) -> dict[str, Any]:
    """The arguments of a ReportContent that has every section."""
    kinds = [KINDS[index % 4] for index in range(len(verdicts))]
    labels = np.array([int(kind != "good") for kind in kinds])
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[5:9, 10:16] = True
    masks = [mask if label else None for label in labels]
    return {
        "title": "bolts · ganomaly",
        "subtitle": "trained on 300 good images",
        "detector": "ganomaly",
        "verdicts": verdicts,
        "calibration": calibration,
        "evaluation": evaluate(verdicts, labels=labels, kinds=kinds, masks=masks, calibration=calibration),
        "journal": [
            {"phase": "gan", "step": step, "images_seen": 8 * step, "seconds": 0.1 * step, "losses": {"generator": 2.0}}
            for step in range(30)
        ],
        "findings": [Finding(name="drift", severity="warning", message="Scores drift.", remedy="Add good images.")],
        "options": {"detector": "ganomaly", "model": {"code_channels": 4}, "device": None},
        "features": np.random.default_rng(0).normal(size=(len(verdicts), 6)),
        "data_notes": ["3 images were turned upright."],
        "failures": [("test/empty.png", "zero bytes")],
    }


@pytest.fixture(scope="session")
def content(parts: dict[str, Any]) -> ReportContent:
    return ReportContent(**parts)


@pytest.fixture(scope="session")
def quick_parts(parts: dict[str, Any]) -> dict[str, Any]:
    """All but the figures that take most of the time to draw."""
    return parts | {"features": None, "journal": ()}
