"""What is rendered, and for where: a system, and how the parts of its stack reach each other and their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from opsjobs.stack.parts import PARTS
from opsjobs.system import System

_THIS_MACHINE = {"localhost", "127.0.0.1"}
_HOST = "host.docker.internal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """How Prometheus gets at opsjobs' own metrics."""

    target: str = ""
    """Where they are served, as `host:port`; empty where they are pushed."""
    username: str = ""
    token: bool = False
    """Whether it takes the token to be let in; without it, but with a username, a password."""
    late: Mapping[str, int] = field(default_factory=dict)
    """By job, the seconds after which one that did its work should have done so again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A stack that is to be rendered."""

    name: str
    """What the configuration calls the system."""
    system: System
    grafana: str
    """The address of Grafana, for links."""
    runbooks: str
    """The page with the runbooks, for links."""
    folder: str = ""
    """The absolute folder in which its programs run on this machine; empty where they run in containers."""
    own: Own | None = None
    """None where opsjobs' own metrics cannot be had."""

    def port(self, part: str) -> int | None:
        """Where a part of the stack is found on this machine; None when the stack has no such part."""
        return next((port for name, port in self.system.stack.parts.items() if name == part), None)

    def reach(self, part: str) -> str:
        """How another part reaches one that the stack has."""
        return self.address(f"localhost:{self.port(part)}")

    def address(self, target: str) -> str:
        """How a part reaches `host:port` as it is declared, which is as it is seen from this machine."""
        host, _, port = target.rpartition(":")
        if self.folder or host not in _THIS_MACHINE:
            return target
        for part, published in self.system.stack.parts.items():
            if int(port) == published and not PARTS[part].of_the_host:
                return f"{part}:{PARTS[part].port}"
            if int(port) in PARTS[part].more_ports:
                return f"{part}:{port}"
        return f"{_HOST}:{port}"

    def url(self, url: str) -> str:
        """How a part reaches an address as it is declared."""
        parts = urlsplit(url)
        if parts.hostname not in _THIS_MACHINE:
            return url
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
        return urlunsplit(parts._replace(netloc=self.address(f"{parts.hostname}:{port}")))

    def secret(self, name: str) -> str:
        """The file in which a part finds a secret."""
        return f"{self.folder}/secrets/{name}" if self.folder else f"/run/secrets/{name}"

    def dashboard_url(self, name: str | None) -> str:
        """Where a dashboard of the profile is; empty without one."""
        return f"{self.grafana}{self.system.dashboards[name].path}" if name else ""

    def runbook_url(self, anchor: str) -> str:
        """Where a runbook is; empty where no page is known."""
        return f"{self.runbooks}#{anchor}" if self.runbooks else ""

    @property
    def published(self) -> str:
        """The page with the runbooks where a browser can open it; empty where it is only a file."""
        return self.runbooks if self.runbooks.startswith(("http://", "https://")) else ""
