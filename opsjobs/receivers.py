"""Who is told by opsjobs itself, as opsjobs.yml has it: how each channel is reached, when nobody is to be told, pings.

To whom a channel leads and which alerts go there is in the profile (channels, routes, hours); how it is reached, with
its secrets, is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from opsjobs.declaration import Declared, did_you_mean
from opsjobs.errors import ConfigError
from opsjobs.servers import Address, Secret, Url, address, not_in_clear, secret
from opsjobs.system import System
from opsjobs.system.alerting import WEEK, ChannelSpec, Weekday
from opsjobs.vocabulary import Length, Zone

Kind = Literal["email", "slack", "pagerduty", "webhook", "alertmanager", "apprise"]
_MOMENT = "%Y-%m-%d %H:%M"
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


class ReceiverSpec(Declared):
    """How a channel is reached. Its name is that of a channel of the profile, or a new one that says its kind."""

    kind: Kind | None = None
    """Default: that of the profile's channel."""
    to: tuple[Address, ...] = ()
    """Of mail: who gets everything; default: as the profile has it. Each team's contact gets what is the team's."""
    url: Secret | None = None
    url_file: Path | None = None
    """Of Slack the incoming webhook, of Apprise that of the service; of a webhook its address, else the profile's."""
    key: Secret | None = None
    key_file: Path | None = None
    """Of PagerDuty the integration key of Events API v2; of a webhook what documents are signed with."""
    token: Secret | None = None
    token_file: Path | None = None
    """Of a webhook: the bearer token that it wants."""
    server: Url | None = None
    """Of PagerDuty: another address than https://events.pagerduty.com, such as https://events.eu.pagerduty.com."""
    mention: str | None = None
    """Of Slack: who is called when something critical is new; default: as the profile has it."""
    severities: tuple[Literal["warning", "critical"], ...] = ()
    """Of a channel that no route of the profile leads to; default: both, of PagerDuty critical only."""
    lasts: Length = "7h"
    """Of an Alertmanager: how long an alert lasts unless the next look repeats it."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate, when the system does not know it."""
    timeout: Annotated[float, Field(gt=0, le=120)] = 10
    """Seconds for one attempt."""

    @model_validator(mode="after")
    def _one_of_each(self) -> ReceiverSpec:
        for name in ("url", "key", "token"):
            if getattr(self, name) and getattr(self, f"{name}_file"):
                raise ValueError(f"give {name} or {name}_file, not both")
        return self


NEEDED: dict[str, tuple[str, ...]] = {
    "email": ("to",),
    "slack": ("url",),
    "pagerduty": ("key",),
    "webhook": ("url",),
    "apprise": ("url",),
}
"""What a kind cannot do without; what the profile says of its channel counts."""
TAKEN: dict[str, frozenset[str]] = {
    "email": frozenset({"to"}),
    "slack": frozenset({"url", "mention", "ca_file", "timeout"}),
    "pagerduty": frozenset({"key", "server", "ca_file", "timeout"}),
    "webhook": frozenset({"url", "key", "token", "ca_file", "timeout"}),
    "alertmanager": frozenset({"lasts"}),
    "apprise": frozenset({"url"}),
}
"""What a kind can use, beside its kind and severities."""
TELLING = ("email", "slack", "webhook", "apprise")
"""The kinds that can say what another channel did not take: people read them, and nothing stays open there."""


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo:
            raise ValueError("its zone is a key of its own: zone")
        value = value.strftime(_MOMENT)
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    try:
        return datetime.strptime(str(value), _MOMENT).strftime(_MOMENT)  # noqa: DTZ007 - its zone is another key
    except ValueError:
        raise ValueError('give a local time such as 2026-11-21 22:00, or "22:00" in quotes with days') from None


Moment = Annotated[str, BeforeValidator(_moment)]


class MaintenanceSpec(Declared):
    """A time in which nobody is told: once, or each week on these days. Checks go on, and what is bad then is told."""

    reason: str
    days: tuple[Weekday, ...] = ()
    """Each week on these days; without them once."""
    since: Annotated[Moment, Field(alias="from")]
    until: Moment
    """Local times: 2026-11-21 22:00 for once, 22:00 for each week. Before `from` means on the day after."""
    zone: Zone | None = None
    """Default: that of the system."""
    checks: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Which checks, by their names, with * for any part: component:postgresql, url:*; default: all."""

    @model_validator(mode="after")
    def _times_of_its_kind(self) -> MaintenanceSpec:
        weekly = {len(each) == len("00:00") for each in (self.since, self.until)}
        if weekly != {bool(self.days)}:
            raise ValueError("give 22:00 and 23:00 with days, or 2026-11-21 22:00 and 2026-11-21 23:00 without")
        if not self.days and self.since >= self.until:
            raise ValueError("it ends before it begins")
        if self.since == "24:00":
            raise ValueError("a day begins at 00:00")
        if self.days and self.since == self.until:
            raise ValueError("it has no length; a whole day is from 00:00 until 24:00")
        return self

    def accounts_for(self, check: str, at: datetime, zone: str) -> bool:
        """Whether nobody is told of a check at that time; `zone` is that of the system."""
        return any(fnmatchcase(check, pattern) for pattern in self.checks) and self._includes(at, zone)

    def _includes(self, at: datetime, zone: str) -> bool:
        local = at.astimezone(ZoneInfo(self.zone or zone))
        if not self.days:
            return self.since <= f"{local:{_MOMENT}}" < self.until
        clock, today, before = f"{local:%H:%M}", WEEK[local.weekday()], WEEK[(local - timedelta(days=1)).weekday()]
        if self.since < self.until:
            return today in self.days and self.since <= clock < self.until
        return (today in self.days and clock >= self.since) or (before in self.days and clock < self.until)


class PingSpec(Declared):
    """An address that is told when a run begins, ends and fails, and that raises the alarm when none comes."""

    url: Secret | None = None
    url_file: Path | None = None
    """As https://hc-ping.com/<uuid>; /start and /fail are put behind it."""
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_url(self) -> PingSpec:
        if bool(self.url) == bool(self.url_file):
            raise ValueError("give url or url_file: one of the two")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """A channel whose kind is known and whose secrets are read. They are absent from its repr."""

    kind: Kind
    url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def kind(name: str, spec: ReceiverSpec, system: System) -> Kind | None:
    """What kind of channel it is: as it says, else as the profile has it; None where neither does."""
    declared = system.channels.get(name)
    return spec.kind or (declared.kind if declared else None)


