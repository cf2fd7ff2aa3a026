"""Who the money is spent on: what the database is asked, what is found in it, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from opsjobs import statements
from opsjobs.analysis import usage as found_in
from opsjobs.analysis.economics import MONTH
from opsjobs.analysis.money import exact, total, written
from opsjobs.analysis.usage import SOURCE, Plan, Spender, Usage
from opsjobs.errors import LedgerError, SourceError
from opsjobs.facts import GroupCost
from opsjobs.jobs.context import Context
from opsjobs.jobs.reckoning import Told
from opsjobs.model import Answer, Evidence, Finding, Gap, Quality, Status, Window
from opsjobs.report.document import Section, Table, TableRow
from opsjobs.sources import Question, UsageQuestion, ask_all
from opsjobs.system.cost import CostsSpec, UsageSpec
from opsjobs.words import NO_DATA, cents, percent, quantity

_WEEK = 7
_EXTRAPOLATED = Decimal("0.001")
"""Share by which counters may be off at the edges of days."""
_LIMITS = ("crisis", "critical", "target")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What was read, what is missing of it, and how it was asked."""

    usage: Usage | None = None
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def read(context: Context, costs: CostsSpec, last: date) -> Read:
    """Who the money of the 30 days up to `last` was spent on; nothing where nobody says how to ask."""
    spec, source = costs.usage, context.postgresql
    if spec is None or source is None:
        return Read()
    zone = ZoneInfo(context.system.zone)
    month = _span(last, MONTH, zone)
    rate = context.expenses.converted(Decimal(1), spec.currency or costs.currency, costs.currency)
    if rate is None:
        reason = f"no rate from {spec.currency} to {costs.currency}"
        return Read(gaps=(Gap(source=SOURCE, reason=reason, advice="Give it in costs.rates."),))
    question = UsageQuestion(
        sql=spec.sql,
        earlier=_span(last - timedelta(days=MONTH), _WEEK, zone),
        middle=_span(last - timedelta(days=_WEEK), MONTH - _WEEK, zone),
        week=_span(last, _WEEK, zone),
        rate=rate,
        limits=tuple(dict.fromkeys(limit for name in _LIMITS if (limit := getattr(costs, name)) is not None)),
    )
    earned = _earned(context, spec, month)
    try:
        facts = source.usage(question, context.deadline)
    except SourceError as error:
        gap = Gap(source=SOURCE, reason=error.message, advice=error.advice)
        evidence = _evidence(source.name, spec, month, Quality.ERROR, str(error))
        return Read(gaps=(gap, *earned.gaps), evidence=(evidence, *earned.evidence))
    try:
        usage = found_in.usage(facts, context.user, context.alias, target=costs.target, revenue=earned.revenue)
    except LedgerError as error:
        # Without the key of their pseudonyms nobody can be named.
        gap = Gap(source=SOURCE, reason=error.message, advice=error.advice)
        return Read(gaps=(gap, *earned.gaps), evidence=earned.evidence)
    quality = Quality.PARTIAL if facts.warnings else Quality.OK if facts.rows else Quality.EMPTY
    return Read(
        usage=usage,
        gaps=(*found_in.gaps(facts), *earned.gaps),
        evidence=(_evidence(source.name, spec, month, quality), *earned.evidence),
    )


def _span(last: date, days: int, zone: ZoneInfo) -> Window:
    """So many whole local days, up to the last."""
    first = last - timedelta(days=days - 1)
    return Window(start=Window.day(first, zone).start, end=Window.day(last, zone).end)


