"""`/inspections`: what was inspected, and the pictures that belong to it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from hizumi.errors import UsageError
from hizumi.serving.context import of
from hizumi.serving.language import Asked
from hizumi.serving.schemas import AskedNumber, InspectionDetail, InspectionPage, InspectionRecord, ReviewRecord
from hizumi.serving.tables import CSV, csv_answer
from hizumi.station.entry import Entry
from hizumi.station.entry_record import entry_record
from hizumi.station.exporting import inspections_of
from hizumi.station.log import Filter, Review
from hizumi.station.station import Station

router = APIRouter()

Verdict = Literal["normal", "anomalous", "unjudged"]
KEEP = {"Cache-Control": "private, max-age=31536000, immutable"}
InspectionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}


async def _chosen(
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    verdict: Verdict | None = None,
    reviewed: bool | None = None,
    since: Annotated[datetime | None, Query(description="Inspected then or later; UTC without a zone.")] = None,
    until: Annotated[datetime | None, Query(description="Inspected before that moment.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Occurs in the name, part or recipe.")] = None,
) -> Filter:
    return Filter(
        recipe=recipe,
        anomalous=None if verdict in (None, "unjudged") else verdict == "anomalous",
        judged=False if verdict == "unjudged" else None,
        reviewed=reviewed,
        since=in_utc(since),
        until=in_utc(until),
        text=text,
    )


Chosen = Annotated[Filter, Depends(_chosen)]
"""Which inspections a request asks for."""


@router.get("/inspections", response_model=InspectionPage, summary="What was inspected, newest first")
def inspections(
    request: Request,
    wording: Asked,
    chosen: Chosen,
    limit: Annotated[AskedNumber, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="`next` of the page before.")] = None,
) -> InspectionPage:
    """A page of inspections that fit all that is asked for."""
    station = of(request).station
    page = station.log.find(limit=limit, before=before, **chosen)
    reviews = station.log.newest_reviews([entry.id for entry in page.entries])
    return InspectionPage(
        inspections=[InspectionRecord(**wording.record(entry_record(entry))) for entry in page.entries],
        reviews={key: review_record(review) for key, review in reviews.items()},
        next=page.next,
    )


@router.get("/inspections.csv", responses=CSV, response_class=Response, summary="What was inspected, as a table")
def inspections_csv(request: Request, chosen: Chosen) -> Response:
    """All inspections that fit what is asked for, newest first, with their reviews, in English."""
    return csv_answer(inspections_of(of(request).station.log, **chosen), "inspections.csv")


@router.get("/inspections/{id}", response_model=InspectionDetail, summary="One inspection")
def inspection(request: Request, id: InspectionId, wording: Asked) -> InspectionDetail:  # noqa: A002 - it is one
    """The inspection and all that people said of it."""
    station = of(request).station
    record = wording.record(entry_record(_entry(station, id)))
    reviews = [review_record(review) for review in station.log.reviews(id)]
    return InspectionDetail(inspection=InspectionRecord(**record), reviews=reviews)


@router.get("/inspections/{id}/picture", responses=PNG, response_class=Response, summary="The picture, as a PNG")
def picture(
    request: Request,
    id: InspectionId,  # noqa: A002 - it is one
    longest: Annotated[
        AskedNumber, Query(ge=16, le=20_000, description="Of its longest side, in pixels; larger ones are shrunk.")
    ] = 1600,
) -> Response:
    """The picture as it is seen through the bundle's window of pixel values.

    The header `Picture-Size` has the width and height it was taken at, in which regions are given.
    """
    station = of(request).station
    shown = station.gallery.picture(_entry(station, id), longest)
    answer = _shown(shown and shown.content, "there is no picture to show: it cannot be read, or is not kept")
    if shown is not None:
        answer.headers["Picture-Size"] = f"{shown.width}x{shown.height}"
    return answer


@router.get("/inspections/{id}/map", responses=PNG, response_class=Response, summary="The anomaly map, as a PNG")
def anomaly_map(request: Request, id: InspectionId) -> Response:  # noqa: A002 - it is one
    """Clear where a pixel is as in good pictures, half opaque at the threshold; to be laid over the picture."""
    station = of(request).station
    reason = "there is no map: it was not kept, the bundle that made it is no longer at work, or it makes none"
    return _shown(station.gallery.overlay(_entry(station, id)), reason)


@router.get("/inspections/{id}/normal", responses=PNG, response_class=Response, summary="The expected picture")
def normal(request: Request, id: InspectionId) -> Response:  # noqa: A002 - it is one
    """What a normal picture would look like in its place, where the detector has an idea of it."""
    station = of(request).station
    reason = "there is no expected picture: this detector has none, or its bundle is no longer at work"
    return _shown(station.gallery.normal(_entry(station, id)), reason)


def review_record(review: Review) -> ReviewRecord:
    """A review as JSON has it."""
    return ReviewRecord(
        inspection_id=review.inspection_id,
        label=review.label,
        who=review.who,
        kind=review.kind,
        note=review.note,
        regions=None if review.regions is None else [list(region) for region in review.regions],
        made_at=review.made_at,
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment in UTC, in which it is meant where it has no zone; raises UsageError where UTC has no such moment."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError("a moment lies before the year 1 or after 9999; give another") from error


def _entry(station: Station, id: str) -> Entry:  # noqa: A002 - it is one
    entry = station.log.entry(id)
    if entry is None:
        raise HTTPException(404, "there is no such inspection")
    return entry


def _shown(content: bytes | None, otherwise: str) -> Response:
    if content is None:
        raise HTTPException(404, otherwise)
    return Response(content, media_type="image/png", headers=KEEP)
