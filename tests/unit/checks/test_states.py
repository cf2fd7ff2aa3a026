"""Since when a check is bad: every way from one look to the next."""

from datetime import timedelta

import pytest

from opsjobs.checks.states import carried_on
from opsjobs.model import CheckResult, CheckState, Status
from tests.unit.checks.around import NOW

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
BEFORE = NOW - timedelta(hours=6)


@pytest.mark.parametrize("before", [None, WARNING, CRITICAL, UNKNOWN])
@pytest.mark.parametrize("now", [None, OK, WARNING, CRITICAL, UNKNOWN])
def test_every_way_from_one_look_to_the_next(before, now):
    states = {"a": CheckState(check="a", status=before, since=BEFORE, looks=2)} if before else {}
    results = [CheckResult(id="a", title="A", status=now, text="")] if now else []
    found = carried_on(states, results, NOW)
    if now in (None, OK):
        assert found == {}
        return
    (state,) = found.values()
    assert (state.check, state.status) == ("a", now)
    assert (state.since, state.looks) == ((BEFORE, 3) if before else (NOW, 1))


def test_what_happens_to_one_check_leaves_the_others():
    states = {name: CheckState(check=name, status=WARNING, since=BEFORE, looks=1) for name in "ab"}
    results = [CheckResult(id=name, title=name, status=status, text="") for name, status in (("a", OK), ("b", WARNING))]
    assert carried_on(states, results, NOW) == {"b": CheckState(check="b", status=WARNING, since=BEFORE, looks=2)}
