import base64
import errno
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hizumi.calibration import Calibration, Verdict
from hizumi.errors import DataError, SaveError, UsageError
from hizumi.evaluation import evaluate
from hizumi.report import ReportContent, write_comparison, write_report

VOID = {"meta", "link", "br", "img"}
HOSTILE = [
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    os.fsdecode(b"caf\xe9 & co.png"),
    "{{ 7 * 7 }}.png",
    "部品 \u202egnp.png",
]


class Page(HTMLParser):
    """What a browser would make of a page: its tags in balance, its links, identifiers, text and alternative texts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.without_description = 0
        self.words: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags[tag] += 1
        self.links += [attributes[name] or "" for name in ("src", "href", "xlink:href") if name in attributes]
        self.identifiers += [attributes["id"] or ""] if "id" in attributes else []
        self.without_description += tag == "img" and not attributes.get("alt")
        self.without_description += tag == "svg" and not attributes.get("aria-label")
        assert not any(name.startswith("on") for name in attributes), attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def make_page(path: Path, content: ReportContent) -> Page:
    return Page(write_report(path, content))


@pytest.fixture(scope="module")
def full_page(content: ReportContent, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("report")
    page = make_page(folder / "report.html", content)
    assert [entry.name for entry in folder.iterdir()] == ["report.html"]
    return page


def test_full_report_is_one_self_contained_file(full_page: Page) -> None:
    page = full_page
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "://" not in page.source
    assert not re.search(r"@import|url\(", page.source)
    assert not page.tags["script"]
    assert not page.without_description
    assert len(page.source) < 1_000_000
    sections = {link[1:] for link in page.links if link.startswith("#")}
    assert sections <= set(page.identifiers)
    assert {
        "verdict",
        "health",
        "scores",
        "cases",
        "features",
        "training",
        "promise",
        "all",
        "options",
        "data",
    } == sections


def test_what_is_promised_of_images_and_of_maps_alike_is_said_once(content: ReportContent, full_page: Page) -> None:
    assert content.calibration.pixel_threshold.words == content.calibration.threshold.words
    assert full_page.source.count(content.calibration.threshold.words) == 1
    assert "Regions in maps follow the same rule" in full_page.source


def test_browsers_are_told_to_run_and_load_nothing(full_page: Page) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', full_page.source)
    directives = dict(each.split(maxsplit=1) for each in policy.split("; "))
    assert directives["default-src"] == "'none'"  # scripts, frames, fonts and connections fall back on it
    assert directives["img-src"] == "data:"
    assert not {"script-src", "connect-src", "frame-src", "object-src"} & set(directives)
    assert full_page.source.index("Content-Security-Policy") < full_page.source.index("<link")


def test_figures_load_nothing_either(full_page: Page) -> None:
    drawings = [link.split(",", 1)[1] for link in full_page.links if link.startswith("data:image/svg+xml")]
    assert len(drawings) == 4
    for drawing in drawings:
        source = base64.b64decode(drawing).decode()
        assert not re.search(r'(href|src)="(?!#)', source)
        assert "<script" not in source


def test_the_page_says_what_the_evaluation_says(content: ReportContent, full_page: Page) -> None:
    result = content.evaluation
    text = full_page.text
    found = result.anomalous_count - result.missed_defects
    assert f"The detector found {found} of {result.anomalous_count} anomalous images" in text
    for value in (result.image_auroc.value, result.pixel_auroc.value, result.aupro.low, result.best_f1):
        assert f"{value:.3f}" in text
    for kind in result.kinds_table:
        assert f"{kind.kind} {kind.count} {kind.found} {kind.missed} {kind.image_auroc:.3f}" in text
    assert content.calibration.promise() in text
    assert "Warning: Scores drift." in text
    assert "Add good images." in text
    assert "model.code_channels 4" in text
    assert "test/empty.png zero bytes" in text


def cards_below(page: Page, title: str) -> list[str]:
    block = page.source.split(f"<h3>{title}</h3>")[1].split("<h3>")[0].split("</section>")[0]
    return re.findall(r'<span class="name">([^<]+)</span>', block)


def test_cards_show_the_worst_first(content: ReportContent, full_page: Page) -> None:
    rising = sorted(zip(content.verdicts, content.labels, content.kinds, strict=True), key=lambda item: item[0].score)
    missed = [verdict.name for verdict, label, _ in rising if label == 1 and not verdict.anomalous]
    assert missed
    assert cards_below(full_page, "Worst misses") == missed[:6]
    found = [(verdict.name, kind) for verdict, label, kind in reversed(rising) if label == 1 and verdict.anomalous]
    shown = cards_below(full_page, "Clearest finds")
    assert shown[0] == found[0][0]
    kinds = dict(found)
    assert {kinds[name] for name in shown[:2]} == {"scratch", "stain"}  # each kind in turn


def test_hostile_names_are_text(quick_parts: dict[str, Any], tmp_path: Path) -> None:
    verdicts = [replace(verdict, name=HOSTILE[i % len(HOSTILE)]) for i, verdict in enumerate(quick_parts["verdicts"])]
    kinds = [HOSTILE[i % 3] for i in range(len(verdicts))]
    evaluation = replace(quick_parts["evaluation"], kinds=tuple(kinds))
    hostile = {
        "title": HOSTILE[0],
        "subtitle": HOSTILE[1],
        "detector": HOSTILE[0],
        "verdicts": verdicts,
        "evaluation": evaluation,
        "options": {HOSTILE[0]: HOSTILE[2], "nested": {HOSTILE[1]: [HOSTILE[2]]}},
        "data_notes": HOSTILE,
        "failures": [(name, name) for name in HOSTILE],
        "journal": [{"phase": HOSTILE[0], "step": 1, "images_seen": 1, "losses": {"$x_{": 1.0}}],
    }
    content = ReportContent(**quick_parts | hostile)
    row = {"detector": HOSTILE[0], "image_auroc": 0.5}
    for page in (
        make_page(tmp_path / "a.html", content),
        Page(write_comparison(tmp_path / "b.html", [content], [row])),
    ):
        assert not page.tags["script"]
        assert all(link.startswith(("data:", "#")) for link in page.links)
        for shown in (HOSTILE[0], HOSTILE[1], "caf\\xe9 & co.png", "{{ 7 * 7 }}.png", "部品 \\u202egnp.png"):
            assert shown in page.text


def bare(verdict: Verdict, **changes: Any) -> Verdict:
    return replace(verdict, **changes)


@pytest.mark.parametrize(
    ("change", "gone", "kept"),
    [
        (
            lambda parts: {"evaluation": None},
            ["By kind of defect", "AUROC"],
            ["images look anomalous", "Most anomalous"],
        ),
        (lambda _: {}, ["t-SNE", "Training"], ["Worst misses"]),
        (
            lambda parts: {"findings": (), "options": {}, "failures": (), "data_notes": ()},
            ["Health", "Options", "Data"],
            [],
        ),
        (
            lambda parts: {"verdicts": [bare(verdict, map=None, boxes=()) for verdict in parts["verdicts"]]},
            ["anomaly map", "maps should"],
            ["expected normal", "distortion"],
        ),
        (
            lambda parts: {"verdicts": [bare(verdict, normal=None) for verdict in parts["verdicts"]]},
            ["expected normal", "distortion"],
            ["anomaly map", "maps should"],
        ),
    ],
    ids=["no labels", "nothing trained", "nothing to say", "no maps", "no reconstruction"],
)
def test_sections_fall_away(
    change: Callable[[dict[str, Any]], dict[str, Any]],
    gone: list[str],
    kept: list[str],
    quick_parts: dict[str, Any],
    tmp_path: Path,
) -> None:
    text = make_page(tmp_path / "report.html", ReportContent(**quick_parts | change(quick_parts))).text
    assert [word for word in gone if word in text] == []
    assert [word for word in kept if word not in text] == []


def test_vectors_get_tables_in_place_of_pictures(quick_parts: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        bare(verdict, name=f"row {i}", map=None, boxes=(), picture=None, normal=None)
        for i, verdict in enumerate(quick_parts["verdicts"])
    ]
    old = quick_parts["evaluation"]
    evaluation = evaluate(rows, labels=old.labels, kinds=old.kinds, masks=None, calibration=quick_parts["calibration"])
    page = make_page(
        tmp_path / "report.html", ReportContent(**quick_parts | {"verdicts": rows, "evaluation": evaluation})
    )
    assert "anomalous rows" in page.text
    assert "image" not in page.text.split("Scores")[0].lower().replace("trained on 300 good images", "")
    assert not page.tags["svg"]
    assert "Worst misses" in page.text


@pytest.mark.parametrize("label", [0, 1, None])
def test_test_set_of_one_class(label: int | None, quick_parts: dict[str, Any], tmp_path: Path) -> None:
    verdicts = quick_parts["verdicts"]
    evaluation = evaluate(
        verdicts, labels=[label] * 24, kinds=["x"] * 24, masks=None, calibration=quick_parts["calibration"]
    )
    page = make_page(tmp_path / "report.html", ReportContent(**quick_parts | {"evaluation": evaluation}))
    assert "nan" not in page.text.lower().split()
    assert "not known" in page.text


def test_one_verdict_and_none(quick_parts: dict[str, Any], calibration: Calibration, tmp_path: Path) -> None:
    for verdicts in ([], quick_parts["verdicts"][:1]):
        content = ReportContent("t", "", "d", verdicts, calibration)
        assert "Scores" in make_page(tmp_path / "report.html", content).text


def test_large_pictures_stay_small_on_the_page(
    quick_parts: dict[str, Any], calibration: Calibration, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    heat = generator.random((600, 900)).astype(np.float32)
    verdicts = [bare(v, picture=picture, normal=picture, map=heat) for v in quick_parts["verdicts"][:6]]
    path = write_report(tmp_path / "report.html", ReportContent("t", "", "d", verdicts, calibration))
    assert path.stat().st_size < 2_000_000  # noise, the worst case for any compression


def test_comparison_has_every_detector_and_no_identifier_twice(quick_parts: dict[str, Any], tmp_path: Path) -> None:
    contents = [ReportContent(**quick_parts | {"detector": name}) for name in ("ganomaly", "mahalanobis")]
    numbers = quick_parts["evaluation"].to_dict()
    rows = [numbers | {"detector": "ganomaly", "seed": seed, "image_auroc": 0.6 + 0.1 * seed} for seed in range(3)]
    rows += [numbers | {"detector": "mahalanobis", "seed": 0, "image_auroc": 0.9, "fit_seconds": 12.0}]
    page = Page(write_comparison(tmp_path / "compare.html", contents, rows))
    assert "Comparison of 2 detectors" in page.text
    assert "0.700 ± 0.100" in page.text
    assert page.text.index("mahalanobis 1 0.900") < page.text.index("ganomaly 3 0.700")
    assert max(Counter(page.identifiers).values()) == 1
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert all(link.startswith(("data:", "#")) for link in page.links)


def test_a_comparison_says_on_what_it_was_made_what_failed_and_which_run_it_shows(
    quick_parts: dict[str, Any], tmp_path: Path
) -> None:
    options = {"shape": [6], "training": {"seed": 3}}
    contents = [
        ReportContent(**quick_parts | {"detector": name, "options": options}) for name in ("mahalanobis", "pca")
    ]
    rows = [{"detector": "mahalanobis", "seed": 3, "image_auroc": 0.6, "fit_seconds": 0.42}]
    rows += [{"detector": "pca", "seed": seed, "image_auroc": 0.9, "fit_seconds": 12.3} for seed in (3, 4)]
    failed = {"draem": DataError("DRAEM works on images"), "pca": DataError("seed 5 <went> wrong")}
    page = Page(write_comparison(tmp_path / "compare.html", contents, rows, data="thyroid", failed=failed))
    assert "Comparison of 3 detectors on thyroid" in page.text
    assert "draem failed: DRAEM works on images" in page.text
    assert "pca failed: seed 5 <went> wrong" in page.text
    assert page.text.count("What follows is of one of its 2 runs, that of seed 3") == 1, "of pca alone"
    sections = re.findall(r'class="detector" id="detector-\d">(\w+)<', page.source)
    assert sections == ["pca", "mahalanobis"], "the best first, as in the table"
    table = page.text.split("Comparison", 2)[2].split("draem failed")[0]
    assert "0.600 0.4" in table
    assert "0.900 ± 0.000 12 ± 0.0" in table
    assert "AUPRO" not in table, "no column for what no run has"


def test_full_disk_is_one_line_and_keeps_the_old_report(
    quick_parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SaveError, match="no space left") as caught:
        write_report(path, ReportContent(**quick_parts))
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_rows_that_do_not_fit_are_refused(quick_parts: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="features has 3 rows for 24 verdicts"):
        ReportContent(**quick_parts | {"features": np.zeros((3, 2))})
    with pytest.raises(UsageError, match="evaluation has 24 rows for 1 verdicts"):
        ReportContent(**quick_parts | {"verdicts": quick_parts["verdicts"][:1], "features": None})
