"""Run programs: to their end, or as a server that is a child of this process and never outlives it."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import killpg
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from opsjobs.demo import leash
from opsjobs.errors import DemoError

Owner = tuple[int, int]
"""A user and a group, by number."""

_START_TIMEOUT = 60
_STOP_GRACE = 10
_POLL = 0.05
_PORTS_TO_TRY = 5
_LAST_LINES = 5
_LAST_LINES_RUN = 3
_TAKEN = "address already in use"


class Child:
    """One server on a free loopback port, held by `leash.py`. What it says goes to `log`.

    `stop` is the signal that ends it gently. With an `owner` it runs as that user, and not as this one.
    """

    def __init__(
        self,
        title: str,
        log: Path,
        *,
        stop: Signals = SIGTERM,
        owner: Owner | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = 0
        self._title = title
        self._log = log
        self._stop = stop
        self._owner = owner
        self._environment = {**os.environ, **environment} if environment else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Callable[[int], list[str]], ready: Callable[[], bool]) -> None:
        """Start `command` with a port and wait until it is ready. Raises `DemoError` with the end of its log.

        `ready` must tell this server from another one that took the same port.
        """
        if self._process is not None:
            raise RuntimeError(f"this {self._title} is running already")
        for _ in range(_PORTS_TO_TRY):
            self.port = _free_port()
            if self._started(command(self.port), ready):
                return
        raise DemoError(f"{self._title} found no free port in {_PORTS_TO_TRY} attempts")

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

    def until(self, true: Callable[[], bool], timeout: float) -> bool:
        """Wait until something is true; False after `timeout` seconds, or when the server has ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            if true():
                return True
            time.sleep(_POLL)
        return False

    def _started(self, command: list[str], ready: Callable[[], bool]) -> bool:
        """Start it; False when somebody else has taken its port meanwhile."""
        owner = "{}:{}".format(*self._owner) if self._owner else ""
        try:
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - the command is made of our own words and paths
                    [sys.executable, leash.__file__, str(_STOP_GRACE), str(int(self._stop)), owner, *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    # Ctrl-C is for the parent, which then stops it in order.
                    start_new_session=True,
                )
            if self.until(ready, _START_TIMEOUT):
                return True
            ended = self._process.poll()
            self.stop()
        except BaseException:
            self.stop()
            raise
        lines = self._log.read_text("utf-8", errors="replace").splitlines()
        if any(_TAKEN in line.lower() for line in lines):
            return False
        how = f"was not ready after {_START_TIMEOUT} s" if ended is None else f"ended with {ended} while starting"
        raise DemoError(f"{self._title} {how}: {' / '.join(lines[-_LAST_LINES:]) or 'it logged nothing'}")


def run(
    command: list[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    owner: Owner | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed. Raises `DemoError` with the program's own reason."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs; no word comes from outside this machine
            command,
            cwd=cwd,
            timeout=timeout,
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **environment} if environment else None,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            extra_groups=[] if owner else None,
        )
    except FileNotFoundError as error:
        raise DemoError(f"{name} is not installed") from error
    except OSError as error:
        raise DemoError(f"{name} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"{name} was not done after {timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        said = [line.strip() for line in (error.stderr or error.stdout).splitlines() if line.strip()]
        reason = " / ".join(said[-_LAST_LINES_RUN:]) or "without a reason"
        raise DemoError(f"{name} failed with {error.returncode}: {reason}") from error
    return done.stdout


def nobody() -> Owner | None:
    """Who runs what refuses to be run by root; None where this is not root. Raises `DemoError` without such a user."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam("nobody")
    except KeyError as error:
        raise DemoError("this is root, and there is no user 'nobody' to run it instead") from error
    return found.pw_uid, found.pw_gid


def reaches(owner: Owner | None, folder: Path) -> bool:
    """Whether the owner can come into a folder, which only root needs to ask."""
    return owner is None or all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole group at once: the leash, and what it holds."""
    with suppress(ProcessLookupError):
        killpg(process.pid, SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
