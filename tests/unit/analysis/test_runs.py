"""How opsjobs' own jobs went, of the runs and messages that a ledger remembers."""

from datetime import UTC, datetime, timedelta

from opsjobs.analysis import runs
from opsjobs.model import Delivery, DeliveryState, Outcome, Run, Status
from opsjobs.report import render
from tests.unit.analysis.test_findings import Shop, report
from tests.unit.report.test_render import BrokenPrinter
from tests.unit.shop import TEAM, ZONE, days

WINDOW = days().window
NINE = datetime(2026, 11, 18, 8, tzinfo=UTC)


def run(number=1, **known):
    given = {"id": f"0000000{number}-aaaa", "system": "shop", "job": "daily", "slot": "2026-11-17", "started_at": NINE}
    given |= {"finished_at": NINE + timedelta(seconds=2.5), "outcome": Outcome.SUCCEEDED, **known}
    return Run(**given)


def delivery(number=1, **known):
    given = {"id": str(number), "run_id": "r", "system": "shop", "job": "daily", "slot": "2026-11-17"}
    given |= {"channel": "email", "recipient": "a@example.com", "created_at": NINE, "due_at": NINE}
    return Delivery(**{**given, "state": DeliveryState.FAILED, "attempts": 3, "error": "550 no such user", **known})


def evaluate(*ran, undelivered=()):
    return runs.evaluate(ran, undelivered, WINDOW, ZONE, team=TEAM)


def test_the_last_run_of_each_job_is_told_with_how_long_it_took():
    found = evaluate(run(1), run(2, started_at=NINE - timedelta(days=1)), run(3, job="weekly"))
    assert [row[:3] for row in found.rows] == [
        ("Last run of daily", "succeeded in 2.5 s, begun 09:00 on Wed 18 Nov", Status.OK),
        ("Last run of weekly", "succeeded in 2.5 s, begun 09:00 on Wed 18 Nov", Status.OK),
    ]
    assert found.findings == ()


def test_a_run_that_crashed_needs_somebody_and_does_not_say_how_long_it_took():
    crashed = run(outcome=Outcome.CRASHED, error="The process ended without a word.")
    found = evaluate(crashed)
    assert found.rows[0].value == "crashed, begun 09:00 on Wed 18 Nov"
    assert [(each.subject, each.status) for each in found.findings] == [("job:daily", Status.WARNING)]
    assert "opsjobs runs show 00000001" in found.findings[0].advice


def test_a_run_that_failed_and_was_made_again_is_told_and_needs_nobody():
    failed = run(1, outcome=Outcome.FAILED, error="the disk is full")
    again = run(2, started_at=NINE + timedelta(hours=1))
    found = evaluate(again, failed)
    assert [row.title for row in found.rows] == ["Last run of daily", "Daily of 2026-11-17"]
    assert found.rows[1].reason == "the disk is full, made again since"
    assert found.findings == ()


def test_another_slot_that_went_well_does_not_make_up_for_one_that_failed():
    failed = run(1, outcome=Outcome.FAILED, slot="2026-11-16")
    assert [each.subject for each in evaluate(run(2, started_at=NINE + timedelta(hours=1)), failed).findings] == [
        "job:daily"
    ]


def test_what_began_after_the_window_or_goes_on_is_left_out_so_that_the_slot_says_the_same_again():
    later = run(2, started_at=WINDOW.end + timedelta(hours=9), outcome=Outcome.FAILED)
    going_on = run(3, started_at=NINE + timedelta(hours=1), outcome=Outcome.RUNNING, finished_at=None)
    assert evaluate(run(1), later, going_on) == evaluate(run(1))


def test_a_failure_of_long_ago_is_the_last_run_and_no_news():
    found = evaluate(run(outcome=Outcome.FAILED, started_at=NINE - timedelta(days=3)))
    assert found.rows[0].status is Status.WARNING and found.findings == ()


def test_messages_that_nobody_got_are_one_finding():
    waiting = delivery(2, state=DeliveryState.PENDING, attempts=1, recipient="b@example.com")
    found = evaluate(run(), undelivered=[delivery(), waiting])
    assert [row.value for row in found.rows[1:]] == ["given up, tried 3 times", "still to be sent, tried once"]
    assert [(each.subject, each.title) for each in found.findings] == [
        ("job:delivery", "opsjobs: 2 messages were not delivered")
    ]


def test_a_message_of_last_month_is_not_told_for_ever():
    assert evaluate(undelivered=[delivery(created_at=NINE - timedelta(days=8))]) == evaluate()


def test_many_messages_are_counted():
    found = evaluate(undelivered=[delivery(number) for number in range(9)])
    assert (len(found.rows), found.rows[-1].value) == (6, "4 more not delivered")


def test_the_report_has_a_section_on_its_own_jobs_in_every_form():
    made = report(Shop()).report
    assert b"No run is known" in render(made, BrokenPrinter()).files["report.txt"]
