"""The servers that opsjobs.yml declares: how each is reached, and how it lets opsjobs in.

What an operator writes of a server becomes its connection, with the secrets read from where they are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator

from opsjobs.declaration import Declared, FromEnvironment
from opsjobs.errors import ConfigError
from opsjobs.http import Connection

_SPACE = 0x20
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_SLUG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}")


def _not_inline(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, FromEnvironment):
        message = "a secret does not belong into this file: write ${VARIABLE}, or use the key that ends in _file"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns only ValueError into a fault
    return value


def _one_line(value: str) -> str:
    if any(ord(character) < _SPACE for character in value):
        raise ValueError("it has a line break or another control character: a secret is one line")
    return value


def _secret_line(value: SecretStr) -> SecretStr:
    _one_line(value.get_secret_value())
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address such as https://prometheus.example.com:9090")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong into a url: use username and password_file")
    if parts.query or parts.fragment:
        raise ValueError("must end with the path: no ? and no #")
    return value.rstrip("/")


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError("must be a slug such as my-team: letters, digits, - and _ only, 100 at most")
    return value


def not_in_clear(url: str, what: str) -> None:
    """Nothing that matters leaves this machine in clear. Raises `ValueError`; `what` is what would."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
        raise ValueError(f"{what} is not sent in clear: use https, except to this machine")


def address(value: str) -> str:
    """One plain mail address. Raises `ValueError`."""
    name, plain_address = parseaddr(value)
    local, _, domain = plain_address.partition("@")
    plain = value.isascii() and value.isprintable() and not set(value) & set(",;")
    if name or not (local and domain) or plain_address != value or not plain:
        raise ValueError("must be one mail address such as alerts@example.com")
    return value


Address = Annotated[str, AfterValidator(address)]
Secret = Annotated[SecretStr, BeforeValidator(_not_inline), AfterValidator(_secret_line)]
Header = Annotated[SecretStr, AfterValidator(_secret_line)]
Url = Annotated[str, AfterValidator(_url)]
# It becomes a part of addresses that are asked.
Slug = Annotated[str, AfterValidator(_slug)]


class HttpServer(Declared):
    """How to reach a server over HTTP, and how to be let in."""

    url: Url
    username: str = ""
    password: Secret | None = None
    password_file: Path | None = None
    token: Secret | None = None
    token_file: Path | None = None
    headers: dict[str, Header] = Field(default_factory=dict)
    """Sent with each request, for example X-Scope-OrgID: team-a."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    cert_file: Path | None = None
    """A client certificate, with its key in `key_file`."""
    key_file: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=600)] = 30
    """Seconds for one query, retries among them."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """How many queries at once; a Prometheus works on 20 by default, for everybody."""

    @model_validator(mode="after")
    def _one_identity(self) -> HttpServer:
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        if (self.token or self.token_file) and (self.username or self.password or self.password_file):
            raise ValueError("give a token or a username with a password, not both")
        if bool(self.username) != bool(self.password or self.password_file):
            raise ValueError("username and password (or password_file) go together")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs cert_file")
        return self


class PrometheusServer(HttpServer):
    """How to reach something that answers the Prometheus HTTP API."""

    url: Url = "http://localhost:9090"
    """The address below which /api/v1/query is; a path is kept (Mimir: .../prometheus, a VictoriaMetrics tenant)."""
    data: Path | None = None
    """Its data folder, as it is reached from here: from there snapshots are fetched."""


class AlertmanagerServer(HttpServer):
    """How to reach an Alertmanager."""

    url: Url = "http://localhost:9093"
    """The address below which /api/v2/status is."""


class GrafanaServer(HttpServer):
    """How to reach a Grafana: by the token of a service account that may view, or a user's name and password."""

    url: Url = "http://localhost:3000"
    """The address below which /api/health is."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """How many objects are read at once when they are backed up."""
    organisations: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """The numbers of those that are backed up, by a user with a password. Default: one's own, as of every token."""

    @model_validator(mode="after")
    def _one_or_many(self) -> GrafanaServer:
        if self.organisations and not self.username:
            raise ValueError("organisations need a username and a password: a token belongs to one organisation")
        if len(set(self.organisations)) < len(self.organisations):
            raise ValueError("organisations are named once each")
        return self


