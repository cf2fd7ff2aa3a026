"""What several tests share: real servers on free loopback ports, and hand-made history."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsjobs.demo.binaries import Binaries, obtain
from opsjobs.demo.prometheus import Prometheus, import_history
from opsjobs.errors import DemoError
from opsjobs.http import Connection


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """A real Prometheus and promtool: without them, skipped by name at home and failed in CI."""
    try:
        return obtain()
    except DemoError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no real Prometheus: {error}")


def openmetrics(series: dict[str, list[tuple[float, float]]]) -> str:
    """History as OpenMetrics text: series as they are written in PromQL, with (Unix time, value) pairs."""
    families: dict[str, list[str]] = {}
    for name, samples in series.items():
        families.setdefault(name.split("{")[0], []).extend(f"{name} {value} {time}" for time, value in samples)
    lines = [line for name, rows in families.items() for line in (f"# TYPE {name} unknown", *rows)]
    return "\n".join([*lines, "# EOF", ""])


@contextmanager
def prometheus_with(
    binaries: Binaries, folder: Path, series: dict[str, list[tuple[float, float]]]
) -> Iterator[Prometheus]:
    """A real Prometheus whose storage holds these series and nothing else."""
    server = Prometheus(binaries, folder)
    text = folder / "history.om"
    folder.mkdir(parents=True, exist_ok=True)
    text.write_text(openmetrics(series), "utf-8")
    import_history(binaries, text, server.storage)
    with server:
        yield server


def connection(url: str, **known) -> Connection:
    """A connection as the configuration makes it."""
    return Connection(**{"name": "Prometheus", "key": "systems.shop.prometheus", "url": url, "timeout": 10, **known})
