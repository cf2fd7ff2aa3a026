"""How opsjobs' own jobs went: the last run of each, those of the window that did not end well, and unsent messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import NamedTuple

from opsjobs.model import Delivery, DeliveryState, Finding, Outcome, Run, Status, Team, Window
from opsjobs.words import clock, quantity

_STATUS = {
    Outcome.SUCCEEDED: Status.OK,
    Outcome.PARTIAL: Status.OK,
    Outcome.FAILED: Status.WARNING,
    Outcome.CRASHED: Status.WARNING,
}
"""A run that was partial did its work; what it could not see is told by its own report."""
_NAMED = 5
_KEPT = timedelta(days=7)
"""How long a message that nobody got is told."""


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


def evaluate(
    runs: Sequence[Run], undelivered: Sequence[Delivery], window: Window, zone: tzinfo, *, team: Team
) -> JobsResult:
    """Judge the runs that began before the end of the window, whatever order they come in.

    A run that goes on is left out: nobody knows yet. What failed and was made again since is told and needs nobody.
    """
    ended = [run for run in runs if run.outcome is not Outcome.RUNNING and run.started_at <= window.end]
    recent = [each for each in undelivered if each.created_at >= window.end - _KEPT]
    ended.sort(key=lambda run: (run.started_at, run.id), reverse=True)
    rows = [*_last(ended, zone), *_bad(ended, window, zone), *_unsent(recent)]
    return JobsResult(rows=tuple(rows), findings=tuple(_findings(ended, recent, window, zone, team)))


def _last(ended: Sequence[Run], zone: tzinfo) -> Iterator[JobRow]:
    """The last run of each job, by name."""
    for job in sorted({run.job for run in ended}):
        last = next(run for run in ended if run.job == job)
        yield JobRow(f"Last run of {job}", _said(last, zone), _STATUS[last.outcome], last.error)


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
    return f"{run.outcome.value}{took}, begun {clock(run.started_at, zone)}"
