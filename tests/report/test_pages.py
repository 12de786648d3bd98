"""Pages say of every argument what it means, what it may be and what it is by default."""

import inspect
from pathlib import PurePosixPath

import pytest

from hizumi.arguments import arguments_of
from hizumi.registry import find_detectors, find_models
from hizumi.report import pages as pages_module
from hizumi.report.pages import pages
from hizumi.training.card import FAMILIES

PAGES = pages()


def rows_of(page: str) -> dict[str, list[str]]:
    """Default, allowed values and meaning by argument."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {name.strip("`"): rest for name, *rest in rows}


@pytest.mark.parametrize("path", [path for path in PAGES if path.parent.name], ids=str)
def test_every_argument_is_explained(path: PurePosixPath) -> None:
    found = {"models": find_models(), "detectors": find_detectors()}[path.parent.name][path.stem]
    rows = rows_of(PAGES[path])
    assert [name for name in rows if "." not in name] == list(inspect.signature(found).parameters)
    for name, cells in rows.items():
        assert len(cells) == 3, name
        assert all(cell.strip() for cell in cells), name


def test_arguments_of_a_default_model_stand_beside_those_of_the_detector() -> None:
    rows = rows_of(PAGES[PurePosixPath("detectors/reconstruction.md")])
    model = find_models()["autoencoder"]()
    assert rows["model"][0] == "`Autoencoder()`"
    assert {f"model.{name}" for name in arguments_of(model)} <= rows.keys()
    assert rows["model.width"][0] == f"`{model.width}`"
    assert rows["difference"][1] == "'contrast', 'ssim', 'l1', 'l2', 'whitened' or None"


def test_parts_of_parts_have_their_paths() -> None:
    rows = rows_of(PAGES[PurePosixPath("detectors/ensemble.md")])
    assert rows["detectors"][0] == "`(Mahalanobis(), Reconstruction())`"
    assert {"detectors.0.features", "detectors.1.model", "detectors.1.model.width"} <= rows.keys()


def test_a_models_page_says_how_long_it_trains() -> None:
    page = PAGES[PurePosixPath("models/dcgan.md")]
    assert "| Trains for | 3,000 steps of 128 items, unless told otherwise |\n" in page
    assert "| With `--preset fast` | 1,500 steps of 16 items |\n" in page


def test_exemptions_are_shown_with_their_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_detectors()["pca"]
    monkeypatch.setattr(found, "exemptions", {"toy anomaly": "it looks at one column"})
    page = pages_module._page("pca", found, "detector")
    assert "## Contract checks that it cannot meet\n\n- `toy anomaly`: it looks at one column\n" in page


def test_the_index_is_in_the_order_of_the_taxonomy() -> None:
    index = PAGES[PurePosixPath("catalogue.md")]
    headings = [line.removeprefix("## ") for line in index.splitlines() if line.startswith("## ")]
    assert headings == [*(family.capitalize() for family in FAMILIES), "Detectors"]
    for name in find_models():
        assert index.count(f"](models/{name}.md)") == 1
    for name in find_detectors():
        assert index.count(f"](detectors/{name}.md)") == 1
