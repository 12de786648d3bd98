"""Reviewed pictures become a set that hizumi's own reader understands as it was meant."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import open_source
from hizumi.errors import DataError, UsageError
from hizumi.station.labelled_set import export_labelled_set
from hizumi.station.log import Log, Review
from hizumi.station.pictures import Pictures
from tests.station.entries import entry

KINDS = [
    "unknown",
    "scratch",
    "../../etc",
    "a/b",
    "A_B",
    "good",
    "train",
    "masks",
    "",
    "傷",
    "CON.",
    "bad",
    "Kratzer tief",
    "12",
    "edge_mask",
]


def picture(number: int, form: str = "PNG", orientation: int = 1) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, form, exif=exif)
    return file.getvalue()


@pytest.fixture
def reviewed(lite: Log, tmp_path: Path) -> tuple[Log, Pictures]:
    """Thirty good pictures and one of each kind of defect."""
    pictures = Pictures(tmp_path / "pictures")
    made = [entry(n, name=f"=cmd|{n}.png", picture_sha256=pictures.keep(picture(n))) for n in range(30 + len(KINDS))]
    lite.add(made)
    for each in made[:30]:
        lite.review(Review(each.id, "good", "ann", note="=SUM(A1)"))
    for each, kind in zip(made[30:], KINDS, strict=True):
        square = ((2.0, 3.0), (7.0, 3.0), (7.0, 9.0), (2.0, 9.0))
        lite.review(Review(each.id, "defect", "bob", kind, regions=(square,) if kind != "bad" else None))
    return lite, pictures


def test_the_set_is_read_as_it_was_reviewed(reviewed: tuple[Log, Pictures], tmp_path: Path) -> None:
    log, pictures = reviewed
    root = tmp_path / "out" / "set"
    made = export_labelled_set(log, pictures, root)
    assert made.notes == ("without a mask, as no region was drawn: 1 defect",)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["set"], "something was written elsewhere"
    manifest = open_source(root)
    records = {record.path.stem: record for record in manifest.records}
    assert {entry(n).id for n in range(30 + len(KINDS))} == set(records)
    for number in range(30):
        assert records[entry(number).id].label == 0
    folders = set()
    for number, kind in enumerate(KINDS, 30):
        record = records[entry(number).id]
        assert (record.label, record.split) == (1, "test"), kind
        assert record.path.read_bytes() == picture(number)
        assert (record.mask is None) == (kind == "bad")
        folders.add(record.path.parent.name.lower())
    assert len(folders) == len(KINDS), "two kinds share a folder"
    assert 0 < made.counts["test/good"] < made.counts["train/good"]
    with (root / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    assert [rows[entry(number).id]["kind"] for number in range(30, 30 + len(KINDS))] == KINDS
    assert {row["note"] for row in rows.values()} == {"'=SUM(A1)", ""}
    assert all(row["name"].startswith("'=cmd") for row in rows.values())


def test_it_is_said_where_no_good_picture_is_to_test_with(lite: Log, tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "pictures")
    lite.add([entry(n, picture_sha256=pictures.keep(picture(n))) for n in range(3)])
    for number, label in enumerate(("good", "good", "defect")):
        lite.review(
            Review(entry(number).id, label, "ann", regions=((((1, 1), (5, 1), (5, 5)),) if number == 2 else None))
        )  # type: ignore[arg-type]
    (note,) = export_labelled_set(lite, pictures, tmp_path / "few", test_share=1e-9).notes
    assert note.startswith("none of 2 good pictures is to test with")
    assert export_labelled_set(lite, pictures, tmp_path / "all", test_share=1).counts["test/good"] == 2
    assert export_labelled_set(lite, pictures, tmp_path / "some", test_share=1).notes == ()
    assert export_labelled_set(lite, pictures, tmp_path / "no test", test_share=0).notes == (), "as was asked"


def test_a_mask_covers_exactly_what_was_drawn(lite: Log, tmp_path: Path) -> None:
    """The picture is stored lying, and shown upright."""
    pictures = Pictures(tmp_path / "pictures")
    lite.add([entry(1, picture_sha256=pictures.keep(picture(1, "JPEG", orientation=6)))])
    box = ((2.0, 3.0), (7.0, 3.0), (7.0, 9.0), (2.0, 9.0))
    triangle = ((0.0, 12.0), (6.0, 12.0), (0.0, 18.0))
    hair = ((8.1, 1.1), (11.9, 1.1), (11.9, 1.2), (8.1, 1.2))
    outside = ((100.0, 100.0), (1e6, 100.0), (1e6, 1e6))
    lite.review(Review(entry(1).id, "defect", "ann", "dent", regions=(box, triangle, hair, outside)))
    export_labelled_set(lite, pictures, tmp_path / "set")
    mask = np.asarray(Image.open(tmp_path / "set" / "ground_truth" / "dent" / f"{entry(1).id}_mask.png"))
    assert mask.shape == (20, 12)
    y, x = np.mgrid[:20, :12] + 0.5
    in_box = (x > 2) & (x < 7) & (y > 3) & (y < 9)
    in_triangle = (y > 12) & (x + (y - 12) < 6)
    edge = (y > 12) & (np.abs(x + (y - 12) - 6) < 1e-9)  # pixels that the slanted side halves
    in_hair = (y == 1.5) & (x > 8)
    assert (((mask == 255) | edge) == (in_box | in_triangle | in_hair | edge)).all()
    assert set(np.unique(mask)) == {0, 255}


def test_of_equal_pictures_the_last_word_counts(lite: Log, tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "pictures")
    key = pictures.keep(picture(1))
    lite.add([entry(n, picture_sha256=key) for n in (1, 2)])
    lite.add([entry(3, picture_sha256=pictures.keep(picture(3))), entry(4), entry(5, recipe="other")])
    damaged = pictures.keep(picture(6))
    (tmp_path / "pictures" / damaged[:2] / damaged[2:4] / damaged).write_bytes(picture(7))
    lite.add([entry(6, picture_sha256=damaged)])
    for number, label in [(2, "defect"), (1, "good"), (3, "unsure"), (4, "good"), (5, "good"), (6, "good")]:
        lite.review(Review(entry(number).id, label, "ann"))  # type: ignore[arg-type]
    made = export_labelled_set(lite, pictures, tmp_path / "set", test_share=0, recipe="bracket")
    assert made.counts == {"train/good": 1}
    assert (tmp_path / "set" / "train" / "good" / f"{entry(1).id}.png").exists()
    assert made.notes == (
        "left out, as reviewers were unsure: 1 picture",
        "inspected and reviewed more than once, of which the last counts: 1 picture (1 with another word before)",
        "left out, as no longer kept: 1 reviewed picture",
        "left out, as damaged on the disk: 1 reviewed picture",
    )
    with pytest.raises(UsageError, match="not empty"):
        export_labelled_set(lite, pictures, tmp_path / "set")
    with pytest.raises(DataError, match="review some first"):
        export_labelled_set(lite, pictures, tmp_path / "none", recipe="nobody's")
    assert not (tmp_path / "none").exists()
