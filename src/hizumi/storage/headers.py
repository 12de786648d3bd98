"""Typed headers of bundles, validated when they are written and when they are read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hizumi.errors import BundleError
from hizumi.storage.archive import HEADERS, Kind, read_archive, write_archive


class Header(BaseModel):
    """Fields of every header: format number, version of hizumi that wrote it, SHA-256 of each other member."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    hizumi: str
    members: dict[str, str]


HeaderType = TypeVar("HeaderType", bound=Header)


def write_bundle(
    path: Path,
    kind: Kind,
    header: type[Header],
    fields: Mapping[str, Any],
    members: Mapping[str, bytes],
    format_number: int,
) -> Path:
    """Write an archive with a header of this type."""
    filled = header(format=format_number, hizumi="", members={}, **fields)
    own = filled.model_dump(mode="json", exclude=set(Header.model_fields), fallback=np.generic.item)
    return write_archive(path, kind, own, members, format_number)


def read_bundle(
    path: Path,
    kind: Kind,
    header: type[HeaderType],
    format_number: int,
    upgraded: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[HeaderType, dict[str, bytes]]:
    """The header and the members; raises BundleError where they are damaged, or the header is not of this type.

    `upgraded` brings a header of an earlier format to today's fields.
    """
    fields, members = read_archive(path, kind, format_number, upgraded)
    try:
        return header.model_validate(fields), members
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {HEADERS[kind]} is not valid at {where}: {first['msg']}") from error
