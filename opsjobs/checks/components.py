"""Whether each component is up, by the members that have to be there; and which were down meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from opsjobs.analysis import components
from opsjobs.checks.check import Around, Check, Found, Inquiry, Reply
from opsjobs.model import Answer, CheckResult, ComponentResult, Outage, Passed, Status, Window
from opsjobs.sources import Question
from opsjobs.system import ComponentSpec
from opsjobs.words import clock

_NAMED = 3


def checks(around: Around) -> Iterator[Check]:
    """One for each component: its members each minute since it was looked at last, and who was there in the week."""
    window = Window(start=around.since, end=around.now)
    for name, spec in around.system.components.items():
        # The line ends before the bracket does: the query may end with a comment.
        before = f"count_over_time(({spec.up}\n)[{components.EXPECTED_FROM}:1h])"
        questions = (
            Question(query=spec.up, at=around.now, window=window, step=components.STEP),
            Question(query=before, at=around.now),
        )
        yield Inquiry(questions=questions, judge=partial(_judge, around, name, spec, window))


def _judge(around: Around, name: str, spec: ComponentSpec, window: Window, replies: Sequence[Reply]) -> Iterable[Found]:
    members, before = replies
    rows = components.evaluate(
        name,
        spec,
        members,
        before,
        window,
        zone=around.zone,
        max_age=around.system.max_age,
        team=around.owners.team(spec.team),
    )
    bad = {row.member: status for row in rows if (status := _now(row)) is not Status.OK}
    status = Status.worst([Status.OK, *bad.values()])
    warned = "; ".join(members.warnings) if isinstance(members, Answer) else ""
    if warned and status is Status.OK:
        status = Status.UNKNOWN
    yield CheckResult(
        id=f"component:{name}",
        title=spec.title,
        status=status,
        text=_text(around, rows, bad) + (f"; the source warns: {warned}" if warned else ""),
        value=None if status is Status.UNKNOWN else float(len(rows) - len(bad)),
        unit="" if status is Status.UNKNOWN else "count",
        team=around.owners.team(spec.team),
        runbook=around.owners.runbook(spec.runbook),
    )
    for row in rows:
        for outage in row.outages:
            if outage.ended and outage.known:
                title = f"{spec.title} {row.member}".strip()
                yield Passed(subject=f"component:{name}", title=title, start=outage.start, end=outage.end)


def _now(row: ComponentResult) -> Status:
    """How a member is at the end of the window, whatever it was before."""
    last = _lasting(row)
    if last:
        return Status.CRITICAL if last.known else Status.UNKNOWN
    # Not measured enough, or not at all: what is known of it is old.
    return Status.UNKNOWN if row.status is Status.UNKNOWN and not row.outages else Status.OK


def _lasting(row: ComponentResult) -> Outage | None:
    return next((outage for outage in row.outages if not outage.ended), None)


def _text(around: Around, rows: Sequence[ComponentResult], bad: Mapping[str, Status]) -> str:
    if not bad:
        return "up" if len(rows) == 1 else f"all {len(rows)} members are up"
    told = []
    for row in [row for row in rows if row.member in bad][:_NAMED]:
        last = _lasting(row)
        if last is None:
            told.append(f"{row.member}: {row.reason}".removeprefix(": "))
            continue
        what = "down" if last.known else "not seen"
        longer = "at least " if last.start <= around.since else ""
        told.append(f"{row.member} {what} since {longer}{clock(last.start, around.zone, around.now)}".strip())
    more = [f"{len(bad) - _NAMED} more"] if len(bad) > _NAMED else []
    return "; ".join([*told, *more])