def _evidence(source: str, spec: UsageSpec, month: Window, quality: Quality, reason: str = "") -> Evidence:
    return Evidence(
        subject="cost:usage",
        title=SOURCE,
        source=source,
        query=statements.by_hand(spec.sql, month),
        method=f"added up by user, plan and feature in the database; so are the {_WEEK} days before it",
        quality=quality,
        start=month.start,
        end=month.end,
        reason=reason,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Earned:
    """What plans earn in a month, by plan."""

    revenue: dict[str | None, Decimal]
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def _earned(context: Context, spec: UsageSpec, month: Window) -> _Earned:
    if spec.revenue is None:
        return _Earned(revenue={})
    (reply,) = ask_all(context.metrics, [Question(query=spec.revenue, at=month.end)], context.deadline)
    revenue, reason, advice = _by_plan(reply)
    evidence = Evidence(
        subject="cost:usage:revenue",
        title="Revenue by plan",
        source=context.metrics.name,
        query=spec.revenue,
        method="the one value of each plan",
        quality=Quality.ERROR if isinstance(reply, SourceError) else Quality.PARTIAL if reason else Quality.OK,
        start=None,
        end=month.end,
        reason=reason,
    )
    gaps = (Gap(source="Revenue by plan", reason=reason, advice=advice),) if reason else ()
    return _Earned(revenue=revenue, gaps=gaps, evidence=(evidence,))


def _by_plan(reply: Answer | SourceError) -> tuple[dict[str | None, Decimal], str, str]:
    """Revenue by plan; what is wrong with it, and what to do about that."""
    if isinstance(reply, SourceError):
        return {}, reply.message, reply.advice
    revenue: dict[str | None, Decimal] = {}
    for series in reply.series:
        plan = series.labels.get("plan") or None
        value = series.samples[-1].value if series.samples else None
        if value is None:
            return {}, "it is no number for one of the plans", "Run costs.usage.revenue by hand."
        if plan in revenue:
            return {}, "a plan has it twice", "Aggregate costs.usage.revenue: sum by (plan) (...)."
        revenue[plan] = exact(value)
    if not revenue:
        return {}, "no plan has any", "Run costs.usage.revenue by hand: a metric or a label in it is not there."
    warned = "; ".join(reply.warnings)
    return revenue, f"the source warns: {warned}" if warned else "", ""


def findings(told: Told) -> Iterator[Finding]:
    """Users who ran away, and plans that cost more than they earn."""
    if told.usage is None:
        return
    currency = told.costs.currency
    for user in told.usage.runaways:
        usual = f"{_money(user.usual, told)} in a week of the month before" if user.usual else "nothing before"
        yield Finding(
            subject=f"costs:runaway:{user.name}",
            status=Status.WARNING,
            title=f"{user.name} cost {_money(user.week, told)} in the week, {percent(float(user.week_share))} of all",
            detail=f"{usual}; {_money(user.month, told)} in {MONTH} days",
            advice=(
                "Look for a loop of a client, a key that leaked, or a use that nobody planned, and limit it. "
                "Who it is says the same week with `costs: {users: named}` of the system in opsjobs.yml."
            ),
        )
    for plan in told.usage.plans or ():
        if plan.margin is not None and plan.margin < 0 and plan.revenue is not None:
            name = _called(plan.name, "plan")
            yield Finding(
                subject=f"costs:plan:{name}",
                status=Status.WARNING,
                title=f"The plan {name} costs more than it earns: {_money(plan.amount, told)} in {MONTH} days",
                detail=f"{quantity(float(plan.revenue), currency)} is its revenue for a month",
                advice="Limit what the plan includes, raise its price, or serve it with cheaper models.",
            )


def sections(told: Told) -> Iterator[Section]:
    """Who the money is spent on; nothing where the profile says nothing of it."""
    if told.costs.usage is None:
        return
    note, blocks = "", tuple(_tables(told, told.usage)) if told.usage else ()
    if told.usage is None:
        note = "It is not known who it is spent on: PostgreSQL is not configured, or did not say (docs/costs.md)."
    elif not told.usage.compared:
        note = f"There was no use in the {MONTH} days before the week: nobody can be said to have run away."
    yield Section(id="usage", title="Who it is spent on", note=note, blocks=blocks)


def _tables(told: Told, usage: Usage) -> Iterator[Table]:
    yield _distribution(told, usage)
    if usage.top:
        yield _top(told, usage)
    if usage.plans is not None:
        yield _plans(told, usage, usage.plans)
    if usage.features is not None:
        yield _features(told, usage, usage.features)


def _distribution(told: Told, usage: Usage) -> Table:
    least = "" if usage.complete else "at least "
    rows = [
        ("Users", quantity(usage.users, "count"), ""),
        ("What they cost", f"{least}{_money(usage.total, told)}", _agreement(told, usage)),
        ("Half of them cost at most", _money(usage.p50, told), "each"),
        ("90 % of them cost at most", _money(usage.p90, told), "each"),
        ("99 % of them cost at most", _money(usage.p99, told), "each"),
        ("The costliest one costs", _money(usage.most, told), ""),
    ]
    for name in _LIMITS:
        limit = getattr(told.costs, name)
        beyond = usage.above(limit) if limit is not None else None
        if beyond is not None:
            count = f"{quantity(beyond.users, 'count')} user{'' if beyond.users == 1 else 's'}"
            above = f"beyond the limit, of {count} who cost {_money(beyond.amount, told)}" if beyond.users else "nobody"
            rows.append((f"Above {_money(limit, told)} ({name})", _money(beyond.above, told), above))
    if usage.nameless:
        rows.append(("Without a user", _money(usage.nameless, told), "in the total, and in no share of users"))
    return Table(
        columns=(f"The last {MONTH} days", "Amount", "That is"),
        rows=tuple(TableRow(cells=row) for row in rows),
        words=(2,),
        note="As the database has it, without fixed costs.",
    )


def _agreement(told: Told, usage: Usage) -> str:
    """How far the database is from the counters."""
    read = told.economics.read
    if read is None:
        return "the counters are not known for all of these days"
    said = f"the counters say {_money(read, told)}"
    if not read:
        return said
    apart = (usage.total - read) / read
    if abs(apart) < _EXTRAPOLATED:
        return f"{said}, too"
    return f"{said}: here is {percent(float(abs(apart)))} {'more' if apart > 0 else 'less'}"


def _top(told: Told, usage: Usage) -> Table:
    rest = usage.total - total(each.month for each in usage.top)
    *shown, others = written([*(each.month for each in usage.top), rest])
    rows = [
        TableRow(cells=(user.name or NO_DATA, *_of_user(told, user, amount)))
        for user, amount in zip(usage.top, shown, strict=True)
    ]
    if usage.users > len(usage.top) or rest:
        share = percent(float(rest / usage.total)) if usage.total else NO_DATA
        rows.append(TableRow(cells=("All others", cents(others, told.costs.currency), share, "", "")))
    whole = cents(total([*shown, others]), told.costs.currency)
    rows.append(TableRow(cells=("In total", whole, percent(1.0), _money(usage.week, told), ""), whole=True))
    note = f"The costliest {len(usage.top)} are {percent(float(usage.top_share or 0))} of the total."
    columns = ("User", f"{MONTH} days", "Of all", "The week", "A week before that")
    return Table(columns=columns, rows=tuple(rows), note=note)


def _of_user(told: Told, user: Spender, amount: Decimal) -> tuple[str, str, str, str]:
    return (
        cents(amount, told.costs.currency),
        percent(float(user.share)),
        _money(user.week, told),
        _money(user.usual, told),
    )


def _plans(told: Told, usage: Usage, plans: Sequence[Plan]) -> Table:
    *shown, others = written([*(plan.amount for plan in plans), usage.more_plans_amount])
    rows = [
        TableRow(
            cells=(
                _called(plan.name, "plan"),
                quantity(plan.users, "count"),
                cents(amount, told.costs.currency),
                *(_money(share, told) if share is not None else "" for share in (plan.p50, plan.p90, plan.p99)),
                _money(plan.revenue, told) if plan.revenue is not None else "",
                percent(float(plan.margin)) if plan.margin is not None else "",
            )
        )
        for plan, amount in zip(plans, shown, strict=True)
    ]
    if usage.more_plans:
        rows.append(
            TableRow(
                cells=(f"and {usage.more_plans:,} more", "", cents(others, told.costs.currency), "", "", "", "", "")
            )
        )
    rows.append(
        TableRow(cells=("In total", "", cents(total([*shown, others]), told.costs.currency), *[""] * 5), whole=True)
    )
    return Table(
        columns=("Plan", "Users", f"{MONTH} days", "Half", "90 %", "99 %", "Revenue a month", "Margin"),
        rows=tuple(rows),
        note="What each of half, 90 % and 99 % of its users costs at most; who changed plans counts in each. "
        "The margin is before fixed costs.",
    )


def _features(told: Told, usage: Usage, features: Sequence[GroupCost]) -> Table:
    *shown, others = written([*(each.amount for each in features), usage.more_features_amount])
    rows = [
        TableRow(
            cells=(
                _called(each.name, "feature"),
                quantity(each.users, "count"),
                cents(amount, told.costs.currency),
                percent(float(each.amount / usage.total)) if usage.total else NO_DATA,
            )
        )
        for each, amount in zip(features, shown, strict=True)
    ]
    if usage.more_features:
        rows.append(TableRow(cells=(f"and {usage.more_features:,} more", "", cents(others, told.costs.currency), "")))
    rows.append(
        TableRow(cells=("In total", "", cents(total([*shown, others]), told.costs.currency), percent(1.0)), whole=True)
    )
    return Table(columns=("Feature", "Users", f"{MONTH} days", "Of all"), rows=tuple(rows))


def _called(name: str | None, what: str) -> str:
    return f"without a {what}" if name is None else name


def _money(amount: Decimal | None, told: Told) -> str:
    return NO_DATA if amount is None else quantity(float(amount), told.costs.currency)
