"""How opsjobs' own jobs went, of the runs and messages that a ledger remembers."""

from datetime import UTC, datetime, timedelta

from opsjobs.analysis import runs
from opsjobs.model import Delivery, DeliveryState, Expected, Outcome, Run, Slot, SlotState, Status
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


def evaluate(*ran, undelivered=(), slots=(), expected=()):
    return runs.evaluate(ran, undelivered, WINDOW, ZONE, team=TEAM, kept=runs.Kept(slots=slots, expected=expected))


def slot(job="daily", at=NINE, state=SlotState.MISSED, reason="nobody was there"):
    return Slot(system="shop", job=job, due_at=at, state=state, at=at, reason=reason)


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


def test_a_missed_slot_is_told_and_needs_somebody_until_the_job_has_done_its_work():
    found = evaluate(slots=[slot()])
    assert [row[:3] for row in found.rows] == [("Daily due 09:00 on Wed 18 Nov", "missed", Status.WARNING)]
    assert [(each.subject, each.title) for each in found.findings] == [("job:daily", "opsjobs: daily was missed once")]
    made = evaluate(run(started_at=NINE + timedelta(hours=2)), slots=[slot()])
    assert made.rows[1].reason == "nobody was there, done since" and made.findings == ()
    failed = evaluate(run(started_at=NINE + timedelta(hours=2), outcome=Outcome.TIMED_OUT), slots=[slot()])
    assert {each.subject for each in failed.findings} == {"job:daily"}
    assert "was missed" in " ".join(each.title for each in failed.findings)


def test_many_missed_slots_of_a_job_are_one_finding():
    hours = [slot("health", NINE - timedelta(hours=number), reason="nobody was there") for number in range(8)]
    found = evaluate(slots=hours)
    assert len(found.findings) == 1 and found.findings[0].title == "opsjobs: health was missed 8 times"
    assert found.findings[0].detail.startswith("Last due 09:00 on Wed 18 Nov")
    assert found.rows[-1].value == "3 more were missed"


def test_slots_that_were_done_left_out_or_are_of_another_day_are_not_told():
    others = [slot(state=state) for state in SlotState if state is not SlotState.MISSED]
    earlier, later = slot(at=WINDOW.start - timedelta(hours=1)), slot(at=WINDOW.end + timedelta(hours=1))
    assert evaluate(slots=[*others, earlier, later]) == evaluate()


def test_a_job_that_nobody_ran_since_it_was_due_is_late_and_one_that_goes_on_is_not():
    expected = [Expected(job="backup", due_at=NINE), Expected(job="daily", due_at=NINE)]
    found = evaluate(run(started_at=NINE), expected=expected)
    assert ("Backup is late", "due 09:00 on Wed 18 Nov", Status.WARNING) in [row[:3] for row in found.rows]
    assert [(each.subject, each.title) for each in found.findings] == [("job:schedule", "opsjobs: late: backup")]
    going = run(2, job="backup", started_at=NINE, finished_at=None, outcome=Outcome.RUNNING)
    assert evaluate(run(started_at=NINE), going, expected=expected).findings == ()
    # One cause is told once.
    missed = evaluate(run(started_at=NINE), slots=[slot("backup")], expected=expected)
    assert [each.subject for each in missed.findings] == ["job:backup"]


def test_a_run_that_took_much_longer_than_usual_is_told_where_it_is_known_what_is_usual():
    def took(number, seconds, ago):
        began = NINE - timedelta(days=ago)
        return run(number, started_at=began, finished_at=began + timedelta(seconds=seconds))

    usual = [took(number, 10 + number, number) for number in range(1, 6)]
    slow = evaluate(took(0, 90, 0), *usual)
    assert slow.rows[0].status is Status.WARNING and slow.rows[0].reason == "slower than usual: 13 s is the median"
    assert slow.findings == ()
    assert evaluate(took(0, 40, 0), *usual).rows[0].status is Status.OK, "seconds are nothing"
    assert evaluate(took(0, 90, 0), *usual[:4]).rows[0].status is Status.OK, "four are too few"
    assert runs.is_slow(took(0, 900, 0), [*usual, took(9, 9000, 20)]) == 13.5, "one that was slow is no rule"


def test_how_late_a_run_began_is_said_from_five_minutes_on():
    assert (
        evaluate(run(due_at=NINE - timedelta(minutes=20)))
        .rows[0]
        .value.endswith("begun 09:00 on Wed 18 Nov, 20 min late")
    )
    assert "late" not in evaluate(run(due_at=NINE - timedelta(minutes=4))).rows[0].value
