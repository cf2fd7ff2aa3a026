"""opsjobs health."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli import keeping
from opsjobs.cli.logs import complain
from opsjobs.cli.marks import heading, shape
from opsjobs.cli.setting import Setting, configured, now, say, setting
from opsjobs.cli.sources import memory, opened, places
from opsjobs.cli.telling import receivers, unheard
from opsjobs.cli.timetable import expected
from opsjobs.errors import OpsjobsError, UsageError

if TYPE_CHECKING:
    from opsjobs.jobs.health import Health
    from opsjobs.log import Redactor
    from opsjobs.model import CheckResult, CheckState, Status
    from opsjobs.runner import Audience, Examined

_SECONDS = 30
"""For everything that is asked of a system."""
_PAUSE = 2
"""Seconds until what is bad for the first time is looked at again."""
_SINCE = timedelta(hours=6)
_LONGEST = timedelta(days=1)
_UNKNOWN = 3
_NAMED = 5
"""How many of the things that a cause explains are named."""
_UNITS = {"seconds": "s", "bytes": "B"}


@click.command(epilog="Example: opsjobs health --system pratikoai")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--all", "every", is_flag=True, help="Also list what is well.")
@click.option("--no-send", is_flag=True, help="Tell nobody what is new; who tells is in opsjobs.yml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--nagios", is_flag=True, help="Print what a monitoring plugin prints, with performance data.")
@configured
@click.pass_obj
@click.pass_context
def health(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str,
    every: bool,
    no_send: bool,
    as_json: bool,
    nagios: bool,
    file: Path | None,
) -> None:
    """Say in seconds whether a system is well, what was not since the last time, and what to do.

    Tells the receivers of opsjobs.yml what is new since they were told last.

    Exits as monitoring plugins do: 0 when all is well, 1 with warnings, 2 when something is critical, 3 when something
    is not known.
    """
    if as_json and nagios:
        raise UsageError("--json and --nagios exclude each other", advice="Give the one or the other.")
    try:
        here = setting(file, redactor)
        looked, failed = _looked(here, here.config.chosen(name), send=not no_send)
        if not looked:
            raise next(iter(failed.values()))
    except OpsjobsError as error:
        if not nagios:
            raise
        click.echo(f"OPSJOBS UNKNOWN - {redactor.redact(error.message).splitlines()[0]}")
        context.exit(_UNKNOWN)
    for chosen, fault in failed.items():
        complain(redactor, f"{chosen}: {fault.message}", fault.advice)
    if as_json:
        lost = [{"system": chosen, "error": fault.message} for chosen, fault in failed.items()]
        documents = [_document(here, chosen, found) for chosen, found in looked.items()]
        click.echo(redactor.redact(json.dumps({"systems": documents, "failed": lost}, indent=2, ensure_ascii=False)))
    elif nagios:
        click.echo(redactor.redact("\n".join(_plugin(looked, failed))))
    else:
        for chosen, found in looked.items():
            for line in (*_told(here, chosen, found, every=every), *(f"  {each}" for each in unheard(here, chosen))):
                click.echo(redactor.redact(line))
    context.exit(_worst(looked, failed).value)


def _worst(looked: dict[str, Examined], failed: dict[str, OpsjobsError]) -> Status:
    """The worst of all systems; one that could not be looked at is unknown."""
    from opsjobs.model import Status  # noqa: PLC0415 - slow to import

    return Status.worst([*(found.health.status for found in looked.values()), *([Status.UNKNOWN] if failed else [])])


def _looked(here: Setting, names: list[str], *, send: bool) -> tuple[dict[str, Examined], dict[str, OpsjobsError]]:
    """What was found of each system; one that cannot be looked at costs the others nothing."""
    looked: dict[str, Examined] = {}
    failed: dict[str, OpsjobsError] = {}
    for name in names:
        try:
            looked[name] = examined(here, name, send=send)
        except OpsjobsError as error:
            failed[name] = error
    return looked, failed


def examined(here: Setting, name: str, *, send: bool) -> Examined:
    """Look at a system of the configuration, as a run that the ledger remembers, and tell what is new."""
    from opsjobs.checks.check import Around  # noqa: PLC0415 - slow to import
    from opsjobs.http import Deadline  # noqa: PLC0415 - as above
    from opsjobs.jobs.health import look  # noqa: PLC0415 - as above
    from opsjobs.runner import examine  # noqa: PLC0415 - as above
    from opsjobs.sources.web import Web  # noqa: PLC0415 - as above
    from opsjobs.system.owners import Owners  # noqa: PLC0415 - as above

    connection, system = here.config.systems[name], here.profile(name)
    zone, moment = ZoneInfo(system.zone), now()
    links = connection.links
    with here.desk(name, send=send) as desk, opened(here, name) as sources:
        say(f"{system.title}: asking {sources.metrics.name}")
        return examine(
            name,
            f"{(here.due_at or moment).astimezone(zone):%Y-%m-%dT%H:%M}",
            desk,
            lambda known: look(
                Around(
                    system=system,
                    owners=Owners(system, links.grafana or "", links.runbooks or ""),
                    zone=zone,
                    now=moment,
                    since=_since(moment, [run.started_at for run in known.runs if run.job == "health" and run.status]),
                    metrics=sources.metrics,
                    monitor=sources.metrics,
                    alertmanager=sources.alertmanager,
                    grafana=sources.grafana,
                    visitor=Web() if connection.visits else None,
                    postgresql=sources.postgresql,
                    redis=sources.redis,
                    places=places(here, name),
                    memory=memory(desk.ledger, name, moment.astimezone(zone).date()),
                    backups=keeping.states(here, name),
                    states=known.states,
                    runs=[run for run in known.runs if run.job != "health"],
                    undelivered=known.undelivered,
                    slots=known.slots,
                    expected=[each for each in expected(here, name, moment) if each.job != "health"],
                ),
                Deadline(_SECONDS),
                _again,
            ),
            audience(here, name, moment),
        )


def audience(here: Setting, name: str, moment: datetime) -> Audience:
    """Who is told of the health of a system at a moment."""
    from opsjobs.runner import Audience  # noqa: PLC0415 - slow to import
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    system = here.profile(name)
    return Audience(
        receivers=receivers(here, name),
        title=system.title,
        zone=ZoneInfo(system.zone),
        renotify=timedelta(seconds=seconds(here.config.systems[name].renotify)),
        in_maintenance=lambda check: bool(_maintenance(here, name, check, moment)),
    )


def _maintenance(here: Setting, name: str, check: str, at: datetime) -> str:
    """Why nobody is told of a check at that time; empty where it is told."""
    connection, zone = here.config.systems[name], here.profile(name).zone
    windows = (window for window in connection.maintenance if window.accounts_for(check, at, zone))
    return next((window.reason for window in windows), "")


def _again() -> datetime:
    """A little later."""
    say(f"looking again in {_PAUSE} s at what is bad for the first time")
    time.sleep(_PAUSE)
    return now()


def _since(moment: datetime, looks: list[datetime]) -> datetime:
    """When it was looked at last: six hours ago where it was not, or has just been; a day at most."""
    last = max(looks, default=moment - _SINCE)
    return max(min(last, moment - _SINCE), moment - _LONGEST)


def _told(here: Setting, name: str, examined: Examined, *, every: bool) -> Iterator[str]:
    """The worst first: what it is, and what to do."""
    system, found = here.profile(name), examined.health
    zone = ZoneInfo(system.zone)
    yield f"{system.title}, {found.at.astimezone(zone):%A %d %B, %H:%M}"
    yield f"{heading(found.status.name)}  {_summary(found)}"
    for check in found.told if every else found.bad:
        yield f"  {shape(check.status.name)} {check.status.name:<8}  {check.title}: {check.text}"
        state = found.states.get(check.id)
        if state and state.bad and state.looks > 1:
            yield f"      seen {state.looks} times in a row, first {state.since.astimezone(zone):%a %d %b, %H:%M}"
        if state and state.flapping:
            yield "      comes and goes: told again when it is steady, or worse"
        yield from (f"      {line}" for line in _quiet(here, name, examined, check.id) if check.status.name != "OK")
        if check.explains:
            named = ", ".join(check.explains[:_NAMED])
            more = f" and {len(check.explains) - _NAMED} more" if len(check.explains) > _NAMED else ""
            yield f"      explains {named}{more}"
        if check.advice:
            yield f"      {check.advice}"
        if check.status.name != "OK":
            about = (check.id, check.team.name, check.team.contact, check.runbook)
            yield f"      {' · '.join(part for part in about if part)}"
    for passed in found.passed:
        start, end = (at.astimezone(zone) for at in (passed.start, passed.end))
        yield f"  was bad, and is well again: {passed.title}, {start:%a %H:%M} to {end:%a %H:%M}"

    for delivery in examined.deliveries:
        if delivery.state.value == "sent":
            yield f"  told {delivery.recipient}" + (
                f" by {delivery.channel}" if delivery.channel != delivery.recipient else ""
            )
        else:
            yield f"  not told {delivery.recipient}: {delivery.error}"


def _quiet(here: Setting, name: str, examined: Examined, check: str) -> Iterator[str]:
    """Why nobody is told of it."""
    at, zone = examined.health.at, ZoneInfo(here.profile(name).zone)
    reason = _maintenance(here, name, check, at)
    if reason:
        yield f"maintenance: {reason}"
    known, state = examined.known.acknowledged.get(check), examined.health.states.get(check)
    if known and state and known.holds(state, at):
        yield f"{known.by} knows until {known.until.astimezone(zone):%a %d %b, %H:%M}: {known.reason}"


def _summary(found: Health) -> str:
    count = len(found.checks)
    if not found.bad:
        return f"all {count} checks are well"
    causes = "one cause" if len(found.bad) == 1 else f"{len(found.bad)} causes"
    bad = sum(check.status.name != "OK" for check in found.checks)
    return f"{bad} of {count} checks, {causes}"


def _document(here: Setting, name: str, examined: Examined) -> dict[str, object]:
    found = examined.health
    return {
        "system": name,
        "title": here.profile(name).title,
        "status": found.status.name,
        "at": found.at.isoformat(),
        "since": found.since.isoformat(),
        "told": [check.id for check in found.bad],
        "checks": [_check(check, found.states.get(check.id)) for check in found.checks],
        "passed": [
            {
                "subject": each.subject,
                "title": each.title,
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
                "severity": each.severity.name,
            }
            for each in found.passed
        ],
        "deliveries": [
            {"channel": each.channel, "recipient": each.recipient, "state": each.state.value, "error": each.error}
            for each in examined.deliveries
        ],
    }


def _check(check: CheckResult, state: CheckState | None) -> dict[str, object]:
    return {
        "id": check.id,
        "title": check.title,
        "status": check.status.name,
        "text": check.text,
        "value": check.value,
        "unit": check.unit,
        "warning": check.warning,
        "critical": check.critical,
        "since": state.since.isoformat() if state and state.bad else None,
        "looks": state.looks if state and state.bad else 0,
        "flapping": bool(state and state.flapping),
        "cause": check.cause,
        "advice": check.advice,
        "team": check.team.name,
        "dashboard": check.dashboard,
        "runbook": check.runbook,
    }


def _plugin(looked: dict[str, Examined], failed: dict[str, OpsjobsError]) -> Iterator[str]:
    """As the Monitoring Plugins Development Guidelines have it: a line, its performance data, and more lines."""
    bad = [(name, check) for name, found in looked.items() for check in found.health.bad]
    count = sum(len(found.health.checks) for found in looked.values())
    lost = [f"{name}: not looked at" for name in failed]
    first = "; ".join([*lost, *(f"{name}: {check.title}" for name, check in bad[:3])]) or f"all {count} checks are well"
    checks = [(name, check) for name, found in looked.items() for check in found.health.checks]
    data = [text for name, check in checks if (text := _performance(name, check))]
    yield f"OPSJOBS {_worst(looked, failed).name} - {_plain(first)}{f' | {data[0]}' if data else ''}"
    yield from (_plain(f"{check.status.name} {name} {check.title}: {check.text}") for name, check in bad)
    if data[1:]:
        yield f"| {' '.join(data[1:])}"


def _performance(name: str, check: CheckResult) -> str:
    """A value with its unit and limits; a limit that is not to be fallen below has a colon behind it."""
    if check.value is None:
        return ""
    label = f"{name}.{check.id}".replace("'", "").replace("=", "")
    limits = [_range(limit, above=check.healthy.value == "above") for limit in (check.warning, check.critical)]
    return f"'{label}'={check.value:.6g}{_UNITS.get(check.unit, '')};{limits[0]};{limits[1]}".rstrip(";")


def _range(limit: float | None, *, above: bool) -> str:
    if limit is None:
        return ""
    return f"{limit:.6g}:" if above else f"~:{limit:.6g}"


def _plain(text: str) -> str:
    """Without what a plugin's output is cut at."""
    return " ".join(text.replace("|", "/").split())
