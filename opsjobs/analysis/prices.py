"""What things cost: dated prices of tokens, fixed expenses of a month, and rates between currencies."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from opsjobs.analysis.money import MICRO, exact, total, written

STALE = 180
"""Days after which somebody should see whether a price still holds."""
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What tokens of a model cost from a day on, for each million of a kind."""

    model: str
    """Its name, or a pattern with `*`."""
    since: date
    currency: str
    per_million: Mapping[str, Decimal]
    """By kind: input, cached_input, output, reasoning. Of a kind that is not there its base counts: input or output."""
    source: str
    checked: date
    """When somebody last looked at the source."""

    def of(self, kind: str) -> Decimal | None:
        """The price of one token of a kind."""
        base = {"cached_input": "input", "reasoning": "output"}.get(kind, kind)
        found = self.per_million.get(kind, self.per_million.get(base))
        return None if found is None else found / _MILLION


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices; of several for a model the latest that had begun counts, and a name before a pattern."""

    prices: Sequence[Price] = ()

    def find(self, model: str, day: date) -> Price | None:
        """The price of a model on a day; None where nobody knows it."""
        begun = [price for price in self.prices if price.since <= day and fnmatchcase(model, price.model)]
        return max(begun, key=lambda price: (price.model == model, len(price.model), price.since), default=None)

    def stale(self, models: Iterable[str], day: date) -> list[Price]:
        """The prices in use that nobody has looked at for long."""
        used = {id(price): price for model in models if (price := self.find(model, day))}
        return [price for price in used.values() if (day - price.checked).days > STALE]


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedCost:
    """What is paid each month, whatever happens."""

    name: str
    monthly: Decimal
    currency: str
    since: date | None = None
    until: date | None = None
    series: bool = False
    """Whether it is paid for the series of Prometheus."""
    busy: str = ""
    """PromQL: which share of it is used."""

    def on(self, day: date) -> Decimal:
        """The share of a day, in its own currency: the days of a month add up to the month, exactly."""
        if (self.since and day < self.since) or (self.until and day > self.until):
            return Decimal(0)
        days = monthrange(day.year, day.month)[1]
        return written([self.monthly / days] * days, MICRO)[day.day - 1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Invoice:
    """What was billed for an item and a calendar month."""

    item: str
    month: date
    """Its first day."""
    amount: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Expenses:
    """What the configuration says of money."""

    budget: Decimal | None = None
    """For a calendar month, in the system's currency."""
    fixed: Sequence[FixedCost] = ()
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    """How much of the system's currency one of another is."""
    prices: PriceTable = field(default_factory=PriceTable)
    invoices: Sequence[Invoice] = ()

    def of(self, days: Iterable[date], own: str) -> Decimal:
        """The fixed costs of some days, in the system's own currency, as far as there are rates."""
        amounts = (self.converted(each.on(day), each.currency, own) for day in days for each in self.fixed)
        return total(amount for amount in amounts if amount is not None)

    def rateless(self, own: str) -> list[FixedCost]:
        """The fixed costs that no rate makes comparable."""
        return [each for each in self.fixed if self.converted(each.monthly, each.currency, own) is None]

    def converted(self, amount: Decimal, currency: str, own: str) -> Decimal | None:
        """An amount in the system's own currency; None where no rate is known."""
        if currency == own:
            return exact(amount)
        rate = self.rates.get(currency)
        return None if rate is None else exact(amount * rate)
