"""Words that many messages need."""

import pytest

from hizumi.words import counted


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 good images"), (1, "1 good image"), (2, "2 good images"), (12_000, "12,000 good images")],
)
def test_nouns_agree_with_their_count(count: int, words: str) -> None:
    assert counted(count, "good image") == words
