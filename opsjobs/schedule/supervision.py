"""Seeing to it that what is due is run: by whoever asks, and once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsjobs.ledger import Ledger
from opsjobs.model import Outcome, Slot, SlotState
from opsjobs.schedule.due import Due, agenda
from opsjobs.schedule.launch import End, Ended, Launcher
from opsjobs.schedule.timetable import Batch

_LOG = logging.getLogger(__name__)
_LOOK = timedelta(minutes=5)
_LOOKS, _PAUSE = 10, 5.0
"""How often a look at a system's health is tried while another one goes on, and the seconds between."""
DONE, FAILED, TAKEN = 0, 1, 75
"""Codes with which the work for a system ends."""


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """Runs due slots as processes, and writes down what these cannot: that they were ended, and what nobody ran."""

    ledger: Callable[[], AbstractContextManager[Ledger]]
    launcher: Launcher
    command: Callable[[str, datetime | None, timedelta], Sequence[str]]
    """The command for a job, its slot, and how long it may take for a system; the systems come behind it."""
    clock: Callable[[], datetime]
    host: str

    def look(self, batches: Iterable[Batch], job: str = "") -> tuple[Due, ...]:
        """What is due now of these batches, which may be all of one job; what was missed is written down and told."""
        now = self.clock()
        with self.ledger() as ledger:
            found = agenda(batches, ledger.newest_slots(now, job), now)
            noted = ledger.note_slots(found.passed)
        missed = [slot for slot in noted if slot.state is SlotState.MISSED]
        for slot in missed:
            _LOG.error(
                "%s of %s, due %s, was missed: %s",
                slot.job,
                slot.system,
                f"{slot.due_at:%Y-%m-%d %H:%M} UTC",
                slot.reason,
            )
        self._alarm({slot.system for slot in missed if slot.job != "health"})
        return found.due

    def attend(self, batch: Batch) -> None:
        """Run what is due of a batch now."""
        for due in self.look([batch], batch.job):
            self.carry_out(due.batch, due.slot, due.systems)

    def carry_out(self, batch: Batch, slot: datetime, systems: Sequence[str]) -> dict[str, int]:
        """Run a slot for some systems of a batch; the code of each that was begun."""
        codes: dict[str, int] = {}
        for ended in self.launcher.run(self.command(batch.job, slot, batch.limit), systems, batch.limit):
            codes[ended.system] = ended.code if ended.end is End.LEFT else FAILED
            if ended.end is not End.LEFT:
                self._close(batch, slot, ended)
        failed = {system for system, code in codes.items() if code not in {DONE, TAKEN}}
        if batch.job != "health":
            self._alarm(failed)
        return codes

    def _close(self, batch: Batch, slot: datetime, ended: Ended) -> None:
        """Write down how a run ended that could not do so itself."""
        timed_out = ended.end is End.TIMED_OUT
        minutes = batch.limit.total_seconds() / 60
        reason = (
            f"It took longer than its limit of {minutes:g} min and was ended. "
            f"Look at what it waits for, or raise schedule.jobs.{batch.job}.limit."
            if timed_out
            else "Its processes ended without a word: they were killed, perhaps for want of memory."
        )
        now = self.clock()
        with self.ledger() as ledger:
            run = ledger.open_run(ended.system, batch.job, slot)
            if run and run.host == self.host:
                outcome = Outcome.TIMED_OUT if timed_out else Outcome.CRASHED
                ledger.abandon(replace(run, finished_at=now, outcome=outcome, error=reason), again=False)
            elif not run:
                ledger.note_slots(
                    [
                        Slot(
                            system=ended.system,
                            job=batch.job,
                            due_at=slot,
                            state=SlotState.FAILED,
                            at=now,
                            reason=reason,
                        )
                    ]
                )
        _LOG.error("%s of %s: %s", batch.job, ended.system, reason)

    def _alarm(self, systems: set[str]) -> None:
        """Have the health of systems looked at, which tells of a job that failed, once and to whom it concerns."""
        for number in range(_LOOKS):
            if not systems:
                return
            time.sleep(_PAUSE if number else 0)
            looked = self.launcher.run(self.command("health", None, _LOOK), sorted(systems), _LOOK)
            # One that went on meanwhile may have read the ledger before.
            systems = {each.system for each in looked if each.end is End.LEFT and each.code == TAKEN}
