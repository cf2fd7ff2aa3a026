from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from opsjobs import system
from opsjobs.demo import scenario, simulation
from opsjobs.demo.course import STEP
from opsjobs.demo.weaver import weave
from tests.unit.demo.samples import ROME, TODAY, course, curves, differing, shop

SINCE, UNTIL = TODAY - timedelta(hours=13), TODAY - timedelta(hours=11)


def rates(curve):
    return np.diff(curve.values) / STEP


def during(times, since=SINCE, until=UNTIL):
    return times[(times > since.timestamp()) & (times <= until.timestamp())]


def test_the_same_seed_gives_the_same_course():
    assert differing(course(), course()) == {}


def test_another_seed_gives_another_course():
    other = shop().model_copy(update={"seed": 8})
    assert len(differing(course(), course(what=other))) > 10


def test_a_longer_course_has_the_same_values_at_the_same_times():
    short, long = course(end=1), course(end=3)
    for key, curve in curves(short).items():
        np.testing.assert_array_equal(curve.values, curves(long)[key].values[: len(short.times)], err_msg=str(key))


def test_a_course_that_starts_later_has_the_same_gauges_and_the_same_increments():
    early, late = curves(course(start=-3)), curves(course(start=-2))
    offset = 86400 // STEP
    for key, curve in late.items():
        values, earlier = curve.values, early[key].values[offset:]
        slack = 1 if curve.counts and curve.whole else 1e-5
        if curve.counts:
            values, earlier = np.diff(values), np.diff(earlier)
        np.testing.assert_allclose(values, earlier, rtol=0, atol=slack, err_msg=str(key))


def test_no_counter_ever_goes_back():
    for key, curve in curves(course()).items():
        if curve.counts:
            assert (np.diff(curve.values) >= 0).all(), key


def test_a_bucket_never_holds_less_than_the_one_below_it():
    found = curves(course())
    for instance in ("one", "two"):
        buckets = [
            found["request_seconds_bucket", instance, ("le", le), ("path", "/x")] for le in ("0.1", "1", "10", "+Inf")
        ]
        for lower, upper in pairwise(buckets):
            assert (lower.values <= upper.values).all()
        np.testing.assert_array_equal(
            buckets[-1].values, found["request_seconds_count", instance, ("path", "/x")].values
        )


def test_the_mean_of_a_weekday_is_the_level_shared_among_the_instances():
    found = course()
    day = during(found.times, TODAY - timedelta(days=1), TODAY)
    first, last = (int(np.flatnonzero(found.times == at)[0]) for at in (day[0], day[-1]))
    for instance in ("one", "two"):
        values = curves(found)["orders_total", instance].values
        assert (values[last] - values[first]) / 24 == pytest.approx(300, rel=0.05)


@pytest.mark.parametrize(("night", "shown"), [(3, 2 / 3), (15, 4 / 3)])
def test_a_rhythm_goes_by_the_local_clock(night, shown):
    beats = []
    # Summer time ended on the 25th.
    for day in (23, 26):
        at = datetime(2026, 10, day, night, tzinfo=ROME)
        found = course(today=datetime(2026, 10, 27, tzinfo=ROME), start=-5)
        hour = np.flatnonzero((found.times > at.timestamp() - 3600) & (found.times <= at.timestamp() + 3600))
        values = curves(found)["orders_total", "one"].values
        beats.append((values[hour[-1]] - values[hour[0]]) / 600)
    assert beats == pytest.approx([shown, shown], rel=0.15)


