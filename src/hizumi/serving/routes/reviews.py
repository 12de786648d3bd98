"""`/reviews`: what waits for a person, and what people say."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from hizumi.serving.access import LOCAL
from hizumi.serving.context import must_be, of
from hizumi.serving.routes.inspections import review_record
from hizumi.serving.schemas import NewReview, ReviewRecord
from hizumi.station.events import Event
from hizumi.station.log import Review

router = APIRouter()


@router.post("/reviews", status_code=201, summary="Say what an inspected picture really shows")
async def review(request: Request, said: NewReview) -> ReviewRecord:
    """Append a word; the newest one counts, and none is ever changed."""
    caller = must_be(request, "review")
    station = of(request).station
    if await asyncio.to_thread(station.log.entry, said.inspection_id) is None:
        raise HTTPException(404, "there is no such inspection")
    made = Review(
        inspection_id=said.inspection_id,
        label=said.label,
        kind=said.kind,
        note=said.note,
        regions=None if said.regions is None else tuple(tuple(region) for region in said.regions),
        who=said.who or LOCAL if caller.name == LOCAL else caller.name,
        made_at=datetime.now(UTC),
    )
    await asyncio.to_thread(station.log.review, made)
    record = review_record(made)
    station.events.tell(Event("review", record.model_dump(mode="json")))
    return record
