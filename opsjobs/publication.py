"""What opsjobs.yml declares of how opsjobs shows itself: the archive of its reports, and its own metrics."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from opsjobs.declaration import Declared
from opsjobs.errors import ConfigError
from opsjobs.servers import HttpServer, Secret, Url, secret

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]+")
_UNGUARDED = "whoever reaches it reads everything: give a token_file, or a username and a password_file"


def _name(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("must be the name of a host such as reports.example.com: small letters, no port")
    return value


class Serve(Declared):
    """Where the archive of reports is served, and who is let in."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that is listened on: of this machine alone, unless something lets in."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 9099
    names: tuple[Annotated[str, AfterValidator(_name)], ...] = ()
    """By which names browsers ask for it, such as that of a reverse proxy."""
    token: Secret | None = None
    token_file: Path | None = None
    """Lets in as a bearer token, or as anybody's password."""
    username: str = ""
    password: Secret | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Serve:
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        if bool(self.username) != bool(self.password or self.password_file):
            raise ValueError("username and password (or password_file) go together")
        if not (is_loopback(self.host) or self.guarded):
            raise ValueError(f"host: {self.host} is reached from elsewhere, and {_UNGUARDED}")
        return self

    @property
    def guarded(self) -> bool:
        """Whether it takes something to be let in."""
        return bool(self.token or self.token_file or self.username)


class Pushgateway(HttpServer):
    """How to reach a Pushgateway."""

    url: Url = "http://localhost:9091"
    """The address below which /metrics/job/opsjobs is."""


class Telemetry(Declared):
    """Where opsjobs' own metrics go, where nobody comes for them."""

    pushgateway: Pushgateway | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """By which names a site is asked for, and what lets in. Secrets are absent from its repr."""

    names: frozenset[str] | None
    """None for any."""
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


def access(serve: Serve, host: str, base: Path) -> Access:
    """What it takes to be let in where `host` is listened on, secrets read from their files. Raises `ConfigError`."""
    if not (is_loopback(host) or serve.guarded):
        raise ConfigError(f"{host} is reached from elsewhere, and {_UNGUARDED}", advice="Both stand below serve.")
    token = secret(serve.token, serve.token_file, base)
    password = secret(serve.password, serve.password_file, base)
    for name, declared, value in (
        ("token", serve.token or serve.token_file, token),
        ("password", serve.username, password),
    ):
        if declared and not value:
            raise ConfigError(f"serve.{name} is empty, and would let everybody in", advice="Write it into its file.")
    own = {"localhost", "127.0.0.1", "::1", host.lower(), *serve.names}
    # Elsewhere nobody knows by what names this machine goes; what lets in is asked of all of them.
    names = frozenset(own) if is_loopback(host) or serve.names else None
    return Access(names=names, token=token, username=serve.username, password=password)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
