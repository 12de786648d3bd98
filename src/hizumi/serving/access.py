"""Who may do what: tokens, each with a name and a role, of which only hashes are kept."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, final, get_args

from hizumi.errors import DataError, UsageError
from hizumi.station.station_file import check_name
from hizumi.storage.files import write_atomically

Role = Literal["read", "review", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most; each may do what those before it may."""
LOCAL = "local"  # who acts where no token is set
LARGEST_FILE = 1_000_000  # bytes of a file of tokens


@dataclass(frozen=True)
class Token:
    """A token that was given to somebody, by the hash of it: 32 random bytes need no slow one."""

    name: str
    role: Role
    sha256: str


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this role or one above it is theirs."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def signs_as(self, given: str) -> str:
        """The name to write down: that of the token, or, where there are none, what they call themselves."""
        return given.strip() or LOCAL if self.name == LOCAL else self.name


@final
@dataclass(frozen=True)
class Access:
    """The tokens of a station; without any, whoever reaches it may do everything, so that it listens locally alone."""

    tokens: tuple[Token, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The tokens in a file; none where there is no file. Raises DataError where it cannot be read."""
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError("it is too large")
            tokens = tuple(Token(**fields) for fields in json.loads(path.read_text(encoding="utf-8")))
            if any(token.role not in ROLES for token in tokens):
                raise ValueError("a role is not known")
        except FileNotFoundError:
            return cls()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"{path.name} cannot be read: {reason}; let the station's user read it") from error
        except (ValueError, TypeError) as error:
            raise DataError(f"{path.name} is damaged ({error}): delete it and give out new tokens") from error
        return cls(tokens)

    def caller(self, secret: str | None) -> Caller | None:
        """Who has this token; None where nobody has. Takes as long for wrong ones as for right ones."""
        if not self.tokens:
            return Caller(LOCAL, "admin")
        digest = hashlib.sha256((secret or "").encode("utf-8", "surrogateescape")).hexdigest()
        found = [token for token in self.tokens if hmac.compare_digest(token.sha256, digest)]
        return Caller(found[0].name, found[0].role) if found and secret else None


def give_token(path: Path, name: str, role: Role) -> str:
    """A new token for somebody, in place of an earlier one of that name; only its hash is written."""
    check_named(name)
    secret = secrets.token_urlsafe(32)
    kept = [token for token in Access.read(path).tokens if token.name != name]
    _write(path, [*kept, Token(name, role, hashlib.sha256(secret.encode()).hexdigest())])
    return secret


def withdraw_token(path: Path, name: str) -> None:
    """Make a token worthless from the next start on; raises UsageError where there is none of that name."""
    tokens = Access.read(path).tokens
    if name not in {token.name for token in tokens}:
        there = ", ".join(token.name for token in tokens) or "none"
        raise UsageError(f"there is no token {name!r}; there are: {there}")
    _write(path, [token for token in tokens if token.name != name])


def check_named(name: str) -> None:
    """Raise UsageError for a name that cannot be kept."""
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _write(path: Path, tokens: Sequence[Token]) -> None:
    write_atomically(path, json.dumps([asdict(token) for token in tokens], indent=1).encode())
    path.chmod(0o600)