def reached(name: str, spec: ReceiverSpec, system: System, base: Path, where: str) -> Reached:
    """How a channel is reached; files are relative to `base`, and `where` it stands. Raises `ConfigError`."""
    of = kind(name, spec, system)
    if of is None:
        raise ConfigError(f"{where}.kind: it is missing")
    declared = system.channels.get(name)
    url = secret(spec.url, spec.url_file, base) or (declared.url if declared and of == "webhook" else "")
    if of in {"slack", "webhook"}:
        _is_address(url, where, in_clear=of == "webhook" and not (spec.token or spec.token_file))
    found = Reached(
        kind=of,
        url=url,
        key=secret(spec.key, spec.key_file, base),
        token=secret(spec.token, spec.token_file, base),
    )
    for key in ({"url", "key"} & set(NEEDED.get(of, ()))) | ({"key"} if spec.key or spec.key_file else set()):
        if not getattr(found, key):
            raise ConfigError(f"{where}.{key}: it is empty", advice="Give the variable or the file a value.")
    return found


def ping_url(spec: PingSpec, base: Path, where: str) -> str:
    """Where runs are told of. Raises `ConfigError`."""
    url = secret(spec.url, spec.url_file, base)
    _is_address(url, where, in_clear=False)
    return url.rstrip("/")


def _is_address(url: str, where: str, *, in_clear: bool) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError(f"{where}.url: a name and a password do not belong into it", advice="Use its token or path.")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # What it is instead may be a secret.
        raise ConfigError(f"{where}.url: it is no address", advice="It begins with https://.")
    try:
        if not in_clear:
            not_in_clear(url, "a secret")
    except ValueError as error:
        raise ConfigError(f"{where}.url: {error}") from None


def faults(
    system: System, channels: Mapping[str, ReceiverSpec], fallback: str | None, *, mail: bool, alertmanager: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with the channels of a system, as the key below the system and a message.

    `mail` and `alertmanager` say whether the configuration knows a mail server and the system an Alertmanager.
    """
    for name, spec in channels.items():
        for key, message in _faults(name, spec, system, mail=mail, alertmanager=alertmanager):
            yield f"channels.{name}{key}", message
    if fallback is not None:
        of = kind(fallback, channels[fallback], system) if fallback in channels else None
        if of is None:
            yield "fallback", f"'{fallback}' is no channel of the system{did_you_mean(fallback, set(channels))}"
        elif of not in TELLING:
            yield (
                "fallback",
                f"'{fallback}' is of the kind {of}: only {', '.join(TELLING)} say what others did not take",
            )


def _faults(
    name: str, spec: ReceiverSpec, system: System, *, mail: bool, alertmanager: bool
) -> Iterator[tuple[str, str]]:
    declared = system.channels.get(name)
    of = kind(name, spec, system)
    if of is None:
        known = f"the profile has no channel '{name}'{did_you_mean(name, set(system.channels))}"
        yield "", f"{known}: correct the name, or say its kind"
        return
    if declared and declared.kind != of:
        yield ".kind", f"in the profile it is of the kind {declared.kind}"
    if name == "email" and of != "email":
        yield ".kind", "'email' is the channel of reports: give this one another name"
    yield from _keys(of, spec, declared)
    if of == "email":
        yield from _addresses(spec, declared, system)
    if of == "email" and not mail:
        yield "", "delivery.email says nothing of how mail is sent"
    if of == "alertmanager" and not alertmanager:
        yield "", "it needs `alertmanager` of the system: where it is"
    if spec.severities and any(name in route.channels for route in system.routes):
        yield ".severities", "routes of the profile lead to it and say them"


def _addresses(spec: ReceiverSpec, declared: ChannelSpec | None, system: System) -> Iterator[tuple[str, str]]:
    """What of the profile is written to by mail and is no address."""
    named = {"to": () if spec.to else declared.to if declared else ()}
    named |= {f"the contact of {name}": (team.contact,) for name, team in system.teams.items() if "@" in team.contact}
    for what, found in named.items():
        for each in found:
            try:
                address(each)
            except ValueError as error:
                yield "", f"{what} in the profile: '{each}' {error}"


def _keys(of: Kind, spec: ReceiverSpec, declared: ChannelSpec | None) -> Iterator[tuple[str, str]]:
    """What a channel of that kind has no use for, and what it lacks."""
    given = {each.removesuffix("_file") for each in spec.model_fields_set} - {"kind", "severities"}
    for key in sorted(given - TAKEN[of]):
        yield f".{key}", f"a channel of the kind {of} has no use for it"
    for key in NEEDED.get(of, ()):
        if key not in given and not (declared and getattr(declared, key, None)):
            yield "", f"a channel of the kind {of} needs {key}" + ("" if key == "to" else f" or {key}_file")
