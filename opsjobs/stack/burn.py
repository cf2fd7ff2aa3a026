"""How fast an error budget may burn before somebody is told: several windows and burn rates.

From "The Site Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts": the long window says that it
matters, the short one that it still goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opsjobs.system import SloSpec
from opsjobs.vocabulary import seconds


class Burn(NamedTuple):
    """A burn that is too fast: which share of the budget may be spent in the long window."""

    spent: float
    long: str
    short: str
    critical: bool
    """Whether it is so fast that somebody has to come."""

    def limit(self, slo: SloSpec) -> float:
        """Which share may fail in the long window; 1 or more where not even a full outage burns so fast."""
        rate = self.spent * slo.window_seconds / seconds(self.long)
        return round(rate * (1 - slo.objective), 12)


BURNS = (
    Burn(0.02, "1h", "5m", critical=True),
    Burn(0.05, "6h", "30m", critical=True),
    Burn(0.10, "1d", "2h", critical=False),
    Burn(0.10, "3d", "6h", critical=False),
)


def windows() -> Iterator[str]:
    """Every window that is looked at, shortest first."""
    yield from sorted({window for burn in BURNS for window in (burn.long, burn.short)}, key=seconds)


def telling(slo: SloSpec) -> Iterator[Burn]:
    """Those that can come about: a loose objective cannot be missed fourteen times as much as it allows."""
    for burn in BURNS:
        if burn.limit(slo) < 1 and seconds(burn.long) <= slo.window_seconds:
            yield burn
