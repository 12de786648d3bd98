"""The station file: what a station judges by, where pictures come from, and where verdicts go."""

import os
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from annotated_types import Interval

from hizumi.errors import UsageError
from hizumi.monitoring import WatchSettings
from hizumi.station.retention import Retention
from hizumi.station.settings import PLACEHOLDER, Secret, encoded, settings_from
from hizumi.storage.files import printable, with_home

LARGEST_FILE = 1_000_000  # bytes
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class RecipeSettings:
    """What judges the pictures of one kind of part, from a [[recipes]] table.

    Attributes:
        name: As requests and the page name it.
        bundle: A fitted or exported bundle.
        parts: Part codes that choose this recipe, as patterns such as "A1*"; without any, pictures must name it.
        views: Names of the pictures that one part has, where it has several: it is anomalous when any of them is.
        view_seconds: How long the first view of a part waits for the others, after which the part is not judged.
    """

    name: str
    bundle: Path
    parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    view_seconds: Annotated[float, Interval(gt=0, le=3600)] = 10.0

    def __post_init__(self) -> None:
        for name in (self.name, *self.views):
            check_name(name)
        if len(set(self.views)) < len(self.views):
            raise ValueError("views has a name twice; give each a name of its own")

    def is_for(self, part: str) -> bool:
        """Whether a part code chooses this recipe."""
        return any(fnmatchcase(part, pattern) for pattern in self.parts)


@dataclass(frozen=True, kw_only=True)
class StationSettings:
    """The whole station file.

    Attributes:
        name: As the log and the payloads of sinks name the station.
        folder: Where the log, pictures and recalibrated bundles lie; of line.toml, "line-station" where it names none.
        database: URL of a PostgreSQL database for the log; None: an SQLite file in the folder. In place of a password,
            {password} stands there.
        database_password_file, database_password_variable: Where that is found, with either of these two.
        waiting: Pictures accepted at once, after which more are refused until some are judged.
        drift: Of the watch for drift, in the table [drift].
        drift_baseline: Where the watch knows from what is normal: "bundle", from the good pictures that its detector
            was fitted with, or "station", from the first pictures that come here, for a station that sees them in
            another light.
        retention: Which pictures are kept, in the table [retention].
        sources, sinks: Tables as they stand in the file, each with its `kind`.
        root: The folder that relative paths in these tables start at.
    """

    recipes: tuple[RecipeSettings, ...]
    folder: Path
    name: str = "station"
    database: str | None = None
    database_password_file: Path | None = None
    database_password_variable: str | None = None
    waiting: Annotated[int, Interval(ge=1, le=10_000)] = 256
    drift: WatchSettings = field(default_factory=WatchSettings)
    drift_baseline: Literal["bundle", "station"] = "bundle"
    retention: Retention = field(default_factory=Retention)
    sources: tuple[dict[str, Any], ...] = ()
    sinks: tuple[dict[str, Any], ...] = ()
    root: Path = Path()

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.recipes:
            raise ValueError("it has no [[recipes]] table, and a station needs at least one")
        name, count = Counter(recipe.name for recipe in self.recipes).most_common(1)[0]
        if count > 1:
            raise ValueError(f"two recipes are called {name}; rename one")
        password = urlsplit(self.database or "").password
        if (self._database_password is not None) != (password == PLACEHOLDER):
            raise ValueError(
                f"{PLACEHOLDER} in database and database_password_file or database_password_variable go together; set "
                "both or neither"
            )
        if password not in (None, PLACEHOLDER):
            raise ValueError(f"database holds a password; write {PLACEHOLDER} for it, and set database_password_file")

    @property
    def _database_password(self) -> Secret | None:
        return Secret.named("database_password", self.database_password_file, self.database_password_variable)

    @property
    def log_path(self) -> Path:
        """The file of the log, where no database is named."""
        return self.folder / "station.sqlite"

    @property
    def log_url(self) -> str:
        """As `Log.open` takes it, with the password; raises UsageError where there is none to be read."""
        if self.database is None:
            return f"sqlite:///{self.log_path}"
        secret = self._database_password
        return self.database if secret is None else self.database.replace(PLACEHOLDER, encoded(secret))

    def without_folders(self, text: str) -> str:
        """A text for whoever asks from afar, who is told where files lie by their names alone."""
        folders = {self.folder, self.root, *(recipe.bundle.parent for recipe in self.recipes)}
        for folder in sorted(map(str, folders - {Path()}), key=len, reverse=True):
            text = text.replace(f"{folder}{os.sep}", "")
        return text

    @property
    def missing(self) -> tuple[tuple[Path, str], ...]:
        """Folders, films, keys and certificates that are not there, perhaps not yet, each with what needs it."""
        named = [(table, key) for table in self.sources for key in table if key == "path"]
        named += [(table, key) for table in (*self.sources, *self.sinks) for key in table if key.endswith("_file")]
        places = [(self.root / with_home(table[key]), table.get("name", table["kind"])) for table, key in named]
        return tuple((place, user) for place, user in places if not place.exists())


def read_station_file(path: Path) -> StationSettings:
    """The settings in a TOML file, in which relative paths start at the file's own folder.

    Raises UsageError in one line where it cannot be read, or a table or key of it is wrong.
    """
    name = printable(path.name)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{name} is larger than a station file can be; give the station's TOML file, or a bundle")
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as editors of Windows may write it
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is no station file: {printable(error)}; docs/station.md shows one") from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    for plural in ("recipes", "sources", "sinks"):
        rows = tables.setdefault(plural, [])
        if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            raise UsageError(f"{name}: {plural} must be tables, each under a line [[{plural}]]")
    tables["recipes"] = tuple(
        settings_from(RecipeSettings, table, f"{name}: recipe {number}", path.parent)
        for number, table in enumerate(tables["recipes"], 1)
    )
    tables["sources"], tables["sinks"] = tuple(tables["sources"]), tuple(tables["sinks"])
    given = {"folder": _folder_beside(path), **tables, "root": "."}
    return settings_from(StationSettings, given, name, path.parent)


def station_of(bundle: Path, folder: Path | None = None) -> StationSettings:
    """A station with one recipe, named after its bundle."""
    recipe = RecipeSettings(name=_stem(bundle) or "parts", bundle=bundle)
    return StationSettings(recipes=(recipe,), folder=folder or Path(_folder_beside(bundle)))


def _folder_beside(named: Path) -> str:
    """What a station's folder is called where nobody says: after its file, so that each file has a log of its own."""
    return f"{_stem(named) or 'hizumi'}-station"


def _stem(named: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", named.name.split(".")[0]).strip("-")[:64]


def check_name(name: str) -> None:
    """Raise ValueError for a name that cannot stand in addresses and on labels."""
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{printable(name)!r} is no name; use up to 64 letters of A to Z, digits, '.', '_' and '-'")
