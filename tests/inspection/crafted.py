"""Bundles that nobody's fit has written: each with one thing about it changed at random, and every hash right."""

import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from hizumi.storage.archive import HEADERS, kind_of, pack

WEIGHTS = "weights.safetensors"
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    2**31,
    2**63,
    10**400,
    -0.5,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "\x1b[31mred",
    "x" * 200_000,
    [],
    [1, 2**31, 2**31],
    [[[]]],
    {},
    {"name": "vae", "arguments": {}},
    {"name": "os", "arguments": {"system": "true"}},
)


def read(path: Path) -> tuple[str, dict[str, bytes]]:
    """The header's name, and all members."""
    with zipfile.ZipFile(path) as archive:
        return HEADERS[kind_of(path)], {name: archive.read(name) for name in archive.namelist()}


def sealed(header: str, statements: Any, members: dict[str, bytes]) -> bytes:
    """A bundle whose hashes are those of its members."""
    import hashlib

    others = {name: content for name, content in members.items() if name != header}
    if isinstance(statements, dict) and isinstance(statements.get("members"), dict):
        statements["members"] = {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}
    return pack({header: json.dumps(statements).encode(), **others})


def crafted(path: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many changed bundles, each with what was done to it."""
    header, members = read(path)
    chance = random.Random(f"{path.name} {seed}")
    for _ in range(count):
        statements, changed = json.loads(members[header]), dict(members)
        kind = chance.choices(("value", "field", "member", "weights", "bytes", "flip"), (60, 10, 5, 15, 5, 5))[0]
        told = globals()[f"_{kind}"](chance, statements, changed, header) if kind != "flip" else "a bit flipped"
        content = sealed(header, statements, changed)
        if kind == "flip":
            flipped = bytearray(content)
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
            content = bytes(flipped)
        yield told, content


def _value(chance: random.Random, statements: dict[str, Any], members: dict[str, bytes], header: str) -> str:
    owner, key, where = chance.choice([place for place in _places(statements) if place[2] != "members"])
    owner[key] = chance.choice(VALUES)
    return f"{where} = {str(owner[key])[:40]!r}"


def _field(chance: random.Random, statements: dict[str, Any], members: dict[str, bytes], header: str) -> str:
    owner, key, where = chance.choice(list(_places(statements)))
    if isinstance(owner, dict) and chance.random() < 0.5:
        owner["surprise"] = chance.choice(VALUES)
        return f"something beside {where}"
    del owner[key]
    return f"no {where}"


def _member(chance: random.Random, statements: dict[str, Any], members: dict[str, bytes], header: str) -> str:
    name = chance.choice([name for name in members if name != header])
    if chance.random() < 0.5:
        del members[name]
        return f"no {name}"
    members[name] = members[chance.choice(list(members))]
    return f"another member as {name}"


def _bytes(chance: random.Random, statements: dict[str, Any], members: dict[str, bytes], header: str) -> str:
    name = chance.choice([name for name in members if name != header])
    content = bytearray(members[name] or b"x")
    for _ in range(3):
        content[chance.randrange(min(len(content), 400))] = chance.randrange(256)
    members[name] = bytes(content)
    return f"other bytes in {name}"


def _weights(chance: random.Random, statements: dict[str, Any], members: dict[str, bytes], header: str) -> str:
    name = chance.choice([name for name in members if name.endswith((".safetensors", ".npy"))])
    if name.endswith(".npy"):
        return _bytes(chance, statements, {name: members[name]}, header)
    tensors = dict(sorted(safetensors.numpy.load(members[name]).items()))  # safetensors has no order of its own
    key = chance.choice(list(tensors))
    array = tensors[key]
    match chance.randrange(5):
        case 0:
            tensors[key] = np.full_like(array, np.nan if array.dtype.kind == "f" else 1)
        case 1:
            tensors[key] = np.zeros((3, *array.shape), array.dtype)
        case 2:
            tensors[key] = array.astype(chance.choice(("int8", "float16", "int64", "bool")))
        case 3:
            tensors[f"{key}x"] = tensors.pop(key)
        case 4:
            tensors[key] = np.zeros((0,), array.dtype)
    members[name] = safetensors.numpy.save(tensors)
    return f"{key} of {name}"


def _places(value: Any, where: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every value in a tree of JSON, by its owner, its key, and its path in words."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(keys):
        path = f"{where}.{key}" if where else str(key)
        yield value, key, path
        yield from _places(each, path)
