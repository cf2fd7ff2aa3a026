"""Dashboards: what is shown together, each panel by an indicator or a query of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from opsjobs.declaration import Declared
from opsjobs.vocabulary import ComponentName, IndicatorName, Query, SloName, Unit


class PanelSpec(Declared):
    """One panel. What it shows comes from exactly one place, or the profile says why there is nothing to show."""

    title: str
    type: Literal["stat", "gauge", "timeseries", "bar", "pie", "table", "histogram", "heatmap", "text"] = "timeseries"
    indicator: IndicatorName | None = None
    """Its query, unit and limits are those of the panel."""
    slo: SloName | None = None
    component: ComponentName | None = None
    query: Query | None = None
    """PromQL of its own; `$step` stands for the interval between two points."""
    by: str = ""
    """The label that names the series of the query."""
    unit: Unit | None = None
    """With a query: its unit."""
    missing: str = ""
    """Why nothing can be shown: what the owners name and no metric tells."""
    about: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> PanelSpec:
        given = [self.indicator, self.slo, self.component, self.query, self.missing]
        if sum(bool(each) for each in given) != 1:
            raise ValueError("give one of indicator, slo, component, query and missing")
        if bool(self.unit) != bool(self.query):
            raise ValueError("a unit goes with a query, and a query with its unit")
        if self.by and not self.query:
            raise ValueError("by goes with a query")
        return self


class DashboardSpec(Declared):
    """A Grafana dashboard."""

    title: str
    path: Annotated[str, Field(pattern=r"^/d/[A-Za-z0-9_-]{1,40}(/[A-Za-z0-9_-]*)?$")]
    """Path below the address of Grafana: /d/UID/NAME."""
    about: str = ""
    panels: Annotated[tuple[PanelSpec, ...], Field()] = ()
