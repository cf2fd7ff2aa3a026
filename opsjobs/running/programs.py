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
from typing import Any

from opsjobs.errors import StackError
from opsjobs.running.commands import HOST, Call
from opsjobs.stack import Plan
from opsjobs.stack.parts import PARTS

_STATE = "running.json"
_READY_SECONDS = 60
_END_SECONDS = 15
_POLL = 0.1
_LAST_LINES = 5
_BEGAN = 19
"""Where /proc/PID/stat says when it began, counted behind the name (proc(5), field 22)."""
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What programs find of the environment: there may be secrets in the rest."""
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

    Raises `StackError` when one cannot be started; those that were started with it are ended again. Whoever calls it
    sees to it that nobody else starts or ends anything in the folder meanwhile.
    """
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
            parts.append(Part(name=name, title=title, url=f"http://{HOST}:{port}"))
        _remember(folder, {name: process.pid for name, process in started.items()})
        for part, process in started.items():
            say(f"waiting for {PARTS[part].title}")
            _await(folder, part, plan.port(part) or 0, process)
    except BaseException:
        _end({name: process.pid for name, process in started.items()}, lambda pid: not _reaped(pid))
        (folder / _STATE).unlink(missing_ok=True)
        raise
    _LEFT_RUNNING.extend(started.values())
    return parts


def running(folder: Path) -> list[str]:
    """The titles of what was started in the folder and still runs. Raises `StackError` where that is not known."""
    return [PARTS[name].title for name, _ in _alive(folder)]


def stop(folder: Path) -> list[str]:
    """End what `start` started, gently first. The titles of what was ended; what is gone already is none of it."""
    alive = _alive(folder)
    _end({name: each["pid"] for name, each in alive}, _exists)
    (folder / _STATE).unlink(missing_ok=True)
    return [PARTS[name].title for name, _ in alive]


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
                env={**{key: call.environment[key] for key in _PASSED_ON if key in call.environment}, **call.own()},
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


def reload(port: int) -> None:
    """Have a server of this machine read its configuration again. Raises `StackError` when it does not take it."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=_READY_SECONDS)) as connection:
        try:
            connection.request("POST", "/-/reload")
            answer = connection.getresponse()
            said = answer.read().decode("utf-8", "replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise StackError(f"what answers on port {port} does not read its configuration again: {error}") from error
    if answer.status != http.client.OK:
        raise StackError(f"what answers on port {port} does not take its configuration: {said}")


def _answers(port: int, path: str) -> bool:
    with closing(http.client.HTTPConnection(HOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _remember(folder: Path, pids: Mapping[str, int]) -> None:
    """Write down what runs, whole or not at all."""
    known = {name: {"pid": pid, "began": _began(pid)} for name, pid in pids.items()}
    waiting = folder / f".{_STATE}.{os.getpid()}"
    try:
        waiting.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        waiting.replace(folder / _STATE)
    except OSError as error:
        raise StackError(f"{folder / _STATE} cannot be written: {error.strerror}") from error


def _alive(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """What was started in the folder and still runs: a number may long belong to somebody else's process."""
    path = folder / _STATE
    try:
        known = json.loads(path.read_text("utf-8"))
        told = [(name, each) for name, each in known.items() if name in PARTS]
        return [(name, each) for name, each in told if _exists(each["pid"]) and _began(each["pid"]) == each["began"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StackError(
            f"{path} does not say what runs: it is damaged",
            advice=f"End what was started in {folder} by hand, then remove the file.",
        ) from None


def _end(pids: Mapping[str, int], alive: Callable[[int], bool]) -> None:
    """End processes with all that they started, gently first."""
    for pid in pids.values():
        _signal(pid, signal.SIGTERM)
    until = time.monotonic() + _END_SECONDS
    for pid in pids.values():
        while alive(pid) and time.monotonic() < until:
            time.sleep(_POLL)
        if alive(pid):
            _signal(pid, signal.SIGKILL)


def _exists(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    if _reaped(pid):
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return _state(pid)[:1] != ["Z"]


def _reaped(pid: int) -> bool:
    """Whether it was a child of this process and has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _began(pid: int) -> str:
    """When a process began, in whatever words the system has for it; empty when there is none."""
    stat = _state(pid)
    if stat:
        return stat[_BEGAN]
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607 - where there is no /proc
    return told.stdout.strip()


def _state(pid: int) -> list[str]:
    """What /proc says of a process behind its name, which may hold anything; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        # It leads a group of its own, in which is whatever it started.
        os.killpg(pid, number)
