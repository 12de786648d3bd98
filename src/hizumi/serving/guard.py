"""What every request has to pass before it is answered, and the headers that every answer carries."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final, final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hizumi.serving.access import Access, Caller
from hizumi.serving.signing_in import COOKIE, SIGN_IN, sign_in_page
from hizumi.station.languages import Wording, language_of

WHO_ARE_YOU = "this station asks for a token: send it as 'Authorization: Bearer TOKEN', or sign in on its page"
HEAD_BYTES = 8 * 2**10  # of all headers together
ENDLESS: Final = "/events"  # whose answer has no end
BODY_SECONDS = 30.0  # for a whole body to come
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BodyTooLargeError(Exception):
    """A body went over the limit while it was read."""


class BodyTooSlowError(Exception):
    """A body was not complete in time."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for; `hosts` are names that the station may be called by, beside its addresses."""

    body_bytes: int = 64 * 2**20
    pictures: int = 100
    hosts: tuple[str, ...] = ()


@final
class Guard:
    """Refuses requests for other hosts, from pages of other sites, without a token, and with too much to read."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits) -> None:
        self._app = app
        self._access = access
        self._limits = limits
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in limits.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        with_headers = _adding_headers(send)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await refused(scope, receive, with_headers)
            return
        if scope["method"] == "HEAD" and scope["path"] != ENDLESS:
            scope = {**scope, "method": "GET"}  # of whose answer the server leaves the body out
        # A redirect would lead out of the encryption of a proxy, with the token and the picture.
        scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, self._limited(receive), with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host, length = headers.get("host", ""), headers.get("content-length", "0")
        origin = headers.get("origin")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_BYTES:
            return refusal(headers, 431, f"the headers are larger than {HEAD_BYTES >> 10} KiB, the most that is taken")
        if not self._is_own_host(host):
            return refusal(headers, 421, "the station does not go by that name; its start can allow it (--host-name)")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return refusal(headers, 403, "requests from pages of other sites are not answered")
        if not (length.isascii() and length.isdigit()):
            return refusal(headers, 400, "Content-Length is not a number")
        if int(length[:20]) > self._limits.body_bytes:
            most = f"{self._limits.body_bytes >> 20} MiB"
            return refusal(headers, 413, f"the body is larger than {most}, the most that is taken")
        caller = self._access.caller(_secret_in(headers))
        if caller is None and not (scope["path"] == SIGN_IN and scope["method"] == "POST"):
            if "text/html" in headers.get("accept", ""):
                return sign_in_page(headers.get("accept-language", ""), path=scope["path"])
            return refusal(headers, 401, WHO_ARE_YOU, {"WWW-Authenticate": "Bearer"})
        scope.setdefault("state", {})["caller"] = caller
        return None

    def _is_own_host(self, host: str) -> bool:
        # An address cannot be made to lead elsewhere, as a name can that somebody else owns.
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)

    def _limited(self, receive: Receive) -> Receive:
        taken, deadline = 0, asyncio.get_running_loop().time() + BODY_SECONDS

        async def limited() -> Message:
            nonlocal taken
            if taken < 0:  # the body is complete: what may still come is the end of the connection
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlowError from error
            taken += len(message.get("body", b""))
            if taken > self._limits.body_bytes:
                raise BodyTooLargeError
            if not message.get("more_body", False):
                taken = -1
            return message

        return limited


def refusal(asked: Headers, status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to whatever is not done, in the language of whoever asked."""
    wording = Wording(language_of(asked.get("accept-language", "")))
    return JSONResponse({"error": wording.message(reason)}, status, headers)


def caller_of(scope: Scope) -> Caller:
    """Whoever sent the request, as the guard found."""
    caller: Caller = scope["state"]["caller"]
    return caller


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _secret_in(headers: Headers) -> str | None:
    """The token that a request carries, in its header or in the cookie of the page."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else cookie.value


def _adding_headers(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", POLICY)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return adding
