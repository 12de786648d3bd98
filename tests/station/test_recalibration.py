"""What joins the held-out scores, what that does to the promise, and that each state can be undone."""

import math
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from hizumi.calibration import Calibration, Costs, Verdict
from hizumi.errors import UsageError
from hizumi.inspection import Inspector, save
from hizumi.station import Entry
from hizumi.station.audit_sample import EVENT, AuditSample, audit_sample, set_audit_sample
from hizumi.station.calibrated_bundle import CalibratedBundle
from hizumi.station.evidence import Evidence, Reviewed, lineage
from hizumi.station.guarantee import promised
from hizumi.station.ids import new_id
from hizumi.station.log import AuditEvent, Log, Review
from hizumi.station.recalibration import Choice, State, apply, foreseen, preview, undo
from hizumi.station.shelf import Shelf, bundle_sha256
from tests.station.entries import START, entry

RATE = 0.1
TIMES = 250
EARLIER = Path(__file__).parents[1] / "bundles" / "format-1"


def plain(scores: np.ndarray, **options: object) -> CalibratedBundle:
    """A bundle of nothing but its calibration."""
    calibration = Calibration.fit(scores, false_alarm_rate=RATE)
    return CalibratedBundle("b" * 64, "detector", {"options": options}, {}, calibration)


def shift(random: np.random.Generator, looks_at, held_out: int = 19, parts: int = 150) -> float:
    """The true false-alarm rate of the threshold after a shift, where good parts score uniformly in [0, 1].

    A twentieth of the parts is defective, with scores from 0.5 to 1.5. `looks_at` says which parts are reviewed.
    """
    sample = AuditSample(0.2, str(random.integers(2**32)))
    reviewed = []
    for _ in range(parts):
        is_defect = random.random() < 0.05
        score, identity = random.random() + is_defect / 2, new_id()
        sampled = sample.includes(identity)
        if looks_at(score, sampled):
            label = "defect" if is_defect else "good"
            reviewed.append(Reviewed(identity * 2, score, None, label, sampled, START, len(reviewed)))
    evidence = Evidence((), np.empty(0), tuple(reviewed), 0)
    found = foreseen(plain(random.random(held_out)), evidence, Choice("reviewed"))
    only_drawn = all(each.sampled for each in reviewed)
    assert (found.after.promised_rate is not None) == only_drawn
    return 1 - found.after.value


@pytest.mark.slow
def test_the_promise_is_kept_where_the_audit_sample_joins_and_not_where_people_choose() -> None:
    """Over many shifts: the mean of the exact rates behind the thresholds, within three standard errors."""
    random = np.random.default_rng(7)
    drawn = np.array([shift(random, lambda score, sampled: sampled) for _ in range(TIMES)])
    assert drawn.mean() <= RATE + 3 * drawn.std() / math.sqrt(TIMES)
    assert drawn.mean() > RATE - 0.04, "and it is not kept by flagging next to nothing"
    easy = np.array([shift(random, lambda score, sampled: score < 0.5) for _ in range(TIMES)])
    assert easy.mean() > RATE + 3 * easy.std() / math.sqrt(TIMES), "accepting what is easy to tell lowers the threshold"


def test_the_promise_is_kept_where_all_views_of_parts_are_reviewed() -> None:
    """The mean of the exact rates behind the thresholds, where all views of a part score alike."""
    random, views, parts, rates = np.random.default_rng(8), 8, 20, []
    for _ in range(400):
        scores, numbers = np.repeat(random.random(parts), views), np.repeat(np.arange(parts), views).tolist()
        reviewed = [
            Reviewed(random.bytes(32).hex(), score, None, "good", True, START, number)
            for score, number in zip(scores.tolist(), numbers, strict=True)
        ]
        found = foreseen(plain(random.random(9)), Evidence((), np.empty(0), tuple(reviewed), 0), Choice("sample"))
        assert (found.held_out_after, found.joining.views) == (9 + parts, (views - 1) * parts)
        assert found.after.promised_rate is not None
        rates.append(1 - found.after.value)
    assert np.mean(rates) <= found.after.promised_rate + 3 * np.std(rates) / math.sqrt(len(rates))
    assert any("of each part one view joins" in each.words for each in found.guarantee)


