"""Alerts: when one fires, who is told by which channel, in which hours, and who comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from opsjobs.declaration import Declared
from opsjobs.model import Direction
from opsjobs.vocabulary import (
    AlertName,
    ChannelName,
    Clock,
    ComponentName,
    DashboardName,
    HoursName,
    IndicatorName,
    Length,
    Query,
    SloName,
    Target,
    TeamName,
    seconds,
)

ANY = "any"
"""Every component."""
Severity = Literal["info", "warning", "critical"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AlertSpec(Declared):
    """One alert. It names what it watches, and has from there its query, limit, team, dashboard and runbook."""

    title: str = ""
    """Default: its name."""
    about: str = ""
    indicator: IndicatorName | None = None
    level: Literal["warning", "critical"] | None = None
    """Which limit of the indicator; default: the gravest that it has."""
    limit: FiniteFloat | None = None
    """In place of a level: a limit that is neither of the indicator's; or that of the query."""
    healthy: Direction | None = None
    """With a query: on which side of its limit a healthy value lies; default: below."""
    component: Literal["any"] | ComponentName | None = None
    """It fires while a member of it is down; `any`: while anything that is scraped is."""
    slo: SloName | None = None
    """It fires while the error budget burns too fast."""
    query: Query | None = None
    """PromQL with one series; `$step` stands for 5 minutes. It fires while that is beyond `limit`."""
    held_for: Length | None = Field(default=None, alias="for")
    """How long until it fires; default: that of the indicator, else at once."""
    severity: Severity | None = None
    """Default: the level; critical for a component."""
    category: str = ""
    """Under which heading it stands; default: the indicator's group."""
    team: TeamName | None = None
    dashboard: DashboardName | None = None
    runbook: str = ""
    """An anchor on the page of the runbooks; default: its name in small letters."""

    @model_validator(mode="after")
    def _one_subject(self) -> AlertSpec:
        if sum(bool(each) for each in (self.indicator, self.component, self.slo, self.query)) != 1:
            raise ValueError("give one of indicator, component, slo and query")
        if not self.indicator and self.level:
            raise ValueError("a level is of an indicator")
        if not (self.indicator or self.query) and self.limit is not None:
            raise ValueError("a limit is of an indicator or of a query")
        if self.healthy and not self.query:
            raise ValueError("healthy goes with a query; an indicator says it itself")
        if self.level and self.limit is not None:
            raise ValueError("give level or limit, not both")
        if self.query and (self.limit is None or not (self.severity and self.team)):
            raise ValueError("a query has nothing to take limit, severity and team from: give them")
        if self.limit is not None and not self.severity:
            raise ValueError("a limit of its own needs a severity of its own")
        return self

    @property
    def held_seconds(self) -> int | None:
        """How long until it fires, in seconds; None where it does not say."""
        return seconds(self.held_for) if self.held_for else None


class HoursSpec(Declared):
    """Hours of the week, in the zone of the system."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    since: Annotated[Clock, Field(alias="from")]
    until: Clock

    @model_validator(mode="after")
    def _within_a_day(self) -> HoursSpec:
        if self.since >= self.until:
            raise ValueError("hours end on the day on which they begin; for a night give two")
        return self

    def include(self, local: datetime) -> bool:
        """Whether a local time is in them."""
        return WEEK[local.weekday()] in self.days and self.since <= f"{local:%H:%M}" < self.until


class ChannelSpec(Declared):
    """A way to tell people. Its secrets are files that the rendered configuration names."""

    kind: Literal["email", "slack", "webhook", "pagerduty"]
    about: str = ""
    to: tuple[str, ...] = ()
    """Mail addresses."""
    sender: str = ""
    """Of mail: the address it comes from, which is also the name under which the mail server lets it in."""
    smarthost: Target | None = None
    """Of mail: the server that takes it, host:port. It has to offer TLS."""
    channel: str = ""
    """Of Slack."""
    url: str = ""
    """Of a webhook."""
    token: bool = False
    """Of a webhook: whether it wants a bearer token, which is a secret."""
    mention: str = ""
    """Who is called by name when it is critical: @channel."""

    @model_validator(mode="after")
    def _has_an_end(self) -> ChannelSpec:
        needed = {"email": ("to", "sender", "smarthost"), "slack": ("channel",), "webhook": ("url",)}.get(self.kind, ())
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"a channel of the kind {self.kind} needs {' and '.join(missing)}")
        return self


class RouteSpec(Declared):
    """Which alerts go where."""

    severities: Annotated[tuple[Severity, ...], Field(min_length=1)]
    teams: tuple[TeamName, ...] = ()
    """Only those of these teams; default: of all."""
    channels: Annotated[tuple[ChannelName, ...], Field(min_length=1)]
    hours: HoursName | None = None
    """Only in these hours; what fires outside them is told when they begin."""
    repeat: Length | None = None
    """How often it is told again while it goes on."""


class EscalationSpec(Declared):
    """Who is told when something lasts."""

    of: AlertName
    after: Length | None = None
    """How long it has to last; default: at once."""
    to: str
    """A person or a role, in words."""
    channels: tuple[ChannelName, ...] = ()
    about: str = ""
