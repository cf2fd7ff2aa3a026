"""A real Prometheus as a child of this process: started on a free port, ready when `start` returns, gone after `stop`.

It knows nothing of simulations: hand it a folder, perhaps with imported history, and targets to scrape.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from opsjobs.demo.binaries import Binaries
from opsjobs.demo.child import Child, run
from opsjobs.errors import DemoError

RETENTION = "60d"

# One block for the whole history: promtool reads its input once for each block.
_BLOCK = "1458h"
_IMPORT_TIMEOUT = 300
_NEVER = "0001-01-01"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scrape:
    """A target: what it is called, and where it answers."""

    job: str
    instance: str
    address: str
    """Host and port."""
    path: str = "/metrics"
    """As it is, not quoted: Prometheus does that."""


def import_history(binaries: Binaries, text: Path, storage: Path) -> None:
    """Turn OpenMetrics text with timestamps into blocks of the storage. Raises `DemoError` with promtool's reason."""
    flags = ("tsdb", "create-blocks-from", f"--max-block-duration={_BLOCK}", "--quiet", "openmetrics")
    storage.mkdir(parents=True, exist_ok=True)
    run(
        binaries.command("promtool", *flags, str(text), str(storage), folders=(text.parent, storage)),
        timeout=_IMPORT_TIMEOUT,
    )


class Prometheus:
    """One server. Its files are in `folder`: `data` (the storage), `prometheus.yml` and `prometheus.log`.

    `interval` is the scrape interval in seconds. Start it again after `stop` and it goes on with the same storage.
    """

    def __init__(self, binaries: Binaries, folder: Path, *, scrape: Sequence[Scrape] = (), interval: int = 15) -> None:
        self.folder = folder.absolute()
        self._binaries = binaries
        self._scrape = tuple(scrape)
        self._interval = interval
        self._child = Child("Prometheus", self.folder / "prometheus.log")

    @property
    def storage(self) -> Path:
        """Where the blocks are; `import_history` goes here before the start."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The address, once it was started."""
        return f"http://127.0.0.1:{self._child.port}"

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `DemoError` with the end of its log."""
        self.storage.mkdir(parents=True, exist_ok=True)
        (self.folder / "prometheus.yml").write_text(json.dumps(self._config(), indent=2), "utf-8")
        self._child.start(self._command, self._ready)

    def stop(self) -> None:
        """Stop it, gently first, and wait for its end."""
        self._child.stop()

    def wait_for_scrapes(self, timeout: float = 60) -> None:
        """Wait until every target was scraped once, whatever came of it. Raises `DemoError` after `timeout` seconds."""

        def scraped() -> bool:
            answer = self._get("/api/v1/targets?state=active") or {}
            active = answer.get("data", {}).get("activeTargets", [])
            times = [str(target["lastScrape"]) for target in active]
            return len(times) == len(self._scrape) and not any(at.startswith(_NEVER) for at in times)

        if not self._child.until(scraped, timeout):
            raise DemoError(f"Prometheus did not scrape all {len(self._scrape)} targets within {timeout:g} s")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, port: int) -> list[str]:
        return self._binaries.command(
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.storage}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address=127.0.0.1:{port}",
            folders=(self.folder,),
        )

    def _ready(self) -> bool:
        """Whether it is ready, and it is this one: the port could belong to another Prometheus."""
        if self._get("/-/ready") is None:
            return False
        flags = (self._get("/api/v1/status/flags") or {}).get("data", {})
        return bool(flags.get("storage.tsdb.path") == str(self.storage))

    def _get(self, path: str) -> dict[str, Any] | None:
        """What it answers, empty when that is not JSON; None when it does not answer, or with an error."""
        connection = http.client.HTTPConnection("127.0.0.1", self._child.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                return None
            content = json.loads(body) if path.startswith("/api/") else {}
            return content if isinstance(content, dict) else {}
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def _config(self) -> dict[str, Any]:
        """The configuration; JSON is YAML. Labels of a static target win over what Prometheus would call it."""
        targets = [
            {
                "targets": [each.address],
                "labels": {"job": each.job, "instance": each.instance, "__metrics_path__": each.path},
            }
            for each in self._scrape
        ]
        every = f"{self._interval}s"
        return {
            "global": {"scrape_interval": every, "scrape_timeout": every},
            "scrape_configs": [{"job_name": "opsjobs", "static_configs": targets}] if targets else [],
        }
