"""Each job of each system with its slots, and in which batches they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from opsjobs.schedule.slots import Slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One job of one system."""

    system: str
    job: str
    slots: Slots
    late: timedelta
    """How late it may still begin."""
    limit: timedelta
    """How long it may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One job of several systems that have the same slots: run by one process, one after the other."""

    job: str
    systems: tuple[str, ...]
    slots: Slots
    late: timedelta
    limit: timedelta
    """For each of them."""
    offset: timedelta = timedelta(0)
    """How long after a slot it begins, so that not all begin at once."""

    @property
    def name(self) -> str:
        """What it is called, the same in each process that reads the same configuration."""
        return f"{self.job}:{self.systems[0]}"

    def ready(self, moment: datetime) -> datetime:
        """The last slot that has begun at a moment."""
        return self.slots.latest(moment - self.offset)


def batches(entries: Iterable[Entry], size: int, spread: timedelta) -> Iterator[Batch]:
    """Each job of so many systems at a time, spread over a length of time; the same whoever asks."""

    def kind(entry: Entry) -> tuple[str, str, str, timedelta, timedelta]:
        return entry.job, str(entry.slots.cron), entry.slots.zone.key, entry.late, entry.limit

    for _, same in groupby(sorted(entries, key=lambda entry: (kind(entry), entry.system)), kind):
        members = list(same)
        parts = [members[start : start + size] for start in range(0, len(members), size)]
        for number, part in enumerate(parts):
            yield Batch(
                job=part[0].job,
                systems=tuple(entry.system for entry in part),
                slots=part[0].slots,
                late=part[0].late,
                limit=part[0].limit,
                offset=spread * number / len(parts),
            )