class PostgresServer(Declared):
    """How to ask a PostgreSQL how it is, as a role that docs/databases.md makes."""

    host: Annotated[str, Field(min_length=1)] = "localhost"
    """A name, an address, or the folder of its Unix socket."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 5432
    dbname: Annotated[str, Field(min_length=1)]
    user: Annotated[str, Field(min_length=1)] = "opsjobs"
    password: Secret | None = None
    password_file: Path | None = None
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """Default: verify-full; prefer on this machine. To another one only verify-full, or verify-ca with ca_file."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 30
    """Seconds for all that is asked, one statement after the other."""
    allow_superuser: bool = False
    """Ask although the role may do more than look. A session that is read only does not hold such a role back."""
    show_queries: bool = False
    """Whether reports show the text of slow statements, without its constants, in place of its identifier."""

    @model_validator(mode="after")
    def _verified(self) -> PostgresServer:
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        if self.sslmode == "verify-ca" and not self.ca_file:
            raise ValueError("sslmode: verify-ca needs ca_file: any name is trusted that the authority signed")
        if not _is_local(self.host) and self.sslmode in {"disable", "prefer", "require"}:
            raise ValueError(
                f"sslmode: {self.sslmode} is only for a server on this machine; "
                "use verify-full, or verify-ca with ca_file"
            )
        return self


class RedisServer(Declared):
    """How to ask a Redis how it is."""

    host: Annotated[str, Field(min_length=1)] = "localhost"
    port: Annotated[int, Field(gt=0, lt=65536)] = 6379
    username: str = ""
    """Default: Redis' own `default` user."""
    password: Secret | None = None
    password_file: Path | None = None
    tls: bool = False
    """Whether it is asked over TLS, with a certificate that is verified."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10
    """Seconds for all that is asked."""

    @model_validator(mode="after")
    def _one_identity(self) -> RedisServer:
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        if self.username and not (self.password or self.password_file):
            raise ValueError("a username needs a password (or password_file)")
        if self.ca_file and not self.tls:
            raise ValueError("ca_file needs tls: true")
        return self


class SentryServer(Declared):
    """How to ask a Sentry for the errors of one project."""

    url: Url = "https://sentry.io"
    """The address below which /api/0 is; https://de.sentry.io for data that is kept in the EU."""
    organization: Slug
    project: Slug
    """The slugs, as they stand in the addresses of Sentry's pages."""
    token: Secret | None = None
    token_file: Path | None = None
    """A token with org:read, project:read and event:read."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 30
    """Seconds for all that is asked."""

    @model_validator(mode="after")
    def _one_token(self) -> SentryServer:
        if bool(self.token) == bool(self.token_file):
            raise ValueError("give token or token_file: one of the two")
        not_in_clear(self.url, "a token")
        return self


class ErrorReporting(Declared):
    """Where opsjobs sends its own errors and how its runs went; needs the extra `sentry`."""

    dsn: Secret | None = None
    dsn_file: Path | None = None
    """The DSN of a Sentry project."""
    environment: Annotated[str, Field(min_length=1, max_length=64)] = "production"

    @model_validator(mode="after")
    def _one_dsn(self) -> ErrorReporting:
        if bool(self.dsn) == bool(self.dsn_file):
            raise ValueError("give dsn or dsn_file: one of the two")
        return self


class Email(Declared):
    """How mail is sent: over TLS that is verified; in clear only to this machine."""

    host: str
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """Default: 587 for starttls, 465 for tls, 25 for none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret | None = None
    password_file: Path | None = None
    sender: Address
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    timeout: Annotated[float, Field(gt=0, le=300)] = 30
    """Seconds for each answer of the server."""
    largest: Annotated[float, Field(gt=0)] = 10
    """Megabytes of a whole message; beyond it the mail goes without its files and says where they are."""

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> Email:
        if self.security == "none" and self.host not in _THIS_MACHINE:
            raise ValueError("security: none is only for a server on this machine; use starttls or tls")
        if self.security == "none" and self.username:
            raise ValueError("a password is not sent in clear: use starttls or tls")
        if bool(self.username) != bool(self.password or self.password_file):
            raise ValueError("username and password (or password_file) go together")
        if self.password and self.password_file:
            raise ValueError("give password or password_file, not both")
        return self


@dataclass(frozen=True, kw_only=True)
class PostgresConnection:
    """Where a PostgreSQL is and how to be let in. The password is absent from its repr."""

    key: str
    """Where it stands in the configuration, for advice."""
    host: str
    port: int
    dbname: str
    user: str
    password: str = field(default="", repr=False)
    sslmode: str = "verify-full"
    ca_file: str = ""
    timeout: float = 30.0
    """Seconds for all that is asked."""
    allow_superuser: bool = False
    show_queries: bool = False
    name: str = "PostgreSQL"
    """What people call the server, for error texts."""


