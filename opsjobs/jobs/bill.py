"""What is asked for the money of each day, and the lines that come of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import Decimal

from opsjobs.analysis import carried
from opsjobs.analysis.carried import SYSTEM, Carried
from opsjobs.analysis.costs import Line, Spending, key
from opsjobs.analysis.money import exact
from opsjobs.analysis.prices import Expenses
from opsjobs.daybook import Daybook
from opsjobs.errors import SourceError
from opsjobs.http import Deadline
from opsjobs.model import Answer, Evidence, Gap, Quality, Window
from opsjobs.sources import Metrics, Question, ask_all
from opsjobs.system.cost import KINDS, CostItemSpec, CostsSpec, TokensSpec

SEEN = 300
"""Seconds within which a counter must have been seen to be known."""

Reply = Answer | SourceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One thing that was asked of one day, or of all of them."""

    item: str
    what: str
    """`spent`, `units`, `requests`, `failed`, `tokens` or `seen`; of the system `traffic` and `hits`."""
    day: date | None
    question: Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What was read or is remembered, and how."""

    spending: Spending
    asked: Sequence[tuple[Asked, Reply]]
    from_memory: Sequence[date]
    """The days that are remembered from earlier reports, if only in part."""
    to_keep: Daybook


def increase(counter: str, by: Sequence[str], replica: str, seconds: float) -> str:
    """PromQL: by how much a counter grew, by labels; of what two servers saw the larger counts.

    `increase` sees resets and puts up to half a scrape interval to each end of the day: on a day with a sample each
    minute that is less than 0.1 %.
    """
    return f"sum by ({', '.join(by)}) (max without ({replica}) (increase({counter}[{round(seconds)}s])))"


@dataclass(frozen=True, slots=True)
class Rules:
    """How what was read becomes money."""

    costs: CostsSpec
    expenses: Expenses


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Which days are told of."""

    days: Sequence[date]
    """All of them, the oldest first."""
    week: Sequence[date]
    """Those of them that are always read anew."""
    zone: tzinfo


def bill(rules: Rules, metrics: Metrics, span: Span, known: Carried, deadline: Deadline) -> Bill:
    """Ask at once for everything that is not remembered, and make lines of it."""
    costs, days = rules.costs, carried.to_ask(known, span.days, span.week)
    asked = [*_of_items(costs, days, span.zone), *_of_traffic(costs, days[SYSTEM], span.zone)]
    replies = ask_all(metrics, [each.question for each in asked], deadline)
    said = list(zip(asked, replies, strict=True))
    read = _spending(rules, said, days, span.zone)
    spending, from_memory = carried.joined(read, known, span.days)
    lost = {(each.item, each.day) for each, reply in said if each.day and not _whole(reply)}
    return Bill(spending=spending, asked=said, from_memory=from_memory, to_keep=carried.to_keep(read, known, lost))


def _spending(
    rules: Rules, said: Sequence[tuple[Asked, Reply]], days: Mapping[str, Sequence[date]], zone: tzinfo
) -> Spending:
    """What the replies say."""
    costs = rules.costs
    found = {(each.item, each.what, each.day): reply for each, reply in said}
    seen = {item: _seen(found[item, "seen", None], days[item], zone) for item in costs.items}
    lines = [
        line
        for item, spec in costs.items.items()
        for day in days[item]
        for line in _lines(item, spec, day, _Day(found, item, day), rules)
    ]
    traffic = {day: _sum(found.get((SYSTEM, "traffic", day))) for day in days[SYSTEM]}
    hits = {day: _sum(found.get((SYSTEM, "hits", day))) for day in days[SYSTEM]}
    return Spending(
        lines=tuple(lines),
        # A day whose money could not be read, or only in part, is no day without cost.
        seen={
            (item, day): share if _read(found, item, day) else 0.0
            for item, by_day in seen.items()
            for day, share in by_day.items()
        },
        traffic={day: value for day, value in traffic.items() if value is not None},
        hits={day: value for day, value in hits.items() if value is not None},
        gaps=tuple(gaps(said, costs)),
    )


