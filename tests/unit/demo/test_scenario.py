from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from opsjobs import system
from opsjobs.demo import scenario, simulation
from opsjobs.demo.scenario import Effect, Scenario, Truth
from opsjobs.errors import ConfigError
from tests.unit.demo.samples import ROME

PROFILE = system.read("pratikoai", Path())
SIMULATION = simulation.read("pratikoai")
SHIPPED = [(name, story) for name in simulation.shipped() for story in scenario.shipped(name)]


def read(name):
    return scenario.read(str(name), "pratikoai", SIMULATION, PROFILE)


def span(today, **truth):
    fields = {"what": "x", "effect": Effect(metric="m", multiply=2), "day": 0} | truth
    (planted,) = Scenario(title="x", truths=(Truth(**fields),)).planted(today, ROME)
    return datetime.fromtimestamp(planted.start, UTC), datetime.fromtimestamp(planted.end, UTC)


@pytest.mark.parametrize(("name", "story"), SHIPPED)
def test_every_scenario_that_ships_can_be_read(name, story):
    assert scenario.read(story, name, simulation.read(name), system.read(name, Path())).title


@pytest.mark.parametrize("name", simulation.shipped())
def test_every_simulation_has_a_quiet_scenario_that_expects_nothing(name):
    assert scenario.read("quiet", name, simulation.read(name), system.read(name, Path())).truths == ()


def test_the_troubled_scenario_expects_one_subject_of_each_kind_at_least():
    subjects = [subject for truth in read("troubled").truths for subject in truth.expect]
    assert len(subjects) == len(set(subjects)) == 8
    kinds = {"indicator", "component", "metric", "postgresql", "redis"}
    assert {subject.split(":")[0] for subject in subjects} == kinds


def test_every_fault_of_a_scenario_is_told_at_once_with_its_line_and_path(tmp_path):
    path = tmp_path / "wrong.yml"
    path.write_text(
        """title: Wrong
truths:
  - what: a time without quotes
    effect: {metric: llm_cost_total_eur, multiply: 2}
    day: -1
    from: 13:10
  - what: names that do not exist
    effect: {metric: llm_cost_total, multiply: 2}
    day: -36
    expect: ["indicator:cost_spik"]
  - what: labels that match nothing
    effect: {metric: llm_cost_total_eur, labels: {provider: opnai}, multiply: 2}
    day: -1
  - what: a span that ends before it begins
    effect: {component: api, down: true}
    day: -1
    from: "04:00"
    until: "03:00"
  - what: an unknown key
    effect: {component: apy, down: true}
    days: -1
    untl: "03:00"
  - what: a database and a day
    effect: {database: redis, state: memory_full}
    day: -1
    expect: ["redis:memry"]
  - what: a database that there is not
    effect: {database: rdis, state: memory_full}
"""
    )
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == [
        '6: truths[0].from: give a local time in quotes, from "00:00" to "24:00"',
        "8: truths[1].effect.metric: 'llm_cost_total' is not known; did you mean 'llm_cost_total_eur'?",
        "9: truths[1].day: Input should be greater than or equal to -35",
        "10: truths[1].expect[0]: 'indicator:cost_spik' is not known; did you mean 'indicator:cost_spike'?",
        "12: truths[2].effect: this matches no series of the simulation",
        "14: truths[3]: the span ends before it begins",
        "20: truths[4].effect.component: 'apy' is not known; did you mean 'api'?",
        "21: truths[4].days: Input should be a valid tuple",
        "22: truths[4].untl: unknown key",
        "26: truths[5].expect[0]: 'redis:memry' is not known; did you mean 'redis:memory'?",
        "28: truths[6].effect.database: 'rdis' is not known; did you mean 'redis'?",
    ]


@pytest.mark.parametrize("when", [{"day": -1}, {"days": (-1, 1)}, {"from": "01:00"}, {"until": "01:00"}])
def test_a_database_is_in_its_state_now_and_has_no_day(when):
    effect = Effect(database="redis", state="memory_full")
    with pytest.raises(ValidationError, match="a database is in its state now: give no day, days, from or until"):
        Truth(what="x", effect=effect, **when)