def test_which_view_of_a_part_joins_depends_on_no_score_and_on_none_that_people_chose() -> None:
    for low, high in ((0.1, 0.9), (0.9, 0.1)):
        words = [
            Reviewed(f"{sha:016x}" * 4, score, None, "good", sampled, START, part)
            for sha, score, sampled, part in [
                (1, 0.5, False, 1), (3, high, True, 1), (2, low, True, 1), (4, 0.6, True, 2)
            ]
        ]  # fmt: skip
        evidence = Evidence((), np.empty(0), tuple(words), 0)
        found = foreseen(plain(np.linspace(0, 1, 19)), evidence, Choice("reviewed"))
        assert sorted(numbers[0] for numbers in found.joining.good.values()) == sorted([low, 0.6])
        assert found.joining.chosen == 0


def test_the_promise_on_parts_holds_however_their_views_go_together() -> None:
    calibration = Calibration.fit(np.random.default_rng(0).random(199), false_alarm_rate=RATE)
    rate = 1 - calibration.threshold.value  # of a view, whose scores are uniform
    for views in (2, 5, 20):
        said = promised(calibration, "image", views)[-1]
        assert said.figures == {"views": views, "part_rate": min(1.0, views * calibration.threshold.promised_rate)}
        place = np.random.default_rng(1).random(20_000)
        apart = (place[:, None] + np.arange(views) / views) % 1  # one view of a part at a time is far out
        alike = np.tile(place[:, None], views)
        for scores in (apart, alike):
            flagged = calibration.is_anomalous(scores.ravel()).reshape(scores.shape)
            assert flagged.any(1).mean() <= min(1.0, views * rate) + 0.01
    assert promised(calibration, "image", 1) == calibration.statements("image")
    nothing = calibration.with_(threshold=0.5)
    assert promised(nothing, "image", 3) == nothing.statements("image")


