"""Who is told, and by what: the channels, receivers and witnesses that the configuration has for a system."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from opsjobs.cli.setting import hide, now
from opsjobs.errors import ConfigError

if TYPE_CHECKING:
    from opsjobs.cli.setting import Setting
    from opsjobs.http import Connection
    from opsjobs.ledger import Ledger
    from opsjobs.notify import Channel, Witness
    from opsjobs.notify.email import EmailChannel
    from opsjobs.notify.outbox import Outbox, Way
    from opsjobs.notify.ping import Pings
    from opsjobs.notify.routing import Receiver
    from opsjobs.notify.sentry import SentryWitness
    from opsjobs.receivers import Reached, ReceiverSpec
    from opsjobs.system import System

_PATIENCE = 120
"""Seconds for which another process may be sending."""
EMAIL = "email"
"""The channel of reports."""
_NAMES = {"slack": "Slack", "pagerduty": "PagerDuty", "webhook": "the webhook", "alertmanager": "Alertmanager"}


def email(here: Setting) -> EmailChannel | None:
    """The mail server of the configuration; None without one."""
    from opsjobs import config  # noqa: PLC0415 - slow to import
    from opsjobs.notify.email import EmailChannel, Server  # noqa: PLC0415 - as above

    known = here.config.delivery.email
    if known is None:
        return None
    password = config.mail_password(known, here.base)
    here.redactor.add(password)
    return EmailChannel(
        Server(
            host=known.host,
            port=known.port,
            security=known.security,
            username=known.username,
            password=password,
            sender=known.sender,
            ca_file=str(here.base / known.ca_file) if known.ca_file else "",
            timeout=known.timeout,
            largest=known.largest,
        )
    )


def channels(here: Setting, name: str) -> dict[str, Channel]:
    """Every channel of a system by its name, and that of reports where a mail server is known. Raises `ConfigError`."""
    mail = email(here)
    found: dict[str, Channel] = {EMAIL: mail} if mail else {}
    connection = here.config.systems[name]
    if connection.channels:
        system = here.profile(name)
        found |= {each: _channel(here, name, each, spec, system) for each, spec in connection.channels.items()}
    return found


def _channel(here: Setting, system_name: str, name: str, spec: ReceiverSpec, system: System) -> Channel:
    from opsjobs import receivers  # noqa: PLC0415 - slow to import
    from opsjobs.notify.alertmanager import ALERTS, AlertmanagerChannel  # noqa: PLC0415 - as above
    from opsjobs.notify.pagerduty import EVENTS, PagerDutyChannel  # noqa: PLC0415 - as above
    from opsjobs.notify.post import Post  # noqa: PLC0415 - as above
    from opsjobs.notify.slack import SlackChannel  # noqa: PLC0415 - as above
    from opsjobs.notify.webhook import WebhookChannel  # noqa: PLC0415 - as above
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    where, redact = f"systems.{system_name}.channels.{name}", here.redactor.redact
    reached = receivers.reached(name, spec, system, here.base, where)
    for secret in (reached.key, reached.token):
        here.redactor.add(secret)
    if reached.kind == "email":
        mail = email(here)
        if mail is None:
            raise ConfigError(f"{where}: delivery.email says nothing of how mail is sent")
        return mail
    if reached.kind == "apprise":
        return _apprise(here, reached, where)
    if reached.kind == "alertmanager":
        server = here.config.systems[system_name].alertmanager
        if server is None:
            raise ConfigError(f"{where}: it needs systems.{system_name}.alertmanager")
        return AlertmanagerChannel(
            Post(here.connection(server, system_name, "Alertmanager"), ALERTS, redact),
            lasts=timedelta(seconds=seconds(spec.lasts)),
        )
    if reached.kind == "pagerduty":
        server_url = spec.server or EVENTS
        return PagerDutyChannel(
            Post(_connection(here, spec, reached, where, server_url), "/v2/enqueue", redact), key=reached.key
        )
    base, path = _parted(here, reached.url)
    post = Post(_connection(here, spec, reached, where, base), path, redact)
    if reached.kind == "slack":
        declared = system.channels.get(name)
        mention = spec.mention if spec.mention is not None else (declared.mention if declared else "")
        return SlackChannel(post, mention=mention)
    return WebhookChannel(post, signing_key=reached.key)


def _apprise(here: Setting, reached: Reached, where: str) -> Channel:
    hide(here.redactor, reached.url)
    try:
        from opsjobs.notify.apprise import AppriseChannel  # noqa: PLC0415 - only where the extra is installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{where}: the package that reaches it is not installed ({error.name})",
            advice="pip install 'opsjobs[apprise]', or leave the channel out of opsjobs.yml.",
        ) from None
    return AppriseChannel(reached.url, here.redactor.redact)


def _connection(here: Setting, spec: ReceiverSpec, reached: Reached, where: str, url: str) -> Connection:
    from opsjobs.http import Connection  # noqa: PLC0415 - slow to import

    return Connection(
        name=_NAMES[reached.kind],
        key=where,
        url=url,
        token=reached.token,
        ca_file=str(here.base / spec.ca_file) if spec.ca_file else "",
        timeout=spec.timeout,
        concurrency=1,
    )


def _parted(here: Setting, url: str) -> tuple[str, str]:
    """The server of an address, which may be named, and the rest, which lets in and is named nowhere."""
    parts = urlsplit(url)
    rest = parts._replace(scheme="", netloc="", fragment="").geturl()
    hide(here.redactor, url)
    return f"{parts.scheme}://{parts.netloc}", rest


def receivers(here: Setting, name: str) -> list[Receiver]:
    """Who is told of the health of a system: each channel, and of mail each address."""
    from opsjobs.notify.routing import Receiver, contacts, ways  # noqa: PLC0415 - slow to import
    from opsjobs.receivers import kind  # noqa: PLC0415 - as above

    system = here.profile(name)
    zone = ZoneInfo(system.zone)
    found: list[Receiver] = []
    # Of several channels of mail the first writes to the teams.
    teams = system
    for channel, spec in here.config.systems[name].channels.items():
        of, declared = kind(channel, spec, system), system.channels.get(channel)
        default = ("critical",) if of == "pagerduty" else ("warning", "critical")
        leading = ways(system, channel, spec.severities or default)
        if of == "email":
            everything = spec.to or (declared.to if declared else ())
            found += [
                Receiver(channel=channel, recipient=address, ways=own, zone=zone)
                for address, own in contacts(teams, leading, everything).items()
            ]
            teams = system.model_copy(update={"teams": {}})
            continue
        found.append(
            Receiver(
                channel=channel,
                recipient=(declared.channel if declared and of == "slack" else "") or channel,
                ways=leading,
                zone=zone,
                by_incident=of == "pagerduty",
                all_that_goes_on=of == "alertmanager",
                reminded=of not in {"pagerduty", "alertmanager"},
            )
        )
    return found


def fallback(here: Setting, name: str) -> Way | None:
    """The way by which is said what another one did not take."""
    from opsjobs.notify.outbox import Way  # noqa: PLC0415 - slow to import

    chosen = here.config.systems[name].fallback
    reached = [each for each in receivers(here, name) if each.channel == chosen] if chosen else []
    return Way(channel=reached[0].channel, recipient=reached[0].recipient) if reached else None


def outbox(here: Setting, name: str, ledger: Ledger) -> Outbox | None:
    """By which a system's messages are sent; None where no channel is configured."""
    from opsjobs.ledger import lock  # noqa: PLC0415 - slow to import
    from opsjobs.notify.outbox import Outbox  # noqa: PLC0415 - as above

    known = channels(here, name)
    if not known:
        return None
    return Outbox(
        ledger,
        known,
        fallback=fallback(here, name),
        clock=now,
        wait=time.sleep,
        redact=here.redactor.redact,
        alone=lambda system: lock.waited(lambda: ledger.alone(here.root / "locks", system, "outbox"), _PATIENCE),
    )


