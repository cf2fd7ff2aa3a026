"""The weekly costs: what the system costs, why that changed, and where the month is going."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from opsjobs.analysis import carried, economics, hindsight, invoices, outlay
from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.advice import advise, earlier
from opsjobs.analysis.costs import Spending
from opsjobs.analysis.economics import MONTH, Economics
from opsjobs.analysis.levers import Case, Series
from opsjobs.analysis.money import NOTHING, exact, total
from opsjobs.analysis.prices import FixedCost
from opsjobs.analysis.usage import Usage
from opsjobs.errors import SourceError, UsageError
from opsjobs.jobs import actions, ledgers, reconciliation, series, usage
from opsjobs.jobs import bill as bills
from opsjobs.jobs.context import Context, Result
from opsjobs.jobs.prospects import HOUR, Prospects, prospects
from opsjobs.jobs.reckoning import Told
from opsjobs.jobs.weekly import slot
from opsjobs.model import Evidence, Finding, Gap, Status, Window
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
    week = _week(context)
    zone = ZoneInfo(context.system.zone)
    days = [*bills.before(week[0], _HISTORY - _DAYS), *week]
    rules = bills.Rules(costs, context.expenses)
    known = carried.carried(context.spent, costs, context.system.zone)
    asked_for = bills.Span(days=days, week=week, zone=zone)
    bill = bills.bill(rules, context.metrics, asked_for, known, context.deadline)
    numbers, asked = _economics(context, costs, bill.spending, week)
    told = _told(context, costs, bill, numbers, week)
    beside = prospects(rules, context.metrics, bill.spending, asked_for, context.deadline)
    asked = [*asked, *beside.asked]
    used = usage.read(context, costs, week[-1])
    kept = series.read(context, costs, _window(week, zone))
    read = hindsight.by_day(bill.spending, known)
    told = replace(
        told,
        gaps=(
            *told.gaps,
            *bills.gaps(asked, costs),
            *used.gaps,
            *kept.gaps,
            *beside.gaps,
            *reconciliation.gaps(context.expenses, costs),
        ),
        usage=used.usage,
        advice=advise(_case(told, beside, used.usage, kept.series), context.advised, zone),
        saved=context.saved,
        capacities=beside.capacities,
        from_memory=bill.from_memory,
        hindsight=hindsight.hindsight(
            context.spent.outlays, read, lambda days: _fixed(context, costs, days), week[-1], costs.currency
        ),
        invoices=invoices.reconciled(context.expenses, costs.currency, bill.spending, known, week[-1]),
    )
    evidence = (
        *_evidence(context, costs, [*bill.asked, *asked]),
        *used.evidence,
        *kept.evidence,
        *bills.remembered(context.name, bill, zone),
    )
    stated = (
        *hindsight.stated(week[-1], told.month, outlay.month(week[-1]), costs.currency),
        *hindsight.stated(week[-1], told.next_month, _ahead(week), costs.currency),
    )
    return Result(
        report=_report(context, told, _window(week, zone), evidence),
        advised=tuple(told.advice.known),
        realised=tuple(told.advice.realised),
        spent=replace(bill.to_keep, outlays=stated),
    )


def _case(told: Told, beside: Prospects, used: Usage | None, kept: Series | None) -> Case:
    return Case(
        costs=told.costs,
        spending=told.spending,
        week=told.week,
        earlier=earlier(told.spending, told.week),
        alone=beside.alone,
        capacities=beside.capacities,
        usage=used,
        series=kept,
    )


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


def _window(days: Sequence[date], zone: ZoneInfo) -> Window:
    return Window(start=Window.day(days[0], zone).start, end=Window.day(days[-1], zone).end)


def _told(context: Context, costs: CostsSpec, bill: bills.Bill, numbers: Economics, week: list[date]) -> Told:
    spending, expenses = bill.spending, context.expenses
    after = week[-1] + timedelta(days=1)
    fixed_gaps = [
        Gap(
            source=each.name,
            reason=f"no rate from {each.currency} to {costs.currency}",
            advice="Give it in costs.rates.",
        )
        for each in _rateless(context, costs)
    ]
    history = {day: float(cost) for day, cost in spending.by_day().items()}
    budget = None if expenses.budget is None else float(expenses.budget)
    month, ahead = outlay.month(week[-1]), _ahead(week)
    fixed = {day: float(_fixed(context, costs, [day])) for day in (*month, *ahead)}
    gone = [day for day in month if day <= week[-1]]
    return Told(
        costs=costs,
        zone=ZoneInfo(context.system.zone),
        spending=spending,
        week=week,
        before=bills.before(week[0], _DAYS),
        economics=numbers,
        month=outlay.outlay(history, month, after, budget, fixed),
        next_month=outlay.outlay(history, ahead, after, fixed=fixed),
        spikes=spending_of.spikes(spending, week),
        fixed=_fixed(context, costs, week),
        rateless=bool(fixed_gaps),
        budget=expenses.budget,
        spent=spending_of.amount(spending.of(gone)) + _fixed(context, costs, gone),
        vanished=()
        if spending.missing(week)
        else spending_of.vanished(spending, bills.before(week[0], _DAYS), bill.members),
        stale=[
            f"{price.model}: last looked up on {price.checked:%-d %B %Y}"
            for price in expenses.prices.stale(bill.models, week[-1])
        ],
        gaps=(*spending.gaps, *fixed_gaps),
    )


def _ahead(week: Sequence[date]) -> list[date]:
    """The days after the week for which something is expected."""
    return [week[-1] + timedelta(days=number) for number in range(1, MONTH + 1)]


def _rateless(context: Context, costs: CostsSpec) -> list[FixedCost]:
    """The fixed costs that no rate makes comparable."""
    expenses = context.expenses
    return [each for each in expenses.fixed if expenses.converted(each.monthly, each.currency, costs.currency) is None]


def _fixed(context: Context, costs: CostsSpec, days: Sequence[date]) -> Decimal:
    """The fixed costs of some days."""
    expenses = context.expenses
    return total(
        expenses.converted(each.on(day), each.currency, costs.currency) or NOTHING
        for each in expenses.fixed
        for day in days
    )


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
    revenue = values.get("revenue")
    found = Economics(
        read=None if spending.missing(days) else spending_of.amount(spending.of(days)),
        fixed=None if _rateless(context, costs) else _fixed(context, costs, days),
        active_users=values.get("active_users"),
        paying_users=values.get("paying_users"),
        revenue=None if revenue is None else exact(revenue),
    )
    asked = [(bills.Asked(item="", what=name, day=None, question=questions[name]), replies[name]) for name in queries]
    return found, asked


def _report(context: Context, told: Told, window: Window, evidence: tuple[Evidence, ...]) -> Report:
    findings = tuple(sorted(_findings(context, told), key=lambda finding: -finding.status.rank))
    gaps = (*told.gaps, *_missing(told))
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
        calm=f"the week cost {quantity(float(told.read + told.fixed), told.costs.currency)}, {ledgers.moved(told)}",
        tally=tuple(_tally(told)),
        findings=findings,
        sections=(*actions.first(told), *ledgers.sections(told), *actions.later(told)),
        gaps=gaps,
        evidence=evidence,
        lines=tuple(ledgers.lines(told)),
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
        cause = ledgers.driver(told)
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
    yield Fact(name="Since the week before", value=ledgers.moved(told, share=False))
    yield Fact(name="Forecast for the month", value=ledgers.forecast_in_short(told), status=_month_status(told))
    yield actions.fact(told)


def _month_status(told: Told) -> Status | None:
    if told.budget is not None and told.spent > told.budget:
        return Status.CRITICAL
    if told.month is None or told.budget is None:
        return None
    if told.month.low > told.budget:
        return Status.CRITICAL
    return Status.WARNING if told.month.expected > told.budget else Status.OK


def _findings(context: Context, told: Told) -> Iterator[Finding]:
    owners = context.owners
    team, runbook = owners.team(told.costs.team), owners.runbook(told.costs.runbook)
    for finding in _found(told):
        yield replace(finding, team=team, runbook=runbook)


def _found(told: Told) -> Iterator[Finding]:
    costs = told.costs
    each = told.economics.each_active
    status, limit = economics.judged(each, costs)
    if each is not None and limit:
        above = quantity(float(getattr(costs, limit)), costs.currency)
        yield Finding(
            subject="costs:user",
            status=status,
            title=f"Cost for each active user: {quantity(float(each), costs.currency)}, above {above} ({limit})",
            detail=f"over the last {MONTH} days",
        )
    if told.budget is not None and told.spent > told.budget:
        yield Finding(
            subject="costs:budget",
            status=Status.CRITICAL,
            title=f"The month has cost more than its budget of {quantity(float(told.budget), costs.currency)}",
            detail=f"at least {quantity(float(told.spent), costs.currency)} up to {told.week[-1]:%-d %B}",
        )
    elif told.month and told.budget is not None and told.month.expected > told.budget:
        crossed = f"; used up on {told.month.crossed:%-d %B}" if told.month.crossed else ""
        yield Finding(
            subject="costs:budget",
            status=_month_status(told) or Status.WARNING,
            title=f"The month will cost more than its budget of {quantity(float(told.budget), costs.currency)}",
            detail=f"{ledgers.forecast(told)}{crossed}",
        )
    for spike in told.spikes:
        yield Finding(
            subject=f"costs:spike:{spike.day}",
            status=Status.WARNING,
            title=f"{spike.day:%A} cost {quantity(float(spike.cost), costs.currency)}",
            detail=ledgers.spike(told, spike),
        )
    yield from usage.findings(told)
    yield from reconciliation.findings(told)
    for item, member, amount in told.vanished:
        yield Finding(
            subject=f"costs:vanished:{item}:{spending_of.called(member)}",
            status=Status.UNKNOWN,
            title=f"Nothing counts {ledgers.name(told, item, member)} any more",
            detail=f"{quantity(float(amount), costs.currency)} in the week before, and nobody knows how much in this",
            advice="See whether what exposes the counter still does; if it is used no more, this is told only once.",
        )
    for reason, what in spending_of.unpriced(told.spending.of(told.week)).items():
        yield Finding(
            subject=f"costs:unpriced:{reason}",
            status=Status.UNKNOWN,
            title=f"Costs are not known: {reason}",
            detail=f"{what} of the week are in no total",
            advice=(
                "Add the price to a table of your own (costs.prices), the rate to costs.rates, or the member to the "
                "counter of money, with 0 where it is free."
            ),
        )
    for price in told.stale:
        yield Finding(
            subject=f"costs:stale:{price}",
            status=Status.WARNING,
            title="A price may be out of date",
            detail=price,
            advice="See whether it still holds, and write the day into the table of prices.",
        )


def _missing(told: Told) -> Iterator[Gap]:
    """The days of the week that are not known in full."""
    days = [day for day in told.week if _share(told, day) < spending_of.WHOLE]
    if days:
        named = ", ".join(f"{day:%A} ({percent(_share(told, day))} seen)" for day in days)
        reason = f"not known in full: {named}. The total is at least what was seen; nothing is compared."
        yield Gap(source="Days", reason=reason)
    if told.costs.active_users and told.economics.each_active is None and told.economics.active_users != 0:
        earlier = "a day of the last 30 is not known in full"
        reason = earlier if told.economics.read is None else "it is not known how many users were active"
        yield Gap(source="Cost for each active user", reason=reason)


def _share(told: Told, day: date) -> float:
    return min(share for (_, on), share in told.spending.seen.items() if on == day)


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
