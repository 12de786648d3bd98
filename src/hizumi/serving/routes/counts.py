"""`/counts`: how many inspections ended in which verdict."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from hizumi.serving.context import of
from hizumi.serving.routes.inspections import in_utc
from hizumi.serving.schemas import Counts

router = APIRouter()


@router.get("/counts", summary="How many inspections ended in which verdict")
def counts(
    request: Request,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[datetime | None, Query(description="Inspected then or later; UTC without a zone.")] = None,
    until: Annotated[datetime | None, Query(description="Inspected before that moment.")] = None,
) -> Counts:
    """Of all that the log holds between two moments."""
    log = of(request).station.log

    def count(*, judged: bool, anomalous: bool | None = None) -> int:
        return log.count(recipe=recipe, since=in_utc(since), until=in_utc(until), judged=judged, anomalous=anomalous)

    return Counts(
        normal=count(judged=True, anomalous=False),
        anomalous=count(judged=True, anomalous=True),
        unjudged=count(judged=False),
    )
