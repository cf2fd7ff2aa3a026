"""The schedule as lines of a crontab, and their marked block among the lines of others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from opsjobs.errors import ScheduleError
from opsjobs.schedule.calls import Call, Program, alike, minutes, numbered, spans

MADE = "# Made by `opsjobs schedule export crontab`: change the configuration, not this file."
_LONGEST = 998
"""Characters of a command that cron takes."""
_MARK = re.compile(r"\s*#\s*(BEGIN|END) opsjobs\b\s*(?:\((.*)\))?\s*")
_PERCENT = re.compile(r"(\\?)%")
_SETTLED = 120
"""Seconds after which a machine that has just been started has what jobs ask."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What is to be called, from a machine."""

    calls: tuple[Call, ...]
    program: Program
    zone: ZoneInfo
    """That of the machine: cron knows no other."""
    since: datetime
    user: str = ""
    """Who runs it: named on each line of a file in /etc/cron.d, and only there."""

    def lines(self) -> Iterator[str]:
        """The lines, each job with what it stands for. Raises `ScheduleError` for what cron does not take."""
        lines: dict[str, list[str]] = {}
        for call in self.calls:
            slots = call.slots
            if alike(slots.zone, self.zone, self.since):
                when, remark = numbered(slots.cron), ""
            else:
                when = f"{spans(minutes(slots, self.zone, self.since))} * * * *"
                remark = ", which is not the zone here: looked for each hour"
            lines.setdefault(self._line(when, self.program.once([call.job])), []).append(f"# {call}{remark}")
        for line, remarks in lines.items():
            yield from (*remarks, line)
        yield "# What came due while the machine was off, where it is not too late"
        jobs = list(dict.fromkeys(call.job for call in self.calls))
        yield self._line("@reboot", self.program.once(jobs), before=f"sleep {_SETTLED} && ")

    def file(self) -> str:
        """A crontab of its own."""
        where = f"# Times are those of {self.zone.key}."
        head = (MADE, where, "SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin", "")
        return "\n".join([*head, *self.lines(), ""])

    def _line(self, when: str, words: Iterable[str], before: str = "") -> str:
        # A line of its own for a variable would hold for the lines of others that follow.
        home = ("/usr/bin/env", f"OPSJOBS_HOME={self.program.home}") if self.program.home else ()
        command = before + _PERCENT.sub(_escaped, shlex.join([*home, *words]))
        if len(command.encode()) > _LONGEST:
            raise ScheduleError(
                f"cron takes no command of more than {_LONGEST} characters",
                advice="Move opsjobs or its configuration to a folder with a shorter name.",
            )
        return " ".join([when, *([self.user] if self.user else []), command])


def names(text: str) -> list[str]:
    """The names of the blocks in a crontab. Raises `ScheduleError` where one is damaged."""
    return [name for name, _, _ in _blocks(text)]


def replaced(text: str, name: str, lines: Iterable[str]) -> str:
    """A crontab with the block of this name, where it was or at the end; everything else as it is."""
    block = f"# BEGIN opsjobs ({name})\n" + "".join(f"{line}\n" for line in lines) + f"# END opsjobs ({name})\n"
    there = next((each for each in _blocks(text) if each[0] == name), None)
    if there:
        _, start, end = there
        return text[:start] + block + text[end:]
    return text + ("\n" if text and not text.endswith("\n") else "") + block


def removed(text: str, name: str) -> str:
    """A crontab without the block of this name; everything else as it is."""
    for found, start, end in _blocks(text):
        if found == name:
            return text[:start] + text[end:]
    return text


def _blocks(text: str) -> list[tuple[str, int, int]]:
    """Each block: its name, and where it begins and ends."""
    found: list[tuple[str, int, int]] = []
    opened: tuple[str, int] | None = None
    position = 0
    for number, line in enumerate(text.split("\n"), 1):
        end = min(position + len(line) + 1, len(text))
        mark = _MARK.fullmatch(line)
        if mark:
            kind, name = mark[1], mark[2] or ""
            fits = opened is None if kind == "BEGIN" else opened is not None and opened[0] == name
            if not fits or any(name == each for each, _, _ in found):
                raise _damaged(number, line)
            if opened is None:
                opened = (name, position)
            else:
                found.append((name, opened[1], end))
                opened = None
        position = end
    if opened:
        raise _damaged(text.count("\n", 0, opened[1]) + 1, f"# BEGIN opsjobs ({opened[0]})")
    return found


def _damaged(number: int, line: str) -> ScheduleError:
    return ScheduleError(
        f"the crontab's line {number} does not belong to a whole block: {line.strip()}",
        advice="Each block of opsjobs begins with BEGIN, ends with END and its own name, and is there once. "
        "Mend it with `crontab -e`; nothing was changed.",
    )


def _escaped(found: re.Match[str]) -> str:
    """A percent sign that cron does not take for a line's end; a backslash before it must not escape ours."""
    return rf"{found[1]}''\%" if found[1] else r"\%"
