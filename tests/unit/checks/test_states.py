"""How a check has been: every way from one look to the next, flapping, and what begins anew."""

from dataclasses import replace
from datetime import timedelta

import pytest

from opsjobs.checks.states import CHANGES, LOOKS, STEADY, carried_on, definitions
from opsjobs.model import BLIND, CheckResult, CheckState, Status, Team, Told
from tests.unit.checks.around import NOW, shop

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
BEFORE = NOW - timedelta(hours=6)


def result(name="a", status=WARNING):
    return CheckResult(id=name, title=name.upper(), status=status, text="", team=Team(name="web"))


def state(name="a", status=WARNING, **known):
    return CheckState(**{"check": name, "status": status, "since": BEFORE, "looks": 2, "trail": "ww", **known})


@pytest.mark.parametrize("before", [None, OK, WARNING, CRITICAL, UNKNOWN])
@pytest.mark.parametrize("now", [None, OK, WARNING, CRITICAL, UNKNOWN])
def test_every_way_from_one_look_to_the_next(before, now):
    states = {"a": state(status=before)} if before else {}
    found = carried_on(states, [result(status=now)] if now else [], NOW)
    if before is None and now in (None, OK):
        assert found == {}
        return
    (after,) = found.values()
    # What is not listed any more is well.
    assert after.status is (now or OK)
    goes_on = before is not None and (before is OK) == ((now or OK) is OK)
    assert (after.since, after.looks) == ((BEFORE, 3) if goes_on else (NOW, 1))
    letter = {OK: ".", WARNING: "w", CRITICAL: "c", UNKNOWN: "u"}[now or OK]
    assert after.trail == ("ww" if before else "") + letter


def test_what_was_well_for_long_and_nobody_waits_to_hear_of_is_forgotten():
    states = {"a": state(status=OK, trail="w" + "." * (LOOKS - 2))}
    states = carried_on(states, [result(status=OK)], NOW)
    assert len(states["a"].trail) == LOOKS
    assert carried_on(states, [result(status=OK)], NOW) == {}
    told = {"email:x": Told(status=WARNING, at=BEFORE, since=BEFORE, incident="i")}
    states = {"a": replace(states["a"], told=told)}
    assert carried_on(states, [result(status=OK)], NOW)["a"].told == told


def test_what_happens_to_one_check_leaves_the_others():
    states = {"a": state("a"), "b": state("b", title="B", team="web")}
    found = carried_on(states, [result("a", OK), result("b")], NOW)
    assert found["b"] == replace(states["b"], looks=3, trail="www")


def looked(statuses, states=None):
    """The states after looks that found these: `!` for bad, `.` for well."""
    states, seen = states or {}, []
    for sign in statuses:
        states = carried_on(states, [result(status=CRITICAL if sign == "!" else OK)], NOW)
        seen.append(states["a"].flapping if "a" in states else None)
    return states, seen


def test_flapping_begins_with_so_many_changes_and_ends_when_it_is_steady():
    assert CHANGES == 4 and STEADY == 6
    states, seen = looked("!.!.!")
    assert seen == [False, False, False, False, True]
    _, seen = looked("." * 5, states)
    assert seen == [True] * 5
    _, seen = looked("." * 6, states)
    assert seen[-1] is None, "it is over, and forgotten"
    bad, seen = looked("!" * 5, states)
    assert seen[-1] is False
    _, seen = looked("!.", bad)
    assert seen == [False, False], "it does not begin again at once"


def test_what_swings_between_two_ways_of_being_bad_comes_and_goes_as_well():
    states = {}
    for status in (WARNING, CRITICAL, WARNING, CRITICAL, WARNING):
        states = carried_on(states, [result(status=status)], NOW)
    assert states["a"].flapping and states["a"].looks == 5


def test_looks_at_which_nobody_could_see_do_not_count():
    blind = result(BLIND, UNKNOWN)
    states = {}
    for status in (WARNING, UNKNOWN, WARNING, UNKNOWN, WARNING, UNKNOWN):
        states = carried_on(states, [result(status=status), *([blind] if status is UNKNOWN else [])], NOW)
    assert not states["a"].flapping and states["a"].trail == "www"


def test_slow_changes_are_no_flapping():
    _, seen = looked("!!!!....!!!!....!!!!....")
    assert not any(seen)


DEFINED = {"a": "one", "b": "other"}


def test_a_changed_check_begins_anew_and_no_other_does():
    told = {"email:x": Told(status=WARNING, at=BEFORE, since=BEFORE, incident="i")}
    states = {
        "a": state("a", definition="zero", flapping=True, told=told),
        "b": state("b", definition="other"),
    }
    found = carried_on(states, [result("a"), result("b")], NOW, DEFINED)
    assert (found["a"].since, found["a"].looks, found["a"].trail, found["a"].flapping) == (NOW, 1, "w", False)
    assert found["a"].told == told, "whoever was told has still to hear how it ends"
    assert (found["b"].since, found["b"].looks) == (BEFORE, 3)


def test_a_state_from_before_definitions_were_kept_goes_on():
    assert carried_on({"a": state()}, [result()], NOW, DEFINED)["a"].since == BEFORE


def test_a_definition_is_what_a_check_is_held_against_and_not_its_words():
    system = shop()
    known = definitions(system)
    assert set(known) == {
        *("indicator:stock", "indicator:orders", "component:api", "component:prometheus"),
        *("url:api", "url:prometheus"),
    }

    def with_stock(**changed):
        group = system.groups["shop"]
        stock = group.indicators["stock"].model_copy(update=changed)
        indicators = {**group.indicators, "stock": stock}
        groups = {"shop": group.model_copy(update={"indicators": indicators})}
        return definitions(system.model_copy(update={"groups": groups}))

    assert with_stock(title="Stock of goods", runbook="elsewhere") == known
    api = {**system.components, "api": system.components["api"].model_copy(update={"url": "http://127.0.0.1:9/ready"})}
    moved = definitions(system.model_copy(update={"components": api}))
    assert {name for name in known if moved[name] != known[name]} == {"url:api"}
    changed = with_stock(critical=4)
    assert {name for name in known if changed[name] != known[name]} == {"indicator:stock"}


@pytest.mark.parametrize(
    ("check", "unknown"),
    [("alert:Down", "alerts"), ("metric:x", "metrics"), ("redis:memory", "source:redis"), ("job:daily", "jobs")],
)
def test_what_is_not_listed_is_only_well_when_its_list_is_known(check, unknown):
    states = {check: state(check)}
    hidden = carried_on(states, [result(unknown, UNKNOWN)], NOW)
    assert hidden[check] == states[check]
    assert carried_on(states, [result(unknown, OK)], NOW)[check].status is OK


def test_an_address_that_does_not_answer_says_nothing_of_its_certificate():
    states = {"certificate:api": state("certificate:api")}
    found = carried_on(states, [result("url:api", CRITICAL)], NOW)
    assert found["certificate:api"] == states["certificate:api"]
    assert carried_on(states, [result("url:api", OK)], NOW)["certificate:api"].status is OK
