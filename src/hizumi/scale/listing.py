"""The work of an archive: a list of its images in blocks, each of which becomes one part of the result."""

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hizumi.data.manifest import Unopened
from hizumi.errors import BundleError, DataError, UsageError
from hizumi.scale.items import Item, pyarrow
from hizumi.storage.files import atomic_file, first_line, printable
from hizumi.storage.tables import csv_line
from hizumi.words import counted

SMALLEST, LARGEST, SHARE = 32, 8192, 100
"""Images of a block: a hundredth of those before it, so that workers end together, within these bounds."""
FOLDER, UNOPENED = "listing", "unopened.csv"
DIGEST = b"hizumi.digest"


@dataclass(frozen=True)
class Listed:
    """What was listed: counts, and one SHA-256 (hex) over all blocks' own."""

    images: int
    blocks: int
    digest: str
    unopened: int


def write_listing(folder: Path, found: Iterable[Item | Unopened]) -> Listed:
    """Write the list, block by block, and `unopened.csv` of what was found and is no image.

    Memory holds one block, and 8 bytes of each name. Raises DataError for a name that comes twice.
    """
    images, unopened = 0, 0
    digests: list[str] = []
    names = array("q")
    with atomic_file(folder / UNOPENED) as file:
        file.write(csv_line(["name", "reason", "may_be_part"]).encode())

        def kept() -> Iterator[Item]:
            nonlocal unopened
            for each in found:
                if isinstance(each, Item):
                    names.append(_of_name(each.name))
                    yield each
                else:
                    unopened += 1
                    file.write(csv_line(each).encode())

        for block in in_blocks(kept()):
            digests.append(_write_block(folder, len(digests), block))
            images += len(block)
    if not images:
        others = f", only {counted(unopened, 'other file')}; {UNOPENED} says why of each" if unopened else ""
        raise DataError(f"there is no image in the data{others}")
    _refuse_doubles(folder, len(digests), np.frombuffer(names, dtype=np.int64))
    return Listed(images, len(digests), digest_of_all(digests), unopened)


def refuse_other_listing(folder: Path, listed: Listed, found: Iterable[Item | Unopened]) -> None:
    """Raise UsageError, naming the first difference, where the data are no longer what was listed."""
    number = 0
    for number, block in enumerate(in_blocks(each for each in found if isinstance(each, Item)), start=1):
        if number > listed.blocks:
            raise _other(folder, f"{printable(block[0].name)} has been added")
        if digest_of(block) != block_digest(folder, number - 1):
            raise _other(folder, _difference(read_block(folder, number - 1), block))
    if number < listed.blocks:
        raise _other(folder, f"{printable(read_block(folder, number)[0].name)} is gone")


def in_blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in order; the sizes of blocks follow from how many come before, not from how many there are."""
    block: list[Item] = []
    before = 0
    for item in items:
        block.append(item)
        if len(block) >= block_size(before):
            yield block
            before, block = before + len(block), []
    if block:
        yield block


def block_size(before: int) -> int:
    """Images of the block that comes after so many."""
    return min(max(before // SHARE, SMALLEST), LARGEST)


def digest_of(block: Sequence[Item]) -> str:
    """SHA-256 (hex) over all that is listed of the images of a block."""
    digest = hashlib.sha256()
    for item in block:
        digest.update(item.line())
    return digest.hexdigest()


def digest_of_all(digests: Iterable[str]) -> str:
    """SHA-256 (hex) of a listing, over those of its blocks."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def read_block(folder: Path, block: int) -> list[Item]:
    """The images of one block; raises BundleError where the list is damaged."""
    try:
        columns = pyarrow().parquet.read_table(_path(folder, block)).to_pydict()
        columns["place"] = list(map(os.fsdecode, columns["place"]))
        return [Item(*values) for values in zip(*(columns[name] for name in Item._fields), strict=True)]
    except (OSError, KeyError, pyarrow().ArrowException) as error:
        raise _damaged(folder, block, error) from error


def block_digest(folder: Path, block: int) -> str:
    """The hash of a block as it was listed."""
    try:
        return str(pyarrow().parquet.read_schema(_path(folder, block)).metadata[DIGEST], "ascii")
    except (OSError, KeyError, TypeError, pyarrow().ArrowException) as error:
        raise _damaged(folder, block, error) from error


def _write_block(folder: Path, block: int, items: Sequence[Item]) -> str:
    arrow, digest = pyarrow(), digest_of(items)
    types = dict.fromkeys(("offset", "size", "row"), arrow.int64()) | {"place": arrow.binary()}
    schema = arrow.schema(
        [(name, types.get(name, arrow.string())) for name in Item._fields], metadata={DIGEST: digest.encode()}
    )
    columns = dict(zip(Item._fields, map(list, zip(*items, strict=True)), strict=True))
    columns["place"] = list(map(os.fsencode, columns["place"]))  # the name of a file may be no text
    table = arrow.Table.from_pydict(columns, schema)
    with atomic_file(_path(folder, block)) as file:
        arrow.parquet.write_table(table, file, compression="zstd", write_page_checksum=True)
    return digest


def _path(folder: Path, block: int) -> Path:
    return folder / FOLDER / f"{block:08d}.parquet"


def _of_name(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _refuse_doubles(folder: Path, blocks: int, names: np.ndarray) -> None:
    names.sort()  # in its place: there may be a thousand million
    repeated = set(names[1:][names[1:] == names[:-1]].tolist())
    if not repeated:
        return
    seen: set[str] = set()
    for block in range(blocks):
        for item in read_block(folder, block):
            if _of_name(item.name) in repeated:
                if item.name in seen:
                    raise DataError(f"{printable(item.name)} is listed twice; leave one of them out")
                seen.add(item.name)


def _difference(before: Sequence[Item], now: Sequence[Item]) -> str:
    names = {item.name: item for item in before}
    fresh = [item.name for item in now if item.name not in names]
    changed = [item.name for item in now if item.name in names and item != names[item.name]]
    gone = [item.name for item in before if item.name not in {each.name for each in now}]
    for found, said in ((changed, "changed"), (gone, "gone"), (fresh, "been added")):
        if found:
            verb = "is" if said == "gone" else "has"
            return f"{printable(found[0])} {verb} {said}"
    return "the order of its images is another"


def _other(folder: Path, difference: str) -> UsageError:
    return UsageError(
        f"{printable(folder)} is the archive of other data: since they were listed, {difference}; name another --output"
    )


def _damaged(folder: Path, block: int, error: Exception) -> BundleError:
    reason = first_line(error)
    return BundleError(f"{printable(_path(folder, block))}: cannot be read ({reason}); begin anew in another folder")