def _read(found: Mapping[tuple[str, str, date | None], Reply], item: str, day: date) -> bool:
    """Whether the question for the money of an item on a day has a whole answer."""
    replies = [found[item, what, day] for what in ("spent", "units", "tokens") if (item, what, day) in found]
    # Beside a counter of money, tokens only say why.
    return _whole(replies[0])


def _whole(reply: Reply) -> bool:
    return isinstance(reply, Answer) and not reply.warnings


def _of_items(costs: CostsSpec, wanted: Mapping[str, Sequence[date]], zone: tzinfo) -> Iterator[Asked]:
    for item, spec in costs.items.items():
        days = wanted[item]
        whole = Window(start=Window.day(days[0], zone).start, end=Window.day(days[-1], zone).end)
        main = spec.spent or spec.units or (spec.tokens.counter if spec.tokens else "")
        seen = Question(query=f"group({main})", at=whole.end, window=whole, step=SEEN)
        yield Asked(item=item, what="seen", day=None, question=seen)
        counters = {"spent": spec.spent, "units": spec.units, "requests": spec.requests, "failed": spec.failed}
        for day in days:
            window = Window.day(day, zone)
            for what, counter in counters.items():
                if counter:
                    query = increase(counter, spec.by, costs.replica, window.seconds)
                    yield Asked(item=item, what=what, day=day, question=Question(query=query, at=window.end))
            if spec.tokens:
                by = [*dict.fromkeys((*spec.by, spec.tokens.model, spec.tokens.kind))]
                query = increase(spec.tokens.counter, by, costs.replica, window.seconds)
                yield Asked(item=item, what="tokens", day=day, question=Question(query=query, at=window.end))


def _of_traffic(costs: CostsSpec, days: Sequence[date], zone: tzinfo) -> Iterator[Asked]:
    for what, counter in (("traffic", costs.traffic), ("hits", costs.cache_hits)):
        for day in days if counter else ():
            window = Window.day(day, zone)
            query = increase(counter or "", (), costs.replica, window.seconds)
            yield Asked(item="", what=what, day=day, question=Question(query=query, at=window.end))


def _seen(reply: Reply, days: Sequence[date], zone: tzinfo) -> dict[date, float]:
    """For which share of each day a counter was seen."""
    if isinstance(reply, SourceError):
        return dict.fromkeys(days, 0.0)
    times = [sample.time for series in reply.series for sample in series.samples if sample.value is not None]
    found = {}
    for day in days:
        window = Window.day(day, zone)
        found[day] = min(1.0, sum(window.holds(time) for time in times) / (window.seconds / SEEN))
    return found


