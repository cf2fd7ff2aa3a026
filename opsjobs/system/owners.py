"""Whose a thing is, and where one reads on about it."""

from __future__ import annotations

from dataclasses import dataclass

from opsjobs.model import Team
from opsjobs.system import System


@dataclass(frozen=True, slots=True)
class Owners:
    """The teams, dashboards and runbooks of a system."""

    system: System
    grafana: str = ""
    """The address of Grafana; empty when it is not known."""
    runbooks: str = ""
    """The page that the configuration names; empty for that of the profile."""

    def team(self, name: str | None) -> Team:
        """The team of that name."""
        spec = self.system.teams[name or ""]
        return Team(name=name or "", contact=spec.contact, hours=spec.hours)

    @property
    def monitoring(self) -> Team:
        """Who owns the monitoring: the team of the component `prometheus`, else that of the first one."""
        specs = self.system.components
        return self.team(next(iter([specs["prometheus"]] if "prometheus" in specs else specs.values())).team)

    def of_server(self, name: str) -> tuple[Team, str]:
        """Whose a server is and what to do about it: what the profile says of the component of that name."""
        spec = self.system.components.get(name)
        return (self.team(spec.team), self.runbook(spec.runbook)) if spec else (Team(name=""), "")

    def dashboard(self, name: str | None) -> str:
        """A link where the address of Grafana is known, else the dashboard's title."""
        if not name:
            return ""
        spec = self.system.dashboards[name]
        return f"{self.grafana}{spec.path}" if self.grafana else spec.title

    def runbook(self, anchor: str) -> str:
        """Where the runbook of that anchor is: on the page that the configuration names, else on the profile's."""
        page = self.runbooks or self.system.runbooks
        return f"{page}#{anchor}" if anchor and page else anchor
