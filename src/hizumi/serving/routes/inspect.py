"""`POST /inspect`: pictures in, verdicts out."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import JSONResponse, Response

from hizumi.serving.context import Context, of
from hizumi.serving.language import Asked
from hizumi.serving.schemas import Inspections
from hizumi.station.sources.source import Arrival
from hizumi.storage.files import printable

IN_MEMORY = 2**20  # bytes of a body

router = APIRouter()

CONTENT = {
    "requestBody": {
        "required": True,
        "description": "One picture as it is, or any number of files in a multipart form, under any field names.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
            "image/tiff": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"pictures": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
        },
    }
}


@router.post("/inspect", response_model=Inspections, openapi_extra=CONTENT, summary="Judge one or many pictures")
async def inspect(
    request: Request,
    wording: Asked,
    recipe: Annotated[str | None, Query(max_length=64, description="Which recipe judges; or the only one.")] = None,
    part: Annotated[str, Query(max_length=200, description="The part's code, which may choose the recipe.")] = "",
    view: Annotated[str, Query(max_length=64, description="Which of a part's pictures this is.")] = "",
    name: Annotated[str, Query(max_length=200, description="What a single picture is called in the log.")] = "picture",
) -> Response:
    """Each picture's verdict, in order. One that cannot be read has `anomalous` null, and a reason."""
    context = of(request)
    context.station.recipe(recipe, part)  # before the body is read
    context.station.refuse_where_busy()
    arrivals = [
        Arrival(name=called, content=content, source="http", part=part, view=view, recipe=recipe)
        async for called, content in _pictures(request, context, name)
    ]
    kept = await context.station.inspect_all(arrivals)
    # Written as it is: to check it against the schema again takes as long as everything else here.
    return JSONResponse({"inspections": [wording.record(item.record) for item in kept]})


async def _pictures(request: Request, context: Context, name: str) -> AsyncIterator[tuple[str, bytes]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        content = await _spooled(request)
        if not content:
            raise HTTPException(400, "the body is empty; send a picture, or a multipart form with pictures")
        yield name, content
        return
    form = await _form(request, context.limits.pictures)
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        others = [field for field, value in form.multi_items() if not isinstance(value, UploadFile)]
        if others:  # which nobody would judge, or heed
            raise HTTPException(
                400,
                f"the form's field {printable(others[0][:64])!r} is no file; send pictures as files that have names, "
                "and all else in the address: /inspect?recipe=NAME&part=CODE",
            )
        if not files:
            raise HTTPException(400, "the form holds no file; send pictures as files")
        for file in files:
            yield file.filename or name, await file.read()
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Knows whether a form has come to its end: one that is cut short may hold whole pictures, and others in part."""

    is_at_its_end = False

    def on_end(self) -> None:
        self.is_at_its_end = True


async def _form(request: Request, limit: int) -> FormData:
    async def chunks() -> AsyncGenerator[bytes]:
        async with aclosing(request.stream()) as stream:
            async for chunk in stream:
                yield chunk
        if not parser.is_at_its_end:
            raise MultiPartException("it is cut short, without its last boundary; send it whole")

    parser = _Parser(request.headers, chunks(), max_files=limit, max_fields=limit)
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error


async def _spooled(request: Request) -> bytes:
    # On the disk until it is complete: who sends too much, or for ever, takes no memory.
    with SpooledTemporaryFile(IN_MEMORY) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        return file.read()
