"""One file for everything fitted: a zip of JSON and safetensors, without pickle, in which no byte can change unseen.

Its header, a JSON member with the hashes of all others, says by its name what the file holds. The archive's comment is
the SHA-256 of every byte before it.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hizumi.errors import BundleError
from hizumi.files import write_atomically
from hizumi.version import __version__

Kind = Literal["detector", "model"]
HEADERS: dict[Kind, str] = {"detector": "bundle.json", "model": "model.json"}
READERS: dict[Kind, str] = {
    "detector": "hizumi inspect, or hizumi.inspection.load",
    "model": "hizumi model, or hizumi.generation.load",
}
HASH_LENGTH = 64


class Header(BaseModel):
    """What every header holds: the number of its format, who wrote it, and the SHA-256 of each other member."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    hizumi: str
    members: dict[str, str]


HeaderType = TypeVar("HeaderType", bound=Header)


def write_archive(
    path: Path,
    kind: Kind,
    header: type[Header],
    fields: Mapping[str, Any],
    members: Mapping[str, bytes],
    format_number: int,
) -> Path:
    """Write a header of this type with these fields, and the members it vouches for, whole or not at all."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    filled = header(format=format_number, hizumi=__version__, members=hashes, **fields)
    content = {HEADERS[kind]: filled.model_dump_json(indent=2).encode(), **members}
    write_atomically(path, pack(content))
    return path


def read_archive(
    path: Path, kind: Kind, header: type[HeaderType], format_number: int
) -> tuple[HeaderType, dict[str, bytes]]:
    """The header and the members; raises BundleError in one line when the file is not whole, or holds another kind."""
    members = _members(path)
    if HEADERS[kind] not in members:
        found = _kind(path, members)
        raise BundleError(f"{path}: holds a {found}, not a {kind}; use it with {READERS[found]}")
    try:
        read = header.model_validate_json(members[HEADERS[kind]])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {HEADERS[kind]} is not valid at {where}: {first['msg']}") from error
    if read.format > format_number:
        raise BundleError(f"{path}: was written by hizumi {read.hizumi}; this is {__version__}: install a newer one")
    for name, expected in read.members.items():
        if name not in members or hashlib.sha256(members[name]).hexdigest() != expected:
            raise BundleError(f"{path}: {name} is missing or was changed; use an unchanged copy of the bundle")
    return read, members


def kind_of(path: Path) -> Kind:
    """What a file holds, by the name of its header."""
    return _kind(path, _members(path))


def pack(members: Mapping[str, bytes]) -> bytes:
    """The bytes of an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = b"0" * HASH_LENGTH
    content = buffer.getvalue()[:-HASH_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _kind(path: Path, members: Mapping[str, bytes]) -> Kind:
    for kind, name in HEADERS.items():
        if name in members:
            return kind
    raise BundleError(f"{path}: holds neither {' nor '.join(HEADERS.values())}; it is no hizumi bundle")


def _members(path: Path) -> dict[str, bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BundleError(f"{path}: is no hizumi bundle, or was cut short ({error})") from error
    if hashlib.sha256(content[:-HASH_LENGTH]).hexdigest().encode() != content[-HASH_LENGTH:]:
        raise BundleError(f"{path}: is no hizumi bundle, or a byte of it was changed; use an unchanged copy")
    return members
