"""opsjobs checks."""

from __future__ import annotations

import getpass
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli.marks import shape
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.model import Acknowledgement, CheckState

_LONGEST = 30
"""Days for which one can know of something."""
_LENGTH = re.compile(r"[1-9]\d{0,4}[mhd]")
_SYSTEM = click.option("--system", "name", metavar="NAME", help="Needed where the configuration has several systems.")
_ADVICE = "`opsjobs checks list` shows what is bad, by its name."


@click.group()
def checks() -> None:
    """Show what was bad at the last look, and say that you know."""


@checks.command("list", epilog="Example: opsjobs checks list --system pratikoai")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def listed(redactor: Redactor, *, name: str, as_json: bool, file: Path | None) -> None:
    """List what was bad at the last look: since when, who was told, and who knows."""
    here = setting(file, redactor)
    with here.ledger() as ledger:
        found = {
            chosen: (
                ledger.states(chosen),
                ledger.acknowledged(chosen),
                ledger.runs(system=chosen, job="health", limit=1),
            )
            for chosen in here.config.chosen(name)
        }
    if as_json:
        systems = [
            {
                "system": chosen,
                "looked_at": runs[0].started_at.isoformat() if runs else None,
                "checks": [_document(state, known.get(state.check)) for state in _worst_first(states)],
            }
            for chosen, (states, known, runs) in found.items()
        ]
        click.echo(redactor.redact(json.dumps({"systems": systems}, indent=2, ensure_ascii=False)))
        return
    for chosen, (states, known, runs) in found.items():
        zone = ZoneInfo(here.profile(chosen).zone)
        looked = f"looked at {_time(runs[0].started_at, zone)}" if runs else "never looked at: `opsjobs health` does"
        bad = _worst_first(states)
        well = "" if bad or not runs else ": all was well"
        click.echo(f"{chosen}, {looked}{well}")
        shown = _without_what_is_explained(bad)
        for state in shown:
            click.echo(redactor.redact(_line(state, known.get(state.check), zone)))
        hidden = len(bad) - len(shown)
        if hidden:
            click.echo(f"      and {hidden} more that are not known")


def _worst_first(states: dict[str, CheckState]) -> list[CheckState]:
    return sorted((state for state in states.values() if state.bad), key=lambda each: (-each.status.rank, each.check))


def _without_what_is_explained(bad: list[CheckState]) -> list[CheckState]:
    """While the monitoring is blind, that a single check is not known says nothing."""
    from opsjobs.model import BLIND  # noqa: PLC0415 - as health.py has it: help needs none of it

    blind = any(state.check == BLIND for state in bad)
    return [state for state in bad if not (blind and state.status.name == "UNKNOWN" and state.check != BLIND)]


def _line(state: CheckState, known: Acknowledgement | None, zone: ZoneInfo) -> str:
    lines = [f"  {shape(state.status.name)} {state.status.name:<8}  {state.check}  {state.title}"]
    often = "seen once" if state.looks == 1 else f"seen {state.looks} times in a row"
    flapping = ", comes and goes" if state.flapping else ""
    lines.append(f"      since {_time(state.since, zone)}, {often}{flapping}")
    if state.told:
        told = sorted(state.told)
        lines.append(f"      told {', '.join(each.partition(':')[2] for each in told)}")
    if known and known.holds(state, now()):
        lines.append(f"      {known.by} knows until {_time(known.until, zone)}: {known.reason}")
    return "\n".join(lines)


def _document(state: CheckState, known: Acknowledgement | None) -> dict[str, object]:
    holds = known is not None and known.holds(state, now())
    return {
        "check": state.check,
        "title": state.title,
        "status": state.status.name,
        "since": state.since.isoformat(),
        "looks": state.looks,
        "flapping": state.flapping,
        "told": {
            receiver: {"status": told.status.name, "at": told.at.isoformat()} for receiver, told in state.told.items()
        },
        "acknowledged": {"by": known.by, "until": known.until.isoformat(), "reason": known.reason}
        if known and holds
        else None,
    }


def _time(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b, %H:%M}"


@checks.command(epilog="Example: opsjobs checks ack url:api --for 3d --reason 'the certificate is ordered'")
@click.argument("check")
@click.option("--for", "length", metavar="TIME", required=True, help="How long: 30m, 8h, 3d; 30 days at most.")
@click.option("--reason", required=True, help="What the others should know.")
@_SYSTEM
@configured
@click.pass_obj
def ack(redactor: Redactor, *, check: str, length: str, reason: str, name: str | None, file: Path | None) -> None:
    """Say that you know of a check that is bad: nobody is told of it any more.

    It ends when the check is well again, gets worse, or the time is over.
    """
    from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - slow to import
    from opsjobs.model import Acknowledgement  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    chosen = one_of(here, name, "a check")
    moment, until = now(), now() + time_of(length, _LONGEST)
    if not reason.strip():
        raise UsageError("the reason is empty", advice="Say what the others should know.")
    with here.ledger() as ledger:
        states = {state.check: state for state in ledger.states(chosen).values() if state.bad}
        if check not in states:
            raise UsageError(
                f"'{check}' was not bad at the last look at {chosen}{did_you_mean(check, set(states))}", advice=_ADVICE
            )
        known = Acknowledgement(
            check=check, status=states[check].status, at=moment, until=until, by=somebody(), reason=reason.strip()
        )
        ledger.acknowledge(chosen, known)
    zone = ZoneInfo(here.profile(chosen).zone)
    click.echo(f"nobody is told of {check} until {_time(until, zone)}, unless it gets worse")


@checks.command(epilog="Example: opsjobs checks unack url:api")
@click.argument("check")
@_SYSTEM
@configured
@click.pass_obj
def unack(redactor: Redactor, *, check: str, name: str | None, file: Path | None) -> None:
    """Take back that you know of a check: the next look tells it again when it is time."""
    from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - slow to import

    here = setting(file, redactor)
    chosen = one_of(here, name, "a check")
    with here.ledger() as ledger:
        if not ledger.withdraw(chosen, check):
            known = set(ledger.acknowledged(chosen))
            raise UsageError(f"nobody said that they know of '{check}'{did_you_mean(check, known)}", advice=_ADVICE)
    click.echo(f"{check} is told again")


def one_of(here: Setting, name: str | None, what: str) -> str:
    """The system that is meant: the only one where none is named."""
    if name is None and len(here.config.systems) == 1:
        return next(iter(here.config.systems))
    if name is None:
        raise UsageError("say which system: --system NAME", advice="`opsjobs config show` lists them.")
    if name == "all":
        raise UsageError(f"{what} is of one system", advice="Give --system NAME.")
    here.config.chosen(name)
    return name


def time_of(text: str, days: int) -> timedelta:
    """A length of time, so many days at most. Raises `UsageError`."""
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - slow to import

    length = timedelta(seconds=seconds(text)) if _LENGTH.fullmatch(text) else timedelta(0)
    if not timedelta(0) < length <= timedelta(days=days):
        raise UsageError(f"'{text}' is no length of time", advice=f"Write 30m, 8h or 3d; {days}d at most.")
    return length


def somebody() -> str:
    """Who gives the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number without a name.
        return "somebody"
