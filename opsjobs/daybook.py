"""What is remembered of money from one weekly report to the next: the ledger keeps it, a job is handed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple


class SpentLine(NamedTuple):
    """What one member of an item cost on a day. What was not counted is None."""

    member: tuple[tuple[str, str], ...]
    """The labels by which the item is told apart, with their values."""
    amount: Decimal
    """To a millionth."""
    requests: float | None
    failed: float | None
    tokens: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpentDay:
    """An item on a local day that was known in full; without lines it cost nothing."""

    item: str
    day: date
    definition: str
    """A digest of what the item was: under another definition it is another item."""
    lines: Sequence[SpentLine] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SpentSum:
    """The same without its lines."""

    item: str
    day: date
    definition: str
    amount: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficDay:
    """What users asked of the system on a local day, and what of that a cache answered; None if not counted."""

    day: date
    definition: str
    traffic: float | None
    hits: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedOutlay:
    """What a report expected some days to cost in all, fixed costs included, kept to be held against what came."""

    stated: date
    """The last day that it knew."""
    first: date
    last: date
    """Of the days that it speaks of."""
    currency: str
    expected: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Daybook:
    """What is remembered, or is to be; each item and day once."""

    days: Sequence[SpentDay] = ()
    traffic: Sequence[TrafficDay] = ()
    sums: Sequence[SpentSum] = ()
    """Of all days that are remembered, also of those whose lines nobody asked for; only read, never written."""
    outlays: Sequence[StatedOutlay] = ()
    """Forecasts: read are those whose days are over, written those that a report states."""
