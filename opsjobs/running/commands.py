"""How each part is called as a program: its arguments, and what it finds in its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opsjobs.stack import Plan, secrets
from opsjobs.stack.compose import prometheus_flags

HOST = "127.0.0.1"
_DEFAULTS = {
    "POSTGRES_PORT": "5432",
    "POSTGRES_DB": "postgres",
    "POSTGRES_USER": "opsjobs",
    "POSTGRES_SSLMODE": "disable",
    "REDIS_PORT": "6379",
    "NGINX_PORT": "80",
}
"""Where the servers are that exporters ask: the names and defaults of the compose file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A part that is to be started."""

    plan: Plan
    folder: Path
    name: str
    port: int
    environment: Mapping[str, str]

    def arguments(self) -> list[str]:
        """What stands behind the program's name."""
        listen = f"--web.listen-address={HOST}:{self.port}"
        return [*(_ARGUMENTS[self.name](self) if self.name in _ARGUMENTS else ()), listen]

    def own(self) -> dict[str, str]:
        """What it finds in its environment beside what is there."""
        return _ENVIRONMENTS[self.name](self) if self.name in _ENVIRONMENTS else {}

    @property
    def data(self) -> Path:
        """Where it keeps what it gathers."""
        return self.folder / "data" / self.name

    def known(self, name: str) -> str:
        """Where a server is that it asks, as the environment says or by default."""
        return self.environment.get(name) or _DEFAULTS[name]


def _prometheus(call: Call) -> list[str]:
    config = "prometheus.yml" if call.name == "prometheus" else "archive.yml"
    return [
        f"--config.file={call.folder}/prometheus/{config}",
        f"--storage.tsdb.path={call.data}",
        "--web.enable-lifecycle",
        *prometheus_flags(call.plan, call.name),
    ]


def _alertmanager(call: Call) -> list[str]:
    # Alone, it needs no port for others of its kind.
    config = f"--config.file={call.folder}/alertmanager/alertmanager.yml"
    return [config, f"--storage.path={call.data}", "--cluster.listen-address="]


def _blackbox(call: Call) -> list[str]:
    return [f"--config.file={call.folder}/blackbox/blackbox.yml"]


def _nginx(call: Call) -> list[str]:
    return [f"--nginx.scrape-uri=http://localhost:{call.known('NGINX_PORT')}/stub_status"]


def _postgres(call: Call) -> dict[str, str]:
    there = f"localhost:{call.known('POSTGRES_PORT')}/{call.known('POSTGRES_DB')}"
    return {
        "DATA_SOURCE_URI": f"{there}?sslmode={call.known('POSTGRES_SSLMODE')}",
        "DATA_SOURCE_USER": call.known("POSTGRES_USER"),
        **_secret(call, "DATA_SOURCE_PASS_FILE", secrets.POSTGRES),
    }


def _redis(call: Call) -> dict[str, str]:
    there = f"redis://localhost:{call.known('REDIS_PORT')}"
    return {"REDIS_ADDR": there, **_secret(call, "REDIS_PASSWORD_FILE", secrets.REDIS)}


def _secret(call: Call, variable: str, file: str) -> dict[str, str]:
    """A file with a secret, where it is there: a server of this machine may need none."""
    path = call.folder / "secrets" / file
    return {variable: str(path)} if path.exists() else {}


_ARGUMENTS: Mapping[str, Callable[[Call], list[str]]] = {
    "prometheus": _prometheus,
    "prometheus-archive": _prometheus,
    "alertmanager": _alertmanager,
    "blackbox-exporter": _blackbox,
    "nginx-exporter": _nginx,
}
_ENVIRONMENTS: Mapping[str, Callable[[Call], dict[str, str]]] = {
    "postgres-exporter": _postgres,
    "redis-exporter": _redis,
}
