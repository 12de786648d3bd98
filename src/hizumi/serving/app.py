"""The service as an application: routes behind the guard, and one shape for every error."""

from collections import Counter
from typing import Any

from fastapi import Depends, FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from hizumi.errors import BusyError, DataError, HizumiError, LogError, SaveError, UsageError
from hizumi.serving.access import Access
from hizumi.serving.context import Context, ForbiddenError
from hizumi.serving.guard import BodyTooLargeError, BodyTooSlowError, Guard, Limits, refusal
from hizumi.serving.metrics import Metrics
from hizumi.serving.routes import calibration, counts, drift, inspect, inspections, page, recipes, reviews, system
from hizumi.serving.schemas import Problem
from hizumi.serving.signing_in import SIGN_IN, signed_in
from hizumi.station.station import Station
from hizumi.storage.files import printable
from hizumi.version import __version__

REASONS = {
    400: "The request is wrong; `error` says what.",
    401: "The station asks for a token.",
    403: "The token's role is not enough, or the request comes from another site's page.",
    404: "There is none.",
    408: "The body took too long.",
    413: "The body is too large.",
    421: "The station does not go by that name.",
    422: "A parameter is wrong; `error` says which.",
    431: "The headers are too large.",
    429: "Too many pictures wait; `Retry-After` says when to come again.",
    503: "The station is closing, or its log cannot be reached.",
}


def make_app(station: Station, access: Access | None = None, limits: Limits | None = None) -> FastAPI:
    """The service for an open station."""
    access, limits = access or Access(), limits or Limits()
    app = FastAPI(
        title="hizumi station",
        version=__version__,
        description="Pictures in, verdicts out: each with its score, p-value, regions, and what a person said of it.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # the guard takes them off
        dependencies=[Depends(_refuse_unheeded)],
        responses={status: {"model": Problem, "description": reason} for status, reason in REASONS.items()},
    )
    metrics = Metrics(station)
    app.state.context = Context(station, limits, metrics)
    station.on_kept(metrics.count)
    for routes in (inspect, counts, inspections, reviews, calibration, drift, recipes, system, page):
        app.include_router(routes.router)
    _answer_errors(app, station)
    _add_sign_in(app, access)
    app.add_middleware(Guard, access=access, limits=limits)
    return app


async def _refuse_unheeded(request: Request) -> None:
    """Refuse a parameter that the route does not have, or has twice: it would not be heeded, without a word."""
    route = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get(request.method.lower())
    if route is None:  # of the page
        return
    known = [each["name"] for each in route.get("parameters", ()) if each["in"] == "query"]
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            there = ", ".join(known) or "none"
            raise HTTPException(422, f"query.{printable(name[:64])}: is no parameter here; there are {there}")
        if count > 1:
            raise HTTPException(422, f"query.{name}: is given {count} times; give it once")


def _add_sign_in(app: FastAPI, access: Access) -> None:
    @app.post(SIGN_IN, include_in_schema=False)
    async def sign_in(request: Request, token: str = Form("", max_length=1000)) -> Response:
        # As the proxy says that encrypts; a browser that says so itself binds its own cookie alone.
        is_encrypted = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        return signed_in(access, token, request.headers.get("accept-language", ""), is_encrypted=is_encrypted)


def _answer_errors(app: FastAPI, station: Station) -> None:
    answers: dict[type[Exception], Any] = {
        HTTPException: lambda error: (error.status_code, str(error.detail), error.headers),
        ForbiddenError: lambda error: (403, str(error)),
        RequestValidationError: lambda error: (422, _first_of(error)),
        BodyTooLargeError: lambda _: (413, "the body is larger than what is taken"),
        BodyTooSlowError: lambda _: (408, "the body was not complete in time"),
        ClientDisconnect: lambda _: (400, "the connection ended before the body did"),
        UsageError: lambda error: (400, str(error)),
        DataError: lambda error: (404, str(error)),  # such as a kept picture that was damaged on the disk
        LogError: lambda error: (503, str(error), {"Retry-After": "5"}),
        SaveError: lambda error: (503, str(error), {"Retry-After": "5"}),
        HizumiError: lambda error: (400, str(error)),
    }
    for kind, meaning in answers.items():

        async def answer(request: Request, error: Exception, meaning: Any = meaning) -> Response:
            status, reason, *headers = meaning(error)
            reason = station.settings.without_folders(reason)
            return refusal(request.headers, status, reason, *headers)

        app.add_exception_handler(kind, answer)

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> Response:
        closing = station.is_closing
        status, wait = (503, "60") if closing else (429, "1")
        return refusal(request.headers, status, str(error), {"Retry-After": wait})

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        # What it was goes to the terminal, with its place in the code; the answer shows nothing of it.
        return refusal(request.headers, 500, "something failed inside the station; its terminal says more")


def _first_of(error: RequestValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid" or (first["type"], first["loc"]) == ("model_attributes_type", ("body",)):
        return "the body is no JSON object; send one, with Content-Type: application/json"
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
