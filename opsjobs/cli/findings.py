"""opsjobs findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from opsjobs.cli.checks import one_of, somebody, time_of
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.recommendation import Recommendation

_SYSTEM = click.option("--system", "name", metavar="NAME", help="Needed where the configuration has several systems.")
_LONGEST = 3660
"""Days for which something can be dismissed, where it is not for ever: ten years."""
_REASON = "What the others should know."
_ADVICE = "`opsjobs findings list --all` shows them by their names."


@click.group()
def findings() -> None:
    """Show what the weekly costs advise, and say what becomes of it."""


@findings.command("list", epilog="Example: opsjobs findings list --system pratikoai --all")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--all", "everything", is_flag=True, help="Also what was dismissed, and what is found no longer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def listed(redactor: Redactor, *, name: str, everything: bool, as_json: bool, file: Path | None) -> None:
    """List what would save money, the most valuable first, and what was saved by what is done."""
    here = setting(file, redactor)
    found: dict[str, tuple[list[Recommendation], Mapping[str, Mapping[date, Decimal]], bool]] = {}
    with here.ledger() as ledger:
        for chosen in here.config.chosen(name):
            advised = sorted(ledger.advised(chosen).values(), key=lambda each: (-each.saving, each.id))
            today = now().astimezone(ZoneInfo(here.profile(chosen).zone)).date()
            shown = [each for each in advised if everything or _current(each, today)]
            found[chosen] = (shown, ledger.saved(chosen), bool(ledger.runs(system=chosen, job="costs", limit=1)))
    if as_json:
        systems = [
            {"system": chosen, "findings": [_document(each, saved.get(each.id, {})) for each in advised]}
            for chosen, (advised, saved, _) in found.items()
        ]
        click.echo(redactor.redact(json.dumps({"systems": systems}, indent=2, ensure_ascii=False)))
        return
    for chosen, (advised, saved, looked) in found.items():
        nothing = ": nothing to save is known" if looked else ", never looked at: `opsjobs costs` does"
        click.echo(f"{chosen}{'' if advised else nothing}")
        for each in advised:
            click.echo(redactor.redact(_lines(each, saved.get(each.id, {}))))


def _current(each: Recommendation, today: date) -> bool:
    """Whether it is found still, or somebody has decided about it and not against it."""
    if each.decision.value == "open":
        return each.gone is None
    return not each.hidden(today)


def _lines(each: Recommendation, saved: Mapping[date, Decimal]) -> str:
    from opsjobs.words import quantity  # noqa: PLC0415 - slow to import

    money = quantity(float(each.saving), each.currency)
    lines = [
        f"  {click.style(each.id, bold=True)}  {each.title}",
        f"      saves {money} a month; effort {each.effort}, confidence {each.confidence}",
        f"      {each.arithmetic}",
        f"      found in {_weeks(each)}{_decided(each)}",
    ]
    if saved:
        amount = quantity(float(sum(saved.values())), each.currency)
        lines.append(f"      saved {amount} in {len(saved)} {'week' if len(saved) == 1 else 'weeks'} since")
    return "\n".join(lines)


def _weeks(each: Recommendation) -> str:
    first, last = _week(each.first_seen), _week(each.last_seen)
    return first if first == last else f"{first} to {last}"


def _week(day: date) -> str:
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def _decided(each: Recommendation) -> str:
    if each.decision.value == "open":
        return ""
    until = f" until {each.until:%-d %B %Y}" if each.until else ""
    reason = f": {each.reason}" if each.reason else ""
    return f"; {each.decision.value} by {each.by}{until}{reason}"


def _document(each: Recommendation, saved: Mapping[date, Decimal]) -> dict[str, object]:
    dates = ("first_seen", "last_seen", "gone", "until")
    return {
        **asdict(each),
        **{name: str(day) if (day := getattr(each, name)) else None for name in dates},
        "at": each.at.isoformat() if each.at else None,
        "saving": str(each.saving),
        "worth": str(each.worth),
        "saved": {_week(week): str(amount) for week, amount in sorted(saved.items())},
    }


@findings.command(epilog="Example: opsjobs findings accept cache-3f9a2c --reason 'in the next sprint'")
@click.argument("finding")
@click.option("--reason", default="", help=_REASON)
@_SYSTEM
@configured
@click.pass_obj
def accept(redactor: Redactor, *, finding: str, reason: str, name: str | None, file: Path | None) -> None:
    """Say that somebody is at it: it stays in the reports, with who said so."""
    from opsjobs.recommendation import Decision  # noqa: PLC0415 - slow to import

    decided = _decide(setting(file, redactor), name, finding, decision=Decision.ACCEPTED, reason=reason)
    click.echo(f"{decided.id} is accepted; `opsjobs findings done {decided.id}` when it is")


@findings.command(epilog="Example: opsjobs findings dismiss cache-3f9a2c --for 90d --reason 'answers must be fresh'")
@click.argument("finding")
@click.option("--reason", required=True, help=_REASON)
@click.option("--for", "length", metavar="TIME", help="How long, such as 90d. Default: for ever.")
@_SYSTEM
@configured
@click.pass_obj
def dismiss(
    redactor: Redactor, *, finding: str, reason: str, length: str | None, name: str | None, file: Path | None
) -> None:
    """Say that it will not be done: no report advises it until the time is over."""
    from opsjobs.recommendation import Decision  # noqa: PLC0415 - slow to import

    if not reason.strip():
        raise UsageError("the reason is empty", advice="Say why it will not be done.")
    here = setting(file, redactor)
    zone = ZoneInfo(here.profile(one_of(here, name, "a finding")).zone)
    until = None if length is None else (now() + time_of(length, _LONGEST)).astimezone(zone).date()
    decided = _decide(here, name, finding, decision=Decision.DISMISSED, reason=reason, until=until)
    click.echo(f"{decided.id} is not advised {f'until {decided.until:%-d %B %Y}' if decided.until else 'any more'}")


@findings.command(epilog="Example: opsjobs findings done cache-3f9a2c --reason 'answers are kept for a day now'")
@click.argument("finding")
@click.option("--reason", default="", help=_REASON)
@_SYSTEM
@configured
@click.pass_obj
def done(redactor: Redactor, *, finding: str, reason: str, name: str | None, file: Path | None) -> None:
    """Say that it is done: the weeks from the next one on say what it really saved."""
    from opsjobs.recommendation import Decision  # noqa: PLC0415 - slow to import

    decided = _decide(setting(file, redactor), name, finding, decision=Decision.DONE, reason=reason)
    click.echo(f"{decided.id} is done; what it saves is told from the next whole week on")


@findings.command(epilog="Example: opsjobs findings reopen cache-3f9a2c")
@click.argument("finding")
@_SYSTEM
@configured
@click.pass_obj
def reopen(redactor: Redactor, *, finding: str, name: str | None, file: Path | None) -> None:
    """Take back what was decided: the next report advises it if it is still so."""
    from opsjobs.recommendation import Decision  # noqa: PLC0415 - slow to import

    decided = _decide(setting(file, redactor), name, finding, decision=Decision.OPEN)
    click.echo(f"{decided.id} is open again")


def _decide(here: Setting, name: str | None, finding: str, **decided: Any) -> Recommendation:
    """Write down what was decided, by whom and when."""
    from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - slow to import

    chosen = one_of(here, name, "a finding")
    with here.ledger() as ledger:
        advised = ledger.advised(chosen)
        if finding not in advised:
            raise UsageError(
                f"'{finding}' was never advised for {chosen}{did_you_mean(finding, set(advised))}", advice=_ADVICE
            )
        after = replace(advised[finding], **{"reason": "", "until": None, **decided}, at=now(), by=somebody())
        ledger.decide(chosen, after)
    return after
