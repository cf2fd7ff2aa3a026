"""What a backup of dashboards costs beside fetching them and nothing else, in turn in one run: part of `make bench`.

The server is the double of Grafana that the tests use, in a process of its own on the same machine: as quick as it can
be, and with 20 ms for each answer, as a Grafana with a database takes. The other tool is grafana-backup from PyPI, in a
virtual environment of its own; it is left out where it cannot be installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bench import paired, peak_of, row, run

ROUNDS = 3
DASHBOARDS, MANY = 1000, 10_000
CONNECTIONS = 16
ROOT = Path(__file__).parents[1]


@contextmanager
def grafana(dashboards: int, seconds: float = 0.0) -> Iterator[dict[str, Any]]:
    """The double in a process of its own, with so many dashboards of some 46 kB."""
    words = [sys.executable, "-m", "tests.grafana.server", "--dashboards", dashboards, "--slow", seconds]
    with subprocess.Popen([str(word) for word in words], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield json.loads(next(iter(process.stdout or ()), b"{}"))
        finally:
            process.terminate()


def as_curl(server: dict[str, Any], folder: Path) -> Path:
    """Every dashboard of the server as a file for curl."""
    asked = urllib.request.Request(f"{server['url']}/api/search?type=dash-db&limit=5000")  # noqa: S310 - as below
    asked.add_header("Authorization", f"Bearer {server['token']}")
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own server on loopback
        uids = [each["uid"] for each in json.load(answer)]
    lines = [
        f'url = "{server["url"]}/api/dashboards/uid/{uid}"\noutput = "{folder / "curl" / uid}.json"\n' for uid in uids
    ]
    (folder / "curl").mkdir(exist_ok=True)
    (folder / "curl.txt").write_text("".join(lines))
    return folder / "curl.txt"


def command(server: dict[str, Any], folder: Path) -> list[str | Path]:
    """The backup, configured for the server."""
    (folder / "token").write_text(server["token"])
    grafana_server = {"url": server["url"], "token_file": "token", "concurrency": CONNECTIONS}
    (folder / "opsjobs.yml").write_text(
        json.dumps({"systems": {"pratikoai": {"grafana": grafana_server}}, "storage": {"root": str(folder / "var")}})
    )
    program = Path(sys.executable).with_name("opsjobs")
    return [program, "dashboards", "backup", "--config", folder / "opsjobs.yml"]


def compare(server: dict[str, Any], folder: Path, answers: str) -> None:
    """The figures against one server."""
    asked, backup = as_curl(server, folder), command(server, folder)
    header = f"Authorization: Bearer {server['token']}"

    def curl() -> None:
        run("curl", "-s", "--parallel", "--parallel-max", CONNECTIONS, "-H", header, "-K", asked)  # type: ignore[arg-type]  # words become text

    def first() -> None:
        shutil.rmtree(folder / "var", ignore_errors=True)
        run(*backup)

    what = f"a first backup of {DASHBOARDS:,} dashboards, {answers}"
    row(what, f"`curl --parallel-max {CONNECTIONS}`, kept as they come", paired(first, curl, ROUNDS), "at most 1.15")
    row(what.replace("first", "second"), "the same", paired(lambda: run(*backup), curl, ROUNDS), "")
    other = peer(folder)
    if other:
        known = {"GRAFANA_URL": server["url"], "GRAFANA_TOKEN": server["token"], "BACKUP_DIR": str(folder / "peer")}
        # It asks an address that not every version has, and ends there.
        known["API_AUTH_CHECK"] = "false"
        words = (other, "save", "--components=dashboards")
        row(what, "grafana-backup", paired(first, lambda: run(*words, env={**os.environ, **known}), 1), "")


def peer(folder: Path) -> Path | None:
    """The other tool, installed below the folder."""
    program = folder / "venv" / "bin" / "grafana-backup"
    if not program.exists():
        try:
            run(sys.executable, "-m", "venv", folder / "venv")
            run(program.with_name("pip"), "install", "--quiet", "--disable-pip-version-check", "grafana-backup")
        except subprocess.CalledProcessError:
            return None
    return program


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name:
        folder = Path(name)
        for seconds, answers in ((0.0, "answered at once"), (0.02, "answered in 20 ms")):
            with grafana(DASHBOARDS, seconds) as server:
                compare(server, folder, answers)
        with grafana(MANY) as server:
            shutil.rmtree(folder / "var", ignore_errors=True)
            peak = peak_of(*command(server, folder))
            print(f"| peak memory of a backup of {MANY:,} dashboards | {peak:.0f} MiB | | | | at most 300 MB |")


if __name__ == "__main__":
    main()