def test_weekends_are_quieter():
    found = course(today=datetime(2026, 11, 24, tzinfo=ROME), start=-4)
    values = curves(found)["orders_total", "one"].values
    # Friday to Monday.
    days = np.diff(values[:: 86400 // STEP])[:4]
    assert days[1] / days[0] == pytest.approx(0.5, rel=0.1)
    assert days[3] / days[2] == pytest.approx(2, rel=0.1)


def test_a_share_follows_the_series_with_the_same_labels():
    found = curves(course())
    for path in ("/x", "/y"):
        failed, of = (
            found[name, "one", ("path", path)].values[-1] for name in ("failed_total", "request_seconds_count")
        )
        assert failed / of == pytest.approx(0.1, rel=0.01)


def test_a_share_without_labels_is_of_the_sum():
    found = curves(course())
    requests = sum(found["request_seconds_count", "one", ("path", path)].values[-1] for path in ("/x", "/y"))
    assert found["all_total", "one"].values[-1] == pytest.approx(requests, abs=2)


def test_rare_events_come_one_at_a_time_and_as_often_as_they_should():
    values = curves(course(start=-30))["complaints_total", "one"].values
    steps = np.diff(values)
    assert set(steps) <= {0, 1, 2, 3}
    assert values[-1] == pytest.approx(1.5 * 24 * 31, rel=0.1)


@pytest.mark.parametrize(
    ("effect", "names"),
    [
        ({"metric": "euros", "labels": {"kind": "a"}, "multiply": 3}, {("euros", "a")}),
        ({"metric": "euros", "add": 1}, {("euros", "a"), ("euros", "b")}),
        ({"metric": "customers", "set": 5}, {("customers",)}),
        ({"metric": "complaints_total", "multiply": 30}, {("complaints_total",)}),
        ({"metric": "euros", "labels": {"kind": "b"}, "vanish": True}, {("euros", "b")}),
        (
            {"metric": "request_seconds", "labels": {"path": "/x"}, "multiply": 8},
            {("request_seconds_bucket", "/x"), ("request_seconds_sum", "/x")},
        ),
        ({"alert": "TooSlow"}, {("ALERTS", "TooSlow", "firing", "warning")}),
    ],
)
def test_an_effect_changes_exactly_the_series_that_match_in_exactly_its_span(effect, names):
    found = differing(course(), course((effect, SINCE, UNTIL)))
    assert {(key[0], *(value for label, value in key[2:] if label != "le")) for key in found} == names
    span = during(course().times)
    for key, times in found.items():
        assert set(times) <= set(span), key
        if effect != {"metric": "complaints_total", "multiply": 30} and "bucket" not in key[0]:
            assert set(times) == set(span), key


def test_multiplied_durations_are_so_much_longer():
    plain, slow = (
        curves(each)["request_seconds_sum", "one", ("path", "/x")]
        for each in (course(), course(({"metric": "request_seconds", "multiply": 8}, SINCE, UNTIL)))
    )
    at = np.flatnonzero(np.isin(course().times, during(course().times))) - 1
    np.testing.assert_allclose(rates(slow)[at] / rates(plain)[at], 8, rtol=1e-3)


def test_a_component_that_is_down_answers_nothing_and_does_nothing():
    plain, down = course(), course(({"component": "api", "down": True}, SINCE, UNTIL))
    span = np.isin(plain.times, during(plain.times))
    for key, curve in curves(down).items():
        if key[0] == "up" and ("job", "shop") in key:
            assert curve.present.all()
            np.testing.assert_array_equal(curve.values == 0, span)
        elif key[1] in {"one", "two"}:
            np.testing.assert_array_equal(~curve.present, span, err_msg=str(key))
            if curve.counts:
                assert not np.diff(curve.values)[span[1:]].any(), key
        else:
            np.testing.assert_array_equal(curve.values, curves(plain)[key].values, err_msg=str(key))


def test_behind_an_exporter_only_the_gauge_that_tells_is_left_of_a_component_that_is_down():
    down = course(({"component": "database", "down": True}, SINCE, UNTIL))
    span = np.isin(down.times, during(down.times))
    found = curves(down)
    assert found["up", "", ("instance", "db"), ("job", "database")].values.all()
    assert found["db_up", "db"].present.all()
    np.testing.assert_array_equal(found["db_up", "db"].values == 0, span)
    np.testing.assert_array_equal(~found["db_size", "db"].present, span)


@pytest.mark.parametrize("how", ["down", "vanish"])
def test_one_member_alone_can_be_down_or_gone(how):
    found = differing(course(), course(({"component": "api", "instance": "two", how: True}, SINCE, UNTIL)))
    assert {key[1] for key in found if key[0] != "up"} == {"two"}
    (up,) = [key for key in found if key[0] == "up"]
    assert ("instance", "two") in up


def test_a_member_that_is_gone_has_no_up_either():
    gone = course(({"component": "api", "instance": "two", "vanish": True}, SINCE, UNTIL))
    span = np.isin(gone.times, during(gone.times))
    up = curves(gone)["up", "", ("instance", "two"), ("job", "shop")]
    np.testing.assert_array_equal(~up.present, span)


def test_between_two_steps_a_counter_grows_and_a_gauge_has_the_value_of_the_step():
    found = course()
    orders, customers = (curves(found)[name, "one"] for name in ("orders_total", "customers"))
    euros = curves(found)["euros", "one", ("kind", "a")]
    middle = int(found.times[100]) + STEP / 2
    assert found.value(euros, middle) == pytest.approx((euros.values[100] + euros.values[101]) / 2, abs=1e-5)
    assert orders.values[100] <= found.value(orders, middle) <= orders.values[101]
    assert found.value(customers, middle) == customers.values[101]
    assert found.value(euros, int(found.times[100])) == euros.values[100]


# What the scenarios promise must hold on whatever day somebody tries them: seven weekdays, and after clock changes.
PROFILE, SIMULATION = system.read("pratikoai", Path()), simulation.read("pratikoai")
ZONE = ZoneInfo(PROFILE.zone)
DAYS = [*(datetime(2026, 11, day, tzinfo=ZONE) for day in range(16, 23))]
DAYS += [datetime(2026, 3, 30, tzinfo=ZONE), datetime(2026, 10, 26, tzinfo=ZONE)]


def increases(story, today):
    """The increase of every counter on each of the last 34 days, by name."""
    planted = scenario.read(story, "pratikoai", SIMULATION, PROFILE).planted(today.date(), ZONE)
    days = [today + timedelta(days=day) for day in range(-35, 1)]
    found = weave(SIMULATION, planted, start=days[0], end=days[-1], today=today, zone=ZONE)
    places = np.searchsorted(found.times, [day.timestamp() for day in days])
    return {
        (curve.name, *curve.labels.values()): np.diff(curve.values[places])
        for family in found.families
        for curve in family.curves
        if curve.counts
    }


def total(found, name, *labels):
    return np.sum([days for key, days in found.items() if key[0] == name and set(labels) <= set(key)], axis=0)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_a_quiet_day_keeps_every_limit_whatever_day_it_is(today):
    found = increases("quiet", today)
    cost = total(found, "llm_cost_total_eur")
    assert cost.max() < 92
    assert (cost[1:] / cost[:-1]).max() < 1.4
    assert 1.65 < cost[-30:].sum() / 1308 < 1.85
    payments = total(found, "payment_operations_total")
    assert (total(found, "payment_operations_total", "succeeded") / payments).min() > 0.96
    assert total(found, "subscription_cancellations_total").max() / 53 < 0.1
    assert (total(found, "user_signups_total")[1:] + total(found, "user_signups_total")[:-1]).min() > 1
    errors = total(found, "api_errors_total") / total(found, "http_request_duration_seconds_count")
    assert errors.max() < 0.007
    hits, misses = total(found, "cache_hits"), total(found, "cache_misses")
    assert (hits / (hits + misses)).min() > 0.84


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_a_troubled_day_breaks_its_limits_whatever_day_it_is(today):
    found = increases("troubled", today)
    cost = total(found, "llm_cost_total_eur")
    assert cost[-1] > 105
    assert cost[-1] / cost[-2] > 1.55
    assert cost[-30:].sum() / 1308 < 2
    success = total(found, "payment_operations_total", "succeeded")[-1] / total(found, "payment_operations_total")[-1]
    assert 0.89 < success < 0.935
    slow = [total(found, "http_request_duration_seconds_bucket", "/api/reports", le)[-1] for le in ("5", "+Inf")]
    assert slow[0] / slow[1] < 0.8
    every = [total(found, "http_request_duration_seconds_bucket", le)[-1] for le in ("2", "+Inf")]
    assert every[0] / every[1] > 0.95
