"""How much of many systems' work one worker does, and two: real workers, a real PostgreSQL and a real Prometheus.

    python benchmarks/workers.py --systems 1000 --job health --workers 1 --workers 2

All systems have PratikoAI's profile and ask one Prometheus; nothing is mailed. Throughput is counted in the ledger,
from the first run's begin to the last one's end; memory is what the processes of one worker have together, shared
pages counted in part (PSS), at its largest.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from opsjobs.demo.stage import Stage

_LIMIT = 3600


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL with its own defaults, so with fsync, on a free port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    where = str(programs[-1]) if programs else os.path.dirname(shutil.which("initdb") or "initdb")  # noqa: PTH120 - of a string
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    folder.mkdir()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.parent.chmod(0o755)
    known = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    data, port = folder / "data", free()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **known}
    subprocess.run([f"{where}/initdb", "-D", data, "-U", "postgres", "-A", "trust"], check=True, **quiet)  # type: ignore[call-overload]  # options as a mapping
    options = ["-p", str(port), "-c", "unix_socket_directories=", "-c", "max_connections=200"]
    server = subprocess.Popen([f"{where}/postgres", "-D", data, *options], **quiet)  # type: ignore[call-overload]  # as above
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        while server.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(url, connect_timeout=1).close()
                break
            time.sleep(0.1)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def free() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Meter(threading.Thread):
    """The memory of a process and all that it starts, looked at each second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.most = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(1):
            self.most = max(self.most, sum(pss(each) for each in family(self.pid)))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def pss(pid: int) -> int:
    """Its memory in kB."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def measured(  # noqa: PLR0917 - a row has as many columns
    folder: Path, url: str, metrics: str, job: str, count: int, workers: int, batch: int
) -> str:
    """One row of the table."""
    name = f"bench_{job}_{workers}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # a name of ours
    ledger = url.removesuffix("postgres") + name
    at = (datetime.now(UTC) + timedelta(seconds=75)).replace(second=0, microsecond=0)
    place = folder / name
    place.mkdir()
    systems = "\n".join(
        f"  s{number:05}: {{profile: pratikoai, visits: false, prometheus: {{url: '{metrics}'}}}}"
        for number in range(count)
    )
    others = [each for each in ("daily", "costs", "health", "prune") if each != job]
    (place / "opsjobs.yml").write_text(
        f"systems:\n{systems}\nstorage: {{root: ./var, ledger: '{ledger}'}}\n"
        f"schedule:\n  batch: {batch}\n  at_once: 2\n  jobs:\n"
        f"    {job}: {{cron: '{at.minute} {at.hour} * * *', zone: UTC, late: 12h}}\n"
        + "".join(f"    {each}: off\n" for each in others)
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPSJOBS")}
    command = [sys.executable, "-m", "opsjobs", "worker"]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((place / "log").open("w"))
        running = [
            subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log) for _ in range(workers)
        ]
        meters = [Meter(each.pid) for each in running]
        for meter in meters:
            meter.start()
        until = time.monotonic() + _LIMIT
        with psycopg.connect(ledger, autocommit=True) as connection:
            while time.monotonic() < until:
                time.sleep(2)
                with contextlib.suppress(psycopg.errors.UndefinedTable):
                    over = connection.execute(
                        "SELECT count(*) FROM slots WHERE state IN ('done', 'failed') AND due_at = %s", [at]
                    ).fetchone()
                    if over and over[0] >= count:
                        break
            row = connection.execute(
                "SELECT count(*), count(DISTINCT system), extract(epoch FROM max(finished_at) - min(started_at)),"
                " avg(extract(epoch FROM finished_at - started_at)), count(*) FILTER (WHERE outcome <> 'failed')"
                " FROM runs WHERE job = %s",
                [job],
            ).fetchone()
        for meter in meters:
            meter.over.set()
        for each in running:
            each.terminate()
        for each in running:
            each.wait(120)
    runs, systems_done, seconds, each_took, well = row or (0,) * 5
    if (runs, systems_done, well) != (count, count, count):
        raise SystemExit(f"{count} systems, but {runs} runs of {systems_done}, of which {well} did their work")
    memory = max(meter.most for meter in meters) / 1024
    return (
        f"| {job} | {count:,} | {workers} | {float(seconds):,.0f} s | {count / float(seconds) * 60:,.0f} a minute "
        f"| {float(each_took):.2f} s | {memory:,.0f} MiB |"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", type=int, default=200)
    parser.add_argument("--job", choices=("health", "daily"), action="append")
    parser.add_argument("--workers", type=int, action="append")
    parser.add_argument("--batch", type=int, default=20)
    chosen = parser.parse_args()
    print("| job | systems | workers | it takes | throughput | one run | memory of a worker |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as scratch:
        folder = Path(scratch)
        with postgresql(folder / "postgresql") as url, Stage(scenario="quiet", now=datetime.now(UTC)) as stage:
            for job in chosen.job or ("health", "daily"):
                for workers in chosen.workers or (1, 2):
                    print(
                        measured(folder, url, stage.url, job, chosen.systems, workers, chosen.batch),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
