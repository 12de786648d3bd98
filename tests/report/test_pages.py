"""The pages of the documentation say what the code says."""

import inspect
from pathlib import Path, PurePosixPath

import pytest

from hizumi.registry import find_detectors, find_models
from hizumi.report.pages import pages
from hizumi.training.card import FAMILIES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = pages()


def test_there_is_a_page_for_everything_and_nothing_else() -> None:
    written = {path.relative_to(DOCS) for folder in ("models", "detectors") for path in (DOCS / folder).glob("*.md")}
    assert {PurePosixPath(path) for path in written} == PAGES.keys() - {PurePosixPath("catalogue.md")}, "run make docs"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_pages_are_up_to_date(path: PurePosixPath) -> None:
    assert (DOCS / path).read_text(encoding="utf-8") == PAGES[path], "run make docs"


@pytest.mark.parametrize("name", find_models())
def test_every_argument_is_explained(name: str) -> None:
    text = PAGES[PurePosixPath("models") / f"{name}.md"]
    for argument, parameter in inspect.signature(find_models()[name]).parameters.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{argument}` |")]
        assert row.removeprefix(f"| `{argument}` | ").partition(" | ")[2].removesuffix(" |").strip(), argument
        assert f"`{parameter.default!r}`" in row


def test_the_index_is_in_the_order_of_the_taxonomy() -> None:
    index = PAGES[PurePosixPath("catalogue.md")]
    headings = [line.removeprefix("## ") for line in index.splitlines() if line.startswith("## ")]
    assert headings == [*(family.capitalize() for family in FAMILIES), "Detectors"]
    for name in find_models():
        assert index.count(f"](models/{name}.md)") == 1
    for name in find_detectors():
        assert index.count(f"](detectors/{name}.md)") == 1
