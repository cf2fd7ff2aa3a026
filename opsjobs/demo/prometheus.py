"""A real Prometheus as a child of this process: started on a free port, ready when `start` returns, gone after `stop`.

It knows nothing of simulations: hand it a folder, perhaps with imported history, and targets to scrape.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import killpg
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from opsjobs.demo import leash
from opsjobs.demo.binaries import Binaries, run
from opsjobs.errors import DemoError

RETENTION = "60d"

# One block for the whole history: promtool reads its input once for each block.
_BLOCK = "1458h"
_IMPORT_TIMEOUT = 300
_START_TIMEOUT = 60
_STOP_GRACE = 10
_POLL = 0.05
_PORTS_TO_TRY = 5
_LAST_LINES = 5
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
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def storage(self) -> Path:
        """Where the blocks are; `import_history` goes here before the start."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The address, once it was started."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `DemoError` with the end of its log."""
        if self._process is not None:
            raise RuntimeError("this Prometheus is running already")
        self.storage.mkdir(parents=True, exist_ok=True)
        (self.folder / "prometheus.yml").write_text(json.dumps(self._config(), indent=2), "utf-8")
        for _ in range(_PORTS_TO_TRY):
            self._port = _free_port()
            if self._started():
                return
        raise DemoError(f"Prometheus found no free port in {_PORTS_TO_TRY} attempts")

    def stop(self) -> None:
        """Stop it, gently first, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.stdin:
                # The leash lets it finish, and kills it after the grace.
                process.stdin.close()
            process.wait(_STOP_GRACE + 5)
        except subprocess.TimeoutExpired:
            _kill(process)
        except BaseException:
            _kill(process)
            raise

    def wait_for_scrapes(self, timeout: float = 60) -> None:
        """Wait until every target was scraped once, whatever came of it. Raises `DemoError` after `timeout` seconds."""

        def scraped() -> bool:
            answer = self._get("/api/v1/targets?state=active") or {}
            active = answer.get("data", {}).get("activeTargets", [])
            times = [str(target["lastScrape"]) for target in active]
            return len(times) == len(self._scrape) and not any(at.startswith(_NEVER) for at in times)

        if not self._until(scraped, timeout):
            raise DemoError(f"Prometheus did not scrape all {len(self._scrape)} targets within {timeout:g} s")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _started(self) -> bool:
        """Start on the chosen port; False when somebody else has taken it meanwhile."""
        log = self.folder / "prometheus.log"
        command = self._binaries.command(
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.storage}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            folders=(self.folder,),
        )
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - the command is made of our own words and paths
                    [sys.executable, leash.__file__, str(_STOP_GRACE), *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for the parent, which then stops it in order.
                    start_new_session=True,
                )
            if self._until(self._ready, _START_TIMEOUT):
                return True
            ended = self._process.poll()
            self.stop()
        except BaseException:
            self.stop()
            raise
        lines = log.read_text("utf-8", errors="replace").splitlines()
        if any("address already in use" in line for line in lines):
            return False
        how = f"was not ready after {_START_TIMEOUT} s" if ended is None else f"ended with {ended} while starting"
        raise DemoError(f"Prometheus {how}: {' / '.join(lines[-_LAST_LINES:]) or 'it logged nothing'}")

    def _ready(self) -> bool:
        """Whether it is ready, and it is this one: the port could belong to another Prometheus."""
        if self._get("/-/ready") is None:
            return False
        flags = (self._get("/api/v1/status/flags") or {}).get("data", {})
        return bool(flags.get("storage.tsdb.path") == str(self.storage))

    def _until(self, true: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            if true():
                return True
            time.sleep(_POLL)
        return False

    def _get(self, path: str) -> dict[str, Any] | None:
        """What it answers, empty when that is not JSON; None when it does not answer, or with an error."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
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


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole group at once: the leash, and what it holds."""
    with suppress(ProcessLookupError):
        killpg(process.pid, SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
