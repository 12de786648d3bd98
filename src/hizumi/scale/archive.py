"""An archive of images to be scored into a folder, from which any process goes on, and which proves what it holds.

archive.json         what is scored, by which bundle, and the hash of the listing; written last
bundle.hizumi        a copy of the bundle
listing/N.parquet    the images of block N
unopened.csv         what was found beside them and is no image
parts/N.parquet      the verdicts on block N, once all of them are there
"""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from hizumi.errors import BundleError, UsageError
from hizumi.scale.listing import FOLDER as LISTING, UNOPENED, Listed, block_digest, refuse_other_listing, write_listing
from hizumi.scale.parts import FOLDER as PARTS, Identity, left_in, path_of
from hizumi.scale.sources import items_of
from hizumi.storage.files import printable, write_atomically
from hizumi.storage.locks import locked
from hizumi.version import __version__
from hizumi.words import as_typed

FORMAT, HEADER, BUNDLE = 1, "archive.json", "bundle.hizumi"


@dataclass(frozen=True)
class Shard:
    """Every `of`-th block from block `index` on, for one of as many processes that know nothing of each other."""

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not self.of:
            raise UsageError(f"--shard {self.index}/0: there is no share of none; say how many there are, such as 0/4")
        if not 0 <= self.index < self.of:
            raise UsageError(
                f"--shard {self.index}/{self.of}: shards of {self.of} are 0/{self.of} to {self.of - 1}/{self.of}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a text such as 0/4."""
        index, slash, of = text.partition("/")
        if not (slash and index.isdecimal() and of.isdecimal()):
            raise UsageError(
                f"--shard {text} is no shard; give its number, from 0 on, and how many there are, such as 0/4"
            )
        return cls(int(index), int(of))

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


@dataclass(frozen=True)
class Archive:
    """An archive that has been listed; `data` is what was given, and `bundle` the path and SHA-256 of the bundle."""

    folder: Path
    data: tuple[str, ...]
    recursive: bool
    bundle: tuple[str, str]
    maps: str | None
    listed: Listed

    def identity(self, block: int) -> Identity:
        """Of the part that a block becomes."""
        return Identity(block, block_digest(self.folder, block), self.bundle[1])

    def waiting(self, shard: Shard = Shard()) -> Iterator[int]:
        """Blocks of a shard whose part is not there, or has rows that are to be tried again."""
        for block in range(shard.index, self.listed.blocks, shard.of):
            if not path_of(self.folder, block).exists() or left_in(self.folder, self.identity(block)) != []:
                yield block

    @contextmanager
    def held(self, shard: Shard) -> Iterator[None]:
        """Hold a shard while it is worked on; raises UsageError where another process does."""
        with locked(self.folder / "at-work" / str(shard).replace("/", "-of-")):
            yield

    def own_files(self) -> list[Path]:
        """All that it consists of."""
        parts = [path for name in (LISTING, PARTS) for path in (self.folder / name).iterdir()]
        return [*(self.folder / name for name in (HEADER, BUNDLE, UNOPENED)), *parts]

    def loaded_bundle(self) -> Path:
        """The archive's copy of its bundle; raises BundleError where it is no longer that."""
        copy = self.folder / BUNDLE
        if not copy.is_file() or _sha256(copy) != self.bundle[1]:
            raise BundleError(f"{printable(copy)}: is not the bundle that this archive was begun with; begin anew")
        return copy

    def command(self) -> str:
        """What is to be typed to complete it, but for where it runs."""
        words = [*self.data, "-o", str(self.folder)]
        words += [] if self.recursive else ["--no-recursive"]
        words += [] if self.maps is None else ["--maps", self.maps]
        return f"hizumi inspect {as_typed(self.bundle[0])} {shlex.join(words)}"

    def to_dict(self) -> dict[str, Any]:
        """Everything but its own folder, for JSON."""
        fields = asdict(self)
        del fields["folder"]
        return {"format": FORMAT, "hizumi": __version__, **fields}


def open_archive(
    folder: Path,
    bundle: Path,
    data: Sequence[str],
    *,
    recursive: bool = True,
    maps: Path | None = None,
    trust_listing: bool = False,
    on_wait: Callable[[str], None] = lambda holder: None,
) -> Archive:
    """List the data for a folder, or go on with what was listed for it before.

    Then the data are listed again and compared, unless `trust_listing`, which many processes that begin together want:
    the first of them lists, while the others wait; `on_wait` is told for whom.
    Raises UsageError, naming the difference, where the folder is the archive of other data or of another bundle.
    """
    wanted = Archive(
        folder,
        tuple(data),
        recursive,
        (str(bundle.absolute()), _sha256(bundle)),
        None if maps is None else str(maps.absolute()),
        Listed(0, 0, "", 0),
    )
    with locked(folder / LISTING, on_wait):
        found = items_of(data, recursive=recursive)
        if not (folder / HEADER).exists():
            write_atomically(folder / BUNDLE, bundle.read_bytes())
            archive = replace(wanted, listed=write_listing(folder, found))
            write_atomically(folder / HEADER, json.dumps(archive.to_dict(), indent=1).encode())
            return archive
        archive = read_archive(folder)
        _refuse_other(archive, wanted)
        if not trust_listing:
            refuse_other_listing(folder, archive.listed, found)
        return archive


def read_archive(folder: Path) -> Archive:
    """What has been listed for a folder; raises UsageError where it is no archive."""
    path = folder / HEADER
    try:
        fields = json.loads(path.read_bytes())
        stated = fields.pop("format"), fields.pop("hizumi")
        if stated[0] != FORMAT:
            raise UsageError(f"{printable(path)}: is of hizumi {stated[1]}, in format {stated[0]}; use that version")
        return Archive(
            folder,
            tuple(fields["data"]),
            fields["recursive"],
            (fields["bundle"][0], fields["bundle"][1]),
            fields["maps"],
            Listed(**fields["listed"]),
        )
    except FileNotFoundError:
        raise UsageError(
            f"{printable(folder)} is no archive: it has no {HEADER}; name the --output of hizumi inspect"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise BundleError(f"{printable(path)}: is damaged; begin anew in another folder") from error


def _refuse_other(archive: Archive, wanted: Archive) -> None:
    said = {
        "another bundle": (archive.bundle, wanted.bundle, archive.bundle[1] != wanted.bundle[1]),
        "other data": (archive.data, wanted.data, archive.data != wanted.data),
        "other depth of folders": (archive.recursive, wanted.recursive, archive.recursive != wanted.recursive),
        "other --maps": (archive.maps, wanted.maps, archive.maps != wanted.maps),
    }
    for what, (before, now, differs) in said.items():
        if differs:
            raise UsageError(
                f"{printable(archive.folder)} is the archive of {what}: {_shown(before)} then, {_shown(now)} now; "
                "name another --output"
            )


def _shown(value: object) -> str:
    match value:
        case (str(path), str(sha256)) if len(sha256) == 64:
            return f"{printable(Path(path).name)} ({sha256[:12]})"
        case tuple():
            return printable(" ".join(map(str, value)))
    return printable(value)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
