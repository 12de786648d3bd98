"""A result that takes the place of an earlier one: the command that wrote it says so, and only then."""

from collections.abc import Callable
from pathlib import Path

import pytest

import hizumi.data as hizumi_data

from .conftest import Outcome

SAID = ", in place of an earlier one"


def _said(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return " ".join(outcome.out.split())  # without the breaks of a narrow terminal


@pytest.fixture
def model(hizumi: Callable[..., Outcome], parts: Path, tmp_path: Path) -> Path:
    path = tmp_path / "vae.hizumi"
    assert hizumi("model", "train", "vae", parts, "--preset", "small", "--steps", "1", "-o", path).code == 0
    return path


@pytest.mark.parametrize(
    ("command", "result"),
    [
        pytest.param(["fit", "{parts}", "-d", "mahalanobis", "-o", "p.hizumi"], "p.hizumi", id="fit"),
        pytest.param(
            ["fit", "{parts}", "-d", "mahalanobis", "-o", "p.hizumi", "--seeds", "2"], "p-1.hizumi", id="fit --seeds"
        ),
        pytest.param(["compare", "{parts}", "-d", "mahalanobis", "-o", "c"], "c/report.html", id="compare"),
        pytest.param(
            ["tune", "{parts}", "-d", "pca", "-o", "b.hizumi", "--trials", "1", "--rounds", "1", "--cores", "1"],
            "b.hizumi",
            id="tune",
        ),
        pytest.param(["model", "train", "vae", "{parts}", "-o", "m.hizumi", "--steps", "2"], "m.hizumi", id="train"),
        pytest.param(["model", "sample", "{model}", "-n", "2", "-o", "s"], "s/sheet.png", id="sample"),
        pytest.param(["model", "reconstruct", "{model}", "{parts}", "r"], "r/sheet.png", id="reconstruct"),
        pytest.param(["demo", "-o", "d", "--steps", "2"], "d/report.html", id="demo"),
        pytest.param(["demo", "-o", "d", "--steps", "2"], "d/brick.hizumi", id="demo's detector"),
        pytest.param(["evaluate", "{bundle}", "{parts}", "-o", "e"], "e/report.html", id="evaluate"),
        pytest.param(["calibrate", "{bundle}", "--threshold", "1", "-o", "k.hizumi"], "k.hizumi", id="calibrate"),
        pytest.param(["figure", "taxonomy", "-o", "f"], "f/taxonomy.png", id="figure"),
        pytest.param(
            ["export", "{bundle}", "--data", "{parts}", "-o", "x.hizumi"],
            "x.hizumi",
            id="export",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_takes_the_place_of_an_earlier_result_is_said(
    command: list[str],
    result: str,
    hizumi: Callable[..., Outcome],
    bundle: Path,
    model: Path,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    open_source = hizumi_data.open_source
    monkeypatch.setattr(
        hizumi_data,
        "open_source",
        lambda data, **others: open_source(parts if data == "brick" else data, **others),  # quick to learn
    )
    filled = [part.format(parts=parts, bundle=bundle, model=model) for part in command]
    first = _said(hizumi(*filled))
    assert result in first
    assert SAID not in first
    assert f"{result}{SAID}" in _said(hizumi(*filled))


def test_a_bundle_that_is_calibrated_where_it_lies_is_the_earlier_one(
    hizumi: Callable[..., Outcome], bundle: Path
) -> None:
    assert f"{bundle.name}{SAID}" in _said(hizumi("calibrate", bundle, "--threshold", "1"))


def test_bundles_of_an_earlier_comparison_are_named(
    hizumi: Callable[..., Outcome], parts: Path, tmp_path: Path
) -> None:
    for detectors, is_said in (("mahalanobis,pca", False), ("pca", True)):
        said = _said(hizumi("compare", parts, "-d", detectors, "-o", tmp_path / "c"))
        assert ("of an earlier comparison and not in this report: mahalanobis-0.hizumi" in said) == is_said


def test_no_bundle_takes_the_place_of_one_of_another_kind(
    hizumi: Callable[..., Outcome], bundle: Path, model: Path, parts: Path, tmp_path: Path
) -> None:
    before = [each.read_bytes() for each in (bundle, model)]
    (tmp_path / "link.hizumi").symlink_to(bundle)
    for command, output, held in (
        (["export", bundle, "--data", parts], bundle, "a detector"),
        (["export", bundle, "--data", parts], tmp_path / "link.hizumi", "a detector"),
        (["model", "train", "autoencoder", parts], bundle, "a detector"),
        (["fit", parts, "-d", "pca"], model, "a model"),
        (["tune", parts, "-d", "pca"], model, "a model"),
        (["calibrate", bundle, "--threshold", "1"], model, "a model"),
    ):
        outcome = hizumi(*command, "-o", output)
        assert outcome.code == 2
        assert outcome.err == (
            f"Error: {output} holds {held}, which would be lost; name another --output, or delete it\n"
        )
    assert [each.read_bytes() for each in (bundle, model)] == before
