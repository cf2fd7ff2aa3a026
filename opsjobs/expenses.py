"""What opsjobs.yml says of money: a budget, fixed costs, rates, and prices of one's own."""

from __future__ import annotations

import importlib.resources
import re
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from opsjobs.declaration import Declared, load, parse
from opsjobs.system.cost import Currency, Kind, Money
from opsjobs.vocabulary import Expression

_MONTH = re.compile(r"[1-9]\d{3}-(0[1-9]|1[0-2])")


def _amount(value: Any) -> Any:
    # As it is written: a float has been through binary.
    return Decimal(repr(value)) if isinstance(value, float) else value


Amount = Annotated[Money, BeforeValidator(_amount)]


class FixedCostSpec(Declared):
    """What is paid each month, whatever happens: a server, Grafana Cloud, a tool for each of the staff."""

    monthly: Amount
    currency: Currency | None = None
    """Default: that of the system's costs."""
    since: date | None = None
    until: date | None = None
    """Its first and its last day."""
    series: bool = False
    """Whether it is paid by the number of series in Prometheus: those that nothing asks for have their share of it."""
    busy: Expression | None = None
    """PromQL: which share of a server or a cache is used, 0 to 1; half of one that is never busy would do."""


def _month(value: str) -> str:
    if not _MONTH.fullmatch(value):
        raise ValueError(f"'{value}' is no month: write it as 2026-10")
    return value


class InvoiceSpec(Declared):
    """What a provider billed for an item of the profile's costs and a calendar month, without taxes."""

    item: str
    month: Annotated[str, AfterValidator(_month)]
    """Such as 2026-10."""
    amount: Amount
    currency: Currency | None = None
    """Default: that of the system's costs."""


class ExpensesSpec(Declared):
    """The money of one system that no metric knows."""

    budget: Amount | None = None
    """For each calendar month, fixed costs included."""
    fixed: dict[str, FixedCostSpec] = Field(default_factory=dict)
    rates: dict[Currency, Amount] = Field(default_factory=dict)
    """How much of the system's currency one of another is: USD: 0.86."""
    prices: Path | None = None
    """Prices of one's own, as in prices.yml, before those that ship."""
    users: Literal["pseudonyms", "named"] = "pseudonyms"
    """How reports call users: by pseudonyms, or by their names as the database has them."""
    invoices: tuple[InvoiceSpec, ...] = ()
    """What was billed, to be held against what was computed; several of an item and month are added."""


class PriceSpec(Declared):
    """What tokens of a model cost from a day on."""

    model: str
    """As the metrics name it, or a pattern with *."""
    since: date
    currency: Currency
    per_million: Annotated[dict[Kind, Amount], Field(min_length=1)]
    source: str
    """Where it stands."""
    checked: date
    """When somebody last looked."""


class PricesSpec(Declared):
    """A table of prices."""

    prices: tuple[PriceSpec, ...]

    @model_validator(mode="after")
    def _once(self) -> PricesSpec:
        seen = [(price.model, price.since) for price in self.prices]
        twice = next((each for each in seen if seen.count(each) > 1), None)
        if twice:
            raise ValueError(f"{twice[0]} has two prices from {twice[1]} on")
        return self


def shipped() -> PricesSpec:
    """The prices that ship."""
    text = (importlib.resources.files("opsjobs") / "prices.yml").read_text("utf-8")
    return parse(text, PricesSpec, name="prices.yml")


def prices(spec: ExpensesSpec, base: Path) -> tuple[PriceSpec, ...]:
    """One's own prices, then those that ship for models of which one's own say nothing. Raises `ConfigError`."""
    own = load(base / spec.prices, PricesSpec).prices if spec.prices else ()
    mine = [price.model for price in own]
    return (*own, *(price for price in shipped().prices if not any(fnmatchcase(price.model, each) for each in mine)))
