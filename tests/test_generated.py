"""Import lists, pages and the arrows are those that the code gives: `make docs` makes them anew."""

from pathlib import Path

import pytest

import hizumi.detectors
import hizumi.models
from hizumi.registry import find_detectors, find_models
from tools.generate import ROOT, generated, import_list, written_pages

FILES = generated()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_is_up_to_date(path: Path) -> None:
    assert path.exists(), "run make docs"
    assert path.read_text(encoding="utf-8") == FILES[path], f"{path.relative_to(ROOT)} is stale: run make docs"


def test_no_page_is_left_of_what_is_gone() -> None:
    assert written_pages() <= FILES.keys(), "run make docs"


def test_all_that_the_registry_finds_is_exported() -> None:
    own = {each for each in find_detectors().values() if each.__module__.startswith("hizumi.")}
    assert {each.__name__ for each in own} <= vars(hizumi.detectors).keys()
    assert {each.__name__ for each in find_models().values()} <= vars(hizumi.models).keys()


def test_import_lists_hold_the_public_classes_of_files_named_for_one_with_a_card(tmp_path: Path) -> None:
    package = tmp_path / "detectors"
    package.mkdir()
    (package / "__init__.py").write_text('"""Detectors."""\n\nfrom hizumi.detectors.gone import Gone\n')
    (package / "one_svm.py").write_text("class Part: ...\nclass _Hidden: ...\nclass OneSVM:\n    card: Card = 1\n")
    (package / "shared.py").write_text("class Shared: ...\n")  # no card: a part that detectors share
    (package / "two.py").write_text("class Other:\n    card: Card = 1\n")  # not named like its file
    names = [f"LongPublicName{number}" for number in range(8)]
    (package / "long.py").write_text("class LONG:\n    card: Card = 1\n" + "".join(f"class {n}: ...\n" for n in names))
    text = import_list(package / "__init__.py")
    assert text.startswith('"""Detectors."""\n')
    assert "from hizumi.detectors.one_svm import OneSVM as OneSVM, Part as Part\n" in text
    assert "from hizumi.detectors.long import (\n    LONG as LONG,\n    LongPublicName0 as LongPublicName0,\n" in text
