"""`/drift`: whether light, lens or parts have changed, and who has seen to it."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from hizumi.serving.context import must_be, of
from hizumi.serving.language import Asked
from hizumi.serving.routes.inspections import in_utc
from hizumi.serving.schemas import RecipeName, Text
from hizumi.serving.tables import CSV, csv_answer
from hizumi.station.events import Event
from hizumi.station.exporting import alarms_of

router = APIRouter()


class DriftState(BaseModel):
    """What is watched, in words; charts to be drawn; alarms, the oldest first."""

    recipe: str
    armed: bool
    words: str
    charts: list[dict[str, Any]]
    alarms: list[dict[str, Any]]
    changes: list[dict[str, Any]]


class Acknowledged(BaseModel):
    """An alarm that somebody has seen."""

    model_config = ConfigDict(extra="forbid")

    recipe: RecipeName | None = None
    alarm_id: Annotated[str, StringConstraints(max_length=64)]
    note: Text = ""
    who: Annotated[str, StringConstraints(max_length=100)] = ""


class Accepted(BaseModel):
    """A change that is the new normal."""

    model_config = ConfigDict(extra="forbid")

    recipe: RecipeName | None = None
    note: Text = ""
    who: Annotated[str, StringConstraints(max_length=100)] = ""


@router.get("/drift", summary="Charts and alarms")
def state(request: Request, wording: Asked, recipe: Annotated[str | None, Query(max_length=64)] = None) -> DriftState:
    """Of scores and pictures, with their limits."""
    station = of(request).station
    name = station.recipe(recipe).name
    watch = station.drift.watch(name)
    status = watch.status
    return DriftState(
        recipe=name,
        armed=bool(status.watched),
        words=wording.statements(status.said),
        charts=[chart.to_dict() for chart in watch.charts()],
        alarms=[alarm | {"words": wording.alarm(alarm)} for alarm in (each.to_dict() for each in watch.alarms)],
        changes=[change.to_dict() for change in watch.changes],
    )


@router.get("/drift/alarms.csv", responses=CSV, response_class=Response, summary="Drift alarms, as a table")
def alarms_csv(
    request: Request,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[datetime | None, Query(description="Held then or later; UTC without a zone.")] = None,
    until: Annotated[datetime | None, Query(description="Raised before that moment.")] = None,
) -> Response:
    """All that the log holds, newest first, with who saw them and when they were over, in English."""
    log = of(request).station.log
    return csv_answer(alarms_of(log, recipe=recipe, since=in_utc(since), until=in_utc(until)), "alarms.csv")


@router.post("/drift/acknowledge", summary="Say that an alarm was seen")
async def acknowledge(request: Request, seen: Acknowledged) -> dict[str, Any]:
    """While it holds, the quiet period begins anew; it stays in the log, with who saw it and what they said."""
    caller, station = must_be(request, "review"), of(request).station
    name = station.recipe(seen.recipe).name
    who = caller.signs_as(seen.who)
    alarm = station.drift.watch(name).acknowledge(seen.alarm_id, who, seen.note)
    await asyncio.to_thread(station.log.acknowledge, alarm.id, who, seen.note)
    await asyncio.to_thread(station.drift.keep, name)
    station.events.tell(Event("drift", {"recipe": name, **alarm.to_dict()}))
    return alarm.to_dict()


@router.post("/drift/accept", summary="Take a change as the new normal")
async def accept(request: Request, asked: Accepted) -> dict[str, Any]:
    """The watch learns what is normal from the pictures since the last alarm, and all alarms are over."""
    caller, station = must_be(request, "admin"), of(request).station
    name = station.recipe(asked.recipe).name
    change = await station.accept_drift(name, who=caller.signs_as(asked.who), why=asked.note)
    return change.to_dict()
