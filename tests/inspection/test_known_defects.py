"""Known defects train nothing, are counted apart, and at stated costs set the threshold."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from scipy.stats import binomtest

from hizumi import Inspector, load, save
from hizumi.calibration import Costs
from hizumi.calibration.costs import cheapest
from hizumi.data import open_source
from hizumi.errors import BundleError, DataError, HizumiError, UsageError
from hizumi.inspection import held_out
from hizumi.inspection.bundle import SEEN
from hizumi.runs.known_defects import FoundAmongKnown
from tests.inspection.crafted import read, sealed

COSTS = Costs(miss=20, alarm=1, defect_share=0.05)


def rows(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 4))


@pytest.fixture(scope="module")
def fitted() -> Inspector:
    return Inspector("mahalanobis", costs=COSTS).fit(rows(120, 0), known_defects=rows(11, 1, 2.0))


def test_they_train_nothing_and_change_the_threshold_by_costs_alone(fitted: Inspector) -> None:
    without = Inspector("mahalanobis").fit(rows(120, 0))
    told = Inspector("mahalanobis").fit(rows(120, 0), known_defects=rows(11, 1, 2.0))
    for other in (told, fitted):
        states = zip(without.detector_.state_dict().items(), other.detector_.state_dict().items(), strict=True)
        assert all(name == its and (weights == same).all() for (name, weights), (its, same) in states)
    assert told.calibration_.threshold == without.calibration_.threshold
    defects = np.sort(-without.score_samples(rows(11, 1, 2.0)))
    assert (fitted.calibration_.defect_scores == defects).all()
    assert fitted.calibration_.threshold.value == cheapest(without.calibration_.scores, defects, COSTS).threshold
    assert fitted.options_["rule"] == "cost"


def test_a_calibration_that_fails_changes_nothing() -> None:
    inspector = Inspector("mahalanobis").fit(rows(120, 0))
    before = inspector.calibration_
    with pytest.raises(DataError):
        inspector.calibrate(false_alarm_rate=0.3, known_defects=np.full((3, 4), 1e300))
    assert inspector.calibration_ is before


def test_what_is_found_is_counted_by_the_threshold_that_has_not_seen_them(fitted: Inspector) -> None:
    without = Inspector("mahalanobis").fit(rows(120, 0))
    found = int((without.predict(rows(11, 1, 2.0)) == -1).sum())
    known = FoundAmongKnown.of(fitted.calibration_)
    assert known is not None
    assert (known.count, known.found, known.rule) == (11, found, "conformal")
    assert (known.low, known.high) == pytest.approx(tuple(binomtest(found, 11).proportion_ci(method="exact")))
    assert known.found_in_use == (fitted.predict(rows(11, 1, 2.0)) == -1).sum()
    assert "says nothing of new ones" in known.words("row")
    assert FoundAmongKnown.of(without.calibration_) is None


def test_photographs_of_one_defect_count_as_one(tmp_path: Path) -> None:
    listed = tmp_path / "defects.csv"
    values = np.repeat(rows(6, 1, 2.0), 4, axis=0)
    lines = [",".join([*map(str, row), f"part {index // 4}"]) for index, row in enumerate(values)]
    listed.write_text("\n".join(["a,b,c,d,group", *lines]))
    columns = tmp_path / "good.csv"
    columns.write_text("\n".join(["a,b,c,d", *(",".join(map(str, row)) for row in rows(150, 0))]))
    fitted = Inspector("mahalanobis", costs=COSTS).fit(columns, known_defects=listed)
    fitted = load(save(fitted, tmp_path / "a.hizumi"))
    known = FoundAmongKnown.of(fitted.calibration_)
    assert known is not None
    assert (known.count, known.groups) == (24, 6)
    assert known.found % 4 == 0
    exact = binomtest(known.found // 4, 6).proportion_ci(method="exact")
    assert (known.low, known.high) == pytest.approx(tuple(exact))
    assert "%, by 6 groups)" in known.words("row")
    assert "known defects are of 6 groups, which are alike, so no rate of misses" in fitted.calibration_.promise("row")
    more = fitted.calibration_.with_(defect_scores=np.append(fitted.calibration_.defect_scores, 9.0))
    assert more.defect_units == 7
    alone = fitted.calibrate(known_defects=rows(11, 1, 2.0), costs=COSTS)
    assert alone.calibration_.defect_units == 11
    assert "misses at most" in alone.calibration_.promise("row")


def test_a_bundle_keeps_them_for_other_costs(fitted: Inspector, tmp_path: Path) -> None:
    again = load(save(fitted, tmp_path / "a.hizumi"))
    assert again.calibration_.threshold == fitted.calibration_.threshold
    assert again.costs == COSTS
    dear = Costs(miss=20, alarm=500, defect_share=0.05)
    again.calibrate(costs=dear)
    expected = cheapest(fitted.calibration_.scores, fitted.calibration_.defect_scores, dear)
    assert again.calibration_.threshold.value == expected.threshold
    again.calibrate(rule="conformal")
    assert again.calibration_.threshold == fitted.calibration_.from_good_images
    for way in ({"threshold": 1e3}, {"costs": dear}):
        again.calibrate(**way).calibrate(false_alarm_rate=0.25)
        assert (
            again.calibration_.threshold == fitted.calibration_.with_(rule="conformal", false_alarm_rate=0.25).threshold
        )
    verdict = load(save(fitted, tmp_path / "b.hizumi")).inspect(rows(1, 5))[0]
    assert verdict.rule == "cost"
    assert "the lowest expected cost" in fitted.calibration_.promise()


def test_what_does_not_go_together_is_refused(fitted: Inspector) -> None:
    with pytest.raises(UsageError, match="known_defects"):
        Inspector("mahalanobis", costs=COSTS).fit(rows(40, 0))
    with pytest.raises(UsageError, match="leave the rule out"):
        Inspector("mahalanobis", rule="cost").fit(rows(40, 0))
    with pytest.raises(UsageError, match="leave rule"):
        fitted.calibrate(costs=COSTS, threshold=3.0)
    other = Inspector("mahalanobis").fit(rows(40, 0), known_defects=np.concatenate([rows(40, 0)[:2], rows(3, 1, 2.0)]))
    assert any("2 of the known defects equal a good row" in note for note in other.notes_)


def save_image(path: Path, seed: int, spot: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(128, 12, (16, 16))
    pixels[4:8, 4:8] += spot
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images, and a folder with kinds of defects, a good folder, a file that is damaged and one that is none."""
    root = tmp_path_factory.mktemp("parts")
    for number in range(30):
        save_image(root / "good" / f"{number}.png", number)
    for number in range(8):
        save_image(
            root / "defects" / ("dent" if number % 2 else "scratch") / f"{number}.png", 100 + number, 12 * number
        )
    save_image(root / "defects" / "ok" / "0.png", 200)
    (root / "defects" / "dent" / "damaged.png").write_bytes(b"no image")
    (root / "defects" / "notes.txt").write_text("taken on Monday")
    return root


