"""One number that says how the system does: what it is asked by, what is healthy, who owns it."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, FiniteFloat, model_validator

from opsjobs import promql
from opsjobs.declaration import Declared
from opsjobs.model import Direction, Threshold
from opsjobs.vocabulary import (
    DashboardName,
    HeldFor,
    Length,
    Query,
    RedisCommand,
    Sql,
    Step,
    Subject,
    TeamName,
    Unit,
    seconds,
)

Store = Literal["prometheus", "postgresql", "redis"]
"""Where the number of an indicator comes from."""
_STATEMENTS = {"postgresql": "sql", "redis": "redis"}
"""Under which key the statement for a store stands."""
_DAY = 86400


class BreakdownSpec(Declared):
    """Who is behind the number, at the end of the window: the members with the most, or with `bottomk` the least."""

    by: str
    """The label that names a member."""
    query: Query | None = None
    """PromQL with one series for each member; `$step` stands for the length of the day."""
    sql: Sql | None = None
    """With one row for each member: who, under the name that `by` says, and how much."""
    redis: RedisCommand | None = None
    """ZREVRANGE of a sorted set whose members they are."""

    @model_validator(mode="after")
    def _some_way_to_ask(self) -> BreakdownSpec:
        if not (self.query or self.sql or self.redis):
            raise ValueError("give a query, sql or redis")
        return self


class Indicator(Declared):
    """One number that says how the system does."""

    title: str
    about: str = ""
    query: Query | None = None
    """PromQL with one series. `$step` stands for the step of the range."""
    numerator: Query | None = None
    """With `denominator` in place of `query`: the day's value is sum over sum, not a mean of ratios."""
    denominator: Query | None = None
    sql: Sql | None = None
    """SQL with one row of one number for the window from `:start` to `:end`, or for the local date `:day`.

    Beside a query, it is what the same is asked by where the configuration prefers PostgreSQL.
    """
    redis: RedisCommand | None = None
    """A Redis command that gives the number of a `{day}`; preferred in the same way."""
    unit: Unit
    healthy: Direction
    """On which side of its limits a healthy value lies."""
    target: FiniteFloat | None = None
    """What is aimed at: shown, never alarmed."""
    warning: FiniteFloat | None = None
    critical: FiniteFloat | None = None
    summary: Literal["last", "mean", "max", "sum", "p95", "ratio"] = "mean"
    """How the points of the day become the value of the day."""
    step: Step = "5m"
    over: Length | None = None
    """Over how much time its number at a moment is taken, where few things happen in a step; alerts, health checks and
    panels ask for that. Default: its step, and a day where `summary` is `sum`."""
    breakdown: BreakdownSpec | None = None
    full_at: FiniteFloat | None = None
    """The value at which nothing is left, 1.0 for the share of a disk in use: a report says when that will be."""
    chart: bool = False
    """Whether it is among the few that get a larger chart."""
    held_for: HeldFor = Field(default=None, alias="for")
    """How long its points must be beyond a limit to be told, also when the day's value is not: 2m, 1h."""
    explained_by: Subject = ""
    """What explains a bad value when it is bad itself, so that one cause is told once: component:X or indicator:X."""
    team: TeamName | None = None
    dashboard: DashboardName | None = None
    runbook: str = ""

    @model_validator(mode="after")
    def _one_way_to_ask(self) -> Indicator:
        parts = (self.numerator is not None, self.denominator is not None)
        if self.query is not None and not any(parts):
            if self.summary == "ratio":
                raise ValueError("summary 'ratio' needs numerator and denominator")
            return self
        if self.query is None and all(parts):
            if "summary" in self.model_fields_set and self.summary != "ratio":
                raise ValueError("with numerator and denominator, the summary is 'ratio'")
            return self
        if not any(parts) and (self.sql or self.redis):
            if self.held_for:
                raise ValueError("'for' needs points within a day, which sql and redis do not give")
            return self
        raise ValueError("give either query, or numerator and denominator; or sql, or redis")

    @model_validator(mode="after")
    def _limits_in_order(self) -> Indicator:
        sign = 1 if self.healthy is Direction.BELOW else -1
        limits = [limit * sign for limit in (self.target, self.warning, self.critical) if limit is not None]
        if limits != sorted(limits):
            raise ValueError(f"target, warning and critical must go from good to bad (healthy: {self.healthy.value})")
        return self

    @property
    def store(self) -> Store:
        """Whom it is asked of."""
        if self.query is not None or self.numerator is not None:
            return "prometheus"
        return "postgresql" if self.sql else "redis"

    @property
    def statement(self) -> str:
        """What a database is asked; empty where Prometheus is."""
        return (getattr(self, _STATEMENTS[self.store]) or "") if self.store in _STATEMENTS else ""

    @property
    def broken_down(self) -> str:
        """What the same store is asked for the members; empty without a breakdown."""
        return getattr(self.breakdown, _STATEMENTS.get(self.store, "query"), None) or ""

    @property
    def step_seconds(self) -> int:
        """The step in seconds: a day where a database gives one number for each."""
        return seconds(self.step) if self.store == "prometheus" else _DAY

    @property
    def metrics(self) -> tuple[str, ...]:
        """The series that it reads from Prometheus."""
        return promql.metrics(self.promql) if self.store == "prometheus" else ()

    @property
    def lookback(self) -> float:
        """How many seconds back its PromQL reads."""
        return promql.lookback(self.promql) if self.store == "prometheus" else 0.0

    def preferring(self, store: Store) -> Indicator:
        """The same, asked of that store where it says how."""
        key = _STATEMENTS.get(store, "")
        if not key or self.store == store or not getattr(self, key):
            return self
        others = {"query", "numerator", "denominator", *_STATEMENTS.values()} - {key}
        return self.model_copy(update={**dict.fromkeys(others), "held_for": None})

    @property
    def held_seconds(self) -> int | None:
        """How long beyond a limit is too long, in seconds; None where only the day's value is judged."""
        return seconds(self.held_for) if self.held_for else None

    @property
    def method(self) -> str:
        """How the points become a value: `summary`, or `ratio` where there are two parts."""
        return "ratio" if self.numerator is not None else self.summary

    @property
    def promql(self) -> str:
        """The one query that is sent to Prometheus, its step filled in; a ratio asks for both of its parts at once."""
        if self.query is not None:
            return promql.at_step(self.query, self.step_seconds)
        numerator, denominator = self.numerator or "", self.denominator or ""
        both = (
            f'label_replace({numerator}{_closed(numerator)}, "part", "numerator", "", "")'
            f' or label_replace({denominator}{_closed(denominator)}, "part", "denominator", "", "")'
        )
        return promql.at_step(both, self.step_seconds)

    @property
    def number(self) -> str:
        """PromQL for its one number at a moment, as its limits mean it."""
        step = seconds(self.over) if self.over else _DAY if self.summary == "sum" else self.step_seconds
        if self.query is not None:
            return promql.at_step(self.query, step)
        numerator, denominator = (promql.at_step(part or "", step) for part in (self.numerator, self.denominator))
        if set(promql.metrics(numerator)) <= set(promql.metrics(denominator)):
            # Of the same metric nothing may have been counted yet: no error is no error, not a missing number.
            return f"(({numerator}\n) or 0 * ({denominator}\n)) / ({denominator}\n)"
        return f"({numerator}\n) / ({denominator}\n)"

    @property
    def threshold(self) -> Threshold:
        """The limits as a value."""
        return Threshold(direction=self.healthy, target=self.target, warning=self.warning, critical=self.critical)


class Group(Declared):
    """Indicators that are read together. What they share is said once, here."""

    title: str
    team: TeamName
    dashboard: DashboardName | None = None
    runbook: str = ""
    indicators: Annotated[dict[str, Indicator], Field(min_length=1)]


def _closed(query: str) -> str:
    """What ends a query that may end with a comment, so that another can go on behind it."""
    return "\n" if "#" in query.rsplit("\n", 1)[-1] else ""


class DeclaredIndicator(NamedTuple):
    """An indicator with its name and group; what it left to its group is filled in."""

    id: str
    group: str
    spec: Indicator
