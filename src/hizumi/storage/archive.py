"""Bundles: zip files of JSON and binary data, without pickle, in which every changed byte is detected.

The header, a JSON member, names all other members with their SHA-256, and its own name tells the kind of bundle. The
zip comment is the SHA-256 of every byte before it, which reading compares: those of members are for other programs.
"""

import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

from hizumi.errors import BundleError, RunError, ShortageError, is_shortage
from hizumi.storage.files import open_regular, printable, write_atomically
from hizumi.storage.schema import fields, load_json
from hizumi.storage.statements import HEADER, SCHEMAS
from hizumi.version import __version__

Kind = Literal["detector", "model", "exported"]
HEADERS: dict[Kind, str] = {"detector": "bundle.json", "model": "model.json", "exported": "export.json"}
LOADERS: dict[Kind, str] = {
    "detector": "hizumi inspect, or hizumi.inspection.load",
    "model": "hizumi model, or hizumi.generation.load",
    "exported": "hizumi inspect, or hizumi.runtime.load, and the bundle that it was exported from with all else",
}
NOUNS: dict[Kind, str] = {"detector": "a detector", "model": "a model", "exported": "an exported detector"}
HASH_LENGTH = 64
CHUNK = 2**20  # bytes read at once for the hash
LARGEST_DIRECTORY = 2**20  # bytes, of a few members
LARGEST_HEADER = 8 * 2**20  # bytes
ENCRYPTED = 0x41  # flags of either way to encrypt a member
END, LOCATOR, END_64 = (struct.Struct(f"<{layout}") for layout in ("4s4H2IH", "4sIQI", "4sQ2H2I4Q"))
"""The records at the end of a zip file, as APPNOTE.TXT of PKWARE has them in 4.3.16, 4.3.15 and 4.3.14."""
DAMAGE = (
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile raises for damaged files."""


def write_archive(
    path: Path, kind: Kind, statements: Mapping[str, Any], members: Mapping[str, bytes], format_number: int
) -> Path:
    """Write a header with these statements, with the hashes of the members, and the members; atomically."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    header = {"format": format_number, "hizumi": __version__, "members": hashes, **statements}
    try:
        content = json.dumps(header, indent=2, allow_nan=False).encode()
        SCHEMAS[kind](header, "")
    except ValueError as error:  # better no bundle than one that cannot be read
        raise RunError(f"{path}: cannot be saved, as {HEADERS[kind]} would not be valid ({error})") from error
    write_atomically(path, pack({HEADERS[kind]: content, **members}))
    return path


def read_archive(
    path: Path, kind: Kind, format_number: int, upgraded: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], dict[str, bytes]]:
    """The header and the members; raises BundleError for a file that is damaged, too new, or of another kind.

    `upgraded` brings a header of an earlier format to today's fields.
    """
    members = _members(path)
    found = _kind(path, members)
    if found != kind:
        raise BundleError(f"{path}: holds {NOUNS[found]}, not {NOUNS[kind]}; use it with {LOADERS[found]}")
    header: Mapping[str, Any] = _stated(path, HEADERS[kind], members[HEADERS[kind]])
    written, writer, hashes = header["format"], header["hizumi"], header["members"]
    if written > format_number:
        raise BundleError(f"{path}: was written by hizumi {writer}; this is {__version__}: install a newer version")
    if differing := hashes.keys() ^ (members.keys() - {HEADERS[kind]}):
        name = printable(min(differing))
        raise BundleError(f"{path}: {name} is missing, or no part of the bundle; use an unchanged copy")
    if written < format_number:
        try:
            header = upgraded(header)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{path}: was written by hizumi {writer} in format {written}, which {__version__} cannot read; "
                "fit it again"
            ) from error
    try:
        SCHEMAS[kind](header, "")
    except ValueError as error:
        raise BundleError(
            f"{path}: {HEADERS[kind]} is not valid at {error}; use an unchanged copy, or make it again"
        ) from error
    return header, members


