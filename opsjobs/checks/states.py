"""How each check has been over the looks at it: since when it is bad, and whether it comes and goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from opsjobs.declaration import Declared
from opsjobs.model import BLIND, CheckResult, CheckState, Status
from opsjobs.system import System

LOOKS, CHANGES, STEADY = 12, 4, 6
"""Flapping begins with so many changes within so many looks, and ends when so many in a row say the same."""
_SIGNS = {Status.OK: ".", Status.WARNING: "w", Status.CRITICAL: "c", Status.UNKNOWN: "u"}
_WORDS = {"title", "about", "team", "dashboard", "runbook"}
"""What may change of a declared thing without making another check of it."""


def carried_on(
    before: Mapping[str, CheckState],
    results: Iterable[CheckResult],
    at: datetime,
    definitions: Mapping[str, str] | None = None,
) -> dict[str, CheckState]:
    """The states after a look, by check: of what is bad, was so lately, or somebody still believes to be.

    A check that gets worse or better and is still bad goes on being bad: its status changes, and not since when. One
    that is not there any more is well, unless whoever would list it could not be asked. `definitions` say what each is
    held against: a check with another one begins anew.
    """
    now = {result.id: result for result in results}
    unknown = hidden_by(now.values())
    blind = BLIND in now
    found: dict[str, CheckState] = {}
    for name in {**before, **now}:
        last, result = before.get(name), now.get(name)
        if result is None and last and may_be_hidden(name, unknown):
            found[name] = last
            continue
        state = _after(name, last, result, at, (definitions or {}).get(name, ""))
        if blind and last and state.status is Status.UNKNOWN:
            # What nobody could see says nothing of whether it comes and goes.
            state = replace(state, trail=last.trail, flapping=last.flapping)
        if state.bad or state.told or set(state.trail) - {_SIGNS[Status.OK]}:
            found[name] = state
    return found


def hidden_by(results: Iterable[CheckResult]) -> set[str]:
    """The checks that may hide others: what is not known, and addresses that do not answer."""
    return {
        each.id
        for each in results
        if each.status is Status.UNKNOWN or (each.status is not Status.OK and each.id.startswith("url:"))
    }


def may_be_hidden(name: str, unknown: Collection[str]) -> bool:
    """Whether it is missing because its list is not known: that of `alert:X` is `alerts`, of `redis:X` its source."""
    kind, _, of = name.partition(":")
    lists = {f"{kind}s", f"source:{kind}"}
    if kind == "certificate":
        # An address that does not answer shows none.
        lists.add(f"url:{of}")
    return not lists.isdisjoint(unknown)


def _after(name: str, last: CheckState | None, result: CheckResult | None, at: datetime, definition: str) -> CheckState:
    status = result.status if result else Status.OK
    bad = status is not Status.OK
    redefined = bool(last and result and last.definition and last.definition != definition)
    known = None if redefined else last
    goes_on = known is not None and known.bad == bad
    trail = ((known.trail if known else "") + _SIGNS[status])[-LOOKS:]
    flapping = _flaps(trail, was=bool(known and known.flapping))
    if known and known.flapping and not flapping:
        # What it did before it was steady is forgotten, or it would begin again at once.
        trail = trail[-STEADY:]
    return CheckState(
        check=name,
        title=result.title if result else (last.title if last else ""),
        status=status,
        since=known.since if known and goes_on else at,
        looks=known.looks + 1 if known and goes_on else 1,
        trail=trail,
        flapping=flapping,
        team=result.team.name if result else (last.team if last else ""),
        definition=definition if result else (last.definition if last else ""),
        # Whoever was told of it under its old definition has still to hear how it ends.
        told=last.told if last else {},
        listed=result is not None,
    )


def _flaps(trail: str, *, was: bool) -> bool:
    if was:
        return len(set(trail[-STEADY:])) > 1
    return sum(one != next_ for one, next_ in pairwise(trail)) >= CHANGES


def definitions(system: System) -> dict[str, str]:
    """A digest of what each check of a declared thing is held against, by check."""
    return {
        **{f"indicator:{each.id}": _digest(each.spec) for each in system.indicators},
        **{f"component:{name}": _digest(spec, "url", "scrape") for name, spec in system.components.items()},
        **{f"url:{name}": _digest(spec, "up", "instances", "scrape") for name, spec in system.components.items()},
        **{f"slo:{name}": _digest(spec) for name, spec in system.slos.items()},
        **{f"alert:{name}": _digest(spec) for name, spec in system.alerts.items()},
    }


def _digest(spec: Declared, *others: str) -> str:
    # Without defaults: a key that a later version adds makes no other check of it.
    content = json.dumps(
        spec.model_dump(mode="json", exclude={*_WORDS, *others}, exclude_defaults=True), sort_keys=True
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]
