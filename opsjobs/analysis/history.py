"""How far back the samples of a metric go: a function over 30 days gives a number after three of them, too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from opsjobs.model import Answer

MAY_BE_ABSENT = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Metrics whose absence is their message: nothing is firing."""
STEP = 3600
"""Seconds between the points at which it is asked which metrics were there."""
_ENOUGH = 0.98
"""Share of what a function reads that must be there for its value to mean what it says."""


class History:
    """At which hours there were samples of which metrics."""

    def __init__(self, answer: Answer) -> None:
        """`answer` is the count of series by `__name__` over a range at `STEP`."""
        self._seen: Mapping[str, Sequence[float]] = {
            series.labels.get("__name__", ""): [sample.time for sample in series.samples] for series in answer.series
        }

    def seconds(self, names: Iterable[str], lookback: float, at: float) -> float:
        """How many of the `lookback` seconds before the Unix time `at` have samples of all these metrics."""
        needed = [name for name in names if name not in MAY_BE_ABSENT]
        hours = min((self._hours(self._seen.get(name, ()), lookback, at) for name in needed), default=lookback)
        return min(lookback, hours * STEP)

    def reaches(self, names: Iterable[str], lookback: float, at: float) -> bool:
        """Whether enough of what a function reads at that time is there."""
        return self.seconds(names, lookback, at) >= _ENOUGH * lookback - STEP

    @staticmethod
    def _hours(times: Sequence[float], lookback: float, at: float) -> int:
        return bisect_right(times, at) - bisect_right(times, at - lookback)
