"""How opsjobs' own jobs went: the last run of each, what ended badly, was missed or is late, and unsent messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import NamedTuple

from opsjobs.model import (
    Delivery,
    DeliveryState,
    Expected,
    Finding,
    Outcome,
    Run,
    Slot,
    SlotState,
    Status,
    Team,
    Window,
)
from opsjobs.words import clock, quantity

_STATUS = {
    Outcome.SUCCEEDED: Status.OK,
    Outcome.PARTIAL: Status.OK,
    Outcome.FAILED: Status.WARNING,
    Outcome.TIMED_OUT: Status.WARNING,
    Outcome.CRASHED: Status.WARNING,
}
"""A run that was partial did its work; what it could not see is told by its own report."""
_NAMED = 5
_LATE = Status.WARNING
_KEPT = timedelta(days=7)
"""How long a message that nobody got is told."""
_USUAL, _FEWEST = 10, 5
"""How many runs make what is usual, at most and at least."""
_TIMES, _LONGER = 2.0, 30.0
"""How much longer than usual is slow: so many times, and by so many seconds."""
_PUNCTUAL = timedelta(minutes=5)
"""By how much later a run may begin before that is said."""


class JobRow(NamedTuple):
    """One thing about the jobs, in words."""

    title: str
    value: str
    status: Status
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobsResult:
    """The jobs of a system, and what of them needs a person."""

    rows: tuple[JobRow, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """How the schedule of a system was kept."""

    slots: Sequence[Slot] = ()
    """What became of its slots."""
    expected: Sequence[Expected] = ()
    """What should have been run by the end of the window."""


def evaluate(
    runs: Sequence[Run],
    undelivered: Sequence[Delivery],
    window: Window,
    zone: tzinfo,
    *,
    team: Team,
    kept: Kept = Kept(),
) -> JobsResult:
    """Judge the runs that began before the end of the window, whatever order they come in.

    A run that goes on is left out: nobody knows yet. What failed or was missed and was made since is told and needs
    nobody.
    """
    ended = [run for run in runs if run.outcome is not Outcome.RUNNING and run.started_at <= window.end]
    recent = [each for each in undelivered if each.created_at >= window.end - _KEPT]
    ended.sort(key=lambda run: (run.started_at, run.id), reverse=True)
    passed = [each for each in kept.slots if each.state is SlotState.MISSED and each.due_at <= window.end]
    missed = [each for each in passed if each.due_at > window.start]
    going = {run.job for run in runs if run.outcome is Outcome.RUNNING}
    lost = [each for each in missed if not _done_since(each.job, each.due_at, ended)]
    told = {each.job for each in lost} | {run.job for run in ended if _failed(run, window)} | going
    late = [each for each in kept.expected if each.job not in told and not _done_since(each.job, each.due_at, ended)]
    rows = [
        *_last(ended, zone),
        *_bad(ended, window, zone),
        *_missed(missed, ended, zone),
        *(
            JobRow(f"{each.job.capitalize()} is late", f"due {clock(each.due_at, zone)}", Status.WARNING)
            for each in late
        ),
        *_unsent(recent),
    ]
    findings = [
        *_findings(ended, recent, window, zone, team),
        *_unkept(lost, late, zone, team),
    ]
    return JobsResult(rows=tuple(rows), findings=tuple(findings))


def is_slow(run: Run, ended: Sequence[Run]) -> float | None:
    """How long runs of its job usually take, in seconds, where this one took much longer; None where it did not.

    The usual is the median of ten runs before it that did their work; with fewer than five there is none.
    """
    before = [
        _seconds(other)
        for other in ended
        if other.job == run.job and other.started_at < run.started_at and _STATUS[other.outcome] is Status.OK
    ][:_USUAL]
    if len(before) < _FEWEST or run.outcome is Outcome.CRASHED:
        return None
    usual = median(before)
    return usual if _seconds(run) > max(_TIMES * usual, usual + _LONGER) else None


def _seconds(run: Run) -> float:
    return (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0


def _done_since(job: str, at: datetime, ended: Sequence[Run]) -> bool:
    """Whether a job did its work at a time or after it."""
    return any(run.job == job and run.started_at >= at and _STATUS[run.outcome] is Status.OK for run in ended)


def _missed(missed: Sequence[Slot], ended: Sequence[Run], zone: tzinfo) -> Iterator[JobRow]:
    for slot in missed[:_NAMED]:
        since = ", done since" if _done_since(slot.job, slot.due_at, ended) else ""
        title = f"{slot.job.capitalize()} due {clock(slot.due_at, zone)}"
        yield JobRow(title, "missed", Status.WARNING, f"{slot.reason}{since}")
    if len(missed) > _NAMED:
        yield JobRow("Other slots", f"{len(missed) - _NAMED} more were missed", Status.WARNING)


def _unkept(lost: Sequence[Slot], late: Sequence[Expected], zone: tzinfo, team: Team) -> Iterator[Finding]:
    """What of the schedule was not kept and not made good since; one for each job."""
    for job in dict.fromkeys(each.job for each in lost):
        own = [each for each in lost if each.job == job]
        times = "once" if len(own) == 1 else f"{len(own)} times"
        yield Finding(
            subject=f"job:{job}",
            status=Status.WARNING,
            title=f"opsjobs: {job} was missed {times}",
            detail=f"Last due {clock(max(each.due_at for each in own), zone)}: {own[0].reason}.",
            advice="See `opsjobs status`; the next slot makes it good, or run it by hand.",
            team=team,
        )
    if late:
        jobs = ", ".join(dict.fromkeys(each.job for each in late))
        first = min(each.due_at for each in late)
        yield Finding(
            subject="job:schedule",
            status=Status.WARNING,
            title=f"opsjobs: late: {jobs}",
            detail=f"Due since {clock(first, zone)}, and no run since then did its work.",
            advice="Is the scheduler running? `opsjobs status` says what is late.",
            team=team,
        )


def _last(ended: Sequence[Run], zone: tzinfo) -> Iterator[JobRow]:
    """The last run of each job, by name."""
    for job in sorted({run.job for run in ended}):
        last = next(run for run in ended if run.job == job)
        usual = is_slow(last, ended)
        slow = f"slower than usual: {quantity(usual, 'seconds')} is the median" if usual is not None else ""
        status = Status.worst((_STATUS[last.outcome], Status.WARNING if slow else Status.OK))
        yield JobRow(f"Last run of {job}", _said(last, zone), status, "; ".join(filter(None, (slow, last.error))))


def _bad(ended: Sequence[Run], window: Window, zone: tzinfo) -> Iterator[JobRow]:
    """The runs of the window that did not do their work and are not the last of their job."""
    lasts = {next(run.id for run in ended if run.job == job) for job in {run.job for run in ended}}
    for run in ended:
        if _failed(run, window) and run.id not in lasts:
            again = ", made again since" if _made_again(run, ended) else ""
            yield JobRow(f"{run.job.capitalize()} of {run.slot}", _said(run, zone), Status.WARNING, run.error + again)


def _unsent(undelivered: Sequence[Delivery]) -> Iterator[JobRow]:
    for delivery in undelivered[:_NAMED]:
        state = "given up" if delivery.state is DeliveryState.FAILED else "still to be sent"
        title = f"{delivery.job.capitalize()} of {delivery.slot} for {delivery.recipient}"
        tries = "once" if delivery.attempts == 1 else f"{delivery.attempts} times"
        yield JobRow(title, f"{state}, tried {tries}", Status.WARNING, delivery.error)
    if len(undelivered) > _NAMED:
        yield JobRow("Other messages", f"{len(undelivered) - _NAMED} more not delivered", Status.WARNING)


def _findings(
    ended: Sequence[Run], undelivered: Sequence[Delivery], window: Window, zone: tzinfo, team: Team
) -> Iterator[Finding]:
    failed = [run for run in ended if _failed(run, window) and not _made_again(run, ended)]
    for job in dict.fromkeys(run.job for run in failed):
        own = [run for run in failed if run.job == job]
        slots = ", ".join(dict.fromkeys(run.slot for run in own))
        yield Finding(
            subject=f"job:{job}",
            status=Status.WARNING,
            title=f"opsjobs: {job} of {slots} {own[0].outcome.value}",
            detail=f"{_said(own[0], zone).capitalize()}. {own[0].error}".strip(),
            advice=f"See `opsjobs runs show {own[0].id[:8]}`, and make it again.",
            team=team,
        )
    if undelivered:
        first = undelivered[0]
        noun = "message was" if len(undelivered) == 1 else "messages were"
        yield Finding(
            subject="job:delivery",
            status=Status.WARNING,
            title=f"opsjobs: {len(undelivered)} {noun} not delivered",
            detail=f"The last is for {first.recipient}, {first.job} of {first.slot}: {first.error or 'not tried yet'}",
            advice="Try the way there with `opsjobs notify test`; what is still due goes out with the next run.",
            team=team,
        )


def _failed(run: Run, window: Window) -> bool:
    return _STATUS[run.outcome] is not Status.OK and window.start < run.started_at <= window.end


def _made_again(run: Run, ended: Sequence[Run]) -> bool:
    """Whether a later run of the same slot did its work."""
    return any(
        other.started_at > run.started_at
        and (other.job, other.slot) == (run.job, run.slot)
        and _STATUS[other.outcome] is Status.OK
        for other in ended
    )


def _said(run: Run, zone: tzinfo) -> str:
    took = ""
    # Nobody saw when a run that crashed ended.
    if run.finished_at and run.outcome is not Outcome.CRASHED:
        took = f" in {quantity((run.finished_at - run.started_at).total_seconds(), 'seconds')}"
    late = run.started_at - run.due_at if run.due_at else timedelta(0)
    behind = f", {quantity(late.total_seconds(), 'seconds')} late" if late > _PUNCTUAL else ""
    return f"{run.outcome.value}{took}, begun {clock(run.started_at, zone)}{behind}"
