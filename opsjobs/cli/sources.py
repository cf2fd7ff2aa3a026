"""The sources of one system, opened as the configuration says, their secrets known to the redactor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsjobs.analysis.growth import Memory
    from opsjobs.cli.setting import Setting
    from opsjobs.ledger import Ledger
    from opsjobs.sources.alertmanager import Alertmanager
    from opsjobs.sources.grafana import Grafana
    from opsjobs.sources.postgres import Postgres
    from opsjobs.sources.prometheus import Prometheus
    from opsjobs.sources.redis import Redis
    from opsjobs.sources.sentry import Sentry


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a system can be asked; None where it is not configured."""

    metrics: Prometheus
    postgresql: Postgres | None
    redis: Redis | None
    sentry: Sentry | None
    alertmanager: Alertmanager | None
    grafana: Grafana | None


@contextmanager
def opened(here: Setting, name: str) -> Iterator[Sources]:
    """The sources of a system of the configuration, open while the block runs. Nothing is asked yet."""
    from opsjobs.sources.prometheus import Prometheus  # noqa: PLC0415 - slow to import

    with ExitStack() as stack:
        yield Sources(
            metrics=stack.enter_context(Prometheus(here.prometheus(name))),
            postgresql=_postgresql(here, name, stack),
            redis=_redis(here, name, stack),
            sentry=_sentry(here, name, stack),
            alertmanager=_alertmanager(here, name, stack),
            grafana=_grafana(here, name, stack),
        )


def places(here: Setting, name: str) -> dict[str, str]:
    """Where the databases of a system are, by kind: what is remembered of them belongs to that place."""
    connection = here.config.systems[name]
    servers = {"postgresql": connection.postgresql, "redis": connection.redis}
    return {kind: f"{server.host}:{server.port}" for kind, server in servers.items() if server}


def memory(ledger: Ledger, name: str, day: date) -> Memory:
    """What is remembered of the databases of a system, as far back from a day as anything is compared with."""
    from opsjobs.analysis.growth import REACH, Memory  # noqa: PLC0415 - slow to import

    since = day - timedelta(days=REACH)
    return Memory(numbers=ledger.numbers(name, since), forecasts=ledger.forecasts(name, since))


def _postgresql(here: Setting, name: str, stack: ExitStack) -> Postgres | None:
    from opsjobs import config  # noqa: PLC0415 - slow to import
    from opsjobs.sources.postgres import Postgres  # noqa: PLC0415 - as above

    server = here.config.systems[name].postgresql
    if server is None:
        return None
    connection = config.postgresql_connection(server, f"systems.{name}.postgresql", here.base)
    here.redactor.add(connection.password)
    return stack.enter_context(Postgres(connection))


def _redis(here: Setting, name: str, stack: ExitStack) -> Redis | None:
    from opsjobs import config  # noqa: PLC0415 - slow to import
    from opsjobs.sources.redis import Redis  # noqa: PLC0415 - as above

    server = here.config.systems[name].redis
    if server is None:
        return None
    connection = config.redis_connection(server, f"systems.{name}.redis", here.base)
    here.redactor.add(connection.password)
    return stack.enter_context(Redis(connection))


def _sentry(here: Setting, name: str, stack: ExitStack) -> Sentry | None:
    from opsjobs import config  # noqa: PLC0415 - slow to import
    from opsjobs.sources.sentry import Sentry  # noqa: PLC0415 - as above

    server = here.config.systems[name].sentry
    if server is None:
        return None
    connection = config.sentry_connection(server, f"systems.{name}.sentry", here.base)
    here.redactor.add(connection.token)
    return stack.enter_context(Sentry(connection, server.organization, server.project))


def _alertmanager(here: Setting, name: str, stack: ExitStack) -> Alertmanager | None:
    from opsjobs.sources.alertmanager import Alertmanager  # noqa: PLC0415 - slow to import

    server = here.config.systems[name].alertmanager
    return stack.enter_context(Alertmanager(here.connection(server, name, "Alertmanager"))) if server else None


def _grafana(here: Setting, name: str, stack: ExitStack) -> Grafana | None:
    from opsjobs.sources.grafana import Grafana  # noqa: PLC0415 - slow to import

    server = here.config.systems[name].grafana
    return stack.enter_context(Grafana(here.connection(server, name, "Grafana"))) if server else None
