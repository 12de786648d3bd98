"""What the routes work on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from hizumi.serving.access import Caller, Role
from hizumi.serving.guard import Limits, caller_of
from hizumi.station.station import Station

if TYPE_CHECKING:
    from hizumi.serving.metrics import Metrics


class ForbiddenError(Exception):
    """A token's role is not enough."""

    def __init__(self, role: Role) -> None:
        super().__init__(f"this takes a token with the role {role!r}")


@dataclass(frozen=True)
class Context:
    """The station, what one request may ask of it, and what is counted."""

    station: Station
    limits: Limits
    metrics: "Metrics"


def of(request: HTTPConnection) -> Context:
    """The context of the service that got a request."""
    context: Context = request.app.state.context
    return context


def must_be(request: HTTPConnection, role: Role) -> Caller:
    """Whoever sent the request; raises ForbiddenError where theirs is a lower role."""
    caller = caller_of(request.scope)
    if not caller.may(role):
        raise ForbiddenError(role)
    return caller
