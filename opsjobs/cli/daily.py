"""opsjobs daily."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli import keeping
from opsjobs.cli.logs import complain
from opsjobs.cli.marks import heading, shape
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.cli.sources import memory, opened, places
from opsjobs.cli.stack import planned, running
from opsjobs.cli.timetable import expected
from opsjobs.errors import OpsjobsError, UsageError

if TYPE_CHECKING:
    from opsjobs.analysis.prices import Expenses
    from opsjobs.log import Redactor
    from opsjobs.report.document import Report
    from opsjobs.runner import Finished

_PARTIAL = 3
_REMEMBERED = 28
"""Days back from which values are compared with: four weeks of the same weekday."""
_LONGEST_DAY = 25 * 3600
_DAYS = 7
_DAY = timedelta(days=1)
LAST = "last"
_WEEK = re.compile(r"(\d{4})-W(\d{2})")


@click.command(epilog="Example: opsjobs daily --system pratikoai --date 2026-11-18 --out ./reports")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day to report on, in the system's zone. Default: yesterday.",
)
@click.option(
    "--week",
    metavar="YYYY-Www",
    help="The seven days of an ISO week on one page instead, such as 2026-W46, or `last` for the last that is over.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep the reports below this folder.")
@click.option("--no-send", is_flag=True, help="Mail it to nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def daily(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str,
    day: datetime | None,
    week: str | None,
    out: Path | None,
    no_send: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Report on the health and the business of a day, or of a week.

    Writes report.html, .pdf, .txt and .json, and mails the report to the system's recipients. Exits with 0 when it is
    complete and was sent, whatever it says, and with 3 when something is missing.
    """
    if day is not None and week is not None:
        raise UsageError("--date and --week exclude each other", advice="Give the one or the other.")
    monday = None if week in (None, LAST) else monday_of(week or "")
    here = setting(file, redactor)
    asked, job = (day.date() if day else None, "daily") if week is None else (monday, "weekly")
    names = here.config.chosen(name)
    code = made(
        here, names, lambda chosen: report_on(here, chosen, asked, out, send=not no_send, job=job), as_json=as_json
    )
    context.exit(code)


def made(here: Setting, names: list[str], make: Callable[[str], Finished], *, as_json: bool) -> int:
    """Make the reports of some systems and say what is in them; the exit code."""
    finished: list[Finished] = []
    failed: list[tuple[str, OpsjobsError]] = []
    for chosen in names:
        try:
            finished.append(make(chosen))
        except OpsjobsError as error:
            if not as_json and len(names) == 1:
                raise
            # One system that fails costs the others nothing.
            failed.append((chosen, error))
    redact = here.redactor.redact
    if as_json:
        failures = [{"system": chosen, "error": redact(fault.message)} for chosen, fault in failed]
        document = {"runs": [_document(one) for one in finished], "failed": failures}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for one in finished:
            tell(one)
    for chosen, fault in failed:
        complain(here.redactor, f"{chosen}: {fault.message}", fault.advice)
    partial = any(one.run.outcome.value == "partial" for one in finished)
    return max([fault.exit_code for _, fault in failed], default=_PARTIAL if partial else 0)


def monday_of(week: str) -> date:
    """The first day of an ISO week. Raises `UsageError`."""
    form = _WEEK.fullmatch(week)
    try:
        year, number = (int(part) for part in form.groups()) if form else (0, 0)
        return date.fromisocalendar(year, number, _DAYS) - timedelta(days=_DAYS - 1)
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{week}' is no ISO week", advice="Give one such as 2026-W46, or `last` for the last one that is over."
        ) from None


def report_on(
    here: Setting,
    name: str,
    day: date | None = None,
    out: Path | None = None,
    *,
    send: bool = False,
    job: str = "daily",
) -> Finished:
    """Run the job for one system of the setting; without a day, for the last that is over in the system's zone.

    The weekly job and that of costs report on the week that the day is in.
    """
    from opsjobs import config  # noqa: PLC0415 - slow to import
    from opsjobs.http import Deadline  # noqa: PLC0415 - as above
    from opsjobs.jobs import Context, weekly  # noqa: PLC0415 - as above
    from opsjobs.runner import execute  # noqa: PLC0415 - as above

    connection = here.config.systems[name]
    system = config.profile(here.config, name, here.base)
    moment = now()
    weeks = job in {"weekly", "costs"}
    if day is None:
        today = moment.astimezone(ZoneInfo(system.zone)).date()
        day = today - timedelta(days=today.weekday() + _DAYS if weeks else 1)
    users = _users(here, name)
    with here.desk(name, out, send=send) as desk, opened(here, name) as sources:
        work = Context(
            name=name,
            system=system,
            metrics=sources.metrics,
            day=day,
            now=moment,
            deadline=Deadline(config.RUN_SECONDS),
            grafana=connection.links.grafana or "",
            runbooks=connection.links.runbooks or "",
            postgresql=sources.postgresql,
            redis=sources.redis,
            sentry=sources.sentry,
            rules=sources.metrics,
            dashboards=sources.grafana,
            backups=None if weeks else keeping.states(here, name, before=_midnight(day, system.zone)),
            expected=()
            if weeks
            else expected(here, name, min(_midnight(day + timedelta(days=1), system.zone), moment)),
            running=running(planned(here, name), sources) if connection.drift else None,
            past=desk.ledger.past(name, day, _REMEMBERED),
            places=places(here, name),
            expenses=_expenses(here, name),
            memory=memory(desk.ledger, name, day),
            user=_named(users) if here.config.systems[name].costs.users == "named" else users,
            alias=users,
        )
        return execute(job, work, desk, weekly.slot(day) if weeks else "")


