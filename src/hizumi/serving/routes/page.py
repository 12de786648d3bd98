"""The page, whose files lie in memory under their exact names, so that no path leads anywhere else."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    packed: bytes
    kind: str
    etag: str


@cache
def _pages() -> dict[str, _File]:
    root = files("hizumi.serving") / "page"
    found = {}
    for folder in (root, *(entry for entry in root.iterdir() if entry.is_dir())):
        for entry in folder.iterdir():
            suffix = entry.name[entry.name.rfind(".") :]
            if entry.is_file() and suffix in KINDS:
                content = entry.read_bytes()
                name = entry.name if folder is root else f"{folder.name}/{entry.name}"
                etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
                found[name] = _File(content, gzip.compress(content, mtime=0), KINDS[suffix], etag)
    return found


@router.get("/")
async def start(request: Request) -> Response:
    """The page."""
    return _answer(request, "index.html")


@router.get("/page/{name:path}")
async def part(request: Request, name: str) -> Response:
    """A style, a script, or a picture of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found = _pages().get(name)
    if found is None:
        raise HTTPException(404, "the page has no such part")
    # Asked for again each time, and sent again only when it has changed.
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.content, media_type=found.kind, headers=headers)
