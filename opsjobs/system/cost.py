"""What the system costs: where money is spent and read, whom it serves, and what it earns."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from opsjobs import promql
from opsjobs.declaration import Declared
from opsjobs.vocabulary import Query, Selection, SpanSql, TeamName

Kind = Literal["input", "cached_input", "output", "reasoning"]
KINDS: tuple[Kind, ...] = ("input", "cached_input", "output", "reasoning")
"""Tokens of each have a price of their own, and none is counted under two."""


def _currency(value: str) -> str:
    if len(value) != len("EUR") or not value.isascii() or not value.isupper():
        raise ValueError(f"'{value}' is no currency: write its code, such as EUR")
    return value


def _selector(value: str) -> str:
    """A counter as it is: opsjobs takes its increase over each day."""
    if not promql.is_selector(value):
        raise ValueError('give a counter without functions, such as cost_total or tokens_total{env="live"}')
    return value


Currency = Annotated[str, AfterValidator(_currency)]
Counter = Annotated[Selection, AfterValidator(_selector)]
Money = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]


class TokensSpec(Declared):
    """Tokens that are priced by the table of prices."""

    counter: Counter
    """With a label that says of which model they are, and one that says of which kind."""
    model: str = "model"
    """The label of the model."""
    kind: str = "kind"
    """The label of the kind."""
    kinds: dict[str, Kind] = Field(default_factory=dict)
    """Its values and what they mean; default: they are input, cached_input, output and reasoning."""
    within: dict[Kind, Kind] = Field(default_factory=dict)
    """Which kinds are also counted as part of another: `cached_input: input` where input holds what was cached."""


class CostItemSpec(Declared):
    """One thing that costs money, read from a counter."""

    title: str
    about: str = ""
    spent: Counter | None = None
    """A counter of money."""
    tokens: TokensSpec | None = None
    """Tokens: their money where nothing counts that, else only how many there were."""
    units: Counter | None = None
    """A counter of what has one price each."""
    price: Money | None = None
    """Of one of the units."""
    currency: Currency | None = None
    """Default: that of the costs."""
    by: tuple[str, ...] = ()
    """The labels by which it is told apart, such as provider and model."""
    cheaper: dict[str, str] = Field(default_factory=dict)
    """By model, as the label of the model has it: the one that could take its short and simple requests."""
    requests: Counter | None = None
    """A counter of requests with the same labels: what one costs, and why that changes."""
    failed: Counter | None = None
    """A counter of those of them that failed or were made again, with the same labels: what is paid for nothing."""

    @model_validator(mode="after")
    def _one_source(self) -> CostItemSpec:
        if bool(self.units) != (self.price is not None):
            raise ValueError("units and price go together")
        if bool(self.spent) + bool(self.units) + (self.tokens is not None and not self.spent) != 1:
            raise ValueError("give one of spent, tokens, and units with their price; tokens may stand beside spent")
        return self


class UsageSpec(Declared):
    """Who the money is spent on: what each use of the system cost, from a database."""

    sql: SpanSql
    """SELECT of rows of the days from `:first` to `:last`, or between `:start` and `:end`, with the columns `user` and
    `amount`, and perhaps `plan` and `feature`. opsjobs adds them up in the database."""
    currency: Currency | None = None
    """Of the amounts; default: that of the costs."""
    revenue: Query | None = None
    """PromQL: revenue for each month, by the label `plan`, whose values are those of the column."""


class CostsSpec(Declared):
    """The money of a system."""

    currency: Currency
    items: Annotated[dict[str, CostItemSpec], Field(min_length=1)]
    team: TeamName
    runbook: str = ""
    active_users: Query | None = None
    """PromQL: users who were active in the last 30 days."""
    paying_users: Query | None = None
    """PromQL: users who pay."""
    traffic: Counter | None = None
    """A counter of what users ask of the system, whether it costs anything or not."""
    cache_hits: Counter | None = None
    """Of the traffic: what a cache answered."""
    cache_target: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Which share of the traffic that should be."""
    revenue: Query | None = None
    """PromQL: revenue for each month."""
    usage: UsageSpec | None = None
    """Who it is spent on: by user, plan and feature."""
    target: Money | None = None
    """What an active user should cost in a month at most."""
    critical: Money | None = None
    crisis: Money | None = None
    """As of the target: from where on it is critical, and a crisis."""
    replica: str = "prometheus_replica"
    """The label by which the same thing is seen twice: of a pair of Prometheus servers. Of each the largest counts."""

    @model_validator(mode="after")
    def _users_for_the_target(self) -> CostsSpec:
        limits = [name for name in ("target", "critical", "crisis") if getattr(self, name) is not None]
        if limits and self.active_users is None:
            raise ValueError(f"{limits[0]} is of an active user: say active_users, too")
        return self
