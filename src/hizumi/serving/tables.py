"""Tables of the log as answers."""

from itertools import chain
from typing import Any

from starlette.responses import Response, StreamingResponse

from hizumi.station.batches import batches
from hizumi.station.exporting import Table, csv_lines

CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


def csv_answer(table: Table, name: str) -> Response:
    """A file of that name, sent while it is read; raises LogError where nothing of it can be."""
    texts = ("".join(lines) for lines in batches(csv_lines(table)))
    first = next(texts)  # before anything is sent: a log that is out of reach has an answer of its own
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chain([first], texts), media_type="text/csv; charset=utf-8", headers=headers)