def _midnight(day: date, zone: str) -> datetime:
    from opsjobs.model import Window  # noqa: PLC0415 - slow to import

    return Window.day(day, ZoneInfo(zone)).start


def _expenses(here: Setting, name: str) -> Expenses:
    """What the configuration says of a system's money."""
    from opsjobs import expenses  # noqa: PLC0415 - slow to import
    from opsjobs.analysis.prices import Expenses, FixedCost, Invoice, Price, PriceTable  # noqa: PLC0415 - as above

    told, costs = here.config.systems[name].costs, here.profile(name).costs
    own = costs.currency if costs else ""
    return Expenses(
        budget=told.budget,
        fixed=tuple(
            FixedCost(
                name=each,
                monthly=spec.monthly,
                currency=spec.currency or own,
                since=spec.since,
                until=spec.until,
                series=spec.series,
                busy=spec.busy or "",
            )
            for each, spec in told.fixed.items()
        ),
        rates=told.rates,
        prices=PriceTable(tuple(Price(**dict(price)) for price in expenses.prices(told, here.base)) if costs else ()),
        invoices=tuple(
            Invoice(
                item=each.item,
                month=date.fromisoformat(f"{each.month}-01"),
                amount=each.amount,
                currency=each.currency or own,
            )
            for each in told.invoices
        ),
    )


def _named(alias: Callable[[str], str]) -> Callable[[str], str]:
    """Users by their names, beside the pseudonyms under which something is remembered of them."""
    return lambda user: f"{user} ({alias(user)})"


def _users(here: Setting, name: str) -> Callable[[str], str]:
    """The pseudonyms of the users of a system; their key is made when the first needs one."""
    from opsjobs.analysis.pseudonyms import pseudonym  # noqa: PLC0415 - slow to import
    from opsjobs.ledger.key import kept  # noqa: PLC0415 - as above

    @cache
    def key() -> bytes:
        found = kept(here.root / "pseudonyms.key")
        here.redactor.add(found.hex())
        return found

    return lambda user: pseudonym(key(), name, user)


def _document(finished: Finished) -> dict[str, object]:
    run, report = finished.run, finished.report
    return {
        "id": run.id,
        "system": run.system,
        "job": run.job,
        "slot": run.slot,
        "outcome": run.outcome.value,
        "status": report.status.name,
        "complete": report.complete,
        "verdict": report.verdict,
        "findings": [
            {"subject": finding.subject, "status": finding.status.name, "title": finding.title}
            for finding in report.findings
        ],
        "files": {Path(artifact.path).name: artifact.path for artifact in run.artifacts},
        "deliveries": [
            {"recipient": each.recipient, "slot": each.slot, "state": each.state.value, "error": each.error}
            for each in finished.deliveries
        ],
        "error": run.error,
    }


def tell(finished: Finished) -> None:
    """Say on standard output what was found, and where the files are."""
    report = finished.report
    partial = "" if report.complete else "  PARTIAL"
    long = report.window.seconds > _LONGEST_DAY
    so_far = "" if report.over else f" until {report.window.end:{'%A, %H:%M' if long else '%H:%M'}}"
    click.echo(f"{report.system_title}, {report.slot}{so_far}")
    click.echo(f"{heading(report.status.name, partial)}  {report.verdict}")
    for finding in report.findings:
        click.echo(f"  {shape(finding.status.name)} {finding.status.name:<8}  {finding.title}")
        for line in (finding.detail, finding.advice):
            if line:
                click.echo(f"    {line}")
    for action, saving, *_, known_as in _actions(report):
        click.echo(f"  {click.style('→', bold=True)} {action}: {saving} a month ({known_as})")
    if finished.run.error:
        click.echo(f"  {finished.run.error}")
    for delivery in finished.deliveries:
        if delivery.state.value == "sent":
            light = ", without its files: they were too large" if delivery.light else ""
            click.echo(f"  sent to {delivery.recipient}{light}")
    for artifact in finished.run.artifacts:
        click.echo(f"  {artifact.path}")


def _actions(report: Report) -> Iterator[tuple[str, ...]]:
    """What to do first, by its rows; not their sum."""
    from opsjobs.report.document import Table  # noqa: PLC0415 - slow to import

    for section in report.sections:
        for block in section.blocks if section.id == "actions" else ():
            if isinstance(block, Table):
                yield from (row.cells for row in block.rows if not row.whole)
