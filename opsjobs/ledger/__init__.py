"""REMEMBER: runs, day values, money, forecasts, advice, deliveries and states of checks, in SQLite (WAL) or PostgreSQL.

    tables.py      what is kept
    migrations/    how an older ledger becomes this one
    advice.py      recommendations and what they saved, as rows
    slots.py       each instant of the schedule once
    retention.py   what is older than it is to be kept
    lock.py        one run of a job at a time

A run's row is written before its work starts; a row that says `running` while nobody holds the job's lock is a run
that was killed. To keep something more: a table in `tables.py`, a migration, two methods below.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from opsjobs.daybook import Daybook, SpentDay, SpentLine, SpentSum, StatedOutlay, TrafficDay
from opsjobs.errors import LedgerError, SlotLost
from opsjobs.ledger import advice, lock, retention, slots, tables
from opsjobs.model import (
    Acknowledgement,
    Artifact,
    CheckState,
    Delivery,
    DeliveryState,
    Form,
    IndicatorResult,
    Message,
    Outcome,
    Quality,
    Run,
    ServerValue,
    Slot,
    StatedForecast,
    Status,
    Told,
    Trend,
)
from opsjobs.recommendation import Realised, Recommendation

_VERSION = "0008"
"""The newest migration; a test holds it to the newest file."""
_CHECK, _TITLE, _TEAM, _RECIPIENT = 750, 300, 200, 320
_ADVICE = "Check storage.root (or OPSJOBS_HOME) and storage.ledger, free space, and who may write there."


class Ledger:
    """What opsjobs remembers. Methods raise `LedgerError` in words; `url` is a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
        except (ArgumentError, ValueError):
            raise LedgerError(
                "storage.ledger is not a database URL", advice="Write postgresql://user@host/name or sqlite:///path."
            ) from None
        if self._url.drivername in {"postgresql", "postgres"}:
            self._url = self._url.set(drivername="postgresql+psycopg")
        if self._url.drivername not in {"sqlite", "postgresql+psycopg"}:
            raise LedgerError(
                f"a ledger cannot be kept in {self._url.drivername}", advice="Use PostgreSQL or a SQLite file."
            )
        self._engine: Engine | None = None

    @classmethod
    def at(cls, path: Path) -> Ledger:
        """The ledger in a SQLite file, whose folder is made when needed."""
        return cls(f"sqlite:///{path}")

    def open(self) -> Ledger:
        """Connect, and bring the tables to this version."""
        with self._translated():
            if self._url.get_backend_name() == "sqlite" and self._url.database:
                _prepare_file(Path(self._url.database))
            # A server that was started again in between is no reason to fail.
            self._engine = sa.create_engine(self._url, connect_args=self._connect_args(), pool_pre_ping=self.shared)
            if self._url.get_backend_name() == "sqlite":
                sa.event.listen(self._engine, "connect", _prepare_sqlite)
            with self._engine.connect() as connection:
                known = sa.inspect(connection).has_table("alembic_version")
                version = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if known else None
            if version is not None and version > _VERSION:
                raise LedgerError(
                    f"the ledger {self._url.render_as_string(hide_password=True)} was written by a newer opsjobs",
                    advice="Install that version again, or use another ledger (storage.ledger, storage.root).",
                )
            if version != _VERSION:
                _migrate(self._engine)
        return self

    def close(self) -> None:
        """Give the connections back."""
        if self._engine is not None:
            self._engine.dispose()

    @property
    def shared(self) -> bool:
        """Whether several hosts can use it."""
        return self._url.get_backend_name() != "sqlite"

    @contextmanager
    def alone(self, folder: Path, system: str, job: str) -> Iterator[None]:
        """Hold the lock of a system's job, in a folder of this host and among all that share the ledger.

        Raises `SlotTaken` at once when somebody else does.
        """
        with ExitStack() as stack:
            stack.enter_context(lock.held(folder, system, job))
            if self.shared:
                if self._engine is None:
                    raise LedgerError("The ledger is not open.")
                with self._translated():
                    stack.enter_context(lock.shared(self._engine, system, job))
            yield

    def start(self, run: Run) -> None:
        """Write a run's row, before its work, and make its slot its own; only for the holder of the job's lock.

        Raises `SlotOver` for a slot that was run, and `GivenUp`.
        """
        with self._begin() as connection:
            refused = slots.claim(connection, run, run.started_at)
            if not refused:
                connection.execute(sa.insert(tables.runs).values(_row(run)))
        if refused:
            raise refused

    def still(self, run: Run) -> None:
        """Make sure that nobody has taken a run's work over, before that is seen anywhere. Raises `SlotLost`."""
        with self._begin() as connection:
            if not connection.execute(sa.update(tables.runs).where(_unfinished(run)).values(pid=run.pid)).rowcount:
                raise _lost(run)

    def abandon(self, run: Run, *, again: bool) -> bool:
        """Write how a run ended that did not do its work; with `again` its slot is to be run by the next who comes.

        Does nothing where another run has taken over; whether it did.
        """
        with self._begin() as connection:
            mine = connection.execute(sa.update(tables.runs).where(_unfinished(run)).values(_row(run))).rowcount > 0
            if mine:
                slots.close(connection, run, again=again)
            return mine

    def open_run(self, system: str, job: str, due_at: datetime) -> Run | None:
        """The run of a slot that goes on, as far as is known."""
        runs = tables.runs
        same = sa.and_(runs.c.system == system, runs.c.job == job, runs.c.due_at == due_at)
        going = sa.and_(same, runs.c.outcome == Outcome.RUNNING.value)
        with self._begin() as connection:
            row = connection.execute(sa.select(runs).where(going).limit(1)).mappings().one_or_none()
            return _run(row) if row else None

    def newest_slots(self, until: datetime, job: str = "") -> dict[tuple[str, str], Slot]:
        """The last slot of each system and job, or of one job, that anything is known of and that is not to come."""
        with self._begin() as connection:
            return slots.newest(connection, until, job)

    def slots(self, system: str, since: datetime) -> list[Slot]:
        """What became of the slots of a system after an instant, the newest first."""
        with self._begin() as connection:
            return slots.read(connection, system, since)

    def scheduled_since(self, system: str) -> dict[str, datetime]:
        """The first slot of each job of a system that was run, or that somebody should have run."""
        with self._begin() as connection:
            return slots.first(connection, system)

    def enqueue(self, found: Iterable[Slot], defer: Callable[[Any], None]) -> None:
        """Write down slots of which nothing is known yet, and have them queued in the same transaction.

        `defer` is handed the connection of psycopg.
        """
        with self._begin() as connection:
            slots.note(connection, found)
            defer(connection.connection.driver_connection)

    @property
    def conninfo(self) -> str:
        """How psycopg reaches it, with the password. Raises `LedgerError` where it is no PostgreSQL."""
        if not self.shared:
            raise LedgerError(
                "workers share a ledger in PostgreSQL, and this one is a file",
                advice="Set storage.ledger to postgresql://user@host/name, or use `opsjobs schedule run`.",
            )
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    def note_slots(self, found: Iterable[Slot]) -> list[Slot]:
        """Write down slots of which nothing is known yet; which those were."""
        with self._begin() as connection:
            return slots.note(connection, found)

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
        values = [
            {
                "system": run.system,
                "indicator": result.id,
                "day": day,
                "value": result.measurement.value,
                "unit": result.unit,
                "status": result.status.name,
                "quality": result.measurement.quality.value,
                "run_id": run.id,
            }
            for result in indicators
        ]
        days = tables.indicator_days
        with self._begin() as connection:
            if not connection.execute(sa.update(tables.runs).where(_unfinished(run)).values(_row(run))).rowcount:
                raise _lost(run)
            slots.close(connection, run)
            if values:
                connection.execute(sa.delete(days).where(days.c.system == run.system, days.c.day == day))
                connection.execute(sa.insert(days), values)
            _keep_numbers(connection, run, numbers)
            if day is not None:
                _keep_forecasts(connection, run, forecasts)
            if day is not None and spent is not None:
                _keep_spent(connection, run, spent)
                advice.keep(connection, run.system, day - timedelta(days=day.weekday()), advised, realised)

    def prune(self, system: str, before: datetime, values_before: datetime, *, dry: bool = False) -> dict[str, int]:
        """Remove what is older of a system, or only count it; how many rows, by what they are."""
        with self._begin() as connection:
            return retention.prune(connection, system, before, values_before, dry=dry)

    def last_done(self) -> dict[tuple[str, str], Run]:
        """The last run of each system and job that did its work."""
        return self._lasts(tables.runs.c.outcome.in_((Outcome.SUCCEEDED.value, Outcome.PARTIAL.value)))

    def last_runs(self) -> dict[tuple[str, str], Run]:
        """The last run of each system and job."""
        return self._lasts(sa.true())

    def _lasts(self, where: Any) -> dict[tuple[str, str], Run]:
        runs = tables.runs
        last = (
            sa.select(runs.c.system, runs.c.job, sa.func.max(runs.c.started_at).label("started_at"))
            .where(where)
            .group_by(runs.c.system, runs.c.job)
            .subquery()
        )
        same = sa.and_(*(runs.c[name] == last.c[name] for name in ("system", "job", "started_at")), where)
        with self._begin() as connection:
            found = [_run(row) for row in connection.execute(sa.select(runs).join(last, same)).mappings()]
        return {(run.system, run.job): run for run in found}

    def crash(self, system: str, job: str, host: str, at: datetime) -> int:
        """Mark the unfinished runs of a job as crashed; only for the holder of the job's lock.

        Of a ledger that hosts do not share, only those of this host: another one has another lock.
        """
        runs = tables.runs
        of_job = sa.and_(runs.c.system == system, runs.c.job == job, runs.c.outcome == Outcome.RUNNING.value)
        unfinished = of_job if self.shared else sa.and_(of_job, runs.c.host == host)
        error = "The process ended without a word: it was killed, or the machine stopped."
        values = {"outcome": Outcome.CRASHED.value, "finished_at": at, "error": error}
        with self._begin() as connection:
            return connection.execute(sa.update(runs).where(unfinished).values(values)).rowcount

    def runs(self, *, system: str = "", job: str = "", limit: int = 20) -> list[Run]:
        """The newest runs, the newest first."""
        runs = tables.runs
        query = sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.id).limit(limit)
        if system:
            query = query.where(runs.c.system == system)
        if job:
            query = query.where(runs.c.job == job)
        with self._begin() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def run(self, beginning: str) -> list[Run]:
        """The runs whose id begins so."""
        runs = tables.runs
        query = sa.select(runs).where(runs.c.id.startswith(beginning, autoescape=True)).limit(2)
        with self._begin() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def holds(self, delivery_id: str) -> bool:
        """Whether a delivery was written down, whatever became of it."""
        table = tables.deliveries
        with self._begin() as connection:
            found = connection.scalar(sa.select(sa.func.count()).where(table.c.id == delivery_id))
            return bool(found)

    def post(self, *messages: Message) -> None:
        """Write messages down, all of them or none, before any is sent."""
        with self._begin() as connection:
            _keep_messages(connection, messages)

    def settle(self, run: Run, states: Sequence[CheckState], messages: Sequence[Message] = ()) -> None:
        """Write how the checks of a system are and what is to be told of them; both or neither.

        So nobody is taken to know what was never written to them, and nothing is written that is then forgotten.
        Raises `SlotLost` where another run has taken over.
        """
        with self._begin() as connection:
            if not connection.execute(sa.update(tables.runs).where(_unfinished(run)).values(pid=run.pid)).rowcount:
                raise _lost(run)
            _keep_states(connection, run, states)
            _keep_messages(connection, messages)

    def waiting(self, system: str) -> list[Delivery]:
        """The deliveries of a system that are to be sent, now or later, the oldest first."""
        table = tables.deliveries
        waiting = sa.and_(table.c.state == DeliveryState.PENDING.value, table.c.system == system)
        return self._deliveries(sa.select(table).where(waiting).order_by(table.c.created_at, table.c.id))

    def message(self, delivery_id: str, form: Form) -> bytes | None:
        """The bytes of a message in one of its forms; None where there are none."""
        table = tables.messages
        same = sa.and_(table.c.delivery_id == delivery_id, table.c.form == form.value)
        with self._begin() as connection:
            found = connection.scalar(sa.select(table.c.content).where(same))
            return None if found is None else bytes(found)

    def take(self, delivery: Delivery) -> bool:
        """Count an attempt before it is made; False where another process has made one since the delivery was read."""
        table = tables.deliveries
        seen = sa.and_(
            table.c.id == delivery.id,
            table.c.state == DeliveryState.PENDING.value,
            table.c.attempts == delivery.attempts,
        )
        with self._begin() as connection:
            return bool(
                connection.execute(sa.update(table).where(seen).values(attempts=delivery.attempts + 1)).rowcount
            )

    def mark(self, delivery: Delivery, *instead: Message) -> None:
        """Write how far a delivery is, and what goes another way instead; the bytes of one that is over are removed."""
        table = tables.deliveries
        with self._begin() as connection:
            # What was taken stays so, whatever another process found.
            waiting = sa.and_(table.c.id == delivery.id, table.c.state == DeliveryState.PENDING.value)
            if not connection.execute(sa.update(table).where(waiting).values(_delivery_row(delivery))).rowcount:
                return
            if delivery.state is not DeliveryState.PENDING:
                connection.execute(sa.delete(tables.messages).where(tables.messages.c.delivery_id == delivery.id))
            _keep_messages(connection, instead)

    def refused(self, system: str, job: str) -> set[tuple[str, str]]:
        """The receivers (`channel:recipient`) and runs of a job whose message was given up."""
        table = tables.deliveries
        failed = sa.and_(
            table.c.system == system,
            table.c.job == job,
            table.c.state == DeliveryState.FAILED.value,
            # What went another way in its place speaks of another receiver.
            table.c.id.not_like("%.instead"),
        )
        with self._begin() as connection:
            rows = connection.execute(sa.select(table.c.channel, table.c.recipient, table.c.run_id).where(failed))
            return {(f"{row.channel}:{row.recipient}", row.run_id) for row in rows}

    def undelivered(self, system: str) -> list[Delivery]:
        """The deliveries of a system that were tried and that nobody has got, the newest first.

        One that was never tried is no news: whoever asks is about to send it.
        """
        table = tables.deliveries
        # An attempt in which the process was killed says nothing of the receiver.
        tried = sa.and_(table.c.state != DeliveryState.SENT.value, table.c.attempts > 0, table.c.error != "")
        missing = sa.and_(table.c.system == system, tried)
        return self._deliveries(sa.select(table).where(missing).order_by(table.c.created_at.desc(), table.c.id))

    def past(self, system: str, before: date, days: int) -> dict[str, dict[date, float]]:
        """Values of whole days by indicator and day, of the quality ok, from so many days before that day on."""
        table = tables.indicator_days
        query = sa.select(table.c.indicator, table.c.day, table.c.value).where(
            table.c.system == system,
            table.c.quality == Quality.OK.value,
            table.c.value.is_not(None),
            table.c.day < before,
            table.c.day >= before - timedelta(days=days),
        )
        found: dict[str, dict[date, float]] = {}
        with self._begin() as connection:
            for row in connection.execute(query):
                found.setdefault(row.indicator, {})[row.day] = row.value
        return found

    def numbers(self, system: str, since: date) -> dict[str, dict[date, float]]:
        """What database servers said since a day, by subject and by the day when they were asked."""
        table = tables.server_days
        query = sa.select(table).where(table.c.system == system, table.c.day >= since)
        found: dict[str, dict[date, float]] = {}
        with self._begin() as connection:
            for row in connection.execute(query).mappings():
                known = {name: row[name] for name in ("server", "database", "item", "day", "value", "unit")}
                number = ServerValue(**known)
                found.setdefault(number.subject, {})[number.day] = number.value
        return found

    def spent(self, system: str, first: date, last: date) -> Daybook:
        """What was read of money: in full from one day to another, and the sums of all days up to that.

        With them the forecasts of money whose days were over by then.
        """
        days, lines, traffic = tables.spent_days, tables.spent_lines, tables.traffic_days
        before = sa.and_(days.c.system == system, days.c.day <= last)
        found: dict[tuple[str, date], list[SpentLine]] = {}
        # The same members come back each day.
        members: dict[str, tuple[tuple[str, str], ...]] = {}
        with self._begin() as connection:
            sums = [
                SpentSum(item=row.item, day=row.day, definition=row.definition, amount=row.amount)
                for row in connection.execute(sa.select(days).where(before).order_by(days.c.day, days.c.item))
            ]
            names = ("item", "day", "member", "amount", "requests", "failed", "tokens")
            query = sa.select(*(lines.c[name] for name in names)).where(
                lines.c.system == system, lines.c.day.between(first, last)
            )
            for item, day, member, *counted in connection.execute(query.order_by(lines.c.number)):
                if member not in members:
                    members[member] = tuple((name, value) for name, value in json.loads(member))
                found.setdefault((item, day), []).append(SpentLine(members[member], *counted))
            asked = sa.select(traffic).where(traffic.c.system == system, traffic.c.day.between(first, last))
            counts = [
                TrafficDay(day=row.day, definition=row.definition, traffic=row.traffic, hits=row.hits)
                for row in connection.execute(asked.order_by(traffic.c.day))
            ]
            table = tables.outlays
            over = sa.select(table).where(table.c.system == system, table.c.last <= last)
            kept = [field.name for field in fields(StatedOutlay)]
            outlays = [
                StatedOutlay(**{name: row[name] for name in kept})
                for row in connection.execute(over.order_by(table.c.stated, table.c.last)).mappings()
            ]
        whole = [
            SpentDay(
                item=each.item,
                day=each.day,
                definition=each.definition,
                lines=tuple(found.get((each.item, each.day), ())),
            )
            for each in sums
            if each.day >= first
        ]
        return Daybook(days=tuple(whole), traffic=tuple(counts), sums=tuple(sums), outlays=tuple(outlays))

    def states(self, system: str) -> dict[str, CheckState]:
        """The checks that were bad when they were looked at last, or lately."""
        table = tables.check_states
        with self._begin() as connection:
            rows = connection.execute(sa.select(table).where(table.c.system == system)).mappings()
            return {row["check"]: _state(row) for row in rows}

    def acknowledge(self, system: str, known: Acknowledgement) -> None:
        """Write down that somebody knows of a check, in place of what was written of it before."""
        table = tables.acknowledgements
        row = {"system": system, **asdict(known), "status": known.status.name}
        with self._begin() as connection:
            connection.execute(sa.delete(table).where(table.c.system == system, table.c.check == known.check))
            connection.execute(sa.insert(table).values(row))

    def withdraw(self, system: str, check: str) -> bool:
        """Forget that somebody knows of a check; whether anybody did."""
        table = tables.acknowledgements
        with self._begin() as connection:
            same = sa.and_(table.c.system == system, table.c.check == check)
            return bool(connection.execute(sa.delete(table).where(same)).rowcount)

    def acknowledged(self, system: str) -> dict[str, Acknowledgement]:
        """What somebody knows of, by check; also what they said long ago."""
        table = tables.acknowledgements
        with self._begin() as connection:
            rows = connection.execute(sa.select(table).where(table.c.system == system)).mappings()
            known = [{key: value for key, value in row.items() if key != "system"} for row in rows]
        return {each["check"]: Acknowledgement(**{**each, "status": Status[each["status"]]}) for each in known}

    def advised(self, system: str) -> dict[str, Recommendation]:
        """What was ever advised about the money of a system, by its name."""
        with self._begin() as connection:
            return advice.read(connection, system)

    def decide(self, system: str, decided: Recommendation) -> None:
        """Write down what somebody decided about a recommendation."""
        with self._begin() as connection:
            advice.write(connection, system, decided)

    def saved(self, system: str) -> dict[str, dict[date, Decimal]]:
        """What recommendations that were carried out saved, by name and by the Monday of the week."""
        with self._begin() as connection:
            return advice.saved(connection, system)

    def forecasts(self, system: str, since: date) -> dict[str, dict[date, Trend]]:
        """The forecasts that were stated since a day, by subject and by the day of their value."""
        table = tables.forecasts
        query = sa.select(table).where(table.c.system == system, table.c.day >= since)
        found: dict[str, dict[date, Trend]] = {}
        with self._begin() as connection:
            for row in connection.execute(query):
                trend = Trend(value=row.value, low=row.low, slope=row.slope, high=row.high)
                found.setdefault(row.subject, {})[row.day] = trend
        return found

    def _deliveries(self, query: sa.Select[Any]) -> list[Delivery]:
        with self._begin() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Delivery(**{**row, "state": DeliveryState(row["state"])}) for row in rows]

    def day_values(self, system: str, day: date) -> dict[str, float | None]:
        """The values of a system's indicators on a day."""
        days = tables.indicator_days
        query = sa.select(days.c.indicator, days.c.value).where(days.c.system == system, days.c.day == day)
        with self._begin() as connection:
            return {row.indicator: row.value for row in connection.execute(query)}

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        if self._engine is None:
            raise LedgerError("The ledger is not open.")
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        where = self._url.render_as_string(hide_password=True)
        try:
            yield
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
            raise LedgerError(f"the ledger {where} cannot be used: {reason}", advice=_ADVICE) from None
        except OSError as error:
            raise LedgerError(f"the ledger {where} cannot be used: {error.strerror}", advice=_ADVICE) from None
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger {where} cannot be used: {error}") from None

    def _connect_args(self) -> dict[str, Any]:
        if not self.shared:
            return {"timeout": 30}
        # A server that is gone without a word is noticed within a minute.
        return {
            "connect_timeout": 10,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
        }


