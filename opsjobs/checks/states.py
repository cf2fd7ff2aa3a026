"""Since when each check is bad: what the look before said, carried on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from opsjobs.model import CheckResult, CheckState, Status


def carried_on(before: Mapping[str, CheckState], results: Iterable[CheckResult], at: datetime) -> dict[str, CheckState]:
    """The states of what is bad now, by check. What is well, or not there any more, has none.

    A check that gets worse or better and is still bad goes on being bad: its status changes, and not since when.
    """
    found: dict[str, CheckState] = {}
    for result in results:
        if result.status is Status.OK:
            continue
        last = before.get(result.id)
        found[result.id] = CheckState(
            check=result.id,
            status=result.status,
            since=last.since if last else at,
            looks=last.looks + 1 if last else 1,
        )
    return found
