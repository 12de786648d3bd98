"""`/counts`: how many inspections ended in which verdict."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from hizumi.serving.context import of
from hizumi.serving.routes.inspections import in_utc
from hizumi.serving.schemas import AskedNumber, Counts

router = APIRouter()


@router.get("/counts", summary="How many inspections ended in which verdict")
def counts(
    request: Request,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[datetime | None, Query(description="Inspected then or later; UTC without a zone.")] = None,
    until: Annotated[datetime | None, Query(description="Inspected before that moment.")] = None,
    newest: Annotated[AskedNumber, Query(ge=0, le=1000, description="How many ids to name of those counted.")] = 0,
) -> Counts:
    """Of all that the log holds between two moments."""
    log = of(request).station.log
    return Counts(**asdict(log.counts(newest=newest, recipe=recipe, since=in_utc(since), until=in_utc(until))))