def test_views_of_one_defect_promise_no_rate_of_misses() -> None:
    scores = np.random.default_rng(1).normal(0, 1, 60)
    words = [Reviewed(f"{n:016x}" * 4, 4 + n / 10, None, "defect", False, START, n // 2) for n in range(12)]
    choice = Choice("reviewed", costs=Costs(miss=20, alarm=1, defect_share=0.05))
    found = foreseen(plain(scores), Evidence((), np.empty(0), tuple(words), 0), choice)
    assert (found.calibration.defect_units, len(found.calibration.defect_scores)) == (6, 12)
    assert "no rate of misses is promised" in found.after.words
    recorded = {"good": {}, "defects": dict(found.joining.defects), "defect_parts": found.joining.defect_parts}
    applied = replace(plain(scores), header={"options": {"recalibrated": recorded}}, calibration=found.calibration)
    for join in ("keep", "reviewed"):
        again = foreseen(applied, Evidence((), np.empty(0), tuple(words), 0), replace(choice, join=join))
        assert (again.calibration.defect_units, len(again.calibration.defect_scores)) == (6, 12)


def test_a_sample_that_is_not_reviewed_as_a_whole_promises_nothing() -> None:
    reviewed = tuple(Reviewed(f"{n:016x}" * 4, n / 40, None, "good", True, START, n) for n in range(40))
    scores = np.linspace(0, 1, 19)
    for waiting, is_promised in ((0, True), (1, False)):
        found = foreseen(plain(scores), Evidence((), np.empty(0), reviewed, waiting), Choice("sample"))
        assert (found.after.promised_rate is not None) == is_promised
        assert found.held_out_after == 59
        assert any("wait for a review" in each.words for each in found.guarantee) == (not is_promised)
        assert ("no rate is promised" in found.guarantee[0].words) == (not is_promised)


def test_no_change_of_rule_or_rate_brings_a_lost_promise_back() -> None:
    calibration = Calibration.fit(np.arange(40.0), false_alarm_rate=RATE).joined(np.arange(60.0), None, chosen=3)
    assert calibration.threshold.promised_rate is None
    assert "3 of which people chose" in calibration.threshold.words
    assert "%" not in calibration.promise().partition("of 60")[2], "no other sentence promises anything"
    for other in (calibration.with_(false_alarm_rate=0.2), calibration.with_(rule="k-sigma").with_(rule="conformal")):
        assert other.threshold.promised_rate is None
    assert calibration.joined(np.arange(60.0), None, chosen=0).threshold.promised_rate is not None
    fields, arrays = calibration.to_dict()
    assert Calibration.from_dict(fields, arrays).with_(false_alarm_rate=0.2).threshold.promised_rate is None
    costs = calibration.with_(defect_scores=np.array([70.0]), costs=Costs(10, 1, 0.1))
    assert "no rate is promised" in costs.threshold.words


def test_a_rate_sets_the_limit_again_after_one_that_was_given() -> None:
    calibration = Calibration.fit(np.arange(40.0), false_alarm_rate=RATE)
    given = replace(plain(calibration.scores), calibration=calibration.with_(threshold=100.0))
    found = foreseen(given, Evidence((), np.empty(0), (), 0), Choice("none", false_alarm_rate=0.25))
    assert found.after == calibration.with_(false_alarm_rate=0.25).threshold
    kept = foreseen(given, Evidence((), np.empty(0), (), 0), Choice("none"))
    assert kept.after == given.calibration.threshold


def test_previews_count_what_brute_force_counts(lite: Log) -> None:
    random = np.random.default_rng(3)
    scores = np.round(random.gamma(2, 1, 30), 1)
    bundle = plain(scores)
    limit = bundle.calibration.threshold.value
    entries = []
    for number in range(120):
        score = float(np.round(random.gamma(2, 1.5), 1))
        other = "c" * 64 if number % 20 == 19 else "b" * 64
        made = entry(number, score=score, anomalous=score > limit, sampled=number % 4 == 0, bundle_sha256=other)
        entries.append(replace(made, anomalous=None, score=None) if number % 15 == 14 else made)
    lite.add(entries)
    words = {}
    for each in entries[::3]:
        words[each.id] = "defect" if (each.score or 0) > 4 else "good"
        lite.review(Review(each.id, words[each.id], "ann"))  # type: ignore[arg-type]
    evidence = Evidence.gathered(lite, "bracket", "b" * 64)
    found = foreseen(bundle, evidence, Choice("reviewed", false_alarm_rate=0.3))
    own = [each for each in entries if each.score is not None and each.bundle_sha256[0] == "b"]
    good = [each.score for each in own if words.get(each.id) == "good"]
    bad = [each.score for each in own if words.get(each.id) == "defect"]
    sampled_good = [each.score for each in own if words.get(each.id) == "good" and each.sampled]
    assert sorted(found.calibration.scores) == sorted([*scores, *good])
    assert sorted(found.calibration.defect_scores) == sorted(bad)
    joined = sorted([*scores, *good])
    after = joined[math.ceil((len(joined) + 1) * 0.7) - 1]
    assert found.after.value == pytest.approx(after, rel=1e-5)
    assert found.changed == tuple(e.id for e in reversed(own) if (e.score > limit) != (e.score > after))
    assert found.would_be_anomalous == sum(limit >= each.score > after for each in own) > 0
    assert found.would_be_good == 0
    higher = foreseen(bundle, evidence, Choice("reviewed", threshold=limit + 1))
    assert higher.would_be_good == sum(limit < each.score <= limit + 1 for each in own) > 0
    assert higher.would_be_anomalous == 0
    assert found.past == len(own)
    for place, threshold in enumerate((limit, after)):
        counted = found.of_reviewed[place]
        assert (counted.defects, counted.missed) == (len(bad), sum(score <= threshold for score in bad))
        assert (counted.good, counted.false_alarms) == (len(good), sum(score > threshold for score in good))
        assert found.of_sample[place].false_alarms == sum(score > threshold for score in sampled_good)
    assert evidence.sample_waiting == sum(each.sampled and each.id not in words for each in own)
    lite.note(AuditEvent("ann", "bundle recalibrated", "", {"before": "b" * 64, "after": "c" * 64}))
    assert lineage(lite, "c" * 64) == {"b" * 64, "c" * 64}
    both = Evidence.gathered(lite, "bracket", "c" * 64)
    assert len(both.ids) == sum(each.score is not None for each in entries)


def test_a_picture_joins_once_by_its_newest_word_and_never_where_the_detector_has_seen_it(lite: Log) -> None:
    import safetensors.numpy

    shas = {name: f"{number:016x}" + "0" * 48 for number, name in enumerate("abc", 1)}
    entries = [entry(n, picture_sha256=shas[name], score=float(n)) for n, name in enumerate("aabbc")]
    lite.add(entries)
    for n, (number, label) in enumerate([(0, "good"), (1, "good"), (2, "good"), (3, "defect"), (4, "good")]):
        review = Review(entries[number].id, label, "ann", made_at=START + timedelta(hours=n))  # type: ignore[arg-type]
        lite.review(review)
    evidence = Evidence.gathered(lite, "bracket", "b" * 64)
    assert sorted((each.score, each.label) for each in evidence.reviewed) == [(1, "good"), (3, "defect"), (4, "good")]
    seen = safetensors.numpy.save({"good": np.array([3], np.uint64), "known_defects": np.empty(0, np.uint64)})
    bundle = replace(plain(np.zeros(9)), members={"seen.safetensors": seen})
    found = foreseen(bundle, evidence, Choice("reviewed"))
    assert dict(found.joining.good) == {shas["a"][:16]: [1.0]}
    assert any("fitted on them" in each.words for each in found.guarantee)


def test_costs_set_the_threshold_by_reviewed_defects() -> None:
    scores = np.random.default_rng(1).normal(0, 1, 60)
    words = [Reviewed(f"{n:016x}" * 4, 2 + n / 10, None, "defect", False, START, n) for n in range(12)]
    costs = Costs(miss=20, alarm=1, defect_share=0.05)
    found = foreseen(plain(scores), Evidence((), np.empty(0), tuple(words), 0), Choice("reviewed", costs=costs))
    expected = Calibration.fit(scores, false_alarm_rate=RATE)
    expected = expected.with_(defect_scores=np.array([each.score for each in words]), costs=costs)
    assert (found.after.value, found.after.rule) == (expected.threshold.value, "cost")
    with pytest.raises(UsageError, match="give one of them"):
        Choice(threshold=1.0, costs=costs)


def test_the_audit_sample_is_as_large_as_asked_whatever_the_scores_and_recorded(lite: Log) -> None:
    sample = set_audit_sample(lite, "bracket", 0.25, who="ann", why="promise")
    assert audit_sample(lite, "bracket") == sample
    assert audit_sample(lite, "other").includes("x") is False
    ids = [new_id() for _ in range(4000)]
    chosen = [sample.includes(each) for each in ids]
    assert abs(sum(chosen) - 1000) < 4 * math.sqrt(4000 * 0.25 * 0.75)
    assert chosen == [AuditSample(0.25, sample.seed).includes(each) for each in ids]
    assert chosen != [AuditSample(0.25, "another seed").includes(each) for each in ids]
    (event,) = lite.audit(what=EVENT)
    assert event.details == {"recipe": "bracket", "share": 0.25, "seed": sample.seed}
    assert AuditSample(1, "s").includes("x")
    with pytest.raises(UsageError, match="between 0 and 1"):
        AuditSample(1.5, "s")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, Inspector]:
    """A bundle, and pictures that its detector has not seen."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (90, 8, 8), dtype=np.uint8)
    inspector = Inspector(detector="pca", false_alarm_rate=RATE).fit(pictures[:60])
    return save(inspector, tmp_path_factory.mktemp("bundle") / "parts.hizumi"), pictures[60:], inspector


def looked_at(log: Log, verdicts: list[Verdict], bundle: Path) -> list[Entry]:
    entries = [
        Entry.of(
            verdict,
            recipe="bracket",
            picture_sha256=entry(number).picture_sha256,
            bundle_sha256=bundle_sha256(bundle),
            id=entry(number).id,
        )
        for number, verdict in enumerate(verdicts)
    ]
    log.add(entries)
    return entries


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def noted(log: Log, state: State) -> State:
    """A state as a station puts it to work."""
    log.note(state.note)
    return state


def test_each_state_is_a_bundle_that_names_the_one_before(
    lite: Log, fitted: tuple[Path, np.ndarray, Inspector], tmp_path: Path
) -> None:
    from hizumi import bundles

    bundle, pictures, inspector = fitted
    shelf = Shelf(tmp_path / "shelf")
    entries = looked_at(lite, list(inspector.inspect(pictures)), bundle)
    for each in entries[:20]:
        lite.review(Review(each.id, "good", "ann"))
    signed = {"recipe": "bracket", "who": "ann", "why": "new lamp"}
    state = noted(lite, apply(lite, shelf, bundle, Choice("reviewed", false_alarm_rate=0.2), **signed))
    held_out = inspector.calibration_.scores
    scores = sorted([*held_out, *(each.score for each in entries[:20] if each.score is not None)])
    expected = scores[math.ceil((len(scores) + 1) * 0.8) - 1]
    loaded = bundles.load(state.path)
    assert isinstance(loaded, Inspector)
    assert loaded.calibration_.scores.tolist() == scores
    assert loaded.calibration_.threshold.value == pytest.approx(expected, rel=1e-5)
    peaks = sorted([*inspector.calibration_.pixel_maxima, *(each.map_peak for each in entries[:20])])
    assert loaded.calibration_.pixel_maxima.tolist() == peaks
    assert (loaded.options_["calibration_images"], loaded.options_["false_alarm_rate"]) == (len(scores), 0.2)
    assert [v.anomalous for v in loaded.inspect(pictures)] == [each.score > expected for each in entries]
    assert (state.sha256, state.before) == (bundle_sha256(state.path), bundle_sha256(bundle))
    assert loaded.options_["recalibrated"]["parent"] == bundle_sha256(bundle)
    before, after = members(bundle), members(state.path)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"bundle.json", "calibration.safetensors", "model-card.md"}, "weights never change"
    assert loaded.calibration_.promise() in after["model-card.md"].decode()
    assert inspector.calibration_.promise() not in after["model-card.md"].decode()

    # A word is taken back, another one changes: the next state follows, from the scores of the fit.
    lite.review(Review(entries[0].id, None, "ann"))
    lite.review(Review(entries[1].id, "defect", "ann"))
    second = noted(lite, apply(lite, shelf, state.path, Choice("reviewed"), **signed))
    calibration = CalibratedBundle.read(second.path).calibration
    assert calibration.scores.tolist() == sorted([*held_out, *(each.score for each in entries[2:20])])
    assert calibration.defect_scores is not None
    assert calibration.defect_scores.tolist() == [entries[1].score]
    none = noted(lite, apply(lite, shelf, second.path, Choice("none"), **signed))
    assert CalibratedBundle.read(none.path).calibration.scores.tolist() == held_out.tolist()
    with pytest.raises(UsageError, match="would change nothing"):
        apply(lite, shelf, none.path, Choice("keep"), **signed)

    # Back, step by step; the first state has none before it.
    path = none.path
    for expected_sha in (second.sha256, state.sha256, bundle_sha256(bundle)):
        back = noted(lite, undo(shelf, path, **signed))
        assert back.sha256 == expected_sha == bundle_sha256(back.path)
        path = back.path
    assert path.read_bytes() == bundle.read_bytes()
    with pytest.raises(UsageError, match="nothing to undo"):
        undo(shelf, path, **signed)
    trail = lite.audit()
    assert [event.what for event in trail] == ["recalibration undone"] * 3 + ["bundle recalibrated"] * 3
    assert {(event.who, event.why) for event in trail} == {("ann", "new lamp")}
    assert trail[-1].details["threshold_after"] == pytest.approx(expected, rel=1e-5)
    for who, why in ((" ", "x"), ("ann", "")):
        with pytest.raises(UsageError, match="who makes it"):
            apply(lite, shelf, bundle, Choice("none"), recipe="bracket", who=who, why=why)
    shown = preview(lite, bundle, Choice("reviewed"), recipe="bracket").to_dict()
    assert shown["joined"]["good"] == 18
    assert lineage(lite, none.sha256) == {bundle_sha256(bundle), state.sha256, second.sha256, none.sha256}


def test_the_verdict_in_an_earlier_version_s_graph_follows_without_torch_or_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    from hizumi import runtime

    bundle = EARLIER / "mahalanobis.onnx.hizumi"
    read, before = CalibratedBundle.read(bundle), runtime.load(bundle)
    dtype = before.preprocessing_.to_graph(np.zeros((1, *before.shape))).dtype
    items = np.random.default_rng(0).normal(0, 1, (101, *before.shape)).astype(dtype)
    scores = before.engine(items)["score"].astype(np.float64)
    changed = read.calibration.with_(threshold=float(np.median(scores)))
    nothing = {"parent": read.sha256, "at": START.isoformat(), "chosen": 0, "good": {}, "defects": {}}
    after = runtime.load(read.write(tmp_path / "changed.hizumi", changed, nothing)).engine(items)
    assert after["score"].astype(np.float64).tolist() == scores.tolist()
    assert after["anomalous"].tolist() == (scores > np.median(scores)).tolist()
    assert before.engine(items)["anomalous"].sum() != after["anomalous"].sum() == 50


def test_a_bundle_of_an_earlier_format_is_renewed(tmp_path: Path) -> None:
    from hizumi import bundles

    read = CalibratedBundle.read(EARLIER / "mahalanobis_rows.hizumi")
    changed = read.calibration.with_(false_alarm_rate=0.5)
    nothing = {"parent": read.sha256, "at": START.isoformat(), "chosen": 0, "good": {}, "defects": {}}
    loaded = bundles.load(read.write(tmp_path / "changed.hizumi", changed, nothing))
    assert isinstance(loaded, Inspector)
    assert loaded.options_["recalibrated"]["parent"] == bundle_sha256(EARLIER / "mahalanobis_rows.hizumi")
    rows = np.random.default_rng(0).normal(0, 1, (50, *loaded.detector_.shape))
    earlier = bundles.load(EARLIER / "mahalanobis_rows.hizumi")
    assert isinstance(earlier, Inspector)
    scores = [verdict.score for verdict in earlier.inspect(rows)]
    assert [(v.score, v.anomalous) for v in loaded.inspect(rows)] == [
        (score, score > changed.threshold.value) for score in scores
    ]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_exported_bundle_and_the_verdict_in_its_graph_follow(lite: Log, tmp_path: Path, engine: str) -> None:
    pytest.importorskip("onnxscript", reason="pip install 'hizumi[export]'")
    pytest.importorskip(engine, reason=f"pip install {engine}")
    from hizumi import runtime
    from hizumi.export import export

    pictures = np.random.default_rng(0).integers(0, 255, (90, 16, 16), dtype=np.uint8)
    inspector = Inspector(detector="pca", false_alarm_rate=RATE).fit(pictures[:60])
    bundle = export(inspector, tmp_path / "parts.hizumi", pictures[:60], engine=engine).path  # type: ignore[arg-type]
    exported = runtime.load(bundle)
    entries = looked_at(lite, list(exported.inspect(pictures[60:])), bundle)
    for each in entries[:20]:
        lite.review(Review(each.id, "good", "ann"))
    shelf = Shelf(tmp_path / "shelf")
    signed = {"recipe": "bracket", "who": "ann", "why": "new lamp"}
    state = apply(lite, shelf, bundle, Choice("reviewed", false_alarm_rate=0.5), **signed)
    scores = sorted([*exported.calibration_.scores, *(each.score for each in entries[:20])])
    expected = scores[math.ceil((len(scores) + 1) * 0.5) - 1]
    loaded = runtime.load(state.path)
    verdicts = list(loaded.inspect(pictures[60:]))
    assert loaded.calibration_.threshold.value == pytest.approx(expected, rel=1e-5)
    assert [v.anomalous for v in verdicts] == [each.score > expected for each in entries]
    assert {v.anomalous for v in verdicts} == {True, False}
    in_graph = loaded.engine(loaded.preprocessing_.to_graph(pictures[60:, None]))
    assert in_graph["anomalous"].tolist() == (in_graph["score"].astype(np.float64) > expected).tolist()
    assert in_graph["anomalous"].tolist() != (in_graph["score"] > exported.calibration_.threshold.value).tolist()
    assert np.array_equal(
        in_graph["score"], exported.engine(exported.preprocessing_.to_graph(pictures[60:, None]))["score"]
    )
    assert undo(shelf, state.path, **signed).path.read_bytes() == bundle.read_bytes()