def kind_of(path: Path) -> Kind:
    """Kind of a bundle, by the name of its header; the hashes are checked by `read_archive` alone."""
    with _opened(path) as (archive, _):
        names = archive.namelist()
    return _kind(path, names)


def pack(members: Mapping[str, bytes]) -> bytes:
    """Bytes of an archive that holds these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = b"0" * HASH_LENGTH
    content = buffer.getvalue()[:-HASH_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _kind(path: Path, members: Container[str]) -> Kind:
    for kind, name in HEADERS.items():
        if name in members:
            return kind
    raise BundleError(f"{path}: holds none of {', '.join(HEADERS.values())}; it is not a hizumi bundle")


def _stated(path: Path, name: str, content: bytes) -> dict[str, Any]:
    """A header, of which no more is sure than what every format has."""
    try:
        header: dict[str, Any] = load_json(content)
        fields(HEADER, others=lambda value, where: None)(header, "")
    except ValueError as error:
        raise BundleError(f"{path}: {name} is not valid ({error}); use an unchanged copy") from error
    return header


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, BufferedReader]]:
    """The archive, whose directory has been found bounded and true, and the file that it lies in."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            _refuse_large_directory(file, size)
            with zipfile.ZipFile(file) as archive:
                _refuse_foreign(archive.infolist(), size)
                yield archive, file
    except BundleError:  # which says it already
        raise
    except (MemoryError, *DAMAGE) as error:
        if is_shortage(error):
            raise ShortageError.of(error, str(path), "free some") from error
        reason = printable(error) or type(error).__name__
        raise BundleError(f"{path}: is not a hizumi bundle, or was cut short ({reason})") from error
    except IsADirectoryError as error:
        raise BundleError(f"{path}: is a folder, not a bundle; give the .hizumi file") from error
    except OSError as error:
        if is_shortage(error):
            raise ShortageError.of(error, str(path), "free some") from error
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


def _refuse_large_directory(file: BufferedReader, size: int) -> None:
    """Raise ValueError where the zip directory is larger than that of any bundle; a bundle's end has a fixed place."""
    end = END.size + HASH_LENGTH
    file.seek(max(0, size - end - LOCATOR.size - END_64.size))
    tail = file.read()
    if len(tail) < end or (found := END.unpack_from(tail, len(tail) - end))[0] != b"PK\5\6":
        raise ValueError("it has no zip directory where bundles have theirs")
    directory_size = found[5]
    if len(tail) == end + LOCATOR.size + END_64.size and tail[END_64.size :].startswith(b"PK\6\7"):
        directory_size = END_64.unpack_from(tail)[8]  # of files over 4 GiB
    if directory_size > LARGEST_DIRECTORY:
        raise ValueError("its zip directory is too large")


def _refuse_foreign(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise ValueError for members that no bundle has, from the directory alone: nothing unfolds."""
    names = [member.filename for member in members]
    if len(names) != len(set(names)):
        raise ValueError("two of its members have one name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(f"{printable(member.filename)} is compressed, as nothing in a bundle is")
        if member.flag_bits & ENCRYPTED:
            raise ValueError(f"{printable(member.filename)} is encrypted, as nothing in a bundle is")
        if member.filename in HEADERS.values() and member.file_size > LARGEST_HEADER:
            raise ValueError(f"{member.filename} has over {LARGEST_HEADER >> 20} MiB")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its members are larger than the file")


def _members(path: Path) -> dict[str, bytes]:
    with _opened(path) as (archive, file):
        _refuse_changed(path, file)
        return {name: archive.read(name) for name in archive.namelist()}


def _refuse_changed(path: Path, file: BufferedReader) -> None:
    left = os.fstat(file.fileno()).st_size - HASH_LENGTH
    digest = hashlib.sha256()
    file.seek(0)
    while left > 0 and (chunk := file.read(min(left, CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if digest.hexdigest().encode() != file.read():
        raise BundleError(f"{path}: is not a hizumi bundle, or was changed; use an unchanged copy")
