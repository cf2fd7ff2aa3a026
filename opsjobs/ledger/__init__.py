"""REMEMBER: runs, slots, day values, money, forecasts, advice, deliveries and states of checks.

    database.py    where it is: SQLite (WAL) or PostgreSQL
    tables.py      what is kept
    migrations/    how an older ledger becomes this one
    runs.py, slots.py, deliveries.py, states.py, values.py, spending.py, advice.py
                   each as rows
    retention.py   what is older than it is to be kept
    lock.py        one run of a job at a time
    reading.py     what the archive and the metrics show of it

A run's row is written before its work starts; a row that says `running` while nobody holds the job's lock is a run
that was killed. To keep something more: a table in `tables.py`, a migration, two functions beside the others, and two
methods below, each of which is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from opsjobs.daybook import Daybook
from opsjobs.ledger import advice, deliveries, lock, retention, runs, slots, spending, states, tables, values
from opsjobs.ledger.database import Database
from opsjobs.model import (
    Acknowledgement,
    CheckState,
    Delivery,
    Form,
    IndicatorResult,
    Message,
    Run,
    ServerValue,
    Slot,
    StatedForecast,
    Trend,
)
from opsjobs.recommendation import Realised, Recommendation


class Ledger:
    """What opsjobs remembers. Methods raise `LedgerError` in words; `url` is a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    @classmethod
    def at(cls, path: Path) -> Ledger:
        """The ledger in a SQLite file, whose folder is made when needed."""
        return cls(f"sqlite:///{path}")

    def open(self) -> Ledger:
        """Connect, and bring the tables to this version."""
        self.database.open()
        return self

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    @contextmanager
    def alone(self, folder: Path, system: str, job: str) -> Iterator[None]:
        """Hold the lock of a system's job, in a folder of this host and among all that share the ledger.

        Raises `SlotTaken` at once when somebody else does.
        """
        with ExitStack() as stack:
            stack.enter_context(lock.held(folder, system, job))
            if self.database.shared:
                with self.database.translated():
                    stack.enter_context(lock.shared(self.database.engine, system, job))
            yield

    # Runs.

    def start(self, run: Run) -> None:
        """Write a run's row, before its work, and make its slot its own; only for the holder of the job's lock.

        Raises `SlotOver` for a slot that was run, and `GivenUp`.
        """
        with self.database.begin() as connection:
            refused = slots.claim(connection, run, run.started_at)
            if not refused:
                runs.insert(connection, run)
        if refused:
            raise refused

    def still(self, run: Run) -> None:
        """Make sure that nobody has taken a run's work over, before that is seen anywhere. Raises `SlotLost`."""
        with self.database.begin() as connection:
            runs.hold(connection, run)

    def finish(
        self,
        run: Run,
        day: date | None = None,
        indicators: Sequence[IndicatorResult] = (),
        *,
        numbers: Sequence[ServerValue] = (),
        forecasts: Sequence[StatedForecast] = (),
        advised: Sequence[Recommendation] = (),
        realised: Sequence[Realised] = (),
        spent: Daybook | None = None,
    ) -> None:
        """Write how a run ended, together with what it found; in place of what earlier runs of the slot found.

        A run that read money says so with `spent`: then what it advised and what was realised is kept for its week.
        Raises `SlotLost` where another run has taken over.
        """
        with self.database.begin() as connection:
            if not runs.end(connection, run):
                raise runs.lost(run)
            slots.close(connection, run)
            values.keep(connection, run, day, indicators)
            values.keep_numbers(connection, run, numbers)
            if day is not None:
                values.keep_forecasts(connection, run, forecasts)
            if day is not None and spent is not None:
                spending.keep(connection, run, spent)
                advice.keep(connection, run.system, day - timedelta(days=day.weekday()), advised, realised)

    def abandon(self, run: Run, *, again: bool) -> bool:
        """Write how a run ended that did not do its work; with `again` its slot is to be run by the next who comes.

        Does nothing where another run has taken over; whether it did.
        """
        with self.database.begin() as connection:
            mine = runs.end(connection, run)
            if mine:
                slots.close(connection, run, again=again)
            return mine

    def crash(self, system: str, job: str, host: str, at: datetime) -> int:
        """Mark the unfinished runs of a job as crashed; only for the holder of the job's lock.

        Of a ledger that hosts do not share, only those of this host: another one has another lock.
        """
        with self.database.begin() as connection:
            return runs.crash(connection, system, job, "" if self.database.shared else host, at)

    def open_run(self, system: str, job: str, due_at: datetime) -> Run | None:
        """The run of a slot that goes on, as far as is known."""
        with self.database.begin() as connection:
            return runs.unfinished(connection, system, job, due_at)

    def runs(self, *, system: str = "", job: str = "", limit: int = 20) -> list[Run]:
        """The newest runs, the newest first."""
        table = tables.runs
        query = sa.select(table).order_by(table.c.started_at.desc(), table.c.id).limit(limit)
        if system:
            query = query.where(table.c.system == system)
        if job:
            query = query.where(table.c.job == job)
        with self.database.begin() as connection:
            return runs.read(connection, query)

    def run(self, beginning: str) -> list[Run]:
        """The runs whose id begins so, two at most."""
        same = tables.runs.c.id.startswith(beginning, autoescape=True)
        with self.database.begin() as connection:
            return runs.read(connection, sa.select(tables.runs).where(same).limit(2))

    def last_done(self) -> dict[tuple[str, str], Run]:
        """The last run of each system and job that did its work: of a backup, all of it."""
        return self._last(runs.DONE)

    def last_runs(self) -> dict[tuple[str, str], Run]:
        """The last run of each system and job."""
        return self._last(sa.true())

    def _last(self, where: sa.ColumnElement[bool]) -> dict[tuple[str, str], Run]:
        with self.database.begin() as connection:
            return {(run.system, run.job): run for run in runs.newest(connection, where)}

    def prune(self, system: str, before: datetime, values_before: datetime, *, dry: bool = False) -> dict[str, int]:
        """Remove what is older of a system, or only count it; how many rows, by what they are."""
        with self.database.begin() as connection:
            return retention.prune(connection, system, before, values_before, dry=dry)

    # Slots.

    def slots(self, system: str, since: datetime) -> list[Slot]:
        """What became of the slots of a system after an instant, the newest first."""
        with self.database.begin() as connection:
            return slots.read(connection, system, since)

    def newest_slots(self, until: datetime, job: str = "") -> dict[tuple[str, str], Slot]:
        """The last slot of each system and job, or of one job, that anything is known of and that is not to come."""
        with self.database.begin() as connection:
            return slots.newest(connection, until, job)

    def scheduled_since(self, system: str) -> dict[str, datetime]:
        """The first slot of each job of a system that was run, or that somebody should have run."""
        with self.database.begin() as connection:
            return slots.first(connection, system)

    def note_slots(self, found: Iterable[Slot]) -> list[Slot]:
        """Write down slots of which nothing is known yet; which those were."""
        with self.database.begin() as connection:
            return slots.note(connection, found)

    def enqueue(self, found: Iterable[Slot], defer: Callable[[Any], None]) -> None:
        """Write down slots of which nothing is known yet, and have them queued in the same transaction.

        `defer` is handed the connection of psycopg.
        """
        with self.database.begin() as connection:
            slots.note(connection, found)
            defer(connection.connection.driver_connection)

    # Messages.

    def post(self, *messages: Message) -> None:
        """Write messages down, all of them or none, before any is sent."""
        with self.database.begin() as connection:
            deliveries.keep(connection, messages)

    def holds(self, delivery_id: str) -> bool:
        """Whether a delivery was written down, whatever became of it."""
        with self.database.begin() as connection:
            return deliveries.holds(connection, delivery_id)

    def waiting(self, system: str) -> list[Delivery]:
        """The deliveries of a system that are to be sent, now or later, the oldest first."""
        with self.database.begin() as connection:
            return deliveries.waiting(connection, system)

    def message(self, delivery_id: str, form: Form) -> bytes | None:
        """The bytes of a message in one of its forms; None where there are none."""
        with self.database.begin() as connection:
            return deliveries.content(connection, delivery_id, form)

    def take(self, delivery: Delivery) -> bool:
        """Count an attempt before it is made; False where another process has made one since the delivery was read."""
        with self.database.begin() as connection:
            return deliveries.take(connection, delivery)

    def mark(self, delivery: Delivery, *instead: Message) -> None:
        """Write how far a delivery is, and what goes another way instead; the bytes of one that is over are removed."""
        with self.database.begin() as connection:
            deliveries.mark(connection, delivery, instead)

    def refused(self, system: str, job: str) -> set[tuple[str, str]]:
        """The receivers (`channel:recipient`) and runs of a job whose message was given up."""
        with self.database.begin() as connection:
            return deliveries.refused(connection, system, job)

    def undelivered(self, system: str) -> list[Delivery]:
        """The deliveries of a system that were tried and that nobody has got, the newest first.

        One that was never tried is no news: whoever asks is about to send it.
        """
        with self.database.begin() as connection:
            return deliveries.undelivered(connection, system)

    # Checks.

    def settle(self, run: Run, found: Sequence[CheckState], messages: Sequence[Message] = ()) -> None:
        """Write how the checks of a system are and what is to be told of them; both or neither.

        So nobody is taken to know what was never written to them, and nothing is written that is then forgotten.
        Raises `SlotLost` where another run has taken over.
        """
        with self.database.begin() as connection:
            runs.hold(connection, run)
            states.keep(connection, run, found)
            deliveries.keep(connection, messages)

    def states(self, system: str) -> dict[str, CheckState]:
        """The checks that were bad when they were looked at last, or lately."""
        with self.database.begin() as connection:
            return states.read(connection, system)

    def acknowledge(self, system: str, known: Acknowledgement) -> None:
        """Write down that somebody knows of a check, in place of what was written of it before."""
        with self.database.begin() as connection:
            states.acknowledge(connection, system, known)

    def withdraw(self, system: str, check: str) -> bool:
        """Forget that somebody knows of a check; whether anybody did."""
        with self.database.begin() as connection:
            return states.withdraw(connection, system, check)

    def acknowledged(self, system: str) -> dict[str, Acknowledgement]:
        """What somebody knows of, by check; also what they said long ago."""
        with self.database.begin() as connection:
            return states.acknowledged(connection, system)

    # Values of days.

    def past(self, system: str, before: date, days: int) -> dict[str, dict[date, float]]:
        """Values of whole days by indicator and day, of the quality ok, from so many days before that day on."""
        with self.database.begin() as connection:
            return values.past(connection, system, before, days)

    def numbers(self, system: str, since: date) -> dict[str, dict[date, float]]:
        """What database servers said since a day, by subject and by the day when they were asked."""
        with self.database.begin() as connection:
            return values.numbers(connection, system, since)

    def forecasts(self, system: str, since: date) -> dict[str, dict[date, Trend]]:
        """The forecasts that were stated since a day, by subject and by the day of their value."""
        with self.database.begin() as connection:
            return values.forecasts(connection, system, since)

    # Money.

    def spent(self, system: str, first: date, last: date) -> Daybook:
        """What was read of money: in full from one day to another, and the sums of all days up to that.

        With them the forecasts of money whose days were over by then.
        """
        with self.database.begin() as connection:
            return spending.read(connection, system, first, last)

    def advised(self, system: str) -> dict[str, Recommendation]:
        """What was ever advised about the money of a system, by its name."""
        with self.database.begin() as connection:
            return advice.read(connection, system)

    def decide(self, system: str, decided: Recommendation) -> None:
        """Write down what somebody decided about a recommendation."""
        with self.database.begin() as connection:
            advice.write(connection, system, decided)

    def saved(self, system: str) -> dict[str, dict[date, Decimal]]:
        """What recommendations that were carried out saved, by name and by the Monday of the week."""
        with self.database.begin() as connection:
            return advice.saved(connection, system)
