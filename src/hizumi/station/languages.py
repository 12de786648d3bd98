"""What the station says in sentences, in the language of whoever reads it; English is what the code itself says."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, final, get_args

from hizumi.calibration import Statement
from hizumi.data.appearance import IN_PERCENT

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
WAYS = {1: "higher", -1: "lower", 0: "unsteady"}
PHRASES = frozenset({"doing", "kind", "place", "reason", "wanted", "what"})
"""Gaps of messages that hold words; the others hold names and figures, which are the same in all languages."""


def language_of(wished: str) -> Language:
    """The first language of an `Accept-Language` header that the station speaks; English where it speaks none."""
    tags = (tag.strip().lower()[:2] for tag in wished.split(","))
    return cast(Language, next((tag for tag in tags if tag in LANGUAGES), "en"))


@final
@dataclass(frozen=True)
class Wording:
    """Says things in one language; what there are no words for is said in English."""

    language: Language = "en"

    def statement(self, said: Statement) -> str:
        """One statement."""
        found = self._words("said").get(said.code)
        return said.words if found is None else found.format(**_shown(said.figures))

    def statements(self, said: Iterable[Statement]) -> str:
        """Several, one after the other."""
        return self.joined(self.statement(each) for each in said)

    def joined(self, sentences: Iterable[str]) -> str:
        """Sentences, one after the other."""
        return ("" if self.language == "ja" else " ").join(sentences)

    def alarm(self, alarm: Mapping[str, Any]) -> str:
        """What has drifted and where to look; `alarm` is what `DriftAlarm.to_dict` gives."""
        words = self._words("alarm")
        if not words or "code" not in alarm:
            return str(alarm.get("words", ""))
        changes = words["and"].join(self._change(**each) for each in alarm["moved"])
        lead = words.get(alarm["code"], "")
        changed = words["changed"].format(changes=changes) if changes else ""
        look = self._words("look").get(alarm["code"]) or self._words("look")[alarm["code"].rpartition("_")[0]]
        return lead + changed + words["look"].format(where=look)

    def message(self, english: str) -> str:
        """Why something was refused, failed or is to be noted, by what it says in English; as it is where unknown."""
        for pattern, words in _patterns(self.language):
            if found := pattern.fullmatch(english):
                gaps = found.groupdict().items()
                return words.format(**{name: self.message(gap) if name in PHRASES else gap for name, gap in gaps})
        return english

    def record(self, inspection: Mapping[str, Any]) -> dict[str, Any]:
        """The record of an inspection, with its reason and notes in this language."""
        notes = [self.message(note) for note in inspection["notes"]]
        return {**inspection, "reason": self.message(inspection["reason"]), "notes": notes}

    def text(self, english: str) -> str:
        """A text of a report, whose gaps are still to be filled."""
        return self._words("report").get(english, english)

    def of_count(self, one: str, several: str, count: int) -> str:
        """A text of a report that speaks of so many; translations stand under that of several."""
        return self._words("report").get(several, one if count == 1 else several)

    def _change(self, measure: str, way: int, before: float, now: float, **_: Any) -> str:
        how = self._words("change")[f"{measure}_{WAYS[way]}"]
        if way == 0:
            return how
        if measure in IN_PERCENT:
            much = f"{before:.0%} → {now:.0%}"
        elif measure == "score":
            much = f"{now - before:+.1f}σ"
        else:
            much = self._words("alarm")["times"].format(factor=f"{2 ** (now - before):.2f}")
        return self._words("alarm")["change"].format(how=how, much=much)

    def _words(self, kind: str) -> Mapping[str, str]:
        return _all_words(self.language)[kind] if self.language != "en" else {}


def _shown(figures: Mapping[str, float]) -> dict[str, str]:
    """Figures as people read them: shares in percent, counts with commas."""

    def shown(name: str, value: float) -> str:
        if name.endswith("rate"):
            return f"{100 * value:.3g}%"
        return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}"

    return {name: shown(name, value) for name, value in figures.items()}


@cache
def _patterns(language: Language) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Of each message, what it looks like in English, and its words."""
    if language == "en":
        return ()
    words = _all_words(language)
    found = {**words["message"], **words["of_others"]}  # the latter of libraries and systems
    return tuple((_pattern(english), said) for english, said in found.items())


def _pattern(english: str) -> re.Pattern[str]:
    texts = re.split(r"\{(\w+)\}", english)  # every second one is the name of a gap
    parts = (f"(?P<{text}>.+?)" if place % 2 else re.escape(text) for place, text in enumerate(texts))
    return re.compile("".join(parts), re.DOTALL)


@cache
def _all_words(language: Language) -> Mapping[str, Mapping[str, str]]:
    content = files("hizumi.station").joinpath("words", f"{language}.json").read_text("utf-8")
    return cast(Mapping[str, Mapping[str, str]], json.loads(content))
