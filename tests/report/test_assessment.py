"""Assessments keep the pictures of a few images, and these are those that an inspection of all would show."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hizumi.calibration import Verdict
from hizumi.data import Manifest, mask_pixels, open_source
from hizumi.data.manifest import Record
from hizumi.errors import DataError
from hizumi.evaluation import Evaluator, evaluate
from hizumi.inspection import Inspector
from hizumi.report import assessment, overview, write_report
from hizumi.report.assessment import assess
from hizumi.report.panels import TILE_PIXELS, thumbnail, tiles
from tests.detectors.passes import seen as seen  # a fixture

SIDE = 40


def labelled(count: int) -> Manifest:
    generator = np.random.default_rng(0)
    pictures = generator.integers(60, 160, (count, SIDE, SIDE, 1), dtype=np.uint8)
    masks = np.zeros((count, SIDE, SIDE), dtype=bool)
    masks[::2, 10:18, 20:26] = True
    pictures[masks] = 255
    records = [
        Record(
            f"{index}.png",
            row=index,
            label=int(index % 2 == 0),
            kind="spot" if index % 2 == 0 else "good",
            mask=index,
            group=f"part {index // 2}",
        )
        for index in range(count)
    ]
    return Manifest(tuple(records), arrays=pictures, masks=masks)


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector("pca").fit(np.random.default_rng(1).integers(60, 160, (40, SIDE, SIDE), dtype=np.uint8))


def test_copies_of_an_image_count_as_one_in_every_interval(inspector: Inspector) -> None:
    once = labelled(20)
    alone = replace(once, records=tuple(replace(record, group=None) for record in once.records))
    thrice = [replace(record, name=f"{record.name} again {time}") for time in range(3) for record in alone.records]
    found = assess(inspector, replace(alone, records=tuple(thrice))).evaluation
    single = assess(inspector, alone).evaluation
    assert found is not None
    assert single is not None
    assert (found.normal_count, found.groups, found.normal_groups, single.groups) == (30, 20, 10, None)
    for name in ("image_auroc", "average_precision", "realised_false_alarm_rate", "pixel_auroc"):
        of_copies, of_each = getattr(found, name), getattr(single, name)
        width = of_copies.high - of_copies.low
        assert width == pytest.approx(of_each.high - of_each.low, rel=0.1), name


def test_an_assessment_measures_as_all_at_once_and_keeps_pictures_of_its_cases_alone(
    inspector: Inspector, tmp_path: Path
) -> None:
    data = labelled(60)
    content = assess(inspector, data)
    whole = [item for item in inspector.inspect_each(data) if isinstance(item, Verdict)]
    exact = evaluate(
        whole,
        labels=[record.label for record in data.records],
        kinds=[record.kind for record in data.records],
        masks=[data.read_mask(index) for index in range(len(data))],
        groups=[record.group for record in data.records],
        calibration=inspector.calibration_,
    )
    assert content.evaluation is not None
    assert content.evaluation.groups == 30
    assert content.evaluation.to_dict() == exact.to_dict()
    assert all(verdict.map is verdict.picture is verdict.normal is None for verdict in content.verdicts)
    assert [verdict.boxes for verdict in content.verdicts] == [verdict.boxes for verdict in whole]
    assert 2 <= len(content.cases) <= 20
    for place, shown in content.cases.items():
        expected = tiles(whole[place], inspector.calibration_, data.read_mask(place))
        for tile, other in zip(shown, expected, strict=True):
            assert (tile.caption, tile.size, tile.boxes) == (other.caption, other.size, other.boxes)
            np.testing.assert_array_equal(tile.pixels, other.pixels)
    page = write_report(tmp_path / "report.html", content).read_text()
    assert page.count("<svg class=") == sum(len(shown) for shown in content.cases.values())
    assert "true defect" in page
    assert overview(content) is not None


def test_files_that_are_gone_after_they_were_scored_cost_nothing(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, data = on_disk(tmp_path)
    expected = assess(inspector, data)
    of_name = {str(file.relative_to(tmp_path)): file for file in files}
    add = Evaluator.add

    def added(self: Evaluator, verdict: Verdict, **named: Any) -> None:
        add(self, verdict, **named)
        of_name[verdict.name].unlink()

    monkeypatch.setattr(Evaluator, "add", added)
    content = assess(inspector, data)
    assert not any(file.exists() for file in files)
    assert content.evaluation is not None
    assert expected.evaluation is not None
    assert content.evaluation.to_dict() == expected.evaluation.to_dict()
    assert content.cases.keys() == expected.cases.keys()
    assert content.failures == []
    assert overview(content) is not None


def test_a_mask_that_is_gone_costs_its_pixel_figures_alone(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, data = on_disk(tmp_path)
    (tmp_path / "ground_truth/spot/0.png").unlink()
    content = assess(inspector, data)
    assert any(
        "mask of test/spot/0.png" in note and "left out of the pixel metrics" in note for note in content.data_notes
    )
    assert content.evaluation is not None
    assert content.evaluation.pixel_auroc is not None
    assert len(content.verdicts) == 12
    monkeypatch.setattr(assessment, "_scored", lambda *_: pytest.fail("masks are checked before the scoring"))
    with pytest.raises(DataError, match=r"mask of test/spot/0\.png"):
        assess(inspector, data, strict=True)


def test_every_mask_is_decoded_once(inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, data = on_disk(tmp_path)
    decoded: list[Path] = []
    decode = mask_pixels.decode

    def counted(path: Path, **options: Any) -> Any:
        decoded.append(path)
        return decode(path, **options)

    monkeypatch.setattr(mask_pixels, "decode", counted)
    assess(inspector, data)
    assert sorted(decoded) == sorted((tmp_path / "ground_truth").rglob("*.png"))


def on_disk(folder: Path) -> tuple[list[Path], Manifest]:
    """Twelve images and the masks of six in folders: the files of the images, and what was found."""
    data, files = labelled(12), []
    assert data.arrays is not None
    assert data.masks is not None
    for index, record in enumerate(data.records):
        files.append(folder / "test" / record.kind / record.name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.arrays[index, :, :, 0]).save(files[-1])
        if record.label:
            mask = folder / "ground_truth" / record.kind / record.name
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.masks[index]).save(mask)
    return files, open_source(folder)


def test_pictures_are_kept_no_larger_than_they_are_shown() -> None:
    assert thumbnail(np.zeros((700, 1400, 3), np.uint8)).shape == (TILE_PIXELS // 2, TILE_PIXELS, 3)


def test_features_of_many_images_are_those_of_some(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    data = labelled(30)
    monkeypatch.setattr("hizumi.report.assessment.POINTS_IN_AN_EMBEDDING", 7)
    content = assess(inspector, data)
    assert content.features is not None
    assert len(content.features) == len(content.places_of_features) == 7
    np.testing.assert_allclose(content.features, inspector.embed(data)[list(content.places_of_features)], rtol=1e-5)


@pytest.mark.parametrize("most", [1000, 7])
def test_every_image_is_read_once_and_passes_the_network_once(
    most: int,
    seen: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hizumi.report.assessment.POINTS_IN_AN_EMBEDDING", most)
    good = np.random.default_rng(2).integers(60, 160, (12, SIDE, SIDE), dtype=np.uint8)
    tiled = Inspector("gaussian_features", preset="untrained", image_size=16, sizing="tile").fit(good)
    data = labelled(20)
    read: list[int | None] = []
    by_manifest = Manifest.read

    def reading(manifest: Manifest, index: int) -> tuple[np.ndarray, tuple[str, ...]]:
        read.append(manifest.records[index].row)
        return by_manifest(manifest, index)

    seen.clear()
    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "read", reading)
        content = assess(tiled, data)
    assert sorted(read) == [*range(20)]
    sizing = tiled.preprocessing_.sizing
    assert sizing is not None
    assert sum(seen) == 20 * len(sizing.tiles(SIDE, SIDE)) + 1  # which says how wide an embedding is
    whole = [item.score for item in tiled.inspect_each(data) if isinstance(item, Verdict)]
    np.testing.assert_allclose([verdict.score for verdict in content.verdicts], whole, rtol=1e-5)
