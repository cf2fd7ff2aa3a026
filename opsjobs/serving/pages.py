"""What stands on the pages of the archive."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import quote, urlencode

from opsjobs.ledger.reading import Days, Missed, Reading, SlotRuns
from opsjobs.model import Outcome, Run
from opsjobs.report import hygiene
from opsjobs.report.html import environment
from opsjobs.serving import signs
from opsjobs.serving.shelf import Digest, Shelf
from opsjobs.serving.signs import Sign, Step
from opsjobs.words import quantity, span

STEPS = 30
"""How many slots a row of shapes shows."""
PAGE = 50
"""How many slots a page lists."""
SEARCHED = 400
"""How many reports one request looks through."""
_LONGEST = 400
_TOLD = 3
_WEEK = timedelta(days=7)
_ORDER = ("daily", "weekly", "health", "costs", "backup", "drill", "snapshot")
"""Of jobs, as people ask for them; others come after these."""
_FORMS = (
    ("report.html", "Report"),
    ("report.pdf", "PDF"),
    ("report.txt", "Text"),
    ("report.json", "JSON"),
    ("report.csv", "CSV"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A system as people know it."""

    name: str
    title: str
    zone: tzinfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for among the slots of a job."""

    text: str = ""
    first: str = ""
    last: str = ""
    days: Days | None = None
    page: int = 1
    before: str = ""
    """Only what is older than this slot; for searches, which go on from where the last one ended."""

    def query(self, **changed: str | int) -> str:
        """It as the query of an address, with something else in it."""
        known = {"q": self.text, "from": self.first, "to": self.last, **changed}
        return f"?{urlencode({key: value for key, value in known.items() if value})}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One slot of a job, or a job by its newest slot."""

    name: str
    href: str
    signs: tuple[Sign, ...]
    text: str
    report: str = ""
    """The address of the report that says so."""
    more: tuple[str, ...] = ()
    began: datetime | None = None
    took: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """Name and address of each."""
    steps: tuple[Step, ...] = ()
    counted: str = ""


