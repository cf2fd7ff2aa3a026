"""A ledger and the files of reports, written as runs write them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import werkzeug.test

from opsjobs import archive
from opsjobs.ledger import Ledger
from opsjobs.ledger.reading import Reading
from opsjobs.model import Outcome, Run, Status
from opsjobs.report import MEDIA_TYPES, data, html, text
from opsjobs.serving import Guard, Site, Subject
from tests.unit.report import samples


class Client(werkzeug.test.Client):
    """A browser that reads each answer to its end."""

    def open(self, *arguments, **known):
        return super().open(*arguments, buffered=True, **known)


NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
LATE = {"daily": 26 * 3600.0, "health": 7 * 3600.0, "costs": 8 * 86400.0}
SUBJECTS = (
    Subject(name="shop", title="Shop", zone=ROME),
    Subject(name="desk", title="Help desk", zone=ZoneInfo("America/New_York")),
)


def files(report):
    """The files of a report, without the PDF, which takes a while."""
    return {
        "report.html": html.render(report),
        "report.txt": text.render(report),
        "report.json": data.render(report),
    }


class Kept:
    """What is below the root of an opsjobs."""

    def __init__(self, root: Path):
        self.root = root
        self.reports = root / "reports"
        self.reports.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger.at(root / "ledger.db").open()
        self.reading = Reading(ledger=self.ledger)
        self._count = 0

    def close(self):
        self.ledger.close()

    def ran(self, job="daily", slot="2026-11-20", system="shop", *, report=None, at=NOW, took=4.1, made=None, **known):
        """A run from its row to its end, with the files of a report."""
        self._count += 1
        run = Run(id=f"run-{self._count:05}", system=system, job=job, slot=slot, started_at=at, host="a", pid=1)
        self.ledger.start(run)
        made = files(report) if report else made
        artifacts = ()
        if made:
            artifacts = archive.publish(self.reports, Path(system) / job / slot, made, MEDIA_TYPES)
        outcome = known.pop("outcome", Outcome.SUCCEEDED)
        status = known.pop("status", report.status if report else Status.OK)
        if outcome is Outcome.RUNNING:
            return run
        self.ledger.settle(run, known.pop("states", []))
        day, indicators = known.pop("day", None), known.pop("indicators", [])
        over = at + timedelta(seconds=took)
        ended = replace(run, finished_at=over, outcome=outcome, status=status, artifacts=artifacts, **known)
        self.ledger.finish(ended, day, indicators)
        return ended

    def days(self, count, job="daily", system="shop", until=None, **known):
        """A run that was well for each of so many days, the last one yesterday."""
        last = until or NOW.date() - timedelta(days=1)
        for back in range(count, 0, -1):
            day = last - timedelta(days=back - 1)
            began = datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=1)
            self.ran(job, day.isoformat(), system, at=began, **known)

    def site(self, **known):
        settings = {
            "reading": self.reading,
            "reports": self.reports,
            "subjects": SUBJECTS,
            "guard": Guard(),
            "clock": lambda: NOW,
            "late": LATE,
        }
        return Site(**(settings | known))


def troubled(**known):
    return replace(samples.troubled(), **known)


def quiet(**known):
    return replace(samples.quiet(), **known)
