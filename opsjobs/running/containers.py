"""The parts of a stack in containers, by the compose file that was rendered."""

from __future__ import annotations

import secrets as randomness
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from opsjobs.errors import StackError
from opsjobs.running.programs import Part, reload, wait_until_ready
from opsjobs.stack import Plan, secrets
from opsjobs.stack.parts import PARTS

_SECONDS = 900
"""Images may have to be fetched first."""
_READY_SECONDS = 180
_LAST_LINES = 5
_BYTES = 24
_RELOADED = {"prometheus", "prometheus-archive", "alertmanager"}


def start(plan: Plan, folder: Path, say: Callable[[str], None]) -> list[Part]:
    """Start every part and wait until each answers. Raises `StackError` in words of Docker, or with what is missing."""
    compose = _compose()
    _with_secrets(plan, folder, say)
    say("starting containers; images that are not here are fetched first")
    _run([*compose, *_project(plan, folder), "up", "--detach", "--remove-orphans"], folder)
    parts = []
    for name, port in plan.system.stack.parts.items():
        part = PARTS[name]
        say(f"waiting for {part.title}")
        ready = wait_until_ready(port, part.ready, lambda: True, _READY_SECONDS)
        reason = "" if ready else f"it does not answer on port {port}: see `docker compose logs {name}` in {folder}"
        if ready and name in _RELOADED:
            # Containers that ran already do not see by themselves that a file has changed.
            reload(port)
        parts.append(Part(name=name, title=part.title, url=f"http://127.0.0.1:{port}" if ready else "", reason=reason))
    return parts


def stop(plan: Plan, folder: Path) -> None:
    """End the containers. What they keep stays in its volumes. Raises `StackError`."""
    if not (folder / "compose.yml").exists():
        raise StackError(f"nothing was started in {folder}", advice="Name its folder with --out, or the system.")
    _run([*_compose(), *_project(plan, folder), "down"], folder)


def _compose() -> list[str]:
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:  # noqa: S603 - Docker, found on the PATH
        return [docker, "compose"]
    alone = shutil.which("docker-compose")
    if alone:
        return [alone]
    raise StackError(
        "neither `docker compose` nor docker-compose is here",
        advice="Install Docker with its compose plugin, or start programs of this machine with --native.",
    )


def _project(plan: Plan, folder: Path) -> list[str]:
    return ["--project-name", f"{plan.name}-monitoring", "--file", str(folder / "compose.yml")]


def _with_secrets(plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
    """Make the one secret that can be made, and refuse to start without the others."""
    place = folder / "secrets"
    missing = [secret for secret in secrets.needed(plan) if not (place / secret.file).exists()]
    made = place / secrets.GRAFANA
    if any(secret.file == secrets.GRAFANA for secret in missing):
        # Containers read the file as other users; the folder keeps everybody else out.
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.write_text(randomness.token_urlsafe(_BYTES), "utf-8")
        made.chmod(0o644)
        say(f"made a password for Grafana's user admin: {made}")
        missing = [secret for secret in missing if secret.file != secrets.GRAFANA]
    if missing:
        raise StackError(
            "\n".join([f"{place} lacks secrets:", *(f"  {secret.file}: {secret.holds}" for secret in missing)]),
            advice="Put each into its file, one line, nothing else; what the profile does not need, take out of it.",
        )


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - Docker, found on the PATH, and arguments of ours
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"Docker was not done within {_SECONDS // 60} minutes") from None
    except OSError as error:
        raise StackError(f"Docker cannot be started: {error.strerror}") from error
    if done.returncode:
        said = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()][-_LAST_LINES:]
        raise StackError("\n".join(["Docker said:", *said]), advice="`docker info` says whether its engine runs.")
