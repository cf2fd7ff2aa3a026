"""One cause is told once."""

import pytest

from opsjobs.checks.causes import BLIND, rolled_up
from opsjobs.model import CheckResult, Status, Team

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


def check(name, status=OK, cause="", text="so"):
    return CheckResult(id=name, title=name.upper(), status=status, text=text, cause=cause)


def told(*checks):
    return [(each.id, each.explains) for each in rolled_up(checks, Team(name="ops"), "r")[0] if each.status is not OK]


def test_what_a_cause_explains_is_listed_with_it():
    found = told(check("a", CRITICAL), check("b", CRITICAL, "a"), check("c", WARNING, "a"), check("d"))
    assert found == [("a", ("B", "C"))]


def test_a_chain_of_causes_ends_at_the_first():
    found = told(check("a", CRITICAL), check("b", CRITICAL, "a"), check("c", WARNING, "b"))
    assert found == [("a", ("B", "C"))]


def test_what_is_worse_than_its_cause_is_told_by_itself():
    assert told(check("a", WARNING), check("b", CRITICAL, "a")) == [("b", ()), ("a", ())]


@pytest.mark.parametrize("cause", ["a", "nothing", "b"])
def test_a_cause_that_is_well_or_not_there_or_itself_explains_nothing(cause):
    assert told(check("a"), check("b", WARNING, cause)) == [("b", ())]


def test_causes_in_a_circle_are_told_once():
    assert told(check("a", CRITICAL, "b"), check("b", CRITICAL, "a")) == [("a", ("B",))]
    assert told(check("a", CRITICAL, "b"), check("b", CRITICAL, "a"), check("c", WARNING, "b")) == [("a", ("B", "C"))]


def test_the_worst_comes_first_and_unknown_before_a_warning():
    found = told(check("a", WARNING), check("b", UNKNOWN), check("c", CRITICAL), *map(check, "defg"))
    assert [name for name, _ in found] == ["c", "b", "a"]


def test_when_most_are_unknown_that_is_told_once_with_the_usual_reason():
    silent = [check(f"u{number}", UNKNOWN, text="no answer") for number in range(200)]
    found, _ = rolled_up([*silent, check("x", CRITICAL), check("y")], Team(name="ops"), "r")
    bad = [each for each in found if each.status is not OK]
    assert [each.id for each in bad] == ["x", BLIND]
    assert bad[1].text == "200 of 202 checks are not known. Most of them: no answer"
    assert len(bad[1].explains) == 200 and bad[1].team.name == "ops"


def test_a_few_that_are_unknown_are_told_one_by_one():
    found = told(check("a", UNKNOWN), check("b", UNKNOWN), *map(check, "cdef"))
    assert [name for name, _ in found] == ["a", "b"]
