"""The schedule of the configuration: which jobs each system has, when, and what should have been run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from opsjobs.cli import keeping

if TYPE_CHECKING:
    from opsjobs.cli.setting import Setting
    from opsjobs.model import Expected
    from opsjobs.schedule.timetable import Batch, Entry

_PATIENCE = timedelta(minutes=10)
"""For starting, beside the time that a job may take."""


def entries(here: Setting, names: list[str] | None = None) -> list[Entry]:
    """The jobs that run by themselves, of these systems or of all. Raises `ConfigError`."""
    return [entry for name in names or list(here.config.systems) for entry in _of(here, name)]


def _of(here: Setting, name: str) -> Iterator[Entry]:
    from opsjobs.schedule.slots import Cron, Slots  # noqa: PLC0415 - slow to import
    from opsjobs.schedule.timetable import Entry  # noqa: PLC0415 - as above
    from opsjobs.timetable import DEFAULTS  # noqa: PLC0415 - as above
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    system = here.profile(name)
    connection, everywhere = here.config.systems[name], here.config.schedule.jobs
    possible = {
        "costs": system.costs is not None,
        "snapshot": connection.prometheus.data is not None,
        **dict.fromkeys(("backup", "compare", "drill"), bool(keeping.targets(here, name))),
    }
    for job, default in DEFAULTS.items():
        declared = [each for each in (connection.schedule.get(job), everywhere.get(job)) if each]
        # What is declared for a job turns it on.
        off = declared[0].off if declared else default.off
        if off or not possible.get(job, True):
            continue
        chosen = [*declared, default]
        zone = next((each.zone for each in chosen if each.zone), system.zone)
        late, limit = (
            timedelta(seconds=seconds(next(value for each in chosen if (value := getattr(each, key)))))
            for key in ("late", "limit")
        )
        cron = next(each.cron for each in chosen if each.cron)
        yield Entry(system=name, job=job, slots=Slots(Cron(cron), ZoneInfo(zone)), late=late, limit=limit)


def planned(here: Setting, names: list[str]) -> list[Batch]:
    """The batches in which the jobs of systems run."""
    from opsjobs.schedule.timetable import batches  # noqa: PLC0415 - slow to import
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    declared = here.config.schedule
    spread = timedelta(seconds=seconds(declared.spread) if declared.spread else 0)
    return list(batches(entries(here, names), declared.batch, spread))


def judged(entry: Entry, moment: datetime) -> datetime:
    """The last slot whose run should have ended by a moment."""
    return entry.slots.latest(moment - entry.limit - _PATIENCE)


def expected(here: Setting, name: str, moment: datetime) -> list[Expected]:
    """What the schedule of a system should have run by a moment; nothing of the time before it was there."""
    from opsjobs.model import Expected  # noqa: PLC0415 - slow to import

    with here.ledger() as ledger:
        since = ledger.scheduled_since(name)
    found = [Expected(job=entry.job, due_at=judged(entry, moment)) for entry in entries(here, [name])]
    return [each for each in found if each.job in since and each.due_at >= since[each.job]]


def late_after(here: Setting, names: list[str]) -> dict[str, int]:
    """Seconds after which a job that did its work should have done so again; of several systems the longest."""
    found: dict[str, int] = {}
    for entry in entries(here, names):
        allowed = int((entry.slots.longest + entry.limit + _PATIENCE).total_seconds())
        found[entry.job] = max(allowed, found.get(entry.job, 0))
    return found
