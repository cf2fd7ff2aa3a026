"""The operator's file (opsjobs.yml): which systems there are, how to reach them, where to keep what is made.

Secrets come from the environment (`${VAR}`) or from files (`..._file`), never from the text of the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from opsjobs import receivers, system
from opsjobs.declaration import Declared, did_you_mean, load
from opsjobs.errors import ConfigError, Fault, UsageError
from opsjobs.expenses import ExpensesSpec
from opsjobs.log import MASK
from opsjobs.publication import Serve, Telemetry
from opsjobs.receivers import MaintenanceSpec, PingSpec, ReceiverSpec
from opsjobs.safekeeping import Backups, OtherName, Place
from opsjobs.servers import (
    Address,
    AlertmanagerServer,
    Email,
    ErrorReporting,
    GrafanaServer,
    PostgresConnection,
    PostgresServer,
    PrometheusServer,
    RedisConnection,
    RedisServer,
    SentryServer,
    Url,
    connection,
    mail_password,
    postgresql_connection,
    redis_connection,
    reporting_dsn,
    sentry_connection,
)
from opsjobs.system import Store, System
from opsjobs.timetable import JobName, ScheduleSpec, Timings
from opsjobs.vocabulary import ChannelKey, Length

__all__ = [
    "DEFAULT",
    "RUN_SECONDS",
    "Config",
    "Email",
    "PostgresConnection",
    "PostgresServer",
    "PrometheusServer",
    "RedisConnection",
    "RedisServer",
    "SystemConnection",
    "connection",
    "declared",
    "mail_password",
    "postgresql_connection",
    "profile",
    "read",
    "redis_connection",
    "reporting_dsn",
    "secrets",
    "sentry_connection",
    "shown",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _ledger_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.query:
        raise ValueError("must end with the database's name: put user and password before the host")
    return value


def _name(value: str) -> str:
    if value == "all":
        raise ValueError("'all' means every system: give it another name")
    if not _NAME.fullmatch(value):
        raise ValueError("a system's name has small letters, digits, - and _ only, 63 at most")
    return value


# Names become folders and lock files.
SystemName = Annotated[str, AfterValidator(_name)]


class Links(Declared):
    """Where a reader of a report can go on."""

    grafana: Url | None = None
    """The address of Grafana: the profile's dashboards become links."""
    runbooks: Url | None = None
    """The page with the runbooks: each indicator's runbook is an anchor on it."""


class DeliveryConfig(Declared):
    """How reports reach people."""

    email: Email | None = None


class SystemConnection(Declared):
    """One system: its profile, and how to reach what it is measured by."""

    profile: str = ""
    """A profile that ships with opsjobs, or a path to one (.yml), relative to this file. Default: the system's name."""
    prometheus: PrometheusServer = PrometheusServer()
    postgresql: PostgresServer | None = None
    redis: RedisServer | None = None
    sentry: SentryServer | None = None
    alertmanager: AlertmanagerServer | None = None
    grafana: GrafanaServer | None = None
    grafanas: dict[OtherName, GrafanaServer] = Field(default_factory=dict)
    """Others by name, such as staging: backed up, too, and there to be compared with and restored to."""
    backup: Backups = Backups()
    visits: bool = True
    """Whether health checks visit the addresses of components; not from where they are not reached."""
    drift: bool = False
    """Whether the daily report says where rules, routes and dashboards that run are not as the profile has them."""
    indicators_from: Store = "prometheus"
    """Which store is asked for those indicators that the profile can take from several."""
    links: Links = Links()
    recipients: tuple[Address, ...] = ()
    """Who gets the daily report by mail; needs delivery.email."""
    channels: dict[ChannelKey, ReceiverSpec] = Field(default_factory=dict)
    """By which channels health checks tell what is new: those of the profile, and others."""
    fallback: str | None = None
    """The channel that says what another one did not take."""
    renotify: Length = "1d"
    """After which time what goes on is told again."""
    maintenance: tuple[MaintenanceSpec, ...] = ()
    """When nobody is told."""
    costs: ExpensesSpec = ExpensesSpec()
    """The money that no metric knows: budget, fixed costs, rates, prices of one's own."""
    pings: dict[JobName, PingSpec] = Field(default_factory=dict)
    """By job: who raises the alarm when no run ends."""
    schedule: Timings = Field(default_factory=dict)
    """When its jobs run, where that is otherwise than for all systems."""


class Retention(Declared):
    """How long what is remembered stays; `opsjobs runs prune` removes what is older."""

    runs: Length = "400d"
    """Runs, slots and messages; the last of each job stays."""
    reports: Length = "400d"
    values: Length = "1100d"
    """What each day was: indicators, sizes, money, forecasts."""


class Storage(Declared):
    """Where opsjobs keeps what it makes."""

    root: Path | None = None
    """The folder of reports and the ledger, relative to this file. Default: OPSJOBS_HOME, else the state folder."""
    backups: Place = ""
    """Where backups are kept: a folder, or an address such as s3://bucket/path. Default: backups below the root."""
    ledger: Annotated[SecretStr, AfterValidator(_ledger_url)] | None = None
    """A database URL (postgresql://user@host/name, the password by ${VARIABLE}). Default: ledger.db below the root."""
    retention: Retention = Retention()


