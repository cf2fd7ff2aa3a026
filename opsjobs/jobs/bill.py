"""What is asked for the money of each day, and the lines that come of it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo
from decimal import Decimal

from opsjobs.analysis import carried
from opsjobs.analysis.carried import SYSTEM, Carried
from opsjobs.analysis.costs import WHOLE, Line, Member, Spending, called, key
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

WHATS = ("spent", "units", "requests", "failed", "tokens")
_NAMED, _TOO_LARGE = 3, 1e12
"""How many members a warning names, and from where on a number is a mistake."""
_AT_ONCE = 4
"""Days whose answers are in memory together."""

Reply = Answer | SourceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One thing that was asked of one day, or of all of them."""

    item: str
    what: str
    """`spent`, `units`, `requests`, `failed`, `tokens` or `seen`; of the system `traffic`, `hits` and both seen."""
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
    members: Mapping[str, Collection[Member]]
    """Whose money was counted at all in the week, by item."""
    models: Collection[str]
    """Whose prices were looked up for the week."""


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
    """Ask for everything that is not remembered, some days at once, and make lines of it.

    An answer is let go as soon as its lines are made: of many members, the answers would take more room than the lines.
    """
    costs, days = rules.costs, carried.to_ask(known, span.days, span.week)
    asked = [*_of_items(costs, days, span.zone), *_of_traffic(costs, days[SYSTEM], span.zone)]
    read = _Read(rules, days, span.zone)
    for batch in _batches(asked):
        read.take(batch, ask_all(metrics, [each.question for each in batch], deadline))
    found = read.spending()
    spending, from_memory = carried.joined(found, known, span.days)
    lost = {(each.item, each.day) for each, reply in read.said if each.day and not _whole(reply)}
    return Bill(
        spending=spending,
        asked=read.said,
        from_memory=from_memory,
        to_keep=carried.to_keep(found, known, lost),
        members={item: {one for day in span.week for one in read.members.get((item, day), ())} for item in costs.items},
        models={model for day in span.week for model in read.models.get(day, ())},
    )


def _batches(asked: Sequence[Asked]) -> Iterator[list[Asked]]:
    """What is of all days, then some days after the other."""
    by_day: dict[date | None, list[Asked]] = {}
    for each in asked:
        by_day.setdefault(each.day, []).append(each)
    whole = by_day.pop(None, [])
    days = sorted(by_day, key=str)
    if whole:
        yield whole
    for first in range(0, len(days), _AT_ONCE):
        yield [each for day in days[first : first + _AT_ONCE] for each in by_day[day]]


