"""The objective that needs no label: drawn defects against the same images without."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from hizumi.data import Manifest, open_source
from hizumi.data.defects import scratched, spotted
from hizumi.errors import UsageError
from hizumi.inspection import Inspector
from hizumi.inspection.drawn_defects import FORMS, drawn_auroc, refuse_undrawable
from hizumi.inspection.scoring import Scorer

SIDE = 32


def pictures(count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return (128 + generator.normal(0, 10, (count, SIDE, SIDE, 1))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector("pca", image_size=SIDE, false_alarm_rate=0.2).fit(pictures(30))


@dataclass(frozen=True)
class Scores:
    """Scores by whether an image was changed, by the opposite, or by nothing."""

    by: str

    def __call__(self, crops: np.ndarray) -> Mapping[str, np.ndarray]:
        if self.by == "nothing":
            return {"score": np.zeros(len(crops))}
        known = {each.tobytes() for each in pictures(20).transpose(0, 3, 1, 2)}
        changed = np.array([each.tobytes() not in known for each in crops], dtype=np.float64)
        return {"score": changed if self.by == "truth" else -changed}


@pytest.mark.parametrize(("by", "area"), [("truth", 1.0), ("nothing", 0.5), ("opposite", 0.0)])
def test_it_is_an_area_under_the_curve_of_what_is_drawn(inspector: Inspector, by: str, area: float) -> None:
    scorer = Scorer(Scores(by), inspector.scorer().reader)
    held_out: Manifest = open_source(pictures(20))
    assert drawn_auroc(scorer, held_out, seed=3) == area


def test_it_depends_on_its_seed_alone(inspector: Inspector) -> None:
    held_out: Manifest = open_source(pictures(20))
    first, again, other = (drawn_auroc(inspector.scorer(), held_out, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert 0.5 < first < 1


@pytest.mark.parametrize("draw", [scratched, spotted])
@pytest.mark.parametrize("contrast", [0.12, 0.25])
def test_what_is_drawn_has_its_size_and_contrast(draw: object, contrast: float) -> None:
    flat = np.full((1, SIDE, SIDE), 100.0, dtype=np.float32)
    flat[0, 0, :] = np.linspace(60, 140, SIDE)  # of which most of the range is used
    flat[0, :, 0] = np.linspace(60, 140, SIDE)
    span = float(np.subtract(*np.percentile(flat, (99, 1))))
    for seed in range(20):
        drawn = draw(flat, 8, (0.0, 255.0), np.random.default_rng(seed), contrast=contrast)  # type: ignore[operator]
        difference = np.abs(drawn - flat)
        assert difference.max() == pytest.approx(contrast * span, rel=0.01)
        rows, columns = np.nonzero(difference[0] > 0.5 * difference.max())
        assert 6 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 10 or draw is scratched
        assert np.hypot(np.ptp(rows), np.ptp(columns)) <= 13


def test_forms_differ_and_rows_cannot_be_drawn_on() -> None:
    assert len(set(FORMS)) == 12
    with pytest.raises(UsageError, match=r"holds rows: give labelled ones, and --objective labelled"):
        refuse_undrawable(open_source(np.random.default_rng(0).normal(size=(20, 3))))
