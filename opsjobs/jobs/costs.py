"""The weekly costs: what the system costs, why that changed, and where the month is going."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo
from zoneinfo import ZoneInfo

from opsjobs.analysis import carried, economics, hindsight, invoices, outlay
from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.advice import advise, earlier
from opsjobs.analysis.carried import Carried
from opsjobs.analysis.costs import Spending
from opsjobs.analysis.economics import MONTH, Economics
from opsjobs.analysis.levers import Case
from opsjobs.analysis.money import exact
from opsjobs.daybook import StatedOutlay
from opsjobs.errors import SourceError, UsageError
from opsjobs.jobs import accounts, actions, concerns, reconciliation, series, usage
from opsjobs.jobs import bill as bills
from opsjobs.jobs.context import Context, Result
from opsjobs.jobs.prospects import HOUR, Prospects, prospects
from opsjobs.jobs.reckoning import Told
from opsjobs.jobs.weekly import slot
from opsjobs.model import Evidence, Gap, Status, Window
from opsjobs.report.document import Fact, Report
from opsjobs.sources import Question, ask_all
from opsjobs.system.cost import CostsSpec
from opsjobs.words import percent, quantity

_DAYS, _HISTORY = 7, 35
"""Days of the week, and of all that is asked: four weeks of the same weekday before it."""
_USERS = ("active_users", "paying_users", "revenue")


def run(context: Context) -> Result:
    """Read, compare and forecast the money of the week that `context.day` is in. Raises `UsageError`."""
    costs = context.system.costs
    if costs is None:
        raise UsageError(
            f"the profile of {context.system.title} says nothing of costs",
            advice="Give it a section `costs`: docs/costs.md.",
        )
    week, zone = _week(context), ZoneInfo(context.system.zone)
    span = bills.Span(days=[*bills.before(week[0], _HISTORY - _DAYS), *week], week=week, zone=zone)
    read = _ask(context, costs, span)
    told = _told(context, costs, span, read)
    return Result(
        report=_report(context, told, _window(week, zone), tuple(_all_evidence(context, costs, zone, read))),
        advised=tuple(told.advice.known),
        realised=tuple(told.advice.realised),
        spent=replace(read.bill.to_keep, outlays=tuple(_stated(told))),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """Everything that was asked, and what is remembered."""

    known: Carried
    bill: bills.Bill
    economics: Economics
    prospects: Prospects
    usage: usage.Read
    series: series.Read
    asked: Sequence[tuple[bills.Asked, bills.Reply]]
    """Beside the bill."""


def _ask(context: Context, costs: CostsSpec, span: bills.Span) -> _Read:
    rules = bills.Rules(costs, context.expenses)
    known = carried.carried(context.spent, costs, context.system.zone)
    bill = bills.bill(rules, context.metrics, span, known, context.deadline)
    numbers, asked = _economics(context, costs, bill.spending, span.week)
    beside = prospects(rules, context.metrics, bill.spending, span, context.deadline)
    return _Read(
        known=known,
        bill=bill,
        economics=numbers,
        prospects=beside,
        usage=usage.read(context, costs, span.week[-1]),
        series=series.read(context, costs, _window(span.week, span.zone)),
        asked=[*asked, *beside.asked],
    )


def _all_evidence(context: Context, costs: CostsSpec, zone: tzinfo, read: _Read) -> Iterator[Evidence]:
    yield from _evidence(context, costs, [*read.bill.asked, *read.asked])
    yield from read.usage.evidence
    yield from read.series.evidence
    yield from bills.remembered(context.name, read.bill, zone)


def _stated(told: Told) -> Iterator[StatedOutlay]:
    """What is expected, to be held against what comes."""
    last, currency = told.week[-1], told.costs.currency
    yield from hindsight.stated(last, told.month, outlay.month(last), currency)
    yield from hindsight.stated(last, told.next_month, _ahead(told.week), currency)


def span(day: date) -> tuple[date, date]:
    """The first and the last day of which something is told in the week of a day."""
    monday = day - timedelta(days=day.weekday())
    return monday - timedelta(days=_HISTORY - _DAYS), monday + timedelta(days=_DAYS - 1)


def _week(context: Context) -> list[date]:
    monday = context.day - timedelta(days=context.day.weekday())
    week = [monday + timedelta(days=number) for number in range(_DAYS)]
    if _window(week, ZoneInfo(context.system.zone)).end > context.now:
        raise UsageError(
            f"{slot(context.day)} is not over in {context.system.zone}",
            advice="Money is told of whole weeks: give an earlier one, or `--week last`.",
        )
    return week


def _window(days: Sequence[date], zone: tzinfo) -> Window:
    return Window(start=Window.day(days[0], zone).start, end=Window.day(days[-1], zone).end)


def _told(context: Context, costs: CostsSpec, span: bills.Span, read: _Read) -> Told:
    """Everything that is found out, before it is said."""
    expenses, spending, week = context.expenses, read.bill.spending, span.week
    last, before = week[-1], bills.before(week[0], _DAYS)
    history = {day: float(cost) for day, cost in spending.by_day().items()}
    budget = None if expenses.budget is None else float(expenses.budget)
    month, ahead, after = outlay.month(last), _ahead(week), last + timedelta(days=1)
    fixed = {day: float(expenses.of([day], costs.currency)) for day in (*month, *ahead)}
    gone = [day for day in month if day <= last]
    vanished = () if spending.missing(week) else spending_of.vanished(spending, before, read.bill.members)
    return Told(
        costs=costs,
        zone=span.zone,
        spending=spending,
        week=week,
        before=before,
        economics=read.economics,
        month=outlay.outlay(history, month, after, budget, fixed),
        next_month=outlay.outlay(history, ahead, after, fixed=fixed),
        spikes=spending_of.spikes(spending, week),
        fixed=expenses.of(week, costs.currency),
        rateless=bool(expenses.rateless(costs.currency)),
        budget=expenses.budget,
        spent=spending_of.amount(spending.of(gone)) + expenses.of(gone, costs.currency),
        vanished=vanished,
        stale=[
            f"{price.model}: last looked up on {price.checked:%-d %B %Y}"
            for price in expenses.prices.stale(read.bill.models, last)
        ],
        gaps=tuple(_gaps(context, costs, read)),
        advice=advise(_case(costs, span, read), context.advised, span.zone),
        saved=context.saved,
        capacities=read.prospects.capacities,
        usage=read.usage.usage,
        from_memory=read.bill.from_memory,
        hindsight=hindsight.hindsight(
            context.spent.outlays,
            hindsight.by_day(spending, read.known),
            lambda days: expenses.of(days, costs.currency),
            last,
            costs.currency,
        ),
        invoices=invoices.reconciled(expenses, costs.currency, spending, read.known, last),
    )


def _gaps(context: Context, costs: CostsSpec, read: _Read) -> Iterator[Gap]:
    yield from read.bill.spending.gaps
    for each in context.expenses.rateless(costs.currency):
        reason = f"no rate from {each.currency} to {costs.currency}"
        yield Gap(source=each.name, reason=reason, advice="Give it in costs.rates.")
    yield from bills.gaps(read.asked, costs)
    yield from read.usage.gaps
    yield from read.series.gaps
    yield from read.prospects.gaps
    yield from reconciliation.gaps(context.expenses, costs)


def _case(costs: CostsSpec, span: bills.Span, read: _Read) -> Case:
    spending = read.bill.spending
    return Case(
        costs=costs,
        spending=spending,
        week=span.week,
        earlier=earlier(spending, span.week),
        alone=read.prospects.alone,
        capacities=read.prospects.capacities,
        usage=read.usage.usage,
        series=read.series.series,
    )


def _ahead(week: Sequence[date]) -> list[date]:
    """The days after the week for which something is expected."""
    return [week[-1] + timedelta(days=number) for number in range(1, MONTH + 1)]


def _economics(
    context: Context, costs: CostsSpec, spending: Spending, week: Sequence[date]
) -> tuple[Economics, list[tuple[bills.Asked, bills.Reply]]]:
    """The numbers of 30 days, and what was asked for them."""
    days = [week[-1] - timedelta(days=number) for number in range(MONTH)]
    at = Window.day(week[-1], ZoneInfo(context.system.zone)).end
    queries = {name: getattr(costs, name) for name in _USERS if getattr(costs, name)}
    questions = {name: Question(query=query, at=at) for name, query in queries.items()}
    replies = dict(zip(queries, ask_all(context.metrics, list(questions.values()), context.deadline), strict=True))
    values = {name: bills.one(reply) for name, reply in replies.items()}
    revenue, expenses = values.get("revenue"), context.expenses
    found = Economics(
        read=None if spending.missing(days) else spending_of.amount(spending.of(days)),
        fixed=None if expenses.rateless(costs.currency) else expenses.of(days, costs.currency),
        active_users=values.get("active_users"),
        paying_users=values.get("paying_users"),
        revenue=None if revenue is None else exact(revenue),
    )
    asked = [(bills.Asked(item="", what=name, day=None, question=questions[name]), replies[name]) for name in queries]
    return found, asked


def _report(context: Context, told: Told, window: Window, evidence: tuple[Evidence, ...]) -> Report:
    findings = tuple(sorted(concerns.findings(context, told), key=lambda finding: -finding.status.rank))
    gaps = (*told.gaps, *concerns.gaps(told))
    return Report(
        job="costs",
        system=context.name,
        system_title=context.system.title,
        title="Weekly costs",
        slot=slot(context.day),
        window=window,
        zone=context.system.zone,
        # What is missing proves nothing well.
        status=Status.worst([Status.UNKNOWN if gaps else Status.OK, *(finding.status for finding in findings)]),
        complete=not gaps,
        verdict=_verdict(told),
        calm=f"the week cost {quantity(float(told.read + told.fixed), told.costs.currency)}, {accounts.moved(told)}",
        tally=tuple(_tally(told)),
        findings=findings,
        sections=(*actions.first(told), *accounts.sections(told), *actions.later(told)),
        gaps=gaps,
        evidence=evidence,
        lines=tuple(accounts.lines(told)),
    )


def _verdict(told: Told) -> str:
    currency = told.costs.currency
    if not told.spending.of(told.week):
        fixed = f" beyond its fixed costs of {quantity(float(told.fixed), currency)}" if told.fixed else ""
        return (
            f"The week cost nothing{fixed}: no counter moved." if told.whole else "It is not known what the week cost."
        )
    said = f"The week cost {told.least}{quantity(float(told.read + told.fixed), currency)}"
    before = spending_of.amount(told.spending.of(told.before))
    if told.change is not None and before:
        ratio = told.change / before
        way = "more" if ratio > 0 else "less"
        said += f", {percent(float(abs(ratio)))} {way} than the week before" if ratio else ", as the week before"
        cause = accounts.driver(told)
        said += f" ({cause})" if cause else ""
    each = told.economics.each_active
    if each is not None:
        said += f"; an active user costs {quantity(float(each), currency)} a month"
    return f"{said}."


def _tally(told: Told) -> Iterator[Fact]:
    currency = told.costs.currency
    each = told.economics.each_active
    status, _ = economics.judged(each, told.costs)
    target = f", target {quantity(float(told.costs.target), currency)}" if told.costs.target is not None else ""
    if told.costs.active_users:
        nobody = "nobody was active" if told.economics.active_users == 0 else "not known"
        said = nobody if each is None else quantity(float(each), currency)
        yield Fact(name=f"An active user a month{target}", value=said, status=status)
    yield Fact(name="The week in total", value=f"{told.least}{quantity(float(told.read + told.fixed), currency)}")
    yield Fact(name="Since the week before", value=accounts.moved(told, share=False))
    yield Fact(name="Forecast for the month", value=accounts.forecast_in_short(told), status=concerns.of_month(told))
    yield actions.fact(told)


def _method(asked: bills.Asked) -> str:
    if asked.day:
        return "increase over the day"
    if asked.question.window is None:
        return "the one value"
    return "increase of each hour" if asked.question.step == HOUR else "seen in each five minutes"


def _evidence(
    context: Context, costs: CostsSpec, said: Sequence[tuple[bills.Asked, bills.Reply]]
) -> Iterator[Evidence]:
    """Each query once, as it was asked for the last day."""
    last: dict[tuple[str, str], tuple[bills.Asked, bills.Reply]] = {}
    for asked, reply in said:
        last[asked.item, asked.what] = asked, reply
    for (item, what), (asked, reply) in last.items():
        failed = isinstance(reply, SourceError)
        title = costs.items[item].title if item else "System"
        window = asked.question.window
        yield Evidence(
            subject=f"cost:{item or 'system'}:{what}",
            title=f"{title}: {what}",
            source=context.metrics.name,
            query=asked.question.query,
            method=_method(asked),
            quality=bills.quality(reply),
            start=window.start if window else None,
            end=asked.question.at,
            step=asked.question.step,
            reason=str(reply) if failed else "",
        )