class _Read:
    """What was read so far."""

    def __init__(self, rules: Rules, days: Mapping[str, Sequence[date]], zone: tzinfo) -> None:
        self.said: list[tuple[Asked, Reply]] = []
        """Of the answers about a day no more than the first of their series."""
        self.members: dict[tuple[str, date], set[Member]] = {}
        """Whose money was counted at all, by item and day, whether there was any or not."""
        self.models: dict[date, set[str]] = {}
        """Whose prices were looked up."""
        self._rules, self._days, self._zone = rules, days, zone
        self._lines: list[Line] = []
        self._own: dict[Member, Member] = {}
        """Of each member one copy, for all days."""
        self._seen: dict[tuple[str, str], dict[date, float]] = {}
        self._counted: dict[tuple[str, date], float] = {}
        self._money_read: dict[tuple[str, date], bool] = {}

    def take(self, asked: Sequence[Asked], replies: Sequence[Reply]) -> None:
        """Make lines of the replies to some questions: all of the days that they are about."""
        found: dict[tuple[str, str, date], Reply] = {}
        for each, reply in zip(asked, replies, strict=True):
            if each.day is None:
                self._seen[each.item, each.what] = _seen(reply, self._days[each.item], self._zone)
                self.said.append((each, reply))
            else:
                told = _told(reply)
                found[each.item, each.what, each.day] = told
                # All of an answer takes more room than the lines that are made of it.
                self.said.append((each, replace(told, series=told.series[:1]) if isinstance(told, Answer) else told))
        for item, day in dict.fromkeys((each.item, each.day) for each in asked):
            if day is not None and item == SYSTEM:
                self._count(found, day)
            elif day is not None:
                self._take(found, item, day)

    def _count(self, found: Mapping[tuple[str, str, date], Reply], day: date) -> None:
        """The traffic of a day, where it was seen all day."""
        for what in ("traffic", "hits"):
            value = _sum(found.get((SYSTEM, what, day)))
            if value is not None and self._share(SYSTEM, f"{what} seen", day) >= WHOLE:
                self._counted[what, day] = value

    def _take(self, found: Mapping[tuple[str, str, date], Reply], item: str, day: date) -> None:
        """The lines of an item on a day; what was counted beside the money counts where it was seen all day."""
        spec = self._rules.costs.items[item]
        main = _main(spec)
        replies = {what: found[item, what, day] for what in WHATS if (item, what, day) in found}
        self._money_read[item, day] = _whole(replies[main])
        for what in ("requests", "tokens"):
            if what != main and what in replies and not self._sound(item, what, day, replies[what]):
                del replies[what]
        if "failed" in replies and not _whole(replies["failed"]):
            # Nobody may have failed for as long as the process lives: that it was not seen says nothing.
            del replies["failed"]
        said = _Day(replies, day)
        self.members[item, day] = {key(labels, spec.by) for labels, _ in said.of(main)}
        if spec.tokens and not spec.spent:
            self.models.setdefault(day, set()).update(
                labels.get(spec.tokens.model, "") for labels, _ in said.of("tokens")
            )
        self._lines += _lines(item, spec, said, self._rules, self._own)

    def _sound(self, item: str, what: str, day: date, reply: Reply) -> bool:
        return _whole(reply) and self._share(item, f"{what} seen", day) >= WHOLE

    def _share(self, item: str, what: str, day: date) -> float:
        return self._seen.get((item, what), {}).get(day, 0.0)

    def spending(self) -> Spending:
        """All of it."""
        items = self._rules.costs.items
        counted = {
            what: {day: value for (of, day), value in self._counted.items() if of == what}
            for what in ("traffic", "hits")
        }
        return Spending(
            lines=tuple(self._lines),
            # A day whose money could not be read, or only in part, is no day without cost.
            seen={
                (item, day): self._share(item, "seen", day) if self._money_read[item, day] else 0.0
                for item in items
                for day in self._days[item]
            },
            traffic=counted["traffic"],
            hits=counted["hits"],
            gaps=tuple(gaps(self.said, self._rules.costs)),
        )


def _main(spec: CostItemSpec) -> str:
    """What the money of an item is counted by; beside a counter of money, tokens only say why."""
    return "spent" if spec.spent else "units" if spec.units else "tokens"


def _told(reply: Reply) -> Reply:
    """The same with a warning where a member has no number, or one that is no amount of anything."""
    if not isinstance(reply, Answer):
        return reply
    odd = [series.labels for series in reply.series if not all(_is_number(sample.value) for sample in series.samples)]
    if not odd:
        return reply
    named = ", ".join(" ".join(labels.values()) or "all" for labels in odd[:_NAMED])
    more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    return replace(reply, warnings=(*reply.warnings, f"it has no number for {named}{more}"))


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and 0 <= value < _TOO_LARGE


def _whole(reply: Reply) -> bool:
    return isinstance(reply, Answer) and not reply.warnings


def _of_items(costs: CostsSpec, wanted: Mapping[str, Sequence[date]], zone: tzinfo) -> Iterator[Asked]:
    for item, spec in costs.items.items():
        days = wanted[item]
        main = spec.spent or spec.units or (spec.tokens.counter if spec.tokens else "")
        yield _seen_in(item, "seen", main, days, zone)
        if spec.requests:
            yield _seen_in(item, "requests seen", spec.requests, days, zone)
        if spec.tokens and spec.tokens.counter != main:
            yield _seen_in(item, "tokens seen", spec.tokens.counter, days, zone)
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


def _seen_in(item: str, what: str, counter: str, days: Sequence[date], zone: tzinfo) -> Asked:
    """When a counter was there at all."""
    whole = Window(start=Window.day(days[0], zone).start, end=Window.day(days[-1], zone).end)
    question = Question(query=f"group({counter})", at=whole.end, window=whole, step=SEEN)
    return Asked(item=item, what=what, day=None, question=question)


def _of_traffic(costs: CostsSpec, days: Sequence[date], zone: tzinfo) -> Iterator[Asked]:
    for what, counter in (("traffic", costs.traffic), ("hits", costs.cache_hits)):
        if not counter or not days:
            continue
        yield _seen_in(SYSTEM, f"{what} seen", counter, days, zone)
        for day in days:
            window = Window.day(day, zone)
            query = increase(counter, (), costs.replica, window.seconds)
            yield Asked(item="", what=what, day=day, question=Question(query=query, at=window.end))