@dataclass(frozen=True, slots=True)
class _Day:
    """The replies about one item and day."""

    found: Mapping[tuple[str, str, date | None], Reply]
    item: str
    day: date

    def of(self, what: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and values; none where it was not asked, or could not be."""
        reply = self.found.get((self.item, what, self.day))
        if not isinstance(reply, Answer):
            return []
        return [
            (series.labels, value)
            for series in reply.series
            if series.samples and (value := series.samples[-1].value) is not None and math.isfinite(value)
        ]

    def has(self, what: str) -> bool:
        """Whether it was asked and answered."""
        return isinstance(self.found.get((self.item, what, self.day)), Answer)


def _lines(item: str, spec: CostItemSpec, day: date, said: _Day, rules: Rules) -> Iterator[Line]:
    """One for each member that did anything on the day."""
    costs, expenses = rules.costs, rules.expenses
    counts = {what: {key(labels, spec.by): value for labels, value in said.of(what)} for what in ("requests", "failed")}
    tokens = _tokens(spec, said)
    currency = spec.currency or costs.currency
    amounts: dict[tuple[tuple[str, str], ...], tuple[Decimal | None, str]] = {}
    for what, price in (("spent", Decimal(1)), ("units", spec.price or Decimal(0))):
        for labels, value in said.of(what):
            converted = expenses.converted(exact(value) * price, currency, costs.currency)
            amounts[key(labels, spec.by)] = converted, "" if converted is not None else _no_rate(currency, costs)
    if spec.tokens and not spec.spent:
        for member, kinds in tokens.items():
            amounts[member] = _priced(kinds, day, rules)
    for member, (amount, reason) in sorted(amounts.items()):
        kinds_of = tokens.get(member, {})
        line = Line(
            item=item,
            day=day,
            member=member,
            amount=amount,
            reason=reason,
            requests=counts["requests"].get(member, 0.0) if said.has("requests") else None,
            failed=counts["failed"].get(member, 0.0) if said.has("failed") else None,
            tokens=sum(sum(each.values()) for each in kinds_of.values()) if said.has("tokens") else None,
        )
        if line.amount or line.requests or line.tokens or line.reason:
            yield line


Kinds = Mapping[str, Mapping[str, float]]
"""Tokens by model and kind."""


def _tokens(spec: CostItemSpec, said: _Day) -> dict[tuple[tuple[str, str], ...], dict[str, dict[str, float]]]:
    """Tokens by member, model and kind, none of them under two kinds."""
    found: dict[tuple[tuple[str, str], ...], dict[str, dict[str, float]]] = {}
    if spec.tokens is None:
        return found
    for labels, value in said.of("tokens"):
        name = labels.get(spec.tokens.kind, "")
        kind = spec.tokens.kinds.get(name, name)
        models = found.setdefault(key(labels, spec.by), {})
        kinds = models.setdefault(labels.get(spec.tokens.model, ""), {})
        kinds[kind] = kinds.get(kind, 0.0) + value
    for models in found.values():
        for kinds in models.values():
            _kept_apart(kinds, spec.tokens)
    return found


def _kept_apart(kinds: dict[str, float], spec: TokensSpec) -> None:
    for inner, outer in spec.within.items():
        if inner in kinds and outer in kinds:
            kinds[outer] = max(0.0, kinds[outer] - kinds[inner])


def _priced(kinds: Kinds, day: date, rules: Rules) -> tuple[Decimal | None, str]:
    """The money of tokens; none, and why, where one of their prices is not known."""
    costs, expenses = rules.costs, rules.expenses
    amount = Decimal(0)
    for model, by_kind in kinds.items():
        price = expenses.prices.find(model, day)
        for kind, count in by_kind.items():
            of_one = price.of(kind) if price and kind in KINDS else None
            if not count:
                continue
            if price is None or of_one is None:
                return None, f"no price for {kind} tokens of {model or 'a model without a name'}"
            converted = expenses.converted(exact(count) * of_one, price.currency, costs.currency)
            if converted is None:
                return None, _no_rate(price.currency, costs)
            amount += converted
    return amount, ""


def _no_rate(currency: str, costs: CostsSpec) -> str:
    return f"no rate from {currency} to {costs.currency}"


def _sum(reply: Reply | None) -> float | None:
    if not isinstance(reply, Answer) or not reply.series:
        return None
    values = [series.samples[-1].value for series in reply.series if series.samples]
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def gaps(said: Sequence[tuple[Asked, Reply]], costs: CostsSpec) -> Iterator[Gap]:
    """What could not be asked, once for each item and reason."""
    told = set()
    for asked, reply in said:
        warned = "; ".join(reply.warnings) if isinstance(reply, Answer) else ""
        reason = reply.message if isinstance(reply, SourceError) else (f"the source warns: {warned}" if warned else "")
        title = costs.items[asked.item].title if asked.item else asked.what.replace("_", " ").capitalize()
        if reason and (title, reason) not in told:
            told.add((title, reason))
            yield Gap(source=title, reason=reason, advice=reply.advice if isinstance(reply, SourceError) else "")


def remembered(system: str, bill: Bill, zone: tzinfo) -> Iterator[Evidence]:
    """What the ledger was asked, where something is from there."""
    if bill.from_memory:
        first, last = bill.from_memory[0], bill.from_memory[-1]
        yield Evidence(
            subject="cost:system:remembered",
            title="Days from the ledger",
            source="the ledger",
            query=f"SELECT * FROM spent_lines WHERE system = '{system}' AND day BETWEEN '{first}' AND '{last}'",  # noqa: S608 - for people to run
            method="as earlier reports read and priced them",
            quality=Quality.OK,
            start=Window.day(first, zone).start,
            end=Window.day(last, zone).end,
        )


def before(day: date, count: int) -> list[date]:
    """So many days before a day, the oldest first."""
    return [day - timedelta(days=number) for number in range(count, 0, -1)]
