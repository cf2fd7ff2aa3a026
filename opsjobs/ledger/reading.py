"""What the ledger knows, for who shows it: slots by the page, how each job last went, what is counted.

Each question is one look into an index or one pass over a table, so that it stays quick however long the ledger is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from opsjobs.ledger import Ledger, runs, tables
from opsjobs.model import DeliveryState, Outcome, Run, SlotState, Status

_WEEK = "____-W%"


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Slots from one day to another; None is open."""

    first: date | None = None
    last: date | None = None

    def __bool__(self) -> bool:
        return self.first is not None or self.last is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotRuns:
    """One slot of a job: its newest run, and the newest that made files, which may be an earlier one."""

    run: Run
    made: Run | None
    runs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """How many slots of a job nobody ran, and when the last of them was due."""

    number: int
    last: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DayValue:
    """An indicator on the newest day that is known of its system."""

    system: str
    indicator: str
    day: date
    value: float | None
    unit: str
    status: Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """An open ledger, read only. Methods raise `LedgerError` in words."""

    ledger: Ledger

    def check(self) -> None:
        """Whether it can be read."""
        with self.ledger.database.begin() as connection:
            connection.execute(sa.select(tables.runs.c.id).limit(1)).first()

    def jobs(self) -> list[tuple[str, str]]:
        """Each system and job of which there are runs."""
        table = tables.runs
        query = sa.select(table.c.system, table.c.job).distinct().order_by(table.c.system, table.c.job)
        with self.ledger.database.begin() as connection:
            return [(row.system, row.job) for row in connection.execute(query)]

    def count(self, system: str, job: str, days: Days | None = None) -> int:
        """How many slots there are of a job."""
        table = tables.runs
        query = sa.select(sa.func.count(table.c.slot.distinct())).where(*_of(system, job, days))
        with self.ledger.database.begin() as connection:
            return connection.scalar(query) or 0

    def slots(
        self, system: str, job: str, *, days: Days | None = None, before: str = "", skip: int = 0, limit: int
    ) -> list[SlotRuns]:
        """So many slots of a job, the newest first, from before a slot on."""
        table = tables.runs
        wanted = _of(system, job, days)
        if before:
            wanted = [*wanted, table.c.slot < before]
        names = sa.select(table.c.slot).where(*wanted).group_by(table.c.slot).order_by(table.c.slot.desc())
        with self.ledger.database.begin() as connection:
            found = [row.slot for row in connection.execute(names.limit(limit).offset(skip))]
            query = sa.select(table).where(*_of(system, job), table.c.slot.in_(found))
            by_slot: dict[str, list[Run]] = {slot: [] for slot in found}
            for run in runs.read(connection, query.order_by(table.c.started_at.desc(), table.c.id)):
                by_slot[run.slot].append(run)
        return [
            SlotRuns(run=own[0], made=next((run for run in own if run.artifacts), None), runs=len(own))
            for own in by_slot.values()
            if own
        ]

    def last(self) -> list[Run]:
        """The newest run of each job that has ended."""
        return self._newest(tables.runs.c.outcome != Outcome.RUNNING.value)

    def done(self) -> list[Run]:
        """The newest run of each job that did its work."""
        return self._newest(runs.DONE)

    def going_on(self) -> list[Run]:
        """The newest run of each job that goes on, or that was killed and nobody has noticed."""
        return self._newest(tables.runs.c.outcome == Outcome.RUNNING.value)

    def missed(self, since: datetime) -> dict[tuple[str, str], Missed]:
        """What nobody ran of what was due since then, by system and job; also of jobs that missed nothing."""
        slots = tables.slots
        gone = slots.c.state == SlotState.MISSED.value
        query = (
            sa.select(
                slots.c.system,
                slots.c.job,
                sa.func.count(sa.case((gone, 1))).label("number"),
                sa.func.max(sa.case((gone, slots.c.due_at)), type_=tables.Instant).label("last"),
            )
            .where(slots.c.due_at >= since)
            .group_by(slots.c.system, slots.c.job)
            .order_by(slots.c.system, slots.c.job)
        )
        with self.ledger.database.begin() as connection:
            rows = connection.execute(query)
            return {(row.system, row.job): Missed(number=row.number, last=row.last) for row in rows}

    def messages(self, since: datetime) -> Counter[tuple[str, str, str]]:
        """How many messages were written down since then, by system, channel and state."""
        table = tables.deliveries
        query = (
            sa.select(table.c.system, table.c.channel, table.c.state, sa.func.count().label("number"))
            .where(table.c.created_at >= since)
            .group_by(table.c.system, table.c.channel, table.c.state)
        )
        with self.ledger.database.begin() as connection:
            return Counter({(row.system, row.channel, row.state): row.number for row in connection.execute(query)})

    def overdue(self, at: datetime) -> Counter[tuple[str, str]]:
        """How many messages should have been sent by then, by system and channel; 0 for who was sent any."""
        table = tables.deliveries
        late = sa.and_(table.c.state == DeliveryState.PENDING.value, table.c.due_at <= at)
        query = sa.select(
            table.c.system, table.c.channel, sa.func.sum(sa.case((late, 1), else_=0)).label("number")
        ).group_by(table.c.system, table.c.channel)
        with self.ledger.database.begin() as connection:
            return Counter({(row.system, row.channel): int(row.number) for row in connection.execute(query)})

    def values(self) -> list[DayValue]:
        """The indicators of each system on the newest day that is known of it."""
        table = tables.indicator_days
        newest = sa.select(table.c.system, sa.func.max(table.c.day).label("day")).group_by(table.c.system).subquery()
        same = sa.and_(table.c.system == newest.c.system, table.c.day == newest.c.day)
        query = sa.select(table).join(newest, same).order_by(table.c.system, table.c.indicator)
        with self.ledger.database.begin() as connection:
            return [
                DayValue(
                    system=row.system,
                    indicator=row.indicator,
                    day=row.day,
                    value=row.value,
                    unit=row.unit,
                    status=Status[row.status],
                )
                for row in connection.execute(query)
            ]

    def states(self) -> dict[tuple[str, str], Status]:
        """The checks that were bad when they were looked at last, or lately, by system and name."""
        table = tables.check_states
        query = sa.select(table.c.system, table.c.check, table.c.status).order_by(table.c.system, table.c.check)
        with self.ledger.database.begin() as connection:
            return {(row.system, row.check): Status[row.status] for row in connection.execute(query)}

    def _newest(self, wanted: sa.ColumnElement[bool]) -> list[Run]:
        with self.ledger.database.begin() as connection:
            return runs.newest(connection, wanted)


def _of(system: str, job: str, days: Days | None = None) -> Sequence[sa.ColumnElement[bool]]:
    """The runs of a job, and of slots in a span: a day, a moment of it, or a week that it is in."""
    table = tables.runs
    own: list[sa.ColumnElement[bool]] = [table.c.system == system, table.c.job == job]
    if not days:
        return own
    week = table.c.slot.like(_WEEK)
    within: list[sa.ColumnElement[bool]] = [sa.not_(week)]
    weeks: list[sa.ColumnElement[bool]] = [week]
    if days.first:
        within.append(table.c.slot >= days.first.isoformat())
        weeks.append(table.c.slot >= _week(days.first))
    if days.last:
        # The day after the last of all days has no name.
        following = days.last + timedelta(days=1) if days.last < date.max else days.last
        within.append(table.c.slot < following.isoformat())
        weeks.append(table.c.slot <= _week(days.last))
    return [*own, sa.or_(sa.and_(*within), sa.and_(*weeks))]


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"