class Config(Declared):
    """The operator's file."""

    systems: Annotated[dict[SystemName, SystemConnection], Field(min_length=1)]
    storage: Storage = Storage()
    delivery: DeliveryConfig = DeliveryConfig()
    schedule: ScheduleSpec = ScheduleSpec()
    """When the jobs run."""
    sentry: ErrorReporting | None = None
    """Where opsjobs tells of its own errors and runs; that of a system is what its report asks."""
    serve: Serve | None = None
    """Where `opsjobs serve` shows the reports and what Prometheus may know of opsjobs."""
    telemetry: Telemetry | None = None
    """Where what Prometheus may know of opsjobs is pushed to."""

    @model_validator(mode="after")
    def _mail_needs_a_server(self) -> Config:
        waiting = [name for name, system in self.systems.items() if system.recipients]
        if waiting and self.delivery.email is None:
            raise ValueError(f"'{waiting[0]}' has recipients, but delivery.email says nothing of how mail is sent")
        return self

    def chosen(self, name: str) -> list[str]:
        """The systems that `--system NAME` means: one, or each for `all`. Raises `UsageError`."""
        if name == "all":
            return list(self.systems)
        if name not in self.systems:
            raise UsageError(
                f"no system is called '{name}'{did_you_mean(name, set(self.systems))}",
                advice="`opsjobs config show` lists the systems of the configuration.",
            )
        return [name]


RUN_SECONDS = 600
"""How long the questions of one run may take together."""

DEFAULT = Config(
    systems={"pratikoai": SystemConnection(links=Links.model_validate({"grafana": "http://localhost:3000"}))}
)
"""What holds without a file: one local PratikoAI on the ports that its owners give."""


def read(path: Path, environment: Mapping[str, str], *, profiles: bool = True) -> Config:
    """The configuration in a file, its profiles checked too. Raises `ConfigError` with every fault of all of them.

    Without `profiles` they may be wrong, or not be there yet.
    """
    config = load(path, Config, environment=environment)
    faults = list(_profile_faults(config, path)) if profiles else []
    if faults:
        raise ConfigError(faults)
    return config


def declared(config: Config, name: str, base: Path) -> System:
    """The profile of a system as it is written, whatever store its indicators are asked of. Raises `ConfigError`."""
    return system.read(config.systems[name].profile or name, base)


def profile(config: Config, name: str, base: Path) -> System:
    """The profile of a system; paths are relative to `base`. Raises `ConfigError`."""
    connection = config.systems[name]
    found = declared(config, name, base).preferring(connection.indicators_from)
    faults = [*_unreachable(found, name, connection), *_untold(found, name, config)]
    if faults:
        raise ConfigError(faults)
    return found


def shown(config: Config) -> dict[str, Any]:
    """The effective configuration for people and programs, its secrets masked."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            shown = {key: plain(inner) for key, inner in value.items()}
            return {key: inner for key, inner in shown.items() if inner not in (None, "", {}, [])}
        if isinstance(value, tuple):
            return [plain(inner) for inner in value]
        if isinstance(value, SecretStr):
            return MASK
        return str(value) if isinstance(value, Path) else value

    content: dict[str, Any] = plain(config.model_dump())
    return content


def secrets(config: Config) -> Iterator[str]:
    """Every secret that stands in the configuration, so that it can be kept out of all that is said."""

    def within(value: Any) -> Iterator[str]:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, dict):
            for inner in value.values():
                yield from within(inner)
        elif isinstance(value, tuple):
            for inner in value:
                yield from within(inner)

    yield from within(config.model_dump())
    if config.storage.ledger:
        password = urlsplit(config.storage.ledger.get_secret_value()).password or ""
        yield password
        yield unquote(password)


def _unreachable(found: System, name: str, connection: SystemConnection) -> Iterator[Fault]:
    """The stores from which indicators come and that are not configured."""
    for store, server in (("postgresql", connection.postgresql), ("redis", connection.redis)):
        waiting = [declared.id for declared in found.indicators if declared.spec.store == store]
        if waiting and server is None:
            message = f"the indicator '{waiting[0]}' comes from it: say where it is"
            yield Fault(file="", line=None, path=f"systems.{name}.{store}", message=message)


def _untold(found: System, name: str, config: Config) -> Iterator[Fault]:
    """What is wrong with the channels of a system."""
    connection = config.systems[name]
    wrong = receivers.faults(
        found,
        connection.channels,
        connection.fallback,
        mail=config.delivery.email is not None,
        alertmanager=connection.alertmanager is not None,
    )
    for key, message in wrong:
        yield Fault(file="", line=None, path=f"systems.{name}.{key}", message=message)


def _profile_faults(config: Config, path: Path) -> Iterator[Fault]:
    for name in config.systems:
        try:
            profile(config, name, path.parent)
        except ConfigError as error:
            if error.faults:
                yield from (replace(fault, file=fault.file or str(path)) for fault in error.faults)
            else:
                yield Fault(file=str(path), line=None, path=f"systems.{name}.profile", message=error.message)
