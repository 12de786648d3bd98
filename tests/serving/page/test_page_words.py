"""The page's words and files, without a browser."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

PAGE = Path(str(files("hizumi.serving"))) / "page"
SCRIPTS = list(PAGE.rglob("*.js"))
FIRST_VIEW_BYTES = 300_000


@pytest.fixture(scope="module")
def words() -> dict[str, dict[str, str]]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in (PAGE / "words").glob("*.json")}


def test_languages_have_words_for_the_same_keys_and_the_same_gaps(words: dict[str, dict[str, str]]) -> None:
    assert set(words) == {"en", "ja"}
    english, japanese = words["en"], words["ja"]
    assert list(english) == list(japanese), "the same order too, so that a difference shows side by side"
    for key in english:
        assert sorted(re.findall(r"{\w+}", english[key])) == sorted(re.findall(r"{\w+}", japanese[key])), key
    untranslated = {key for key in english if english[key] == japanese[key]}
    assert untranslated <= {"facts.milliseconds", "unit.%"}


def test_every_key_in_the_scripts_has_words_and_all_words_are_used(words: dict[str, dict[str, str]]) -> None:
    source = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    exact = set(re.findall(r"""\bt\(["']([\w.]+)["']""", source))
    assert exact - words["en"].keys() == set()
    # `review.key_${index}` and the like: anything may stand in the gap.
    patterns = [
        re.sub(r"\\\$\\{.*?\\}", r".+", re.escape(found)) for found in re.findall(r"`([\w.]+[._]\$\{[^`]+)`", source)
    ]
    computed = {key for key in words["en"] if any(re.fullmatch(pattern, key) for pattern in patterns)}
    unused = words["en"].keys() - exact - computed - {key for key in words["en"] if f'"{key}"' in source}
    assert unused == set()


def test_nothing_on_the_page_runs_text_or_asks_another_host() -> None:
    for path in PAGE.rglob("*"):
        if path.suffix in {".js", ".html", ".css", ".svg"}:
            content = path.read_text("utf-8")
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", content
            ), path
            addresses = set(re.findall(r"https?://[^\s\"'`)]+", content))
            assert addresses <= {"http://www.w3.org/2000/svg"}, "the name of a language, which nobody asks for"


def first_view_bytes() -> int:
    """All files of the page, which the first view loads at most."""
    return sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file())


def test_the_first_view_is_small() -> None:
    assert first_view_bytes() <= FIRST_VIEW_BYTES
