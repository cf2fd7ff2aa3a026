"""Service level objectives: how much must be good over a window, and so how much may fail."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from opsjobs import promql
from opsjobs.declaration import Declared
from opsjobs.vocabulary import DashboardName, Length, Subject, TeamName, WindowQuery, seconds


class SloSpec(Declared):
    """One objective. Its error budget is what may fail: (1 - objective) of the window, or of what happens in it.

    Words and formulas are those of Google's "The Site Reliability Workbook", chapters 2 and 5.
    """

    title: str
    about: str = ""
    objective: Annotated[float, Field(gt=0, lt=1)]
    """The share that must be good."""
    window: Length = "30d"
    good: WindowQuery
    """PromQL with one series: how much was good in `$window`; or without `total` the share of it that was."""
    total: WindowQuery | None = None
    """How much there was."""
    explained_by: Subject = ""
    """What explains a fast burn when it is bad itself: component:X or indicator:X."""
    team: TeamName
    dashboard: DashboardName | None = None
    runbook: str = ""

    @property
    def window_seconds(self) -> int:
        """The window in seconds."""
        return seconds(self.window)

    def share(self, window: int) -> str:
        """PromQL for the share that was good in so many seconds."""
        good, total = (promql.over(query or "", window) for query in (self.good, self.total))
        return f"({good}\n) / ({total}\n)" if total else good
