"""Bundles: zip files of JSON and binary data, without pickle, in which every changed byte is detected.

The header, a JSON member, holds the SHA-256 of all other members, and its name tells the kind of bundle. The zip
comment is the SHA-256 of every byte before it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from hizumi.errors import BundleError
from hizumi.storage.files import write_atomically
from hizumi.version import __version__

Kind = Literal["detector", "model", "exported"]
HEADERS: dict[Kind, str] = {"detector": "bundle.json", "model": "model.json", "exported": "export.json"}
LOADERS: dict[Kind, str] = {
    "detector": "hizumi inspect, or hizumi.inspection.load",
    "model": "hizumi model, or hizumi.generation.load",
    "exported": "hizumi inspect, or hizumi.runtime.load",
}
NOUNS: dict[Kind, str] = {"detector": "a detector", "model": "a model", "exported": "an exported detector"}
HASH_LENGTH = 64


def write_archive(
    path: Path, kind: Kind, fields: Mapping[str, Any], members: Mapping[str, bytes], format_number: int
) -> Path:
    """Write a header of these fields, with the hashes of the members, and the members; atomically."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    header = {"format": format_number, "hizumi": __version__, "members": hashes, **fields}
    write_atomically(path, pack({HEADERS[kind]: json.dumps(header, indent=2).encode(), **members}))
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
    try:
        header = json.loads(members[HEADERS[kind]])
        written, writer, hashes = int(header["format"]), header["hizumi"], dict(header["members"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: {HEADERS[kind]} is not valid ({error!r}); use an unchanged copy") from error
    if written > format_number:
        raise BundleError(f"{path}: was written by hizumi {writer}; this is {__version__}: install a newer version")
    for name, expected in hashes.items():
        if name not in members or hashlib.sha256(members[name]).hexdigest() != expected:
            raise BundleError(f"{path}: {name} is missing or was changed; use an unchanged copy of the bundle")
    if written == format_number:
        return header, members
    try:
        return upgraded(header), members
    except (KeyError, TypeError) as error:
        raise BundleError(
            f"{path}: was written by hizumi {writer} in format {written}, which {__version__} cannot read; fit it again"
        ) from error


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


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, io.BufferedReader]]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            yield archive, file
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BundleError(f"{path}: is not a hizumi bundle, or was cut short ({error})") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


def _members(path: Path) -> dict[str, bytes]:
    with _opened(path) as (archive, file):
        members = {name: archive.read(name) for name in archive.namelist()}
        file.seek(0)
        content = file.read()
    if hashlib.sha256(content[:-HASH_LENGTH]).hexdigest().encode() != content[-HASH_LENGTH:]:
        raise BundleError(f"{path}: is not a hizumi bundle, or was changed; use an unchanged copy")
    return members
