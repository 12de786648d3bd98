"""`/reviews`: what waits for a person, and what people say."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException

from hizumi.serving.context import must_be, of
from hizumi.serving.language import Asked
from hizumi.serving.routes.inspections import review_record
from hizumi.serving.schemas import AskedNumber, NewReview, QueuedInspection, ReviewQueue, ReviewRecord
from hizumi.station.entry_record import entry_record
from hizumi.station.events import Event
from hizumi.station.languages import Wording
from hizumi.station.log import Review
from hizumi.station.reviewing import Order, Queued, review_queue

router = APIRouter()


TELLING = 0.5  # from which doubt, disagreement or novelty is given as a reason


@router.get("/reviews/queue", summary="What is to be reviewed next")
def waiting(
    request: Request,
    wording: Asked,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    order: Order = "all",
    limit: Annotated[AskedNumber, Query(ge=1, le=200)] = 50,
) -> ReviewQueue:
    """The audit sample, then what could not be judged, then what tells the most."""
    found = review_queue(of(request).station.log, recipe=recipe, order=order, limit=limit)
    return ReviewQueue(items=[_item(each, wording) for each in found])


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
        who=caller.signs_as(said.who),
        made_at=datetime.now(UTC),
    )
    await asyncio.to_thread(station.log.review, made)
    record = review_record(made)
    station.events.tell(Event("review", record.model_dump(mode="json")))
    return record


def _item(queued: Queued, wording: Wording) -> QueuedInspection:
    values = {name: getattr(queued, name) for name in ("doubt", "disagreement", "novelty")}
    telling = sorted((name for name, value in values.items() if value >= TELLING), key=lambda name: -values[name])
    known = {"sampled": queued.entry.sampled, "unjudged": queued.entry.anomalous is None}
    reasons = [*(name for name, holds in known.items() if holds), *telling]
    return QueuedInspection.model_validate(
        {
            "inspection": wording.record(entry_record(queued.entry)),
            "reasons": reasons or [max(values, key=lambda n: values[n])],
            **values,
        }
    )
