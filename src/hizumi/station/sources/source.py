"""What every source of pictures has in common."""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from hizumi.station.entry import Entry
from hizumi.station.settings import Settings

TakenFor = Callable[[str, str], str | None]
"""The id of the inspection that the log has for a source and a key, None for a picture that is new; see `Log`. May
raise HizumiError. Called in worker threads."""


def never_taken(source: str, key: str) -> None:
    """Of a station that remembers nothing: every picture is new."""


@dataclass(frozen=True)
class Arrival:
    """One picture as it came, undecoded.

    Attributes:
        name: The file's name, never its folder; text that UTF-8 can hold, and otherwise hostile.
        content: The file's bytes; empty where `error` says why they could not be had.
        source: The name of the source.
        part, view: Which part it shows and from where, "" where that is not known.
        recipe: What the source says of it; None leaves the choice to the station.
        key: What the log remembers a picture by that must be taken exactly once; None where each arrival is new.
        notes: What else is to be known about it.
        error: Why the picture cannot be judged, in words; "" where nothing is wrong yet.
    """

    name: str
    content: bytes
    source: str
    part: str = ""
    view: str = ""
    recipe: str | None = None
    key: str | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceSettings(Settings):
    """Keys of every [[sources]] table.

    Attributes:
        recipe: The recipe for all its pictures; by default the station chooses, by part.
    """

    recipe: str | None = None


@dataclass(frozen=True)
class Naming:
    """What names of files say: a regular expression with groups named part or view, found anywhere in the name."""

    pattern: str

    def __post_init__(self) -> None:
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            raise ValueError(f"name_pattern is no regular expression ({error})") from error
        if not groups or groups - {"part", "view"}:
            raise ValueError("name_pattern must have a group (?P<part>...) or (?P<view>...), or both, and no other")

    def read(self, name: str) -> tuple[str, str, tuple[str, ...]]:
        """Part, view and notes for one name."""
        found = re.search(self.pattern, name)
        if found is None:
            return "", "", ("its name does not fit name_pattern, so its part and view are not known",)
        groups = found.groupdict()
        return groups.get("part") or "", groups.get("view") or "", ()


class Source(ABC):
    """Where pictures come from.

    Attributes:
        name: What the station calls it.
        trouble: What keeps pictures from coming at present, in words without paths; "" while all is well.
        looks_through: A folder in which it takes whatever comes, to any depth; None where it does not.
        goes_on: Whether it can be begun again where it broke off; what it has brought does not come twice.
    """

    looks_through: Path | None = None
    goes_on = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = ""

    @abstractmethod
    def arrivals(self) -> AsyncIterator[Arrival]:
        """Pictures as they come, until there can be no more; closing the iterator ends the source.

        A picture that cannot be read arrives with an `error`. Nothing else ends or stops a source. Asking for the next
        one before `done` was awaited says that the log could not keep this one: where it has a key, it comes again.
        """

    @abstractmethod
    async def done(self, arrival: Arrival, entry: Entry) -> None:
        """Told once the log has the entry of an arrival; puts away what it came from as the settings ask."""
