"""What promtool and amtool say of the rendered files: they are read as Prometheus and Alertmanager will read them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opsjobs.model import Status

_SECONDS = 120
_LINES = 20
_CHECKS = (
    ("promtool", ("check", "config", "prometheus/prometheus.yml"), "Prometheus takes its configuration and rules"),
    ("promtool", ("check", "config", "prometheus/archive.yml"), "Prometheus takes the configuration of the archive"),
    (
        "promtool",
        ("test", "rules", "prometheus/rules/alerts.test.yml"),
        "each alert fires beyond its limit, and not at it",
    ),
    (
        "promtool",
        ("test", "rules", "prometheus/rules/opsjobs.test.yml"),
        "each alert about opsjobs itself fires when it should",
    ),
    ("amtool", ("check-config", "alertmanager/alertmanager.yml"), "Alertmanager takes its configuration"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What a tool said."""

    name: str
    status: Status
    text: str
    """What was found to be so; or what the tool said of its first failure, or why it was not asked."""


def check(folder: Path) -> Iterator[Checked]:
    """Every check whose file is in the folder. A tool that is not on the PATH leaves UNKNOWN."""
    for tool, arguments, meaning in _CHECKS:
        if not (folder / arguments[-1]).exists():
            continue
        name = f"{tool} {' '.join(arguments)}"
        program = shutil.which(tool)
        if program is None:
            yield Checked(name=name, status=Status.UNKNOWN, text=f"{tool} is not on the PATH")
            continue
        yield _asked(name, [program, *arguments], folder, meaning)


def _asked(name: str, command: list[str], folder: Path, meaning: str) -> Checked:
    try:
        done = subprocess.run(  # noqa: S603 - the tool, found on the PATH, and paths of ours
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Checked(name=name, status=Status.UNKNOWN, text=f"no answer within {_SECONDS} s")
    except OSError as error:
        return Checked(name=name, status=Status.UNKNOWN, text=f"it cannot be started: {error.strerror}")
    if done.returncode == 0:
        return Checked(name=name, status=Status.OK, text=meaning)
    said = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    failed = next((number for number, line in enumerate(said) if "FAILED" in line), max(len(said) - _LINES, 0))
    return Checked(name=name, status=Status.CRITICAL, text="\n".join(said[failed : failed + _LINES]))
