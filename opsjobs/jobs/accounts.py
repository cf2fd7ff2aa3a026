"""What was found out about money, as the parts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from opsjobs.analysis import carried, drivers
from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.costs import Line, Member, Spike, called
from opsjobs.analysis.economics import MONTH
from opsjobs.analysis.money import CENT, NOTHING, exact, total, written
from opsjobs.analysis.outlay import Outlay
from opsjobs.jobs import reconciliation, usage
from opsjobs.jobs.reckoning import Told
from opsjobs.model import Sample, Window
from opsjobs.report.document import Chart, Charts, Section, Table, TableRow
from opsjobs.report.document import Line as Curve
from opsjobs.words import NO_DATA, cents, change, percent, quantity

_THOUSAND = 1000
_REMARKABLE = Decimal("0.05")
"""From which part of the week before on a change has its cause in the verdict."""
_ABOUT = {
    drivers.VOLUME: "more or fewer requests of users",
    drivers.CACHE: "more or fewer of them reached a provider",
    drivers.MIX: "dearer or cheaper models and providers",
    drivers.TOKENS: "longer or shorter requests and answers",
    drivers.PRICE: "what a token cost",
    drivers.REQUEST: "what a request cost; tokens are not counted",
    drivers.RATE: "what the traffic cost; requests are not counted by member",
    drivers.WHOLE: "nothing is counted beside the cost",
}


def sections(told: Told) -> Iterator[Section]:
    """The parts of the report, the most important first."""
    yield Section(id="spent", title="What it cost", blocks=(_spent(told),))
    days = len({day for _, day in told.spending.seen})
    note = carried.said(told.from_memory, days, told.week)
    yield Section(id="days", title="Day by day", note=note, blocks=(_days(told), Charts(charts=(_chart(told),))))
    yield Section(id="economics", title="For each user and request", blocks=(_economics(told),))
    yield from usage.sections(told)
    why = _why(told)
    note = "" if why else "Nothing can be compared: one of the two weeks is not known in full."
    yield Section(id="why", title="Why it changed", note=note, blocks=(why,) if why else ())
    fared = tuple(reconciliation.forecasts(told))
    young = "" if fared else reconciliation.YOUNG
    yield Section(id="forecast", title="Where it is going", note=young, blocks=(_outlook(told), *fared))
    yield from reconciliation.invoices(told)


def lines(told: Told) -> Iterator[tuple[str, ...]]:
    """Every line of the week and of the one before, for a spreadsheet."""
    found = told.spending.of([*told.before, *told.week])
    labels = list(dict.fromkeys(name for line in found for name, _ in line.member))
    counted = ("requests", "failed", "tokens")
    yield ("day", "item", *labels, f"amount_{told.costs.currency}", *counted, "reason")
    for line in sorted(found, key=lambda line: (line.day, line.item, line.member)):
        member = dict(line.member)
        amount = "" if line.amount is None else f"{line.amount:f}"
        counts = (line.requests, line.failed, line.tokens)
        numbers = ("" if count is None else f"{count:.0f}" for count in counts)
        yield (f"{line.day}", line.item, *(member.get(name, "") for name in labels), amount, *numbers, line.reason)


def _money(amount: Decimal | float | None, told: Told) -> str:
    return NO_DATA if amount is None else quantity(float(amount), told.costs.currency)


def _spent(told: Told) -> Table:
    """Every member of every item, and the fixed costs; they add up to the total as they are written."""
    lines = told.spending.of(told.week)
    groups = spending_of.grouped(lines, lambda line: (line.item, line.member))
    before = spending_of.grouped(told.spending.of(told.before), lambda line: (line.item, line.member))
    parts = [spending_of.amount(group) for group in groups.values()]
    shown = written([*parts, told.fixed])
    rows = []
    for (of, group), amount in zip(groups.items(), shown[:-1], strict=True):
        was = spending_of.amount(before.get(of, ())) if told.comparable else None
        rows.append(
            TableRow(
                cells=(name(told, group[0].item, group[0].member), *_row(told, group, amount), _moved(told, group, was))
            )
        )
    fixed = "Fixed costs, at least" if told.rateless else "Fixed costs"
    rows.append(TableRow(cells=(fixed, cents(shown[-1], told.costs.currency), "", "", "", "")))
    whole = "In total, at least" if told.least else "In total"
    rows.append(TableRow(cells=(whole, cents(total(shown), told.costs.currency), "", "", "", moved(told)), whole=True))
    return Table(
        columns=("What", "Cost", "Requests", "Of 1,000 requests", "Tokens", "Since the week before"), rows=tuple(rows)
    )


def name(told: Told, item: str, member: Member) -> str:
    """An item, or a member of it, in words."""
    title = told.costs.items[item].title
    return f"{title}: {called(member)}" if member else title


def _row(told: Told, group: Sequence[Line], amount: Decimal) -> tuple[str, str, str, str]:
    known = all(line.amount is not None for line in group)
    cost, why = cents(amount, told.costs.currency), next((line.reason for line in group if line.amount is None), "")
    requests = spending_of.counted(line.requests for line in group)
    tokens = spending_of.counted(line.tokens for line in group)
    each = float(spending_of.amount(group)) / requests * _THOUSAND if requests and known else None
    return (
        cost if known else f"at least {cost}: {why}",
        "" if requests is None else quantity(round(requests), "count"),
        "" if each is None else quantity(each, told.costs.currency),
        "" if tokens is None else quantity(round(tokens), "count"),
    )


def _moved(told: Told, group: Sequence[Line], was: Decimal | None) -> str:
    if was is None:
        return NO_DATA
    return change(float(spending_of.amount(group)), float(was), told.costs.currency)


def moved(told: Told, *, share: bool = True) -> str:
    """How far the cost of the week moved, in words, with the share of the week before."""
    if told.change is None:
        return "no baseline"
    before = spending_of.amount(told.spending.of(told.before))
    said = change(float(told.read), float(before), told.costs.currency)
    return f"{said} ({percent(float(abs(told.change) / before))})" if share and before and told.change else said


def _days(told: Told) -> Table:
    rows, by_day = [], told.spending.by_day()
    costs = [spending_of.amount(told.spending.of([day])) for day in told.week]
    for day, amount, before in zip(told.week, written(costs), told.before, strict=True):
        known = told.spending.known(day)
        was = by_day.get(before)
        cells = (
            f"{day:%A} {day.day} {day:%B}",
            f"{'' if known else 'at least '}{cents(amount, told.costs.currency)}",
            change(float(amount), float(was), told.costs.currency) if known and was is not None else NO_DATA,
            next((spike_words(told, each) for each in told.spikes if each.day == day), ""),
        )
        rows.append(TableRow(cells=cells))
    columns: tuple[str, ...] = ("Day", "Read from counters", "Since a week before", "Remark")
    if not told.spikes:
        columns, rows = columns[:-1], [TableRow(cells=row.cells[:-1]) for row in rows]
    return Table(columns=columns, rows=tuple(rows), words=(3,))


def _chart(told: Told) -> Chart:
    """The cost of each day that is known; a hole where one is not."""
    by_day = told.spending.by_day()
    days = sorted({day for _, day in told.spending.seen})
    samples = tuple(
        Sample(
            datetime(day.year, day.month, day.day, 12, tzinfo=told.zone).timestamp(),
            float(by_day[day]) if day in by_day else None,
        )
        for day in days
    )
    return Chart(
        title="Cost of each day, read from counters",
        unit=told.costs.currency,
        window=Window(start=Window.day(days[0], told.zone).start, end=Window.day(days[-1], told.zone).end),
        lines=(Curve(name="Cost", samples=samples, emphasis=True),),
        summary=f"{len(by_day)} of {len(days)} days are known in full",
    )


def _economics(told: Told) -> Table:
    found, lines = told.economics, told.spending.of(told.week)
    requests = spending_of.counted(line.requests for line in lines)
    each = float(told.read) / requests * _THOUSAND if requests and told.whole else None
    wasted = spending_of.wasted(lines)
    lost = "not counted" if wasted is None else _money(wasted, told)
    rate = NO_DATA if each is None else quantity(each, told.costs.currency)
    margin = percent(float(found.margin)) if found.margin is not None else NO_DATA
    rows = [
        ("For each active user and month", _money(found.each_active, told), f"the last {MONTH} days, no fixed costs"),
        ("The same with fixed costs", _money(found.each_active_with_fixed, told), ""),
        ("For each paying user and month", _money(found.each_paying, told), "fixed costs included"),
        ("For 1,000 requests to providers", rate, "the week"),
        ("Paid for what failed or was made again", lost, "the week"),
        ("Paid each month for capacity that was not used", _idle(told), "the last four weeks"),
        ("Answered from the cache", percent(_cached(told)), "the week, of all requests of users"),
        ("Revenue of a month", _money(found.revenue, told), ""),
        ("Margin", margin, "what is left of it when all costs are paid"),
    ]
    return Table(columns=("What", "Value", "Of"), rows=tuple(TableRow(cells=row) for row in rows), words=(2,))


def _idle(told: Told) -> str:
    """What is paid for the parts of servers and caches that nobody needed; only of those that say how busy they are."""
    known = [
        exact(each.monthly * exact(1 - each.mean)) for each in told.capacities if each.monthly and each.mean is not None
    ]
    if not told.capacities:
        return "not counted"
    least = "" if len(known) == len(told.capacities) else "at least "
    return f"{least}{_money(total(known), told)}" if known else NO_DATA


def _cached(told: Told) -> float | None:
    traffic = [told.spending.traffic[day] for day in told.week if day in told.spending.traffic]
    hits = [told.spending.hits[day] for day in told.week if day in told.spending.hits]
    counted = len(traffic) == len(hits) == len(told.week) and sum(traffic) > 0
    return sum(hits) / sum(traffic) if counted else None


def _why(told: Told) -> Table | None:
    """What each driver added; the rows add up to the change as they are written."""
    if told.change is None:
        return None
    parts = spending_of.changed(told.spending, told.before, told.week)
    shown = written([*parts.values()])
    currency = told.costs.currency
    rows = [
        TableRow(cells=(driver.capitalize(), _signed(amount, currency), _ABOUT[driver]))
        for driver, amount in zip(parts, shown, strict=True)
    ]
    rows.append(TableRow(cells=("In total", _signed(total(shown), currency), ""), whole=True))
    note = "Logarithmic mean Divisia index: the parts add up to the change, whatever their order."
    return Table(columns=("Driver", "Added", "That is"), rows=tuple(rows), words=(2,), note=note)


def driver(told: Told) -> str:
    """What moved the cost most, in words; nothing where it hardly moved."""
    before = spending_of.amount(told.spending.of(told.before))
    if not told.change or not before or abs(told.change / before) < _REMARKABLE:
        return ""
    parts = spending_of.changed(told.spending, told.before, told.week)
    most = max(parts, key=lambda name: abs(parts[name]))
    return f"{most} {_signed(parts[most].quantize(CENT), told.costs.currency)}"


def _signed(amount: Decimal, currency: str) -> str:
    sign = "+" if amount > 0 else "\N{MINUS SIGN}" if amount < 0 else ""
    return f"{sign}{cents(abs(amount), currency)}"


def spike(told: Told, found: Spike) -> str:
    """Why a day is a spike, in words."""
    rise = found.cost - found.before
    share = percent(float(found.rise / rise)) if rise > NOTHING else ""
    who = name(told, found.item, found.member)
    return (
        f"{_money(found.before, told)} the day before, usually {_money(found.usual, told)} on that weekday; "
        f"{share} of the rise is {who}"
    )


def spike_words(told: Told, found: Spike) -> str:
    """A spike in the row of its day."""
    return f"spike: {spike(told, found)}"


def forecast(told: Told) -> str:
    """What the month is expected to cost, with its interval, in words."""
    if told.month is None:
        return "not enough data"
    interval = f"({_money(told.month.low, told)} to {_money(told.month.high, told)})"
    return f"{_expected(told, told.month)} {interval}{_of_budget(told)}"


def forecast_in_short(told: Told) -> str:
    """The same without its interval."""
    return "not enough data" if told.month is None else f"{_expected(told, told.month)}{_of_budget(told)}"


def _expected(told: Told, found: Outlay) -> str:
    return f"{'at least ' if told.rateless else ''}{_money(found.expected, told)}"


def _of_budget(told: Told) -> str:
    return f" of {_money(told.budget, told)}" if told.budget is not None else ""


def _outlook(told: Told) -> Table:
    rows = []
    for name, found in (("This calendar month", told.month), (f"The next {MONTH} days", told.next_month)):
        if found is None:
            rows.append(TableRow(cells=(name, "not enough data", "", "", "")))
            continue
        crossed = (
            f"{found.crossed:%A, %-d %B}"
            if found.crossed
            else ("not" if told.budget is not None and found is told.month else "")
        )
        cells = (
            name,
            _expected(told, found),
            f"{_money(found.low, told)} to {_money(found.high, told)}",
            f"{found.days} days to come",
            crossed,
        )
        rows.append(TableRow(cells=cells))
    return Table(
        columns=("Span", "Expected", "Four times of five within", "Of it", "Budget used up on"),
        rows=tuple(rows),
        words=(3, 4),
        note="Fixed costs included. The weekdays of five weeks at the present level, with a trend where one is sure.",
    )