class Pages:
    """The pages, from what the ledger knows and what is in the folder of reports. Methods raise `LedgerError`."""

    def __init__(self, reading: Reading, shelf: Shelf, subjects: Sequence[Subject], late: Mapping[str, float]) -> None:
        self._reading = reading
        self._shelf = shelf
        self._subjects = {subject.name: subject for subject in subjects}
        self._late = late

    def index(self, now: datetime) -> str:
        """Every system, and of each of its jobs the newest run."""
        done = {(run.system, run.job): run for run in self._reading.done()}
        missed = self._reading.missed(now - _WEEK)
        jobs: dict[str, list[str]] = {name: [] for name in self._subjects}
        for system, job in self._reading.jobs():
            jobs.setdefault(system, []).append(job)
        for own in jobs.values():
            own.sort(key=lambda job: (_ORDER.index(job) if job in _ORDER else len(_ORDER), job))
        systems = [
            (
                self.subject(name),
                [self._job(name, job, (done.get((name, job)), missed.get((name, job))), now) for job in own],
            )
            for name, own in jobs.items()
        ]
        rows = [row for _, own in systems for row in own]
        counts = {
            "jobs": len(rows),
            "running": sum(signs.going_on(row.signs) for row in rows),
            "bad": sum(not (signs.well(row.signs) or signs.going_on(row.signs)) for row in rows),
        }
        return _page("archive.html", root="./", systems=systems, **counts, now=now, steps=STEPS)

    def job(self, system: str, job: str, wanted: Wanted, now: datetime) -> str | None:
        """The slots of a job; None where nothing is known of it."""
        total = self._reading.count(system, job)
        if not total:
            return None
        subject = self.subject(system)
        newest = self._reading.slots(system, job, limit=STEPS)
        steps = signs.trend(newest, now.astimezone(subject.zone).date(), STEPS)
        known = {
            "root": "../../",
            "subject": subject,
            "job": job,
            "total": total,
            "steps": steps,
            "counted": signs.counted(steps),
            "wanted": wanted,
            "now": now,
        }
        if wanted.text:
            rows, looked, last = self._search(system, job, wanted)
            older = wanted.query(before=last) if last else ""
            return _page("archive_job.html", **known, rows=rows, looked=looked, last=last, older=older, newer="")
        found = self._reading.count(system, job, wanted.days) if wanted.days else total
        slots = self._reading.slots(system, job, days=wanted.days, skip=(wanted.page - 1) * PAGE, limit=PAGE)
        pages = max(1, -(-found // PAGE))
        return _page(
            "archive_job.html",
            **known,
            rows=[self._slot(each) for each in slots],
            found=found,
            pages=pages,
            older=wanted.query(page=wanted.page + 1) if wanted.page < pages else "",
            newer=wanted.query(page=min(wanted.page - 1, pages)) if wanted.page > 1 else "",
        )

    def subject(self, name: str) -> Subject:
        """A system; one that is not configured any more speaks of UTC."""
        return self._subjects.get(name) or Subject(name=name, title=name, zone=UTC)

    def _job(self, system: str, job: str, known: tuple[Run | None, Missed | None], now: datetime) -> Row:
        done, missed = known
        subject = self.subject(system)
        slots = self._reading.slots(system, job, limit=STEPS)
        steps = signs.trend(slots, now.astimezone(subject.zone).date(), STEPS)
        newest = self._slot(slots[0], below=f"{_quoted(system)}/{_quoted(job)}/")
        late = self._lateness(job, done, slots[-1].run.started_at, now)
        return Row(
            name=job,
            href=f"{_quoted(system)}/{_quoted(job)}/",
            signs=(
                *([signs.LATE] if late else []),
                *([signs.MISSED] if missed and missed.last and missed.last > slots[0].run.started_at else []),
                *newest.signs,
            ),
            text=newest.text,
            report=newest.report,
            more=(*([late] if late else []), *_gone(missed, subject.zone), *newest.more),
            began=newest.began,
            took=newest.took,
            steps=steps,
            counted=signs.counted(steps),
        )

    def _lateness(self, job: str, done: Run | None, known: datetime, now: datetime) -> str:
        """Why a job is late, in words; empty where it is not, or where nobody says when it is.

        `known` is since when it is known.
        """
        allowed = self._late.get(job)
        if allowed is None:
            return ""
        ago = now - ((done.finished_at or done.started_at) if done else known)
        if ago <= timedelta(seconds=allowed):
            return ""
        if done is None:
            return f"It has never done its work, and should every {span(allowed)}."
        return f"It last did its work {span(ago.total_seconds())} ago, and should every {span(allowed)}."

    def _slot(self, slot: SlotRuns, digest: Digest | None = None, below: str = "./") -> Row:
        """A slot as its newest run left it; `below` is where its job is."""
        run = slot.run
        folder = f"{below}{_quoted(run.slot)}/"
        names = self._shelf.names(run.system, run.job, run.slot, [name for name, _ in _FORMS])
        if digest is None and slot.made:
            digest = self._shelf.digest(run.system, run.job, run.slot)
        files = tuple((word, f"{folder}{name}") for name, word in _FORMS if slot.made and name in names)
        own = slot.made is run
        return Row(
            name=run.slot,
            href=folder,
            signs=signs.of(run),
            text=_plain(digest.verdict) if own and digest else _said(run, lost=own and not names),
            report=files[0][1] if own and files else "",
            more=tuple(_remarks(slot, digest if own else None, earlier=bool(files) and not own)),
            began=run.started_at,
            took=_took(run),
            files=files,
        )

    def _search(self, system: str, job: str, wanted: Wanted) -> tuple[list[Row], int, str]:
        """What fits, how many were looked at, and the last of them where there may be older ones."""
        words = wanted.text.casefold().split()
        slots = self._reading.slots(system, job, days=wanted.days, before=wanted.before, limit=SEARCHED + 1)
        rows: list[Row] = []
        for number, each in enumerate(slots[:SEARCHED], start=1):
            run = each.run
            digest = self._shelf.digest(run.system, run.job, run.slot) if each.made else None
            titles = digest.findings if digest else ()
            told = " ".join(sign.word for sign in signs.of(run))
            text = " ".join([run.slot, told, run.error, digest.verdict if digest else "", *titles]).casefold()
            if all(word in text for word in words):
                fitting = [title for title in titles if any(word in title.casefold() for word in words)]
                row = self._slot(each, digest)
                rows.append(_with(row, fitting[:_TOLD]) if fitting else row)
            if len(rows) == PAGE and number < len(slots):
                return rows, number, run.slot
        return rows, min(len(slots), SEARCHED), slots[SEARCHED - 1].run.slot if len(slots) > SEARCHED else ""


def note(root: str, title: str, text: str) -> str:
    """A page that says why there is no other."""
    return _page("archive_note.html", root=root, title=title, text=text)


def stylesheet() -> bytes:
    """The looks: those of reports, and what only the archive has."""
    folder = importlib.resources.files("opsjobs.templates")
    return b"".join((folder / name).read_bytes() for name in ("report.css", "archive.css"))


def _page(template: str, **known: object) -> str:
    return environment().get_template(template).render(**known)


def _with(row: Row, titles: Sequence[str]) -> Row:
    """A row with the findings that were looked for."""
    return Row(
        name=row.name,
        href=row.href,
        signs=row.signs,
        text=row.text,
        report=row.report,
        more=tuple(map(_plain, titles)),
        began=row.began,
        took=row.took,
        files=row.files,
    )


def _plain(text: str) -> str:
    """A text that may hold anything, as it would stand in a report."""
    return hygiene.harmless(text, str)[:_LONGEST]


def _said(run: Run, *, lost: bool) -> str:
    """What is known of a run without a report that can be read."""
    if run.error:
        return _plain(run.error)
    if lost:
        return "Its report is not in this archive."
    if run.outcome is Outcome.RUNNING:
        return "It goes on, or it was killed and nobody has noticed yet."
    return f"{run.outcome.value.capitalize()}."


def _remarks(slot: SlotRuns, digest: Digest | None, *, earlier: bool) -> Iterator[str]:
    if digest and digest.findings:
        number = len(digest.findings)
        yield "1 finding" if number == 1 else f"{number} findings"
    if digest and slot.run.error:
        yield _plain(slot.run.error)
    if earlier:
        yield "The files are of an earlier run of this slot."
    if slot.runs > 1:
        yield f"Run {slot.runs} times."


def _gone(missed: Missed | None, zone: tzinfo) -> Iterator[str]:
    if missed and missed.last:
        due = f"{missed.last.astimezone(zone):%Y-%m-%d %H:%M}"
        slots = "1 slot" if missed.number == 1 else f"{missed.number} slots, the last"
        yield f"Nobody ran {slots} due {due}."


def _took(run: Run) -> str:
    # Nobody saw when a run that crashed ended.
    if run.finished_at is None or run.outcome is Outcome.CRASHED:
        return ""
    return quantity((run.finished_at - run.started_at).total_seconds(), "seconds")


def _quoted(name: str) -> str:
    """A name as one piece of an address; a colon in the first would make it another scheme."""
    return quote(name, safe="")
