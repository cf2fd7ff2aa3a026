"""How each job that runs by itself is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from opsjobs.cli import keeping
from opsjobs.cli.daily import report_on
from opsjobs.cli.dashboards import backed_up
from opsjobs.cli.diff import compared, reported
from opsjobs.cli.drill import proven
from opsjobs.cli.health import examined
from opsjobs.cli.metrics import taken
from opsjobs.cli.runs import pruned
from opsjobs.cli.setting import now
from opsjobs.errors import BackupError, SourceError, UsageError

if TYPE_CHECKING:
    from opsjobs.cli.keeping import Target
    from opsjobs.cli.setting import Setting
    from opsjobs.model import Run
    from opsjobs.report.document import Report

_WEEK = 7


def run(here: Setting, job: str, name: str) -> bool:
    """Run a job of a system for the slot of the setting, or for now; whether it did its work.

    Raises as the runner does, and `UsageError`.
    """
    here.config.chosen(name)
    if job not in DUTIES:
        raise UsageError(f"'{job}' is no job", advice=f"There is {', '.join(DUTIES)}.")
    return DUTIES[job](here, name)


def _report(job: str, back: int) -> Duty:
    """A report on the day, or on the week, that was over at the slot."""

    def made(here: Setting, name: str) -> bool:
        day = _local(here, name).date()
        if back == _WEEK:
            day -= timedelta(days=day.weekday())
        return _well(report_on(here, name, day - timedelta(days=back), send=True, job=job).run)

    return made


def _local(here: Setting, name: str) -> datetime:
    """The slot in the zone of the system."""
    return (here.due_at or now()).astimezone(ZoneInfo(here.profile(name).zone))


def _well(run: Run) -> bool:
    from opsjobs.model import WHOLE, Outcome  # noqa: PLC0415 - slow to import

    return run.outcome is Outcome.SUCCEEDED or (run.outcome is Outcome.PARTIAL and run.job not in WHOLE)


def _health(here: Setting, name: str) -> bool:
    return _well(examined(here, name, send=True).run)


def _backup(here: Setting, name: str) -> bool:
    return _well(backed_up(here, name, keeping.targets(here, name), ({}, {}), fewer=False))


def _snapshot(here: Setting, name: str) -> bool:
    return _well(taken(here, name, ({}, {}), head=True, fewer=False))


def _drill(here: Setting, name: str) -> bool:
    target = keeping.targets(here, name)[0]
    shelf = keeping.shelf(here, target)
    return proven(here, target, shelf, shelf.chosen("latest")).held


def _compare(here: Setting, name: str) -> bool:
    """What people changed in each Grafana since a week ago, against the newest complete backup of that time."""
    from opsjobs.jobs import comparison  # noqa: PLC0415 - slow to import
    from opsjobs.model import Gap  # noqa: PLC0415 - as above
    from opsjobs.runner import present  # noqa: PLC0415 - as above

    at = here.due_at or now()

    def page(target: Target) -> Report:
        shelf = keeping.shelf(here, target)
        # A young shelf has nothing that old.
        known = shelf.latest(before=at - timedelta(days=_WEEK)) or shelf.first()
        return reported(here, target, compared(here, target, known.id if known else "latest"))

    def tell() -> Report:
        pages, lost = [], []
        for target in keeping.targets(here, name):
            try:
                pages.append(page(target))
            except (BackupError, SourceError) as error:
                lost.append((Gap(source=target.label, reason=error.message, advice=error.advice), error))
        if not pages:
            raise lost[0][1]
        return comparison.together(pages, [gap for gap, _ in lost], f"{_local(here, name):%Y-%m-%d}")

    with here.desk(name, send=True) as desk:
        return _well(present(name, "compare", f"{_local(here, name):%Y-%m-%d}", desk, tell).run)


Duty = Callable[["Setting", str], bool]
DUTIES: Mapping[str, Duty] = {
    "daily": _report("daily", 1),
    "weekly": _report("weekly", _WEEK),
    "costs": _report("costs", _WEEK),
    "health": _health,
    "backup": _backup,
    "compare": _compare,
    "drill": _drill,
    "snapshot": _snapshot,
    "prune": lambda here, name: _well(pruned(here, name)),
}
"""By job, what it takes to run it."""
