"""Words that many messages need."""

import subprocess
from pathlib import Path

import pytest

from hizumi.words import as_typed, counted


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 good images"), (1, "1 good image"), (2, "2 good images"), (12_000, "12,000 good images")],
)
def test_nouns_agree_with_their_count(count: int, words: str) -> None:
    assert counted(count, "good image") == words


@pytest.mark.parametrize(
    "name", ["parts.hizumi", "my parts.hizumi", "-d.hizumi", "--help", "良品 50%.hizumi", "it's $HOME"]
)
def test_a_path_in_a_command_is_that_path_to_a_shell(name: str) -> None:
    said = subprocess.run(["sh", "-c", f"printf '%s' {as_typed(Path(name))}"], capture_output=True, check=True)
    assert Path(said.stdout.decode()) == Path(name)
    assert not said.stdout.startswith(b"-")
