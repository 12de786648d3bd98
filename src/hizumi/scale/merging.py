"""The parts of an archive as one table, once it is proved that they are all of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hizumi.errors import BundleError, DataError, RunError, UsageError
from hizumi.scale.archive import Archive, read_archive
from hizumi.scale.items import pyarrow
from hizumi.scale.listing import digest_of, digest_of_all, read_block
from hizumi.scale.parts import FOLDER, Tally, path_of, read_part, schema, set_aside, tally_of
from hizumi.storage.files import atomic_file, printable
from hizumi.storage.tables import csv_line


@dataclass(frozen=True)
class Proof:
    """What has been proved of an archive: each of its images has one row, by the one bundle."""

    archive: Archive
    tally: Tally
    terms: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"archive": self.archive.to_dict(), **asdict(self.tally)}


def prove(folder: Path) -> Proof:
    """Read all of an archive, listing and parts, byte by byte.

    Raises RunError, naming what is missing and the command that completes it, where any image has no row; damaged parts
    are set aside first, so that this command makes them anew. Raises BundleError where the listing itself is damaged.
    """
    archive = read_archive(folder)
    tally, digests, missing, damaged = Tally(), [], [], []
    terms: dict[str, None] = {}
    for block in range(archive.listed.blocks):
        items = read_block(folder, block)
        digests.append(digest_of(items))
        if not path_of(folder, block).exists():
            missing.append((block, len(items), items[0].name))
            continue
        try:
            table = read_part(folder, archive.identity(block), [item.name for item in items])
        except DataError as error:
            set_aside(folder, block)
            damaged.append(str(error))
            missing.append((block, len(items), items[0].name))
            continue
        tally += tally_of(table)
        terms.update(dict.fromkeys(name for row in table.column("terms").to_pylist() for name, _ in row or ()))
    if digest_of_all(digests) != archive.listed.digest:
        raise BundleError(f"{printable(folder)}: its listing is not as it was written; begin anew in another folder")
    _refuse_incomplete(archive, missing, damaged)
    _refuse_strangers(archive)
    return Proof(archive, tally, tuple(terms))


def merge(proof: Proof, path: Path) -> None:
    """Write all rows, in the order of the listing, as .parquet or .csv, part by part."""
    if path.suffix.lower() == ".parquet":
        with _parquet(path) as write:
            for table in _tables(proof):
                write(table)
    else:
        _write_csv(proof, path)


def refuse_no_table(path: Path) -> None:
    """Raise UsageError for a file that is neither .parquet nor .csv by its name."""
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise UsageError(f"--output {printable(path)} is no table; name a .parquet or a .csv")


def _tables(proof: Proof) -> Iterator[Any]:
    archive = proof.archive
    for block in range(archive.listed.blocks):
        names = [item.name for item in read_block(archive.folder, block)]
        yield read_part(archive.folder, archive.identity(block), names).replace_schema_metadata(None)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    with atomic_file(path) as file, pyarrow().parquet.ParquetWriter(file, schema(), compression="zstd") as writer:
        yield writer.write_table


def _write_csv(proof: Proof, path: Path) -> None:
    """A column for each term, as of `hizumi inspect --csv`."""
    plain = [name for name in schema().names if name != "terms"]
    with atomic_file(path) as file:
        file.write(csv_line([*plain, *(f"term_{name}" for name in proof.terms)]).encode())
        for table in _tables(proof):
            for row in table.to_pylist():
                terms = dict(row["terms"] or ())
                row["notes"] = "; ".join(row["notes"] or ())
                values = [*(row[name] for name in plain), *(terms.get(name) for name in proof.terms)]
                file.write(csv_line(values).encode())


def _refuse_incomplete(archive: Archive, missing: list[tuple[int, int, str]], damaged: list[str]) -> None:
    if not missing:
        return
    images = sum(count for _, count, _ in missing)
    block, _, first = missing[0]
    said = f"; {len(damaged)} parts were damaged and have been set aside, the first {damaged[0]}" if damaged else ""
    raise RunError(
        f"{printable(archive.folder)} is not complete: {images} of {archive.listed.images} images have no row yet, in "
        f"{len(missing)} of {archive.listed.blocks} blocks, from {printable(first)} in block {block} on{said}; "
        f"complete it: {archive.command()}"
    )


def _refuse_strangers(archive: Archive) -> None:
    """Raise RunError for parts of blocks that there are not: whoever reads the folder would count them."""
    own = {path_of(archive.folder, block) for block in range(archive.listed.blocks)}
    strangers = sorted(path for path in (archive.folder / FOLDER).glob("*.parquet") if path not in own)
    if strangers:
        raise RunError(f"{printable(strangers[0])} belongs to no block of this archive; take it out of the folder")
