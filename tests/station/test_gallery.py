"""Anomaly maps as pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.calibration import Calibration, Verdict
from hizumi.station.entry import Entry
from hizumi.station.gallery import OVERLAY_PIXELS, Gallery, overlay_of
from hizumi.station.judging import Judge
from hizumi.station.pictures import Pictures
from tests.station.plates import picture, plates_bundle

CALIBRATION = Calibration.fit(np.arange(99.0), pixel_maxima=np.linspace(0.8, 1.2, 99), pixel_median=0.2)


def opacity(values: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    content = overlay_of(Verdict("part", True, 1.0, 0.01, 0.5, {}, map=values, inside=inside), CALIBRATION)
    assert content is not None
    return np.array(Image.open(io.BytesIO(content)).convert("RGBA"))[..., 3]


@pytest.mark.parametrize(("height", "width"), [(300, 320), (512, 512), (1001, 1403), (40, 9000)])
def test_a_large_map_is_drawn_smaller_and_no_peak_is_lost(height: int, width: int) -> None:
    for place in ((0, 0), (height - 1, width - 1), (height // 3, width // 2)):
        values = np.full((height, width), 0.2, dtype=np.float32)
        values[place] = 2.0
        seen = opacity(values)
        assert seen.size <= 1.05 * OVERLAY_PIXELS
        assert seen.size > OVERLAY_PIXELS / 4 or seen.shape == values.shape
        (row,), (column,) = np.nonzero(seen > 128)
        step = round(height / seen.shape[0])
        assert (row, column) == (place[0] // step, place[1] // step)


def test_a_small_map_is_drawn_as_it_is() -> None:
    values = np.linspace(0, 2, 40 * 50, dtype=np.float32).reshape(40, 50)
    seen = opacity(values)
    assert seen.shape == values.shape
    assert (np.diff(seen.ravel().astype(int)) >= 0).all()


def test_what_was_not_looked_at_is_clear_whatever_is_within() -> None:
    inside = np.zeros((40, 50), dtype=bool)
    inside[10:20, 10:30] = True
    seen = opacity(np.full((40, 50), 1.5, dtype=np.float32), inside)
    np.testing.assert_array_equal(seen > 0, inside)


def test_a_picture_that_its_bundle_takes_is_shown_beyond_the_usual_limit_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hizumi.station.gallery.PIXEL_LIMIT", 1000)
    judge = Judge(plates_bundle(tmp_path))  # which takes more
    pictures = Pictures(tmp_path / "pictures")
    entry = Entry("plates", "large.png", pictures.keep(picture(0)), judge.sha256, anomalous=False)
    shown, unknown = (Gallery(pictures, lambda _, it=it: it).picture(entry, 100) for it in (judge, None))  # type: ignore[misc]
    judge.close()
    assert shown is not None
    assert (shown.width, shown.height) == (32, 32)
    assert unknown is None, "what its bundle would take is not known"
