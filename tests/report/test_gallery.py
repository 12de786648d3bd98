"""The gallery: every figure is drawn from really trained models, here for a few steps."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hizumi.errors import DataError, UsageError
from hizumi.report.gallery import FIGURES, Setting, draw
from hizumi.report.gallery.images import SLANT, slant
from hizumi.report.gallery.pictures import mosaic
from hizumi.report.gallery.saturation import LOSSES, slope

DOCUMENTS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn(name: str):
    steps = []
    files = draw(name, Setting(effort=1e-4, observe=lambda record: steps.append(record["step"])))
    assert f"{name}.png" in files
    for content in files.values():
        image = Image.open(io.BytesIO(content))
        image.load()
        assert min(image.size) > 100
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    assert bool(steps) == (name not in ("taxonomy", "saturation"))


def test_the_tree_in_the_documents_has_every_model():
    with Image.open(DOCUMENTS / "figures" / "taxonomy.png") as kept:
        drawn = Image.open(io.BytesIO(draw("taxonomy", Setting())["taxonomy.png"]))
        assert kept.size == drawn.size  # else `hizumi figure taxonomy -o docs/figures`
        difference = np.asarray(kept.convert("L"), float) - np.asarray(drawn.convert("L"), float)
    assert np.abs(difference).mean() < 0.5  # of 255 grey levels


def test_the_same_setting_gives_the_same_figure():
    first, second = (draw("manifold", Setting(effort=1e-3, seed=3)) for _ in range(2))
    assert first == second
    assert first != draw("manifold", Setting(effort=1e-3, seed=4))


def test_unknown_figures_are_refused():
    with pytest.raises(UsageError, match="there is no figure 'colapse'"):
        draw("colapse", Setting())


@pytest.mark.parametrize(("name", "least"), [("pairs", 13), ("cycle", 26)])
def test_too_few_images_are_refused(name: str, least: int, tmp_path: Path):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).integers(0, 256, (least - 1, 8, 8), dtype=np.uint8))
    with pytest.raises(DataError, match=f"holds {least - 1} images; this figure needs {least} or more"):
        draw(name, Setting(data=tmp_path / "few.npy"))


@pytest.mark.parametrize("logit", [-6.0, -0.5, 0.0, 3.0])
def test_slopes_are_those_of_the_formulas(logit: float):
    chance = 1 / (1 + math.exp(-logit))
    assert slope(LOSSES["minimax: log(1 - D(G(z)))"][0], torch.tensor(logit)) == pytest.approx(chance, rel=1e-5)
    saturated = slope(LOSSES["non-saturating: -log D(G(z))"][0], torch.tensor(logit))
    assert saturated == pytest.approx(1 - chance, rel=1e-5)


def test_a_mosaic_keeps_every_pixel_in_its_place():
    images = torch.rand(2, 3, 1, 4, 5) * 2 - 1
    sheet = mosaic(images)
    assert sheet.shape == (2 * 5 - 1, 3 * 6 - 1, 3)
    expected = ((images[1, 2, 0] + 1) * 127.5).round().numpy()
    np.testing.assert_array_equal(sheet[5:9, 12:17, 0], expected)
    assert (sheet[4] == 255).all()


def test_slanting_moves_rows_by_their_height():
    images = -torch.ones(1, 1, 16, 16)
    images[..., 8] = 1.0
    columns = torch.arange(16.0)
    weights = slant(images)[0, 0] + 1
    places = (weights * columns).sum(1) / weights.sum(1)
    expected = 8 - SLANT * (torch.arange(16) - 7.5)
    torch.testing.assert_close(places, expected, atol=1e-3, rtol=0)