def _prepare_file(path: Path) -> None:
    """It holds messages that are still to be sent: nobody but its owner reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One that is there is not opened: to close it would take away the locks that this process has on it by SQLite, and
    # with them what it writes from then on (sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers and one writer work at once; a power cut may lose the last transaction but never the file."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: Engine) -> None:
    """Run the missing migrations in one transaction that admits only one process."""
    from alembic import command  # noqa: PLC0415 - slow to import and rarely needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "opsjobs:ledger/migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('opsjobs.ledger'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _keep_numbers(connection: Connection, run: Run, numbers: Sequence[ServerValue]) -> None:
    """One value for each server, item and day: the last that was said."""
    table = tables.server_days
    for server, database, day in {(number.server, number.database, number.day) for number in numbers}:
        same = sa.and_(table.c.system == run.system, table.c.server == server, table.c.database == database)
        connection.execute(sa.delete(table).where(same, table.c.day == day))
    if numbers:
        rows = [{"system": run.system, **asdict(number), "run_id": run.id} for number in numbers]
        connection.execute(sa.insert(table), rows)


def _keep_spent(connection: Connection, run: Run, spent: Daybook) -> None:
    """One reading for each item and day: the last; and the forecasts of the slot, in place of what it stated before."""
    days, lines, traffic = tables.spent_days, tables.spent_lines, tables.traffic_days
    for each in spent.days:
        for table in (lines, days):
            same = sa.and_(table.c.system == run.system, table.c.item == each.item, table.c.day == each.day)
            connection.execute(sa.delete(table).where(same))
        named = {"system": run.system, "item": each.item, "day": each.day}
        amount = sum((line.amount for line in each.lines), Decimal(0))
        row = {**named, "definition": each.definition, "amount": amount, "run_id": run.id}
        connection.execute(sa.insert(days).values(row))
        if each.lines:
            rows = [
                {**named, "number": number, **line._asdict(), "member": json.dumps(line.member)}
                for number, line in enumerate(each.lines)
            ]
            connection.execute(sa.insert(lines), rows)
    for counted in spent.traffic:
        same = sa.and_(traffic.c.system == run.system, traffic.c.day == counted.day)
        connection.execute(sa.delete(traffic).where(same))
        connection.execute(sa.insert(traffic).values(system=run.system, **asdict(counted), run_id=run.id))
    outlays = tables.outlays
    connection.execute(sa.delete(outlays).where(outlays.c.system == run.system, outlays.c.slot == run.slot))
    for stated in spent.outlays:
        row = {"system": run.system, **asdict(stated), "slot": run.slot, "run_id": run.id}
        connection.execute(sa.insert(outlays).values(row))


def _keep_states(connection: Connection, run: Run, states: Sequence[CheckState]) -> None:
    """Those that are bad, in place of those that were."""
    table = tables.check_states
    connection.execute(sa.delete(table).where(table.c.system == run.system))
    if states:
        rows = [
            {
                "system": run.system,
                "check": _text(state.check, _CHECK),
                "status": state.status.name,
                "since": state.since,
                "looks": state.looks,
                "run_id": run.id,
                "title": _text(state.title, _TITLE),
                "trail": state.trail,
                "flapping": state.flapping,
                "team": _text(state.team, _TEAM),
                "definition": state.definition,
                "told": {receiver: _told_row(told) for receiver, told in state.told.items()},
            }
            for state in states
        ]
        connection.execute(sa.insert(table), rows)


def _keep_messages(connection: Connection, messages: Sequence[Message]) -> None:
    for message in messages:
        connection.execute(sa.insert(tables.deliveries).values(_delivery_row(message.delivery)))
        rows = [
            {"delivery_id": message.delivery.id, "form": form.value, "content": content}
            for form, content in message.forms.items()
        ]
        connection.execute(sa.insert(tables.messages), rows)


def _keep_forecasts(connection: Connection, run: Run, forecasts: Sequence[StatedForecast]) -> None:
    """Those of the slot, in place of what it stated before."""
    table = tables.forecasts
    connection.execute(sa.delete(table).where(table.c.system == run.system, table.c.slot == run.slot))
    for each in forecasts:
        # Two slots may be made on one day, which speak of the same databases.
        same = sa.and_(table.c.system == run.system, table.c.subject == each.subject, table.c.day == each.day)
        connection.execute(sa.delete(table).where(same))
        row = {"system": run.system, "subject": each.subject, "day": each.day, **asdict(each.trend)}
        connection.execute(sa.insert(table).values(**row, slot=run.slot, run_id=run.id))


def _unfinished(run: Run) -> Any:
    return sa.and_(tables.runs.c.id == run.id, tables.runs.c.outcome == Outcome.RUNNING.value)


def _lost(run: Run) -> SlotLost:
    return SlotLost(
        f"{run.job} for {run.system} was taken over by another run while this one did not answer",
        advice=f"Nothing is lost: `opsjobs runs list --system {run.system}` shows the other one.",
    )


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "system": run.system,
        "job": run.job,
        "slot": run.slot,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome.value,
        "status": run.status.name if run.status else None,
        "host": run.host,
        "pid": run.pid,
        "error": run.error,
        "artifacts": [asdict(artifact) for artifact in run.artifacts],
        "due_at": run.due_at,
    }


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    recipient, error = _text(delivery.recipient, _RECIPIENT), _text(delivery.error)
    return {**asdict(delivery), "state": delivery.state.value, "recipient": recipient, "error": error}


def _text(text: str, most: int | None = None) -> str:
    """As much of a text as a column takes; PostgreSQL has no place for NUL."""
    return text.replace("\0", "")[:most]


def _told_row(told: Told) -> dict[str, Any]:
    return {
        "status": told.status.name,
        "at": told.at.isoformat(),
        "since": told.since.isoformat(),
        "incident": told.incident,
        "flapping": told.flapping,
        "run": told.run,
    }


def _state(row: Any) -> CheckState:
    told = {
        receiver: Told(
            status=Status[known["status"]],
            at=datetime.fromisoformat(known["at"]),
            since=datetime.fromisoformat(known["since"]),
            incident=known["incident"],
            flapping=known["flapping"],
            run=known.get("run", ""),
        )
        for receiver, known in row["told"].items()
    }
    kept = {name: row[name] for name in ("check", "title", "since", "looks", "trail", "flapping", "team", "definition")}
    return CheckState(**kept, status=Status[row["status"]], told=told)


def _run(row: Any) -> Run:
    values = dict(row)
    values["outcome"] = Outcome(values["outcome"])
    values["status"] = Status[values["status"]] if values["status"] else None
    values["artifacts"] = tuple(Artifact(**artifact) for artifact in values["artifacts"])
    return Run(**values)
