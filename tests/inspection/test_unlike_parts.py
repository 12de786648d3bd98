"""What is no part such as those learned from has no verdict: files not opened, images of another form, pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.errors import DataError
from hizumi.inspection import Inspector
from hizumi.inspection.verdicts import opened


def picture(size: tuple[int, int] = (24, 32), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(90, 130, (*size, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    folder = tmp_path_factory.mktemp("good")
    for number in range(12):
        picture(seed=number).save(folder / f"{number}.png")
    return Inspector("pca").fit(folder)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((1, 1), "is 1x1 pixels, far smaller than those learned from, of about 32x24; give it at their size"),
        ((2, 3), "is 3x2 pixels, far smaller than"),
        ((2, 900), "is 900x2 pixels, of quite another form than those learned from, of about 32x24; crop it"),
        ((900, 2), "is 2x900 pixels, of quite another form"),
    ],
)
def test_images_of_another_form_are_not_judged(
    size: tuple[int, int], said: str, inspector: Inspector, tmp_path: Path
) -> None:
    picture(size).save(tmp_path / "a.png")
    inspection = inspector.inspect(tmp_path)
    assert not inspection.verdicts
    assert inspection.has_unjudged
    assert said in inspection.failures[0].reason


@pytest.mark.parametrize("size", [(24, 32), (12, 16), (240, 320), (24, 96)])
def test_images_of_other_sizes_are(size: tuple[int, int], inspector: Inspector, tmp_path: Path) -> None:
    picture(size).save(tmp_path / "a.png")
    assert len(inspector.inspect(tmp_path)) == 1


def test_in_tiles_images_of_another_form_are_looked_at_as_they_are(tmp_path: Path) -> None:
    for number in range(12):
        picture((40, 40), seed=number).save(tmp_path / f"{number}.png")
    inspector = Inspector("pca", sizing="tile", image_size=16).fit(tmp_path)
    (tmp_path / "new").mkdir()
    for name, size in {"strip": (16, 400), "piece": (16, 16), "dot": (1, 1)}.items():
        picture(size).save(tmp_path / "new" / f"{name}.png")
    inspection = inspector.inspect(tmp_path / "new")
    assert [verdict.name for verdict in inspection] == ["piece.png", "strip.png"]
    assert "is 1x1 pixels, far smaller than a tile of 16x16" in inspection.failures[0].reason


def test_where_nothing_may_be_passed_over_an_unopened_file_is_an_error(inspector: Inspector, tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "readme.txt").write_text("no part")
    assert len(inspector.score_samples(tmp_path)) == 1
    (tmp_path / "b.heic").write_bytes(b"a part")
    with pytest.raises(DataError, match=r"b.heic: files of the kind .heic are not read; leave it out"):
        inspector.inspect(tmp_path, strict=True)
    with pytest.raises(DataError, match=r"b.heic"):
        inspector.score_samples(tmp_path)
    for number in range(4):
        picture(seed=number).save(tmp_path / f"c{number}.png")
    with pytest.raises(DataError, match=r"b.heic"):
        Inspector("pca").fit(tmp_path, strict=True)
    assert [each.name for each in inspector.inspect(tmp_path).unopened] == ["b.heic", "readme.txt"]


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA"])
def test_pictures_in_memory_are_read_as_their_files_are(mode: str, inspector: Inspector, tmp_path: Path) -> None:
    image = picture().quantize(16) if mode == "P" else picture().convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    (file,), (memory,) = inspector.inspect(path), inspector.inspect([image])
    assert memory.score == file.score
    assert inspector.inspect([image]).notes[0].startswith(file.notes[0])


@pytest.mark.parametrize("rows", [[["a", "b"]], [[0.0, 1.0], [2.0]], [[10**400, 0]]])
def test_rows_that_are_no_numbers_are_refused_in_one_line(rows: list[object]) -> None:
    inspector = Inspector("pca").fit(np.random.default_rng(0).normal(size=(20, 2)))
    for refused in (lambda: opened(rows, motion=False), lambda: inspector.inspect(rows)):
        with pytest.raises(DataError) as caught:
            refused()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_word_among_numbers_costs_its_own_row_alone(separator: str, tmp_path: Path) -> None:
    def written(name: str, rows: list[list[str]]) -> Path:
        lines = (separator.join(row) for row in [["a", "b"], *rows])
        text = "\n".join(lines) + "\n"
        (tmp_path / name).write_text(text if separator == "," else text.replace(".", ","))
        return tmp_path / name

    rows = [[f"{a:.4f}", f"{b:.4f}"] for a, b in np.random.default_rng(0).normal(size=(20, 2))]
    inspector = Inspector("pca").fit(written("good.csv", rows))
    inspection = inspector.inspect(written("new.csv", [rows[0], ["x", "1.5"], rows[1], ["2.5", "=A1"]]))
    assert [verdict.name for verdict in inspection] == ["line 2", "line 4"]
    assert [tuple(each)[:2] for each in inspection.unopened] == [
        ("line 3", "column 'a' is 'x', which is no number"),
        ("line 5", "column 'b' is '=A1', which is no number"),
    ]
    assert inspection.has_unjudged
    with pytest.raises(DataError, match=r"none\.csv: line 2, column 'a' is 'x', which is no number"):
        inspector.inspect(written("none.csv", [["x", "1.5"]]))
