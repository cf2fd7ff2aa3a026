"""A batch of slots in a process of its own, which has so much time for each system and no more.

The child says on its standard output which system it begins and how it ended: `begin NAME`, `end NAME CODE`. A child
that takes too long is ended with everything that it started; one that dies is started again for what is left.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

_LOG = logging.getLogger(__name__)
_GRACE = 10.0
"""Seconds for putting things away after being told to stop."""
_STEP = 0.5
_DEATHS = 3
"""How often a child may die before it begins anything. A system may cost one more: the ledger gives up by then."""


class End(enum.Enum):
    """How the work for one system ended."""

    LEFT = "left"
    """With an exit code."""
    TIMED_OUT = "timed out"
    KILLED = "killed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """The work for one system, over."""

    system: str
    end: End
    code: int = 0
    """The exit code where there is one, the signal where it was killed."""


@dataclass(kw_only=True)
class Launcher:
    """Runs batches as child processes, `command` with the systems behind it, until it is told to stop."""

    environment: dict[str, str]
    _stop: threading.Event = field(default_factory=threading.Event)
    _now: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Begin nothing more; what goes on may end."""
        self._stop.set()

    def abort(self) -> None:
        """Tell what goes on to stop as well."""
        self._stop.set()
        self._now.set()

    def run(self, command: Sequence[str], systems: Sequence[str], limit: timedelta) -> Iterator[Ended]:
        """How the work for each system ended, as it ends. Those that were not begun before a stop are left out."""
        waiting, idle = list(systems), 0
        deaths: Counter[str] = Counter()
        while waiting and idle < _DEATHS and not self._stop.is_set():
            before = len(waiting)
            begun = False
            for ended in self._child([*command, *waiting], limit.total_seconds()):
                begun = begun or bool(ended.system)
                if ended.end is End.LEFT and not ended.system:
                    # It ended by itself before it began: so it would again.
                    yield from (Ended(system=each, end=End.LEFT, code=ended.code) for each in waiting)
                    return
                deaths[ended.system] += ended.end is End.KILLED
                if ended.end is not End.KILLED or deaths[ended.system] > _DEATHS:
                    waiting.remove(ended.system)
                    yield ended
            if not waiting or self._now.is_set():
                return
            # The ledger counts how often a slot is begun; what dies before it begins is counted here.
            idle = 0 if begun or len(waiting) < before else idle + 1
            _LOG.warning("the process of %s ended before its work was done; it is started again", waiting[0])
        if idle:
            yield from (Ended(system=each, end=End.KILLED) for each in waiting)

    def _child(self, command: Sequence[str], limit: float) -> Iterator[Ended]:
        """One process; it has `limit` seconds for each system."""
        with subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
            # A group of its own, so that all that it starts can be ended with it.
            start_new_session=True,
        ) as child:
            lines: queue.Queue[str | None] = queue.Queue()
            reader = threading.Thread(target=_read, args=(child, lines.put), daemon=True)
            reader.start()
            try:
                yield from self._followed(child, lines, limit)
            finally:
                _end(child)
                reader.join(_GRACE)

    def _followed(self, child: subprocess.Popen[str], lines: queue.Queue[str | None], limit: float) -> Iterator[Ended]:
        current, told, until = "", False, time.monotonic() + limit
        closed = False
        while not (closed and _gone(child)):
            if self._now.is_set() and not told:
                told, until = True, time.monotonic() + _GRACE
                _signal(child, signal.SIGTERM)
            try:
                line = lines.get(timeout=_STEP / 10 if closed else _STEP)
            except queue.Empty:
                # What it started may hold its output for longer than it lives, and it may live without.
                closed = closed or bool(_gone(child))
                if time.monotonic() < until:
                    continue
                _signal(child, signal.SIGKILL)
                if current and not told:
                    yield Ended(system=current, end=End.TIMED_OUT)
                return
            match (line or "").split():
                case ["begin", name]:
                    current, until = name, time.monotonic() + limit
                case ["end", name, code]:
                    current = ""
                    yield Ended(system=name, end=End.LEFT, code=int(code))
                case [] if line is None:
                    closed = True
        how = _gone(child)
        if how and how.si_status and not told:
            end = End.LEFT if how.si_code == os.CLD_EXITED and not current else End.KILLED
            yield Ended(system=current, end=end, code=how.si_status)


def _read(child: subprocess.Popen[str], put: Callable[[str | None], None]) -> None:
    if child.stdout:
        for line in child.stdout:
            put(line)
    put(None)


def _end(child: subprocess.Popen[str]) -> None:
    """Leave nothing of it behind."""
    if not _gone(child):
        _signal(child, signal.SIGTERM)
        until = time.monotonic() + _GRACE
        while not _gone(child) and time.monotonic() < until:
            time.sleep(_STEP / 10)
    _signal(child, signal.SIGKILL)
    child.wait()


def _gone(child: subprocess.Popen[str]) -> os.waitid_result | None:
    """How it ended, once it has. It is not collected: until then its number, that of its group, is nobody else's."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)


def _signal(child: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
