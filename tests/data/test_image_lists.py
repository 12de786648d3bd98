"""Lists of images as people and other programs write them."""

from pathlib import Path

import pytest
from PIL import Image

from hizumi.data import open_source
from hizumi.errors import DataError


def picture(path: Path, level: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path)


@pytest.mark.parametrize("column", ["path", "filename", "image_path", "file", "image", "Image", "img", "Bild"])
@pytest.mark.parametrize("name", ["images/good/000.png", "images\\good\\000.png"])
def test_columns_of_paths(column: str, name: str, tmp_path: Path) -> None:
    picture(tmp_path / "images/good/000.png", 5)
    (tmp_path / "list.csv").write_text(f"{column},label\n{name},ok\n")
    manifest = open_source(tmp_path / "list.csv")
    assert [(record.name, record.label) for record in manifest.records] == [("images/good/000.png", 0)]
    assert manifest.read(0).pixels.max() == 5


def test_files_that_are_not_there_name_rows(tmp_path: Path) -> None:
    (tmp_path / "features.csv").write_text("part,area\na.png,3.5\nb.png,4.5\n")
    assert open_source(tmp_path / "features.csv", ignore="part").columns == ("area",)


def test_visa(tmp_path: Path) -> None:
    for name in ("Normal/0.JPG", "Normal/1.JPG", "Anomaly/2.JPG"):
        picture(tmp_path / "candle/Data/Images" / name)
    picture(tmp_path / "candle/Data/Masks/Anomaly/2.png", 1)
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text(
        "object,split,label,image,mask\n"
        "candle,train,normal,candle/Data/Images/Normal/0.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/1.JPG,\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/2.JPG,candle/Data/Masks/Anomaly/2.png\n"
    )
    manifest = open_source(tmp_path / "split_csv/1cls.csv")
    assert [(record.label, record.split) for record in manifest.records] == [(0, "train"), (0, "test"), (1, "test")]
    assert manifest.read_mask(2).all()
    assert {record.label for record in open_source(tmp_path / "candle").records} == {0, 1}


def test_anomalib(tmp_path: Path) -> None:
    for name in ("good/0.png", "crack/1.png", "masks/1.png"):
        picture(tmp_path / name)
    (tmp_path / "samples.csv").write_text(
        "image_path,label,label_index,mask_path,split\n"
        "good/0.png,normal,0,,train\n"
        f"{tmp_path}/crack/1.png,abnormal,1,{tmp_path}/masks/1.png,test\n"
    )
    manifest = open_source(tmp_path / "samples.csv")
    assert [(record.label, record.split) for record in manifest.records] == [(0, "train"), (1, "test")]
    assert manifest.records[1].mask == tmp_path / "masks/1.png"


def test_numbers_in_a_column_called_image_are_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,speed\n1,2.5\n2,3.5\n")
    assert open_source(tmp_path / "t.csv").columns == ("image", "speed")


def test_an_image_listed_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file\na.png\nb.png\na.png\n")
    with pytest.raises(DataError, match=r"line 4: a\.png is listed before"):
        open_source(tmp_path / "list.csv")


@pytest.mark.parametrize("column", ["label", "kind"])
def test_numbered_classes_are_asked_for_and_0_is_not_taken_for_good(column: str, tmp_path: Path) -> None:
    lines = [f"path,{column}"]
    for place, label in enumerate((0, 1, 1, 2, 1)):
        picture(tmp_path / f"{place}.png")
        lines.append(f"{place}.png,{label}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"column '{column}' labels images as 0, 1, 2; .* --good 1 \(`good`\)"):
        open_source(tmp_path / "list.csv")
    good = open_source(tmp_path / "list.csv", good="1")
    assert [record.label for record in good.records] == [1, 0, 0, 1, 0]
    classes = open_source(tmp_path / "list.csv", normal_class="all")
    assert [(record.kind, record.label) for record in classes.records] == [(kind, 0) for kind in "01121"]


def test_1_and_minus_1_are_no_defects_and_unknown_ones(tmp_path: Path) -> None:
    for place in range(3):
        picture(tmp_path / f"{place}.png")
    (tmp_path / "list.csv").write_text("path,label\n0.png,1\n1.png,1\n2.png,-1\n")
    with pytest.raises(DataError, match=r"labels images as 1, -1; say which is normal, as in --good 1"):
        open_source(tmp_path / "list.csv")
    assert [record.label for record in open_source(tmp_path / "list.csv", good="1").records] == [0, 0, 1]


def test_numbers_of_defects_alone_are_kinds(tmp_path: Path) -> None:
    for place in range(2):
        picture(tmp_path / f"{place}.png")
    (tmp_path / "list.csv").write_text("path,label\n0.png,2\n1.png,3\n")
    records = open_source(tmp_path / "list.csv").records
    assert [(record.kind, record.label) for record in records] == [("2", 1), ("3", 1)]