def test_states_of_databases_are_apart_from_what_is_planted_into_the_simulation():
    troubled = read("troubled")
    assert troubled.states == (("postgresql", "archiving_fails"), ("redis", "memory_full"))
    assert len(troubled.planted(date(2026, 11, 20), ROME)) == len(troubled.truths) - 2


def test_of_a_database_that_does_not_live_nothing_is_expected():
    troubled = read("troubled")
    subjects = [subject for truth in troubled.having(["redis"]).truths for subject in truth.expect]
    assert "redis:memory" in subjects
    assert "postgresql:archiver" not in subjects
    assert troubled.having([]).states == ()
    assert troubled.having(["postgresql", "redis"]) == troubled


def test_an_unknown_scenario_names_the_nearest_one():
    with pytest.raises(ConfigError, match=r"no scenario of pratikoai is called 'trouble'; did you mean 'troubled'\?"):
        read("trouble")


@pytest.mark.parametrize(
    ("effect", "fault"),
    [
        ({"multiply": 2}, "name one of metric, component, alert and database"),
        ({"metric": "m", "component": "c", "multiply": 2}, "name one of metric, component, alert and database"),
        ({"metric": "m"}, "with metric, give multiply or add or set or vanish"),
        ({"metric": "m", "multiply": 2, "add": 1}, "with metric, give multiply or add or set or vanish"),
        ({"metric": "m", "down": True}, "with metric, give multiply or add or set or vanish"),
        ({"component": "c", "vanish": True}, "with component, give down"),
        ({"component": "c", "instance": "i"}, "with component, give down or vanish"),
        ({"component": "c", "labels": {"a": "b"}, "down": True}, "labels go with a metric"),
        ({"metric": "m", "instance": "i", "vanish": True}, "instance goes with a component"),
        ({"alert": "a", "vanish": True}, "alert stands alone"),
        ({"database": "redis"}, "with database, give state"),
        ({"database": "redis", "down": True}, "with database, give state"),
        ({"metric": "m", "state": "memory_full"}, "with metric, give multiply or add or set or vanish"),
        ({"database": "redis", "state": "full"}, "'full' is no state of redis: give memory_full or snapshot_fails"),
    ],
)
def test_an_effect_does_exactly_one_thing(effect, fault):
    with pytest.raises(ValidationError, match=fault):
        Effect(**effect)


@pytest.mark.parametrize(
    "effect",
    [
        {"metric": "m", "set": 0},
        {"metric": "m", "labels": {"a": "b"}, "multiply": 0},
        {"component": "c", "instance": "i", "down": True},
        {"component": "c", "instance": "i", "vanish": True},
        {"alert": "a"},
    ],
)
def test_an_effect_may_be_zero_and_may_be_about_one_member(effect):
    assert Effect(**effect)


def test_a_span_is_the_whole_local_day_unless_it_says_otherwise():
    assert span(date(2026, 11, 20)) == (datetime(2026, 11, 19, 23, tzinfo=UTC), datetime(2026, 11, 20, 23, tzinfo=UTC))


@pytest.mark.parametrize(("today", "hours"), [(date(2026, 3, 30), 23), (date(2026, 10, 26), 25)])
def test_the_day_on_which_the_clocks_change_is_shorter_or_longer(today, hours):
    start, end = span(today, day=-1)
    assert (end - start).total_seconds() == hours * 3600


@pytest.mark.parametrize("today", [date(2026, 3, 30), date(2026, 10, 26), date(2026, 11, 20)])
def test_forty_minutes_last_forty_minutes_on_every_day(today):
    start, end = span(today, day=-1, **{"from": "03:10", "until": "03:50"})
    assert (end - start).total_seconds() == 2400
    assert start.astimezone(ROME).strftime("%H:%M") == "03:10"


def test_days_make_one_span_without_a_break():
    start, end = span(date(2026, 11, 20), day=None, days=(-1, 1), **{"from": "14:00", "until": "10:00"})
    assert start == datetime(2026, 11, 19, 13, tzinfo=UTC)
    assert end == datetime(2026, 11, 21, 9, tzinfo=UTC)
