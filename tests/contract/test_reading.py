"""What the archive and the metrics ask of a ledger, on SQLite and on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from opsjobs.ledger.reading import Days, Missed, Reading
from opsjobs.model import (
    Artifact,
    CheckState,
    Delivery,
    DeliveryState,
    Direction,
    Form,
    IndicatorResult,
    Measurement,
    Message,
    Outcome,
    Run,
    Slot,
    SlotState,
    Status,
    Threshold,
)

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
FILE = Artifact(path="/x/report.html", media_type="text/html", size=3, sha256="abc")
DELIVERY = Delivery(
    id="x",
    run_id="r",
    system="shop",
    job="daily",
    slot="x",
    channel="email",
    recipient="a@example.com",
    created_at=NOW,
    due_at=NOW,
)


@pytest.fixture
def reading(ledger):
    return Reading(ledger=ledger)


def ran(ledger, name, slot="2026-11-20", job="daily", system="shop", *, at=NOW, found=(None, ()), states=(), **known):
    run = Run(id=name, system=system, job=job, slot=slot, started_at=at, host="a", pid=1)
    ledger.start(run)
    ledger.settle(run, states)
    ended = replace(
        run,
        **{"finished_at": at + timedelta(seconds=4), "outcome": Outcome.SUCCEEDED, "status": Status.OK, **known},
    )
    ledger.finish(ended, *found)
    return ended


def test_an_empty_ledger_can_be_read_and_knows_nothing(reading):
    reading.check()
    assert (reading.jobs(), reading.last(), reading.done(), reading.going_on()) == ([], [], [], [])
    assert (reading.count("shop", "daily"), reading.slots("shop", "daily", limit=9)) == (0, [])
    assert (reading.values(), reading.states(), reading.messages(NOW), reading.overdue(NOW)) == ([], {}, {}, {})


def test_each_slot_is_there_once_by_its_newest_run_with_the_newest_that_made_files(ledger, reading):
    first = ran(ledger, "a", artifacts=(FILE,))
    second = ran(ledger, "b", at=NOW + timedelta(hours=1), outcome=Outcome.FAILED, status=None)
    other = ran(ledger, "c", "2026-11-19", at=NOW + timedelta(hours=2))
    ran(ledger, "d", "2026-11-20", "health")
    ran(ledger, "e", "2026-11-20", system="desk")
    one, two = reading.slots("shop", "daily", limit=9)
    assert (one.run, one.made, one.runs) == (second, first, 2)
    assert (two.run, two.made, two.runs) == (other, None, 1)
    assert reading.count("shop", "daily") == 2
    assert reading.jobs() == [("desk", "daily"), ("shop", "daily"), ("shop", "health")]


def test_slots_come_by_the_page_and_from_before_a_slot_on(ledger, reading):
    for day in range(10, 20):
        ran(ledger, f"r{day}", f"2026-11-{day}")

    def names(**known):
        return [each.run.slot[-2:] for each in reading.slots("shop", "daily", **known)]

    assert names(limit=3) == ["19", "18", "17"]
    assert names(limit=3, skip=3) == ["16", "15", "14"]
    assert names(limit=3, skip=9) == ["10"]
    assert names(limit=3, before="2026-11-12") == ["11", "10"]
    span = Days(first=date(2026, 11, 12), last=date(2026, 11, 14))
    assert names(limit=9, days=span) == ["14", "13", "12"] and reading.count("shop", "daily", span) == 3
    assert names(limit=1, days=Days(last=date(2026, 11, 14))) == ["14"]


def test_a_span_holds_the_moments_of_its_days_and_the_weeks_that_they_are_in(ledger, reading):
    # The last days of 2024 belong to the first week of 2025.
    for number, slot in enumerate(("2024-W52", "2025-W01", "2025-W02", "2024-12-31T23:59", "2025-01-01", "2025-01-02")):
        ran(ledger, f"r{number}", slot)
    span = Days(first=date(2024, 12, 31), last=date(2025, 1, 1))
    found = {each.run.slot for each in reading.slots("shop", "daily", days=span, limit=9)}
    assert found == {"2025-W01", "2024-12-31T23:59", "2025-01-01"}


def test_the_last_run_the_last_success_and_the_one_that_goes_on_are_told_apart(ledger, reading):
    done = ran(ledger, "a", outcome=Outcome.PARTIAL)
    failed = ran(ledger, "b", at=NOW + timedelta(hours=1), outcome=Outcome.FAILED, status=None)
    ran(ledger, "c", at=NOW + timedelta(hours=2), outcome=Outcome.RUNNING, status=None, finished_at=None)
    whole = ran(ledger, "d", "x", "backup")
    incomplete = ran(ledger, "e", "y", "backup", at=NOW + timedelta(hours=1), outcome=Outcome.PARTIAL)
    assert reading.last() == [incomplete, failed]
    assert reading.done() == [whole, done]
    assert [run.id for run in reading.going_on()] == ["c"]


def test_messages_are_counted_by_how_far_they_are_and_those_that_are_due(ledger, reading):
    def message(name, state=DeliveryState.PENDING, channel="email", created=NOW, due=NOW):
        known = {"id": name, "state": state, "channel": channel, "created_at": created, "due_at": due}
        return Message(delivery=replace(DELIVERY, **known), forms={Form.FULL: b"x"})

    ledger.post(
        message("a", DeliveryState.SENT),
        message("b", DeliveryState.FAILED),
        message("c", due=NOW + timedelta(hours=1)),
        message("d", due=NOW - timedelta(hours=1)),
        message("e", DeliveryState.FAILED, created=NOW - timedelta(days=2)),
        message("f", DeliveryState.SENT, channel="slack"),
    )
    assert reading.messages(NOW - timedelta(days=1)) == {
        ("shop", "email", "sent"): 1,
        ("shop", "email", "failed"): 1,
        ("shop", "email", "pending"): 2,
        ("shop", "slack", "sent"): 1,
    }
    assert reading.overdue(NOW) == {("shop", "email"): 1, ("shop", "slack"): 0}


def test_slots_that_nobody_ran_are_counted_by_job_with_the_last(ledger, reading):
    def slot(hours, state, job="daily"):
        at = NOW - timedelta(hours=hours)
        return Slot(system="shop", job=job, due_at=at, state=state, at=NOW, reason="")

    assert reading.missed(NOW) == {}
    ledger.note_slots(
        [
            slot(1, SlotState.DONE),
            slot(25, SlotState.MISSED),
            slot(49, SlotState.MISSED),
            slot(500, SlotState.MISSED),
            slot(2, SlotState.DONE, "health"),
        ]
    )
    assert reading.missed(NOW - timedelta(days=7)) == {
        ("shop", "daily"): Missed(number=2, last=NOW - timedelta(hours=25)),
        ("shop", "health"): Missed(number=0, last=None),
    }


def test_indicators_are_those_of_the_newest_day_of_each_system_and_checks_those_that_are_bad(ledger, reading):
    def indicator(name, value, status=Status.OK):
        return IndicatorResult(
            id=name,
            title=name,
            group="g",
            unit="seconds",
            summary="mean",
            threshold=Threshold(direction=Direction.BELOW),
            measurement=Measurement(value=value, unit="seconds"),
            status=status,
            coverage=1.0,
        )

    for name, system, day, results in (
        ("a", "shop", date(2026, 11, 19), [indicator("old", 1.0)]),
        ("b", "shop", date(2026, 11, 20), [indicator("p95", 0.25), indicator("lost", None, Status.UNKNOWN)]),
        ("c", "desk", date(2026, 11, 18), [indicator("calls", 7.0, Status.WARNING)]),
    ):
        ran(ledger, name, day.isoformat(), system=system, found=(day, results))
    found = [(each.system, each.indicator, each.day.day, each.value, each.status) for each in reading.values()]
    assert found == [
        ("desk", "calls", 18, 7.0, Status.WARNING),
        ("shop", "lost", 20, None, Status.UNKNOWN),
        ("shop", "p95", 20, 0.25, Status.OK),
    ]
    state = CheckState(check="component:api", status=Status.CRITICAL, since=NOW, looks=2)
    ran(ledger, "d", "y", "health", states=[state])
    assert reading.states() == {("shop", "component:api"): Status.CRITICAL}