def _seen(reply: Reply, days: Sequence[date], zone: tzinfo) -> dict[date, float]:
    """For which share of each day a counter was seen."""
    windows = [Window.day(day, zone) for day in days]
    starts = [window.start.timestamp() for window in windows]
    counts = [0] * len(days)
    for series in () if isinstance(reply, SourceError) else reply.series:
        for sample in series.samples:
            number = bisect_left(starts, sample.time) - 1
            if number >= 0 and sample.value is not None and windows[number].holds(sample.time):
                counts[number] += 1
    return {
        day: min(1.0, count / (window.seconds / SEEN)) for day, window, count in zip(days, windows, counts, strict=True)
    }


@dataclass(frozen=True, slots=True)
class _Day:
    """The replies about one item and day, by what was asked."""

    replies: Mapping[str, Reply]
    day: date

    def of(self, what: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and values; none where it was not asked, or could not be."""
        reply = self.replies.get(what)
        if not isinstance(reply, Answer):
            return []
        return [
            (series.labels, value)
            for series in reply.series
            if series.samples and (value := series.samples[-1].value) is not None and _is_number(value)
        ]

    def has(self, what: str) -> bool:
        """Whether it was asked and answered."""
        return isinstance(self.replies.get(what), Answer)


def _lines(item: str, spec: CostItemSpec, said: _Day, rules: Rules, own: dict[Member, Member]) -> Iterator[Line]:
    """One for each member that did anything on the day."""
    costs, expenses = rules.costs, rules.expenses
    counts = {what: {key(labels, spec.by): value for labels, value in said.of(what)} for what in ("requests", "failed")}
    requests, failed, tokens = counts["requests"], counts["failed"], _tokens(spec, said)
    currency = spec.currency or costs.currency
    amounts: dict[Member, tuple[Decimal | None, str]] = {}
    for what, price in (("spent", Decimal(1)), ("units", spec.price or Decimal(0))):
        for labels, value in said.of(what):
            converted = expenses.converted(exact(value) * price, currency, costs.currency)
            amounts[key(labels, spec.by)] = converted, "" if converted is not None else _no_rate(currency, costs)
    if spec.tokens and not spec.spent:
        for member, kinds in tokens.items():
            amounts[member] = _priced(kinds, said.day, rules)
    for member in sorted({*amounts, *requests, *tokens}):
        used = sum(sum(kinds.values()) for kinds in tokens.get(member, {}).values())
        amount, reason = amounts.get(member, (None, f"no cost is counted for {called(member)}"))
        if member not in amounts and requests.get(member, 0.0) - failed.get(member, 0.0) < 1 and not used:
            # It did nothing that anybody would be paid for.
            amount, reason = Decimal(0), ""
        line = Line(
            item=item,
            day=said.day,
            member=own.setdefault(member, member),
            amount=amount,
            reason=reason,
            requests=requests.get(member, 0.0) if said.has("requests") else None,
            failed=failed.get(member, 0.0) if said.has("failed") else None,
            tokens=used if said.has("tokens") else None,
        )
        if line.amount or line.requests or line.tokens or line.reason:
            yield line


Kinds = Mapping[str, Mapping[str, float]]
"""Tokens by model and kind."""


def _tokens(spec: CostItemSpec, said: _Day) -> dict[Member, dict[str, dict[str, float]]]:
    """Tokens by member, model and kind, none of them under two kinds."""
    found: dict[Member, dict[str, dict[str, float]]] = {}
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
    if not isinstance(reply, Answer) or not _whole(reply) or not reply.series:
        return None
    values = [series.samples[-1].value for series in reply.series if series.samples]
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def one(reply: Reply) -> float | None:
    """The one finite value of an answer; None where there is none, or more than one."""
    if isinstance(reply, SourceError) or len(reply.series) != 1 or not reply.series[0].samples:
        return None
    value = reply.series[0].samples[-1].value
    return value if value is not None and math.isfinite(value) else None


def quality(reply: Reply) -> Quality:
    """Whether there was an answer, and anything in it."""
    if isinstance(reply, SourceError):
        return Quality.ERROR
    if reply.warnings:
        return Quality.PARTIAL
    return Quality.OK if reply.series else Quality.EMPTY


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
