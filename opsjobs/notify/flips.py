"""What is new for each receiver: what it was told last, against what was found now.

A receiver hears of a check when it becomes bad, gets worse or otherwise changes, when it comes and goes (once), after
`renotify`, and when it is over; never of the same thing twice, and of nothing that somebody has acknowledged or that
maintenance accounts for. What was held back for a while is told when that is over, as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from opsjobs.model import BLIND, Acknowledgement, Change, CheckResult, CheckState, Flip, Notice, Status, Team, Told
from opsjobs.notify.routing import Receiver
from opsjobs.words import clock, span

_SLACK = timedelta(minutes=10)
"""Looks do not begin to the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What was found at a look, and what is known around it."""

    system: str
    title: str
    zone: tzinfo
    at: datetime
    incident: str
    """What this look calls what is new."""
    run: str
    told: Sequence[CheckResult]
    """One for each cause."""
    results: Sequence[CheckResult] = ()
    """Everything that was found."""
    causes: Mapping[str, str] = field(default_factory=dict)
    """By which other check each is told that is not told by itself."""
    failed: Collection[tuple[str, str]] = ()
    """Receivers and runs whose message was refused for good: they were never told."""
    states: Mapping[str, CheckState]
    acknowledged: Mapping[str, Acknowledgement]
    in_maintenance: Callable[[str], bool]
    renotify: timedelta


def settle(look: Look, receivers: Sequence[Receiver]) -> tuple[dict[str, CheckState], list[tuple[Receiver, Notice]]]:
    """The states once everybody knows, and what each receiver is told."""
    found = {result.id: result for result in (*look.results, *look.told)}
    states, notices = dict(look.states), []
    for receiver in receivers:
        flips: list[Flip] = []
        going_on: list[Flip] = []
        for name, state in look.states.items():
            before = state.told.get(receiver.key)
            flip = _flip(look, receiver, state, found.get(name), before)
            after = _remembered(look, state, flip, before)
            known = {key: told for key, told in states[name].told.items() if key != receiver.key}
            states[name] = replace(states[name], told={**known, **({receiver.key: after} if after else {})})
            if flip:
                flips.append(flip)
            if after and not (receiver.all_that_goes_on and _held_back(look, state)):
                going_on.append(flip or _unchanged(look, state, found.get(name), after))
        notices += [(receiver, notice) for notice in _notices(look, receiver, flips, going_on)]
    return _kept(states, {receiver.key for receiver in receivers}), notices


def _flip(
    look: Look, receiver: Receiver, state: CheckState, result: CheckResult | None, before: Told | None
) -> Flip | None:
    """What is new of a check for a receiver; None where nothing is, or nothing is to be said of it now."""
    if look.in_maintenance(state.check):
        return None
    if not state.bad:
        return _over(look, state, before)
    if result is None or _told_with_its_cause(look, receiver, state):
        return None
    if before and not state.flapping and state.status is not Status.UNKNOWN and not receiver.concerned(result):
        return _made(look, state, result, Change.EASED, before)
    if _acknowledged(look, state) or not receiver.takes(result, look.at):
        return None
    change = _change(look, receiver, state, before)
    return _made(look, state, result, change, before) if change else None


def _over(look: Look, state: CheckState, before: Told | None) -> Flip | None:
    """That it is well, for whoever believes otherwise; while it comes and goes that means little."""
    if before is None:
        return None
    if not state.flapping:
        return _made(look, state, None, Change.ENDED, before)
    return None if before.flapping else _made(look, state, None, Change.FLAPPING, before)


def _told_with_its_cause(look: Look, receiver: Receiver, state: CheckState) -> bool:
    """Whether another check explains it of which the receiver hears."""
    cause = look.causes.get(state.check)
    told = next((result for result in look.told if result.id == cause), None) if cause else None
    return told is not None and (told.id == BLIND or receiver.concerned(told))


def _held_back(look: Look, state: CheckState) -> bool:
    return look.in_maintenance(state.check) or _acknowledged(look, state)


def _change(look: Look, receiver: Receiver, state: CheckState, before: Told | None) -> Change | None:
    # A clock that was ahead is not waited for.
    due = before is not None and not timedelta(0) <= look.at - before.at < look.renotify - _SLACK
    if before is not None and due and (receiver.key, before.run) in look.failed:
        return Change.NEW
    if state.flapping:
        known = before is not None and before.flapping and state.status.rank <= before.status.rank
        return None if known else Change.FLAPPING
    if before is None or (before.since < state.since and not before.flapping):
        return Change.NEW
    if state.status.rank > before.status.rank:
        return Change.WORSE
    if state.status is not before.status:
        return Change.CHANGED
    return Change.STILL if (due and receiver.reminded) or before.flapping else None


def _acknowledged(look: Look, state: CheckState) -> bool:
    """Whether somebody knows of it as it is: for as long as it is bad, gets no worse, and they said."""
    known = look.acknowledged.get(state.check)
    return known is not None and known.holds(state, look.at)


def _made(look: Look, state: CheckState, result: CheckResult | None, change: Change, before: Told | None) -> Flip:
    since = before.since if before and change is not Change.NEW else state.since
    return Flip(
        change=change,
        check=result or _bare(state, state.status),
        before=before.status if before else Status.OK,
        since=since,
        incident=before.incident if before else look.incident,
        words=_words(look, state, change, before, since),
    )


def _words(look: Look, state: CheckState, change: Change, before: Told | None, since: datetime) -> str:
    was = f"was {before.status.name}" if before else ""
    lasts = f"since {clock(since, look.zone, look.at)}, for {_lasted(since, look.at)}"
    over = "well again" if state.listed else "not there any more"
    return {
        Change.NEW: "new" if look.at - since < _SLACK else lasts,
        Change.WORSE: was,
        Change.CHANGED: was,
        Change.STILL: lasts,
        Change.FLAPPING: "comes and goes: no more of it until it is steady, or worse",
        Change.EASED: was,
        Change.ENDED: f"{over} after {_lasted(since, state.since)}",
    }[change]


def _lasted(since: datetime, until: datetime) -> str:
    return span(max(0.0, (until - since).total_seconds()))


def _remembered(look: Look, state: CheckState, flip: Flip | None, before: Told | None) -> Told | None:
    if flip is None:
        return before
    if flip.change.over:
        return None
    return Told(
        status=state.status if state.bad or before is None else before.status,
        at=look.at,
        since=flip.since,
        incident=flip.incident,
        flapping=flip.change is Change.FLAPPING,
        run=look.run,
    )


def _unchanged(look: Look, state: CheckState, result: CheckResult | None, known: Told) -> Flip:
    """What a receiver knows of and hears nothing new about."""
    check = result or _bare(state, known.status)
    lasts = f"since {clock(known.since, look.zone, look.at)}"
    return Flip(
        change=Change.STILL,
        check=check if check.status is not Status.OK else replace(check, status=known.status),
        before=known.status,
        since=known.since,
        incident=known.incident,
        words=lasts,
    )


def _bare(state: CheckState, status: Status) -> CheckResult:
    """What is known of a check that says nothing itself."""
    return CheckResult(id=state.check, title=state.title, status=status, text="", team=Team(name=state.team))


def _notices(look: Look, receiver: Receiver, flips: Sequence[Flip], going_on: Sequence[Flip]) -> list[Notice]:
    """All that is new in one, or one for each incident; none where nothing is."""
    if receiver.by_incident:
        incidents = dict.fromkeys(flip.incident for flip in flips)
        return [
            _notice(
                look,
                [flip for flip in flips if flip.incident == name],
                [f for f in going_on if f.incident == name],
                name,
            )
            for name in incidents
        ]
    if not flips and not (receiver.all_that_goes_on and going_on):
        return []
    return [_notice(look, flips, going_on, "")]


def _notice(look: Look, flips: Sequence[Flip], going_on: Sequence[Flip], incident: str) -> Notice:
    return Notice(
        system=look.system,
        title=look.title,
        zone=look.zone,
        at=look.at,
        incident=incident,
        flips=tuple(sorted(flips, key=lambda flip: (flip.change.over, -flip.check.status.rank))),
        going_on=tuple(sorted(going_on, key=lambda flip: -flip.check.status.rank)),
    )


def _kept(states: Mapping[str, CheckState], receivers: Collection[str]) -> dict[str, CheckState]:
    """Without receivers that are no more, and what is well, was so for long, and nobody believes otherwise any more."""
    known = {
        name: replace(state, told={key: told for key, told in state.told.items() if key in receivers})
        for name, state in states.items()
    }
    return {name: state for name, state in known.items() if state.bad or state.told or state.trail.strip(".")}
