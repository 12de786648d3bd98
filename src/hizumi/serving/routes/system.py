"""How the station does: health, metrics, recipes, and events as they happen."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from hizumi.serving.context import Context, must_be, of
from hizumi.serving.guard import ENDLESS, caller_of, refusal
from hizumi.serving.language import Asked
from hizumi.serving.routes.recipes import recipe_record
from hizumi.serving.schemas import Health, Readiness, SystemState
from hizumi.station.languages import Wording
from hizumi.version import __version__

LISTENERS = 64
SILENCE_SECONDS = 15.0  # after which a listener is told that the connection still holds

router = APIRouter()


@router.get("/health", summary="Whether the service answers")
async def health() -> Health:
    """Always, as long as it runs."""
    return Health(version=__version__)


@router.get("/ready", responses={503: {"model": Readiness}}, summary="Whether pictures are taken now")
def ready(request: Request, response: Response, wording: Asked) -> Readiness:
    """Status 503 while the station closes, or as many pictures wait as it takes."""
    state = _readiness(of(request), wording)
    response.status_code = 200 if state.ready else 503
    return state


@router.get("/system", summary="The station's state, and who you are to it")
def system(request: Request, wording: Asked) -> SystemState:
    """What a page needs to begin with."""
    context, caller = of(request), caller_of(request.scope)
    return SystemState(
        station=context.station.settings.name,
        version=__version__,
        you=caller.name,
        role=caller.role,
        readiness=_readiness(context, wording),
        recipes=[recipe_record(context.station, recipe, wording) for recipe in context.station.recipes.values()],
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Counters for Prometheus",
)
def metrics(request: Request) -> Response:
    """Verdicts, latency, queue, p-values, and what could not be kept."""
    return Response(of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get(
    ENDLESS,
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    summary="What happens, as it happens",
)
async def events(request: Request, wording: Asked) -> Response:
    """Server-sent events: `inspection`, `part`, `review`, `calibration`, `drift`; the data are JSON.

    A listener that is too slow hears `missed` in place of what it was not told of.
    """
    must_be(request, "read")
    station = of(request).station
    if len(station.events) >= LISTENERS:
        return refusal(request.headers, 503, f"{LISTENERS} listen already", {"Retry-After": "60"})
    return StreamingResponse(_told(of(request), wording), media_type="text/event-stream")


async def _told(context: Context, wording: Wording) -> AsyncIterator[str]:
    with context.station.events.heard() as queue:
        yield ": the station is listening\n\n"
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), SILENCE_SECONDS)
            except TimeoutError:
                yield ":\n\n"
                continue
            if event is None:
                return
            data = wording.record(event.data) if event.name == "inspection" else event.data
            yield f"event: {event.name}\ndata: {json.dumps(data)}\n\n"


def _readiness(context: Context, wording: Wording) -> Readiness:
    station = context.station
    backlog = station.log.backlog()
    return Readiness(
        ready=not station.is_closing and station.in_flight < station.settings.waiting,
        in_flight=station.in_flight,
        waiting_limit=station.settings.waiting,
        entries_not_kept=station.losses.entries,
        pictures_not_kept=station.losses.pictures,
        reason=wording.message(station.losses.reason),
        deliveries={sink: list(backlog.get(sink, (0, 0))) for sink in dict.fromkeys([*station.outbox.sinks, *backlog])},
        delivery_troubles={sink: wording.message(trouble) for sink, trouble in station.outbox.troubles().items()},
        sources={source.name: wording.message(source.trouble) for source in station.sources},
    )
