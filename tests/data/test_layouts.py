"""What folders of all kinds are understood as; expected records are written out by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hizumi.data import Manifest, open_source, split
from hizumi.data.decoding import decode
from hizumi.data.labels import is_anomalous, is_normal, split_named
from hizumi.errors import DataError, UsageError


def picture(path: Path, level: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5), level, np.uint8)).save(path)


def facts(manifest: Manifest) -> dict[str, tuple[str, int | None, str | None]]:
    return {record.name: (record.kind, record.label, record.split) for record in manifest.records}


def unopened(manifest: Manifest) -> dict[str, str]:
    return {each.name: each.reason for each in manifest.unopened}


@pytest.mark.parametrize(
    "word",
    [
        *("good", "OK", "0.normal", "Pass", "01_Good_images", "defect-free", "non_defective", "nondefective"),
        *("no_anomaly", "without_defects", "gut", "良品", "合格品", "正常", "1_良品", "OK品"),
    ],
)
def test_words_for_good(word: str) -> None:
    assert is_normal(word)
    assert not is_anomalous(word)


@pytest.mark.parametrize(
    "word",
    [
        *(
            "1.abnormal",
            "NG",
            "fail",
            "Defects",
            "not good",
            "NOK",
            "bad_parts",
            "no good",
            "with_defect",
            "non-normal",
        ),
        *("不良品", "不合格", "異常", "异常", "schlecht"),
    ],
)
def test_words_for_bad(word: str) -> None:
    assert is_anomalous(word)
    assert not is_normal(word)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Training", "train"),
        ("valid", "calibration"),
        ("validate", "calibration"),
        ("testing_videos", "test"),
        ("TEST", "test"),
        ("test_public", "test"),
        ("test-A", "test"),
        ("test2", "test"),
        ("holdout", "test"),
        ("学習", "train"),
        ("検査", "test"),
        ("scratch_test", None),
        ("latest", None),
        ("scratch", None),
    ],
)
def test_words_for_splits(word: str, expected: str | None) -> None:
    assert split_named(word) == expected


def test_deep_folders_of_good_images(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"good/2024/06/lineA/{number}.png", number)
    picture(tmp_path / "good/0.png")
    picture(tmp_path / "crack/2024/06/0.png")
    assert facts(open_source(tmp_path)) == {
        "crack/2024/06/0.png": ("crack", 1, None),
        "good/0.png": ("good", 0, None),
        **{f"good/2024/06/lineA/{number}.png": ("good", 0, None) for number in range(3)},
    }


def test_good_below_and_above_other_names(tmp_path: Path) -> None:
    for name in ("train/good/0.png", "test/lineA/OK/0.png", "test/lineA/scratch/0.png", "test/NG/good/0.png"):
        picture(tmp_path / name)
    assert facts(open_source(tmp_path)) == {
        "train/good/0.png": ("good", 0, "train"),
        "test/lineA/OK/0.png": ("good", 0, "test"),
        "test/lineA/scratch/0.png": ("scratch", 1, "test"),
        "test/NG/good/0.png": ("NG", 1, "test"),
    }


def test_folders_beside_train_and_test(tmp_path: Path) -> None:
    names = ("train/0.png", "testing/good/0.png", "valid/good/0.png", "bad/0.png", "spare/0.png", "loose.png")
    for name in names:
        picture(tmp_path / name)
    manifest = open_source(tmp_path)
    assert facts(manifest) == {
        "train/0.png": ("good", 0, "train"),
        "testing/good/0.png": ("good", 0, "test"),
        "valid/good/0.png": ("good", 0, "calibration"),
        "bad/0.png": ("bad", 1, "test"),
        "spare/0.png": ("unlabelled", None, "test"),
        "loose.png": ("unlabelled", None, "test"),
    }
    assert manifest.notes[1].startswith("in no folder that says whether they are good: 2 images, such as loose.png")


def test_good_images_beside_train_are_not_learned_from(tmp_path: Path) -> None:
    names = (
        "train/good/0.png",
        "test_public/good/0.png",
        "test_public/bad/0.png",
        "spare/good/0.png",
        "line2/NG/0.png",
    )
    for name in names:
        picture(tmp_path / name)
    manifest = open_source(tmp_path)
    assert facts(manifest) == {
        "train/good/0.png": ("good", 0, "train"),
        "test_public/good/0.png": ("good", 0, "test"),
        "test_public/bad/0.png": ("bad", 1, "test"),
        "spare/good/0.png": ("good", 0, "test"),
        "line2/NG/0.png": ("line2", 1, "test"),
    }
    assert "outside of train, and kept for testing: 1 good image, such as spare/good/0.png" in manifest.notes


def test_good_images_beside_test_alone_are_learned_from(tmp_path: Path) -> None:
    for name in ("good/0.png", "test/bad/0.png"):
        picture(tmp_path / name)
    assert facts(open_source(tmp_path))["good/0.png"] == ("good", 0, None)


def test_names_of_splits_and_kinds_in_one(tmp_path: Path) -> None:
    for name in ("train_good/0.png", "test_good/0.png", "defect-test/0.png", "line1/test/bad/0.png"):
        picture(tmp_path / name)
    assert facts(open_source(tmp_path)) == {
        "train_good/0.png": ("good", 0, "train"),
        "test_good/0.png": ("good", 0, "test"),
        "defect-test/0.png": ("defect", 1, "test"),
        "line1/test/bad/0.png": ("bad", 1, "test"),
    }


def test_what_nothing_is_known_of_is_no_kind_of_defect(tmp_path: Path) -> None:
    for name in ("good/0.png", "unlabeled/0.png", "good_light/0.png"):
        picture(tmp_path / name)
    manifest = open_source(tmp_path)
    assert facts(manifest)["unlabeled/0.png"] == ("unlabelled", None, None)
    assert manifest.notes[-1] == (
        "counted as defects: the images in good_light; if they are good, say so with --good (`good`)"
    )


def test_ganomaly(tmp_path: Path) -> None:
    for name in ("train/0.normal/0.png", "test/0.normal/1.png", "test/1.abnormal/2.png"):
        picture(tmp_path / name)
    manifest = open_source(tmp_path)
    assert [(record.label, record.split) for record in manifest.records] == [(0, "test"), (1, "test"), (0, "train")]
    assert manifest.notes[0] == "understood as GANomaly's folders: 1 good to learn from, 2 to test"


def test_mvtec_loco(tmp_path: Path) -> None:
    for name in ("train/good/0.png", "test/good/0.png", "test/logical_anomalies/000.png"):
        picture(tmp_path / name)
    picture(tmp_path / "ground_truth/logical_anomalies/000/000.png")
    manifest = open_source(tmp_path)
    assert manifest.notes[0].startswith("understood as MVTec LOCO: 1 good to learn from, 2 to test")
    assert facts(manifest)["test/logical_anomalies/000.png"] == ("logical_anomalies", 1, "test")
    assert not any("ground_truth" in record.name for record in manifest.records)


@pytest.mark.parametrize("masks", ["mask", "Masks", "Ground Truth", "GT", "crack_mask", "groundtruth"])
def test_folders_of_masks_are_no_kind(masks: str, tmp_path: Path) -> None:
    for name in ("good/0.png", "crack/1.png"):
        picture(tmp_path / name)
    picture(tmp_path / masks / "crack/1.png", 255)
    picture(tmp_path / masks / "crack/77.png", 255)
    manifest = open_source(tmp_path)
    assert facts(manifest) == {"crack/1.png": ("crack", 1, None), "good/0.png": ("good", 0, None)}
    assert {each.name: each.may_be_part for each in manifest.unopened}[f"{masks}/crack/77.png"]
    assert "no picture has its name" in unopened(manifest)[f"{masks}/crack/77.png"]


def test_masks_beside_their_pictures_say_which_are_good(tmp_path: Path) -> None:
    for number, level in ((0, 0), (1, 255)):
        picture(tmp_path / f"a/{number}.jpg", 90)
        picture(tmp_path / f"a/{number}.png", level)
        picture(tmp_path / f"b/1000{number}.png", 90)
        picture(tmp_path / f"b/1000{number}_GT.png", level)
    assert facts(open_source(tmp_path / "a")) == {"0.jpg": ("good", 0, None), "1.jpg": ("anomalous", 1, None)}
    manifest = open_source(tmp_path / "b")
    assert facts(manifest) == {"10000.png": ("good", 0, None), "10001.png": ("anomalous", 1, None)}
    assert manifest.read_mask(1).all()
    assert manifest.notes == (
        "understood as a folder of good images: 1 good to learn from, 1 to test, 1 mask, 1 mask of good images",
    )


def test_pictures_of_one_name_in_two_formats_are_both_read(tmp_path: Path) -> None:
    picture(tmp_path / "0.jpg")
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(tmp_path / "0.png")
    assert [record.name for record in open_source(tmp_path).records] == ["0.jpg", "0.png"]


def test_the_user_says_what_is_good(tmp_path: Path) -> None:
    for name in ("cat/0.png", "dog/1.png", "owl/2.png"):
        picture(tmp_path / name)
    assert facts(open_source(tmp_path, good=["Cat", "owl"])) == {
        "cat/0.png": ("good", 0, None),
        "dog/1.png": ("dog", 1, None),
        "owl/2.png": ("good", 0, None),
    }
    with pytest.raises(UsageError, match="no folder in it is called 'cow'; its folders are cat, dog, owl"):
        open_source(tmp_path, good=["cow"])
    with pytest.raises(DataError, match=r"do not say good or bad \(cat, dog, owl\); .* --good"):
        open_source(tmp_path)


def test_the_user_says_what_the_layout_is(tmp_path: Path) -> None:
    for name in ("good/0.png", "test/1.png", "train/2.png"):  # kinds of a railway
        picture(tmp_path / name)
    kinds = {record.kind: record.label for record in open_source(tmp_path, layout="kinds").records}
    assert kinds == {"good": 0, "test": 1, "train": 1}
    assert {record.label for record in open_source(tmp_path, layout="flat").records} == {0}
    picture(tmp_path / "3.png")
    shallow = open_source(tmp_path, recursive=False)
    assert [record.name for record in shallow.records] == ["3.png"]
    assert unopened(shallow).keys() == {"good/", "test/", "train/"}


def test_folders_of_defects_alone_are_so_where_that_is_said(tmp_path: Path) -> None:
    for name in ("scratch/0.png", "dent/1.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="or --layout kinds where all are defects"):
        open_source(tmp_path)
    manifest = open_source(tmp_path, layout="kinds")
    assert {record.kind: record.label for record in manifest.records} == {"scratch": 1, "dent": 1}
    assert manifest.notes == ("understood as defects: 2 to test",)


def test_images_beside_folders_that_say_nothing(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    picture(tmp_path / "shift2/0.png", 200)
    manifest = open_source(tmp_path)
    assert facts(manifest)["shift2/0.png"] == ("unlabelled", None, None)
    assert "not learned from: 1 image in folders whose names do not say good or bad (shift2)" in manifest.notes[1]
    assert {record.name for record in split(manifest).records if record.split == "test"} == {"shift2/0.png"}


def test_what_a_run_has_written_is_no_part(tmp_path: Path) -> None:
    for name in ("0.png", "m.run/step-000200.png", "other.run/1.png"):
        picture(tmp_path / name)
    (tmp_path / "m.run" / "request.json").write_text("{}")
    manifest = open_source(tmp_path, layout="unlabelled")
    assert [record.name for record in manifest.records] == ["0.png", "other.run/1.png"]
    assert [(each.name, each.reason, each.may_be_part) for each in manifest.unopened] == [
        ("m.run/", "holds what a run has written", False)
    ]


def test_every_file_is_a_record_or_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.png")
    for name in ("x.heic", "notes.txt", ".hidden.png", "deep/y.raw", "noname", ".git/config", "._a.png", "film.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    manifest = open_source(tmp_path)
    assert [record.name for record in manifest.records] == ["images/a.png"]
    harmless = {"notes.txt", ".git/", "._a.png", "loop/"}
    parts = {"x.heic", ".hidden.png", "deep/y.raw", "noname", "film.mp4", "gone.png"}
    assert {each.name for each in manifest.unopened if each.may_be_part} == parts
    assert {each.name for each in manifest.unopened if not each.may_be_part} == harmless


@pytest.mark.parametrize("suffix", [".pgm", ".gif", ".jfif", ".ppm", ".dib"])
def test_formats_read_as_others_are(suffix: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    levels = colours if suffix == ".ppm" else np.full((6, 7), 77, np.uint8)
    format_name = {".jfif": "JPEG", ".dib": "DIB", ".gif": "GIF"}.get(suffix, "PPM")
    Image.fromarray(levels).save(tmp_path / f"x{suffix}", format=format_name)
    read = decode(open_source(tmp_path).records[0].path).pixels
    np.testing.assert_array_equal(read, levels.reshape(6, 7, -1) * np.ones_like(read))


def test_pgm_of_12_bits_is_refused_and_of_16_read(tmp_path: Path) -> None:
    values = (np.arange(12).reshape(3, 4) * 300).astype(">u2")
    (tmp_path / "twelve.pgm").write_bytes(b"P5 4 3 4095\n" + values.tobytes())
    (tmp_path / "sixteen.pgm").write_bytes(b"P5 4 3 65535\n" + values.tobytes())
    np.testing.assert_array_equal(decode(tmp_path / "sixteen.pgm").pixels[:, :, 0], values)
    with pytest.raises(DataError, match="values from 0 to 4095, which would be rescaled"):
        decode(tmp_path / "twelve.pgm")


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    picture(tmp_path / "a/0.png")
    manifest = open_source([tmp_path / "a", tmp_path / "a/0.png", tmp_path / "a/../a/0.png"], layout="unlabelled")
    assert len(manifest) == 1
    assert set(unopened(manifest).values()) == {"was named before"}