def test_folders_of_kinds_are_defects_and_what_is_called_good_or_cannot_be_read_is_named(folders: Path) -> None:
    inspector = Inspector("pca", image_size=16).fit(folders / "good", known_defects=folders / "defects")
    assert inspector.options_["known_defects"]["count"] == 8
    assert [failure.name for failure in inspector.failures_] == ["dent/damaged.png"]
    assert [each.name for each in inspector.unopened_] == ["notes.txt"]
    assert any("as not called defective: 1 image of defects" in note for note in inspector.notes_)


def test_a_good_image_is_no_known_defect_whatever_its_name(folders: Path, tmp_path: Path) -> None:
    copy = tmp_path / "defects" / "copy.png"
    copy.parent.mkdir()
    copy.write_bytes((folders / "good" / "7.png").read_bytes())
    with pytest.raises(DataError, match=r"copy\.png"):
        Inspector("pca", image_size=16).fit(folders / "good", known_defects=tmp_path / "defects")
    bundle = save(Inspector("pca", image_size=16).fit(folders / "good"), tmp_path / "a.hizumi")
    with pytest.raises(DataError, match=r"among the good images too.*copy\.png"):
        load(bundle).calibrate(known_defects=tmp_path / "defects")


def test_known_defects_that_set_the_threshold_are_no_test(folders: Path) -> None:
    manifest = open_source(folders, good="good")
    inspector = Inspector("pca", image_size=16).fit(manifest, known_defects=folders / "defects" / "dent")
    assert len(held_out(inspector, manifest).select(label=1)) == 8 + 2  # they set nothing
    inspector.calibrate(costs=COSTS)
    unseen = held_out(inspector, manifest)
    assert not any("dent/" in record.name for record in unseen.records)
    assert sum("scratch/" in record.name for record in unseen.records) == 4
    assert any("known defects, which set the threshold" in note for note in unseen.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"costs": {"miss": -1, "alarm": 1, "defect_share": 0.1}}},
        {"parameters": {"costs": {"price": 1}}},
        {"parameters": {"costs": 3}},
        {"parameters": {"variation": {"turns": 900}}},
        {"parameters": {"variation": {}}},
        {"options": {"known_defects": {"count": 3}}},
        {"options": {"variation": {"turns": 5}}},
        {"preprocessing": {"alignment": {"height": 3}}},
        {"calibration": {"options": {"miss": "free"}}},
    ],
    ids=str,
)
def test_a_bundle_that_states_what_cannot_be_is_one_line(change: dict, fitted: Inspector, tmp_path: Path) -> None:
    header, members = read(save(fitted, tmp_path / "a.hizumi"))
    statements = json.loads(members[header])
    ((part, wrong),) = change.items()
    statements[part] |= wrong
    (tmp_path / "b.hizumi").write_bytes(sealed(header, statements, members))
    with pytest.raises(HizumiError, match=r"b\.hizumi"):
        load(tmp_path / "b.hizumi")


def test_a_bundle_without_what_was_seen_is_loaded_and_one_with_nonsense_is_not(
    fitted: Inspector, tmp_path: Path
) -> None:
    header, members = read(save(fitted, tmp_path / "a.hizumi"))
    statements = json.loads(members[header])
    earlier = {name: content for name, content in members.items() if name != SEEN}
    (tmp_path / "b.hizumi").write_bytes(sealed(header, statements, earlier))
    assert len(load(tmp_path / "b.hizumi").seen_.good) == 0
    for nonsense in (b"x", safetensors.numpy.save({"other": np.zeros(3)})):
        (tmp_path / "b.hizumi").write_bytes(sealed(header, statements, {**members, SEEN: nonsense}))
        with pytest.raises(BundleError, match=r"b\.hizumi"):
            load(tmp_path / "b.hizumi")
