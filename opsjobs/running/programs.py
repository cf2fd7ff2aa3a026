"""The parts of a stack as programs of this machine: started, waited for, and ended by their process ids.

They outlive the command that starts them. What is needed to end them stands in `running.json` of the folder, their
samples in `data`, and what they say in `logs`.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from opsjobs.errors import StackError
from opsjobs.running.commands import HOST, Call
from opsjobs.stack import Plan
from opsjobs.stack.parts import PARTS

_STATE = "running.json"
_READY_SECONDS = 60
_END_SECONDS = 15
_POLL = 0.1
_LAST_LINES = 5
# Python complains about a process that is forgotten while it runs; these are left to run.
_LEFT_RUNNING: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the stack, and what became of it."""

    name: str
    title: str
    url: str = ""
    """Where it answers; empty where it does not run."""
    reason: str = ""
    """Why it does not run."""


def start(plan: Plan, folder: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> list[Part]:
    """Start each part for which a program is on the PATH of the environment, and wait until all are ready.

    Raises `StackError` when one cannot be started; those that were started with it are ended again.
    """
    if _alive(folder):
        raise StackError(
            f"the stack in {folder} runs already", advice="`opsjobs stack down` ends it; then start it again."
        )
    parts: list[Part] = []
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, port in plan.system.stack.parts.items():
            title = PARTS[name].title
            found = (shutil.which(each, path=environment.get("PATH")) for each in PARTS[name].programs)
            program = next(filter(None, found), None)
            if program is None:
                wanted = " or ".join(PARTS[name].programs)
                reason = f"{wanted} is not on the PATH" if wanted else "it comes as a container only"
                parts.append(Part(name=name, title=title, reason=reason))
                continue
            _free(title, port)
            say(f"starting {title}")
            call = Call(plan=plan, folder=folder, name=name, port=port, environment=environment)
            started[name] = _started(program, call)
            _remember(folder, {each: process.pid for each, process in started.items()})
            parts.append(Part(name=name, title=title, url=f"http://{HOST}:{port}"))
        for part, process in started.items():
            say(f"waiting for {PARTS[part].title}")
            _await(folder, part, plan.port(part) or 0, process)
        _LEFT_RUNNING.extend(started.values())
    except BaseException:
        stop(folder)
        raise
    return parts


def stop(folder: Path) -> list[str]:
    """End what `start` started, gently first. The titles of what was ended; what is gone already is none of it."""
    ended = []
    alive = dict(_alive(folder))
    for pid in alive.values():
        _signal(pid, signal.SIGTERM)
    until = time.monotonic() + _END_SECONDS
    for name, pid in alive.items():
        while _runs(pid, folder) and time.monotonic() < until:
            time.sleep(_POLL)
        if _runs(pid, folder):
            _signal(pid, signal.SIGKILL)
        ended.append(PARTS[name].title)
    with suppress(FileNotFoundError):
        (folder / _STATE).unlink()
    return ended


def wait_until_ready(port: int, path: str, alive: Callable[[], bool], seconds: float = _READY_SECONDS) -> bool:
    """Whether a server of this machine answers with 200 in time, and for as long as it is alive."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and alive():
        if _answers(port, path):
            return True
        time.sleep(_POLL)
    return False


def _started(program: str, call: Call) -> subprocess.Popen[bytes]:
    try:
        call.data.mkdir(parents=True, exist_ok=True)
        (call.folder / "logs").mkdir(exist_ok=True)
        with (call.folder / "logs" / f"{call.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a program found on the PATH, and arguments of ours
                [program, *call.arguments()],
                cwd=call.folder,
                env={**call.environment, **call.own()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal is not for it.
                start_new_session=True,
            )
    except OSError as error:
        raise StackError(f"{PARTS[call.name].title} cannot be started: {error.strerror}") from error


def _await(folder: Path, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
    if wait_until_ready(port, PARTS[name].ready, lambda: process.poll() is None):
        return
    log = folder / "logs" / f"{name}.log"
    said = log.read_text("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
    why = "was not ready in time" if process.poll() is None else f"ended with {process.returncode}"
    raise StackError("\n".join([f"{PARTS[name].title} {why}:", *said]), advice=f"{log} has all that it said.")


def _free(title: str, port: int) -> None:
    """Raise `StackError` when somebody else answers where a part is to be."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            raise StackError(
                f"port {port}, where {title} is to be, is taken by another program",
                advice="End that program, or give the part another port under `stack.parts` of the profile.",
            )


def _answers(port: int, path: str) -> bool:
    with closing(http.client.HTTPConnection(HOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _remember(folder: Path, pids: Mapping[str, int]) -> None:
    (folder / _STATE).write_text(json.dumps(pids, indent=2) + "\n", "utf-8")


def _alive(folder: Path) -> list[tuple[str, int]]:
    """What was started in the folder and still runs."""
    try:
        pids = json.loads((folder / _STATE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return [(name, pid) for name, pid in pids.items() if name in PARTS and _runs(pid, folder)]


def _runs(pid: int, folder: Path) -> bool:
    """Whether the process is ours: its number may long belong to somebody else's, which works in another folder."""
    with suppress(ChildProcessError, OSError):
        # Our own child would stay as a zombie that seems to run.
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
        works_in = Path(f"/proc/{pid}/cwd")
        return not works_in.parent.parent.joinpath("self").exists() or works_in.resolve() == folder.resolve()
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
