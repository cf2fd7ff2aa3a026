"""Which backups stay: the newest of each of so many days, weeks and months; only those count that read back whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Generic

from opsjobs.backup.manifest import Purpose
from opsjobs.backup.rack import Backup, Made

_BEFORE_RESTORE = timedelta(days=90)
"""How long what a restore overwrote is kept."""
_INCOMPLETE = timedelta(days=14)
"""How long a backup stays that is not whole: something in it may be the last of its kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    """How many stay, the newest of each day, week and month."""

    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept(Generic[Made]):
    """What becomes of a backup, and why."""

    backup: Made
    reasons: tuple[str, ...]
    """Why it stays; none where it goes."""


def plan(backups: Sequence[Made], whole: Callable[[Made], bool], keep: Keep, at: datetime) -> list[Kept[Made]]:
    """What becomes of each backup, the newest first.

    Only a complete backup whose files are all there and whole counts; `whole` reads them, and is asked only of those.
    The newest of them stays whatever the numbers say, and without any nothing goes.
    """
    newest = sorted(backups, key=lambda each: each.id, reverse=True)
    good = [each for each in newest if each.purpose is Purpose.BACKUP and each.good and whole(each)]
    zone = at.tzinfo
    reasons: dict[str, list[str]] = {}
    if good:
        reasons[good[0].id] = ["the newest complete one"]
    for name, count, period in _periods(keep, zone):
        seen: dict[str, str] = {}
        for each in good:
            seen.setdefault(period(each), each.id)
        for key, backup in sorted(seen.items(), reverse=True)[:count]:
            reasons.setdefault(backup, []).append(f"{name} {key}")
    for each in newest:
        if not good:
            reasons[each.id] = ["there is no complete one"]
        elif each.purpose is Purpose.BEFORE_RESTORE and at - each.started_at < _BEFORE_RESTORE:
            reasons[each.id] = [each.purpose.value]
        elif each.good and each.purpose is Purpose.BACKUP and each not in good:
            reasons[each.id] = ["damaged: a person decides"]
        elif not each.good and at - each.started_at < _INCOMPLETE:
            reasons[each.id] = [f"{each.verdict.value}, and not old"]
    return [Kept(backup=each, reasons=tuple(reasons.get(each.id, ()))) for each in newest]


def _periods(keep: Keep, zone: tzinfo | None) -> list[tuple[str, int, Callable[[Backup], str]]]:
    return [
        ("day", keep.daily, lambda each: f"{each.started_at.astimezone(zone):%Y-%m-%d}"),
        ("week", keep.weekly, lambda each: f"{each.started_at.astimezone(zone):%G-W%V}"),
        ("month", keep.monthly, lambda each: f"{each.started_at.astimezone(zone):%Y-%m}"),
    ]
