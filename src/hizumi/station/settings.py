"""Tables of the station file as frozen settings, checked key by key; and secrets, which the file only points to."""

import ipaddress
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_type_hints
from urllib.parse import quote, urlsplit, urlunsplit

from annotated_types import Interval

from hizumi.arguments import check_value, options_of, plain
from hizumi.errors import UsageError
from hizumi.storage.files import printable, with_home


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Keys of every table of a source or a sink.

    Attributes:
        kind: Which source or sink it is.
        name: What the station calls it, and remembers what it has taken or still has to deliver by; by default its
            kind.
    """

    kind: str
    name: str = ""

    @property
    def called(self) -> str:
        """The name, or else the kind."""
        return self.name or self.kind


PLACEHOLDER = "{password}"  # stands for one in an address
Port = Annotated[int, Interval(ge=1, le=65535)]
AnySettings = TypeVar("AnySettings")


def settings_from(kind: type[AnySettings], table: Mapping[str, Any], where: str, root: Path = Path()) -> AnySettings:
    """The dataclass of settings that a table gives; relative paths start at `root`.

    Raises UsageError in one line, which begins with `where`, for an unknown or missing key, or a value that does not
    fit. A ValueError raised by the settings themselves, about how keys go together, becomes such a line too.
    """
    known = {field.name: field for field in fields(cast("Any", kind))}
    for key in table:
        if key not in known:
            close = get_close_matches(key, known, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known)}"
            raise UsageError(f"{where}: there is no key {printable(key)!r}; {hint}")
    for name, field in known.items():
        if name not in table and _is_required(field):
            raise UsageError(f"{where}: the key {name} is missing")
    annotations = get_type_hints(kind, include_extras=True)
    values = {key: _checked(annotations[key], value, f"{where}: {key}", root) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _checked(annotation: Any, value: Any, called: str, root: Path) -> Any:
    if is_dataclass(annotation) and isinstance(annotation, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{called} must be a table, under a line of its own in brackets")
        return settings_from(annotation, value, called, root)
    if Path in options_of(annotation):
        if not isinstance(value, str) or not value or "\0" in value:
            raise UsageError(f"{called} is {value!r}; it must be a path, as text")
        return root / with_home(value)
    if is_dataclass(annotation) and isinstance(value, cast("type", annotation)):  # a table of its own, checked already
        return value
    check_value(annotation, value, called)
    return plain(value)


def refuse_equal_places(what: str, places: Iterable[Any]) -> None:
    """Raise ValueError where two of these are one: what is written for one purpose would hide what the other shows."""
    counts = Counter(place for place in places if place is not None)
    for place, count in counts.items():
        if count > 1:
            raise ValueError(f"{what} {place} is named for {count} purposes; give each a {what} of its own")


def refuse_equal_names(tables: str, names: Sequence[str]) -> None:
    """Raise UsageError where two tables have one name, by which the log could not tell them apart."""
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"[[{tables}]]: {count} are called {printable(name)!r}; give each a name of its own")


@dataclass(frozen=True)
class Secret:
    """Where a password or key is found: in a file or an environment variable, read anew each time it is needed."""

    file: Path | None
    variable: str | None

    @classmethod
    def named(cls, what: str, file: Path | None, variable: str | None, *, required: bool = False) -> "Secret | None":
        """The secret that the keys `<what>_file` and `<what>_variable` point to, None where neither is set.

        Raises ValueError where both are set, or neither although one is required.
        """
        if file is not None and variable is not None:
            raise ValueError(f"{what}_file and {what}_variable are both set; set one")
        if file is None and variable is None:
            if required:
                raise ValueError(f"set {what}_file or {what}_variable; the station file itself holds no secrets")
            return None
        return cls(file, variable)

    def read(self) -> bytes:
        """The secret without the line end after it; raises UsageError, which never shows it, where there is none."""
        if self.file is None:
            place = f"the environment variable {self.variable}"
            found = os.fsencode(os.environ.get(self.variable or "", ""))
        else:
            place = printable(self.file.name)  # where folders lie is told to nobody who asks from afar
            try:
                found = self.file.read_bytes()
            except OSError as error:
                raise UsageError(f"{place}: the secret cannot be read ({os.strerror(error.errno or 0)})") from error
        found = found.rstrip(b"\r\n")
        if not found:
            raise UsageError(f"{place}: holds no secret; put one there")
        return found


def check_address(called: str, url: str, schemes: tuple[str, ...]) -> None:
    """Raise ValueError for an address of another scheme, without a host, or with a password in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        raise ValueError(f"{called} is not an address ({error})") from error
    if parts.password is not None or parts.username is not None:
        raise ValueError(f"{called} holds a user or password; name them by keys of their own")
    if parts.scheme not in schemes or not host or printable(url) != url or " " in url:
        raise ValueError(f"{called} must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")


def takes_password(url: str) -> bool:
    """Whether the path or query of an address has a place for a password."""
    parts = urlsplit(url)
    return PLACEHOLDER in parts.path + parts.query


def with_password(url: str, secret: Secret) -> str:
    """An address as its receiver wants it, which is told to nobody else."""
    parts, password = urlsplit(url), encoded(secret)
    path, query = (part.replace(PLACEHOLDER, password) for part in (parts.path, parts.query))
    return urlunsplit(parts._replace(path=path, query=query))


def encoded(secret: Secret) -> str:
    """A password as it stands in addresses."""
    return quote(secret.read().decode(), safe="")


def refuse_clear_password(host: str, encrypt: str, *, allowed: bool) -> None:
    """Raise ValueError for a password that would cross a network unencrypted; `encrypt` says how to encrypt it."""
    if not (allowed or is_loopback(host)):
        raise ValueError(
            f"the password would be sent to {printable(host)} in the clear: {encrypt}, or, on a network that nobody "
            "else reaches, password_in_the_clear = true"
        )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which no network sees."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