@contextmanager
def witnesses(here: Setting, name: str) -> Iterator[tuple[Witness, ...]]:
    """Who is told how the runs of a system go, while the block runs."""
    with ExitStack() as stack:
        known = [each for each in (sentry(here), pings(here, name)) if each]
        yield tuple(stack.enter_context(closing(each)) for each in known)


def pings(here: Setting, name: str) -> Pings | None:
    """Who raises the alarm when no run ends; None where nobody does. Raises `ConfigError`."""
    from opsjobs.http import Connection  # noqa: PLC0415 - slow to import
    from opsjobs.notify.ping import Pings, Target  # noqa: PLC0415 - as above
    from opsjobs.receivers import ping_url  # noqa: PLC0415 - as above

    targets: dict[str, Target] = {}
    for job, spec in here.config.systems[name].pings.items():
        where = f"systems.{name}.pings.{job}"
        base, rest = _parted(here, ping_url(spec, here.base, where))
        path, _, query = rest.partition("?")
        ca_file = str(here.base / spec.ca_file) if spec.ca_file else ""
        connection = Connection(name="the ping", key=where, url=base, ca_file=ca_file, timeout=5.0, concurrency=1)
        targets[job] = Target(connection=connection, path=path, query=query)
    return Pings(targets, here.redactor.redact) if targets else None


def sentry(here: Setting) -> SentryWitness | None:
    """The Sentry that is told how runs go; None without one. Raises `ConfigError` without the extra that it needs."""
    from opsjobs import __version__, config  # noqa: PLC0415 - slow to import

    told = here.config.sentry
    if told is None:
        return None
    dsn = config.reporting_dsn(told, here.base)
    for secret in (dsn, urlsplit(dsn).username or "", urlsplit(dsn).password or ""):
        here.redactor.add(secret)
    try:
        from opsjobs.notify.sentry import SentryWitness  # noqa: PLC0415 - only where the extra is installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"sentry: the package that tells it is not installed ({error.name})",
            advice="pip install 'opsjobs[sentry]', or leave `sentry` out of opsjobs.yml.",
        ) from None
    return SentryWitness(
        dsn, environment=told.environment, release=f"opsjobs@{__version__}", redact=here.redactor.redact
    )


def unheard(here: Setting, name: str) -> list[str]:
    """What nobody would be told of, in words; nothing where no channel is used at all."""
    reached = receivers(here, name)
    teams = here.profile(name).teams
    said = []
    for severity in ("critical", "warning") if reached else ():
        ways = [way for each in reached for way in each.ways if severity in way.severities]
        lost = [team for team in teams if not any(not way.teams or team in way.teams for way in ways)]
        if lost:
            whose = "" if len(lost) == len(teams) else f" of {', '.join(lost)}"
            said.append(f"{name}: nobody is told of what is {severity}{whose}: no channel of opsjobs.yml takes it")
    return said