@dataclass(frozen=True, kw_only=True)
class RedisConnection:
    """Where a Redis is and how to be let in. The password is absent from its repr."""

    key: str
    """Where it stands in the configuration, for advice."""
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    timeout: float = 10.0
    """Seconds for all that is asked."""
    name: str = "Redis"
    """What people call the server, for error texts."""


def connection(server: HttpServer, key: str, base: Path, name: str = "Prometheus") -> Connection:
    """The server's connection, its secrets read from their files. `key` is where it stands. Raises `ConfigError`."""

    def path(value: Path | None) -> str:
        return str(base / value) if value else ""

    password = secret(server.password, server.password_file, base)
    return Connection(
        name=name,
        key=key,
        url=server.url,
        auth=(server.username, password) if server.username else None,
        token=secret(server.token, server.token_file, base),
        headers={key: value.get_secret_value() for key, value in server.headers.items()},
        ca_file=path(server.ca_file),
        cert_file=path(server.cert_file),
        key_file=path(server.key_file),
        timeout=server.timeout,
        concurrency=server.concurrency,
    )


def prometheus_at(url: str, key: str) -> Connection:
    """The connection to an address without credentials; `key` is where it was given. Raises `ConfigError`."""
    try:
        return connection(PrometheusServer(url=url), key, Path())
    except ValidationError as error:
        # Not the address itself: it may well hold a password.
        reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors(include_input=False))
        raise ConfigError(f"{key}: {reasons}") from None


def postgresql_connection(server: PostgresServer, key: str, base: Path) -> PostgresConnection:
    """The server's connection, its password read from its file. `key` is where it stands. Raises `ConfigError`."""
    return PostgresConnection(
        key=key,
        host=server.host,
        port=server.port,
        dbname=server.dbname,
        user=server.user,
        password=secret(server.password, server.password_file, base),
        sslmode=server.sslmode or ("prefer" if _is_local(server.host) else "verify-full"),
        ca_file=str(base / server.ca_file) if server.ca_file else "",
        timeout=server.timeout,
        allow_superuser=server.allow_superuser,
        show_queries=server.show_queries,
    )


def redis_connection(server: RedisServer, key: str, base: Path) -> RedisConnection:
    """The server's connection, its password read from its file. `key` is where it stands. Raises `ConfigError`."""
    return RedisConnection(
        key=key,
        host=server.host,
        port=server.port,
        username=server.username,
        password=secret(server.password, server.password_file, base),
        tls=server.tls,
        ca_file=str(base / server.ca_file) if server.ca_file else "",
        timeout=server.timeout,
    )


def sentry_connection(server: SentryServer, key: str, base: Path) -> Connection:
    """The server's connection, its token read from its file. `key` is where it stands. Raises `ConfigError`."""
    return Connection(
        name="Sentry",
        key=key,
        url=server.url,
        token=secret(server.token, server.token_file, base),
        ca_file=str(base / server.ca_file) if server.ca_file else "",
        timeout=server.timeout,
        concurrency=1,
    )


def reporting_dsn(server: ErrorReporting, base: Path) -> str:
    """Where errors are sent, with the key that lets them in. Raises `ConfigError`."""
    dsn = secret(server.dsn, server.dsn_file, base)
    if not _is_dsn(dsn):
        raise ConfigError(
            "sentry.dsn: it is no DSN",
            advice="It looks like https://KEY@sentry.example.com/7: see the client keys of the project in Sentry.",
        )
    try:
        not_in_clear(dsn, "what went wrong")
    except ValueError as error:
        raise ConfigError(f"sentry.dsn: {error}") from None
    return dsn


def _is_dsn(text: str) -> bool:
    try:
        parts = urlsplit(text)
        project = parts.path.rpartition("/")[2]
        return bool(parts.scheme in {"http", "https"} and parts.hostname and parts.username and project.isdecimal())
    except ValueError:
        # What it says may repeat the key.
        return False


def mail_password(email: Email, base: Path) -> str:
    """The password of the mail server, read from its file where it has one. Raises `ConfigError`."""
    return secret(email.password, email.password_file, base)


def _is_local(host: str) -> bool:
    """Whether it is this machine: by name, by address, or by the folder of a socket."""
    return host in _THIS_MACHINE or host.startswith("/")


def secret(value: SecretStr | None, file: Path | None, base: Path) -> str:
    """A secret as it is given, or as it stands in its file; empty where neither is. Raises `ConfigError`."""
    if file is None:
        return value.get_secret_value() if value else ""
    try:
        return _one_line((base / file).read_text("utf-8").strip())
    except (OSError, ValueError) as error:
        fallback = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        reason = getattr(error, "strerror", None) or fallback
        raise ConfigError(f"{base / file}: cannot be read: {reason}", advice="The file holds one secret.") from None
