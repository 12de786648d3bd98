"""Webhook: each event as JSON to an address of yours, signed, so that the receiver knows whom it is from."""

import asyncio
import hashlib
import hmac
import ssl
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hizumi.arguments import PositiveFloat
from hizumi.errors import MissingExtraError, UsageError
from hizumi.station.settings import (
    PLACEHOLDER,
    Secret,
    check_address,
    refuse_clear_password,
    takes_password,
    with_password,
)
from hizumi.station.sinks.sink import Connection, DeliveryError, Payload, Sink, SinkSettings, as_json

if TYPE_CHECKING:
    import httpx

RETRIED = {408, 425, 429}  # of the answers that say that the request was wrong, those that time can mend
LONGEST_ANSWER = 65536  # bytes that are read of an answer, so that its connection can be used again
LONGEST_WAIT_SECONDS = 3600.0  # that a receiver may ask for


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(SinkSettings):
    """Keys of a sink of the kind "webhook".

    Attributes:
        url: Where each event is posted to; redirects are not followed. For receivers that want a password or token in
            its path or query, {password} stands there.
        password_file, password_variable: Where that is found, with either of these two.
        password_in_the_clear: Send it without encryption, to another machine too.
        secret_file, secret_variable: Where the key of the signature is found: in a file or an environment variable.
        ca_file: Certificates to trust in place of the system's, as PEM, for a receiver with a certificate of your own.
        connect_seconds: Time limit for making the connection.
        total_seconds: Time limit for the whole delivery.
    """

    url: str
    password_file: Path | None = None
    password_variable: str | None = None
    password_in_the_clear: bool = False
    secret_file: Path | None = None
    secret_variable: str | None = None
    ca_file: Path | None = None
    connect_seconds: PositiveFloat = 5.0
    total_seconds: PositiveFloat = 15.0

    def __post_init__(self) -> None:
        check_address("url", self.url, ("http", "https"))
        Secret.named("secret", self.secret_file, self.secret_variable, required=True)
        password = Secret.named("password", self.password_file, self.password_variable)
        if (password is not None) != takes_password(self.url):
            given = f"{PLACEHOLDER} in url"
            raise ValueError(f"{given} and password_file or password_variable go together; set both or neither")
        parts = urlsplit(self.url)
        if password is not None and parts.scheme == "http":
            refuse_clear_password(parts.hostname or "", "begin url with https", allowed=self.password_in_the_clear)


def signature_of(body: bytes, secret: bytes, moment: int) -> str:
    """The header Hizumi-Signature: HMAC-SHA256 over "<moment>." and the body; the moment is in seconds since 1970."""
    digest = hmac.new(secret, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


class WebhookSink(Sink):
    """See `WebhookSettings`. Answers of 200 to 299 are taken for delivered; what 4xx answers refuse is not repeated."""

    def __init__(self, settings: WebhookSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        self._secret = Secret.named("secret", settings.secret_file, settings.secret_variable, required=True)
        self._password = Secret.named("password", settings.password_file, settings.password_variable)
        self._connection = Connection(self._connect)

    async def deliver(self, payload: Payload) -> None:
        """Post the payload; the moment of the signature is that of this attempt."""
        assert self._secret is not None
        body = as_json(payload)
        try:
            signature = signature_of(body, self._secret.read(), int(time.time()))
            url = self.settings.url if self._password is None else with_password(self.settings.url, self._password)
        except UsageError as error:
            raise DeliveryError(str(error), retry=True) from error
        headers = {
            "Content-Type": "application/json",
            "Hizumi-Signature": signature,
            "Idempotency-Key": str(payload["delivery_id"]),
        }
        status, retry_after = await self._post(url, body, headers)
        if not 200 <= status < 300:
            raise _refused(status, retry_after)

    async def close(self) -> None:
        """Close kept connections."""
        await self._connection.close()

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        """The answer's status and its Retry-After."""
        import httpx

        try:
            async with (
                asyncio.timeout(self.settings.total_seconds),
                self._connection.use() as client,
                client.stream("POST", url, content=body, headers=headers) as response,
            ):
                taken = 0
                async for piece in response.aiter_raw():
                    taken += len(piece)
                    if taken > LONGEST_ANSWER:
                        break
                return response.status_code, response.headers.get("Retry-After")
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {self.settings.total_seconds:g} s", retry=True) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"cannot be reached ({reason})", retry=True) from error
        except OSError as error:
            raise DeliveryError(f"ca_file cannot be used ({error.strerror})", retry=True) from error

    def _connect(self) -> "AbstractAsyncContextManager[httpx.AsyncClient]":
        import httpx

        timeout = httpx.Timeout(self.settings.total_seconds, connect=self.settings.connect_seconds)
        # No proxy and no password may come from the environment: nothing is connected to but the configured address.
        return httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=self.settings.ca_file),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )


def webhook(settings: WebhookSettings) -> WebhookSink:
    """The sink; raises MissingExtraError where its package is not installed."""
    try:
        import httpx  # noqa: F401 - to fail early
    except ImportError as error:
        raise MissingExtraError("webhooks need more packages: pip install 'hizumi[serve]'") from error
    return WebhookSink(settings)


def _refused(status: int, retry_after: str | None) -> DeliveryError:
    if 300 <= status < 400:
        return DeliveryError(f"answered {status}, and redirects are not followed; give the final address", retry=False)
    retry = status in RETRIED or status >= 500 or status < 200
    return DeliveryError(f"answered {status}", retry=retry, retry_after_seconds=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as seconds from now: a number, or a date of HTTP."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return min(float(retry_after), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
