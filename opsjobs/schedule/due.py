"""Which slots are to be run at a moment, and which were missed: the timetable held against what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from opsjobs.model import Slot, SlotState
from opsjobs.schedule.slots import Slots
from opsjobs.schedule.timetable import Batch

FRESH = timedelta(minutes=10)
"""How old a slot may be that is run although nothing was ever scheduled before."""
_TOLD = 100
"""How many missed slots of one job are written down."""
_MOST = 100_000
_OPEN = {SlotState.WAITING, SlotState.RUNNING}


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A slot of a batch that is to be run, for those of its systems of which nobody has."""

    batch: Batch
    slot: datetime
    systems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Agenda:
    """What is to be done at a moment."""

    due: tuple[Due, ...]
    passed: tuple[Slot, ...]
    """Slots that nobody will run any more, to be written down."""


def agenda(batches: Iterable[Batch], known: Mapping[tuple[str, str], Slot], now: datetime) -> Agenda:
    """What is due now, where `known` is the last slot of each system and job.

    Of the slots since then the last is run, unless it is too late for it; the others were missed. Where nothing is
    known, what was due before is left: a schedule begins when it begins.
    """
    due: list[Due] = []
    passed: list[Slot] = []
    for batch in batches:
        slot = batch.ready(now)
        age = now - slot - batch.offset
        wanted = []
        for system in batch.systems:
            last = known.get((system, batch.job))
            if last and (last.due_at > slot or (last.due_at == slot and last.state not in _OPEN)):
                continue
            slots = [] if last is None else list(_between(batch.slots, last.due_at, slot))
            state, reason = SlotState.MISSED, "nobody was there, or free for it"
            if age <= (batch.late if last else min(FRESH, batch.late)):
                wanted.append(system)
            elif last is None:
                slots, state, reason = [slot], SlotState.SKIPPED, "it was due before the schedule began"
            elif last.due_at < slot:
                slots.append(slot)
            passed += [
                Slot(system=system, job=batch.job, due_at=each, state=state, at=now, reason=reason) for each in slots
            ]
        if wanted:
            due.append(Due(batch=batch, slot=slot, systems=tuple(wanted)))
    return Agenda(due=tuple(due), passed=tuple(passed))


def _between(slots: Slots, last: datetime, slot: datetime) -> Iterator[datetime]:
    """The slots between two, the newest of them where they are many."""
    between = [each for each in islice(slots.between(last, slot), _MOST) if each < slot]
    yield from between[-_TOLD:]
