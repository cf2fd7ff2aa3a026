"""What the ledger promises of slots, of runs that were taken over and of what is kept: on SQLite and on PostgreSQL."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from opsjobs.errors import GivenUp, LedgerError, SlotLost, SlotOver, SlotTaken
from opsjobs.ledger import Ledger, lock
from opsjobs.log import Redactor
from opsjobs.model import CheckState, Delivery, DeliveryState, Form, Message, Outcome, Run, Slot, SlotState, Status
from opsjobs.runner import Desk, attend

DUE = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RUN = Run(id="r1", system="shop", job="daily", slot="2026-11-18", started_at=DUE, host="a", pid=1, due_at=DUE)
MESSAGE = Message(
    delivery=Delivery(
        id="m1",
        run_id="r1",
        system="shop",
        job="daily",
        slot="2026-11-18",
        channel="email",
        recipient="a@example.com",
        created_at=DUE,
        due_at=DUE,
    ),
    forms={Form.FULL: b"the letter"},
)


def run(number, **known):
    return replace(RUN, id=f"r{number}", **known)


def ended(of, outcome=Outcome.SUCCEEDED, **known):
    return replace(of, finished_at=of.started_at + timedelta(seconds=9), outcome=outcome, **known)


def slot_of(ledger, due_at=DUE):
    (found,) = [each for each in ledger.slots("shop", due_at - timedelta(seconds=1)) if each.due_at == due_at]
    return found


def crashed(ledger):
    assert ledger.crash("shop", "daily", "a", DUE + HOUR) == 1


def test_a_run_makes_its_slot_its_own_and_ends_it(ledger):
    ledger.start(RUN)
    assert (slot_of(ledger).state, slot_of(ledger).attempt, slot_of(ledger).run_id) == (SlotState.RUNNING, 1, "r1")
    assert ledger.open_run("shop", "daily", DUE) == RUN
    ledger.finish(ended(RUN))
    assert (slot_of(ledger).state, slot_of(ledger).reason) == (SlotState.DONE, "")
    assert ledger.open_run("shop", "daily", DUE) is None


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCEEDED, SlotState.DONE),
        (Outcome.PARTIAL, SlotState.DONE),
        (Outcome.FAILED, SlotState.FAILED),
        (Outcome.TIMED_OUT, SlotState.FAILED),
    ],
)
def test_a_slot_that_was_run_however_it_ended_is_not_run_again(ledger, outcome, state):
    ledger.start(RUN)
    ledger.abandon(ended(RUN, outcome, error="why"), again=False)
    assert slot_of(ledger).state is state
    with pytest.raises(SlotOver, match=f"due 2026-11-19 08:00 UTC, is {state.value}"):
        ledger.start(run(2))
    assert [each.id for each in ledger.runs()] == ["r1"]


def test_one_that_was_told_to_stop_is_run_again_by_the_next(ledger):
    ledger.start(RUN)
    ledger.abandon(ended(RUN, Outcome.FAILED, error="interrupted"), again=True)
    assert (slot_of(ledger).state, slot_of(ledger).reason) == (SlotState.WAITING, "interrupted")
    ledger.start(run(2))
    assert (slot_of(ledger).state, slot_of(ledger).attempt, slot_of(ledger).run_id) == (SlotState.RUNNING, 2, "r2")


def test_one_whose_runs_are_killed_is_taken_over_and_given_up_after_three_with_words(ledger):
    for number in (1, 2, 3):
        ledger.start(run(number))
        assert slot_of(ledger).attempt == number
        crashed(ledger)
    with pytest.raises(GivenUp, match="given up: 3 runs of it ended without a word") as raised:
        ledger.start(run(4))
    assert "runs list --system shop --job daily" in raised.value.advice
    assert (slot_of(ledger).state, slot_of(ledger).reason) == (
        SlotState.FAILED,
        "given up: 3 runs of it ended without a word",
    )
    assert {each.id: each.outcome for each in ledger.runs()} == dict.fromkeys(("r1", "r2", "r3"), Outcome.CRASHED)
    with pytest.raises(SlotOver):
        ledger.start(run(5))


def test_a_run_by_hand_has_no_slot_and_ends_none(ledger):
    by_hand = replace(RUN, due_at=None)
    ledger.start(by_hand)
    ledger.finish(ended(by_hand))
    assert ledger.slots("shop", DUE - DAY) == []


def test_an_older_slot_that_nobody_ended_is_missed_when_the_next_one_is_begun(ledger):
    ledger.start(RUN)
    crashed(ledger)
    ledger.start(run(2, due_at=DUE + DAY))
    assert (slot_of(ledger).state, slot_of(ledger).reason) == (
        SlotState.MISSED,
        "it did not end before the next one was due",
    )
    other = run(3, job="costs", due_at=DUE + 2 * DAY)
    ledger.start(other)
    assert slot_of(ledger, DUE + DAY).state is SlotState.RUNNING


def test_whoever_was_taken_over_writes_nothing_any_more(ledger):
    ledger.start(RUN)
    ledger.still(RUN)
    crashed(ledger)
    with pytest.raises(SlotLost, match="taken over by another run"):
        ledger.still(RUN)
    second = run(2, started_at=DUE + HOUR)
    ledger.start(second)
    state = CheckState(check="c", status=Status.CRITICAL, since=DUE, looks=1, title="C", team="t", definition="d")
    for write in (
        lambda: ledger.still(RUN),
        lambda: ledger.finish(ended(RUN)),
        lambda: ledger.settle(RUN, [state], [MESSAGE]),
    ):
        with pytest.raises(SlotLost):
            write()
    ledger.abandon(ended(RUN, Outcome.FAILED, error="too late"), again=True)
    assert ledger.states("shop") == {} and ledger.waiting("shop") == []
    assert {each.id: each.outcome for each in ledger.runs()} == {"r1": Outcome.CRASHED, "r2": Outcome.RUNNING}
    assert (slot_of(ledger).state, slot_of(ledger).run_id) == (SlotState.RUNNING, "r2")
    ledger.still(second)


def test_of_many_that_ask_for_a_slot_at_once_one_writes_it_down(url):
    waiting = Slot(system="shop", job="daily", due_at=DUE, state=SlotState.WAITING, at=DUE)
    missed = replace(waiting, state=SlotState.MISSED)
    with ExitStack() as stack:
        ledgers = [stack.enter_context(_opened(url)) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            noted = list(pool.map(lambda each: each.note_slots([waiting, missed]), ledgers))
        assert sum(map(len, noted)) == 1 and slot_of(ledgers[0]).state is SlotState.WAITING


def test_of_many_that_begin_a_slot_at_once_under_the_lock_one_does(url, tmp_path):
    with ExitStack() as stack:
        ledgers = [stack.enter_context(_opened(url)) for _ in range(6)]

        def begin(number):
            ledger = ledgers[number % 6]
            # On PostgreSQL as if each had a host of its own.
            locks = tmp_path / str(number % 6 if ledger.database.shared else 0)
            try:
                with ledger.alone(locks, "shop", "daily"):
                    ledger.start(run(number))
                    ledger.finish(ended(run(number)))
            except SlotTaken:
                return 0
            return 1

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(begin, range(60))) == 1
        assert [each.outcome for each in ledgers[0].runs()] == [Outcome.SUCCEEDED]


def test_the_lock_of_a_job_is_free_when_its_holder_lets_go_and_others_are_never_held(url, tmp_path):
    with _opened(url) as one, _opened(url) as other:
        with one.alone(tmp_path, "shop", "daily"):
            with pytest.raises(SlotTaken, match="another run of daily for shop is under way"):
                with other.alone(tmp_path / ("b" if other.database.shared else ""), "shop", "daily"):
                    pass
            with other.alone(tmp_path, "shop", "costs"), other.alone(tmp_path, "blog", "daily"):
                pass
        with other.alone(tmp_path, "shop", "daily"):
            pass


def test_a_holder_whose_session_ended_has_lost_the_lock_to_whoever_comes(postgresql_url, tmp_path):
    with _opened(postgresql_url) as one, _opened(postgresql_url) as other:
        with one.alone(tmp_path / "a", "shop", "daily"):
            one.start(RUN)
            _end_sessions(postgresql_url)
            with other.alone(tmp_path / "b", "shop", "daily"):
                crashed(other)
                other.start(run(2))
                with pytest.raises(SlotLost):
                    one.still(RUN)
        assert other.open_run("shop", "daily", DUE).id == "r2"


def test_a_holder_that_says_nothing_for_a_minute_is_ended_by_the_server(postgresql_url, tmp_path):
    """What a process comes to that is stopped: its session asks for it, and says a word more often while it runs."""
    asked = []
    with _opened(postgresql_url) as ledger:
        sa.event.listen(ledger.database.engine, "before_cursor_execute", lambda *known: asked.append(known[2]))
        with ledger.alone(tmp_path, "shop", "daily"):
            pass
    assert asked[0] == f"SET idle_session_timeout = '{lock._SILENCE}s'" and "pg_try_advisory_lock" in asked[1]
    assert lock._SILENCE >= 3 * lock._WORD


def test_a_slot_and_what_is_queued_for_it_are_written_together_or_not_at_all(ledger):
    waiting = Slot(system="shop", job="daily", due_at=DUE, state=SlotState.WAITING, at=DUE)
    asked = []

    def broken(connection):
        asked.append(connection)
        raise RuntimeError("the queue is gone")

    with pytest.raises(RuntimeError):
        ledger.enqueue([waiting], broken)
    assert len(asked) == 1 and ledger.slots("shop", DUE - DAY) == []


def test_the_last_slot_of_each_job_is_told_and_none_that_is_to_come(ledger):
    for number, due_at in enumerate((DUE, DUE + DAY, DUE + 400 * DAY)):
        ledger.start(run(number, due_at=due_at))
    ledger.start(run(9, job="costs", due_at=DUE - DAY))
    now = DUE + 2 * DAY
    told = {key: each.due_at for key, each in ledger.newest_slots(now).items()}
    # A clock that was a year ahead for a while is no reason to run nothing for a year.
    assert told == {("shop", "daily"): DUE + DAY, ("shop", "costs"): DUE - DAY}
    assert set(ledger.newest_slots(now, "costs")) == {("shop", "costs")}
    assert ledger.newest_slots(DUE - 2 * DAY) == {}


def test_one_of_many_that_send_a_message_takes_it(url):
    with ExitStack() as stack:
        ledgers = [stack.enter_context(_opened(url)) for _ in range(6)]
        ledgers[0].post(MESSAGE)
        with ThreadPoolExecutor(6) as pool:
            taken = list(pool.map(lambda each: each.take(MESSAGE.delivery), ledgers))
        assert sum(taken) == 1
        sent = replace(MESSAGE.delivery, attempts=1, state=DeliveryState.SENT)
        ledgers[1].mark(sent)
        assert not ledgers[2].take(replace(MESSAGE.delivery, attempts=1))
        # Whoever slept does not make it one that is to be sent.
        ledgers[3].mark(replace(MESSAGE.delivery, attempts=1, error="no answer"))
        assert ledgers[0].waiting("shop") == [] and ledgers[0].undelivered("shop") == []


def test_what_is_old_is_counted_as_it_is_then_removed_and_the_last_of_each_stays(ledger):
    now = DUE + 400 * DAY
    for number in range(6):
        for job in ("daily", "backup"):
            each = run(f"{job}{number}", job=job, due_at=DUE + number * DAY, started_at=DUE + number * DAY)
            ledger.start(each)
            failed = job == "backup" and number > 2
            ledger.abandon(ended(each, Outcome.FAILED if failed else Outcome.SUCCEEDED, error="x"), again=False)
    waiting = replace(MESSAGE, delivery=replace(MESSAGE.delivery, id="m2"))
    ledger.post(MESSAGE, waiting)
    ledger.mark(replace(MESSAGE.delivery, state=DeliveryState.SENT, attempts=1))
    other = replace(run("other"), system="blog")
    ledger.start(other)
    limits = ("shop", now - 90 * DAY, now - 365 * DAY)
    counted = ledger.prune(*limits, dry=True)
    assert len(ledger.runs()) == 13
    assert ledger.prune(*limits) == counted == {"messages": 1, "runs": 9, "slots": 10}
    assert ledger.prune(*limits) == ledger.prune(*limits, dry=True) == {}
    # Of a backup that fails since days, also the last that did its work.
    assert {each.id for each in ledger.runs()} == {"rdaily5", "rbackup5", "rbackup2", "rother"}
    assert {each.job: each.due_at for each in ledger.slots("shop", DUE - DAY)} == {
        "daily": DUE + 5 * DAY,
        "backup": DUE + 5 * DAY,
    }
    assert [each.id for each in ledger.waiting("shop")] == ["m2"]
    assert ledger.message("m2", Form.FULL) == b"the letter"
    assert ledger.last_done()["shop", "backup"].id == "rbackup2"


def test_a_report_that_was_partial_did_its_work_and_a_backup_did_not(ledger):
    for job in ("daily", "backup"):
        for number, outcome in enumerate((Outcome.SUCCEEDED, Outcome.PARTIAL)):
            each = run(f"{job}{number}", job=job, due_at=DUE + number * DAY, started_at=DUE + number * DAY)
            ledger.start(each)
            ledger.finish(ended(each, outcome))
    assert {job: each.id for (_, job), each in ledger.last_done().items()} == {"daily": "rdaily1", "backup": "rbackup0"}
    assert {job: each.id for (_, job), each in ledger.last_runs().items()} == {"daily": "rdaily1", "backup": "rbackup1"}


def test_what_is_young_enough_stays(ledger):
    ledger.start(RUN)
    ledger.finish(ended(RUN))
    ledger.start(run(2, due_at=DUE + DAY, started_at=DUE + DAY))
    assert ledger.prune("shop", DUE, DUE) == {}
    assert len(ledger.runs()) == 2 and len(ledger.slots("shop", DUE - DAY)) == 2


def test_a_ledger_that_is_gone_is_an_error_in_words_and_comes_back_by_itself(postgresql_url):
    with _opened(postgresql_url) as ledger:
        ledger.start(RUN)
        _end_sessions(postgresql_url)
        ledger.still(RUN)
    with pytest.raises(LedgerError, match="cannot be used"), _opened("postgresql://opsjobs@127.0.0.1:9/none"):
        pass


def test_what_one_process_writes_stays_while_it_opens_the_ledger_again_and_others_come_and_go(url):
    """A second `open` once cost a process its locks on the file, and what it wrote was gone with the next reader."""
    read = f"from opsjobs.ledger import Ledger; found = Ledger({url!r}).open(); print(len(found.runs())); found.close()"
    with _opened(url) as ledger:
        ledger.start(replace(RUN, due_at=None))
        with _opened(url):
            pass
        seen = []
        for number in (2, 3):
            done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True)
            seen.append(done.stdout.strip())
            ledger.start(run(number, due_at=None))
        done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True)
        assert [*seen, done.stdout.strip()] == ["1", "2", "3"]
    with _opened(url) as ledger:
        assert len(ledger.runs()) == 3


def test_a_slot_that_another_run_holds_up_for_too_long_is_missed_with_its_reason(ledger, tmp_path):
    moments = iter([DUE, DUE, *[DUE + timedelta(minutes=number) for number in range(30)]])
    with ledger.alone(tmp_path, "shop", "daily"), pytest.raises(SlotTaken, match="was missed: another run of"):
        attend("shop", "daily", "x", _desk(ledger, tmp_path, lambda: next(moments)), _never)
    assert (slot_of(ledger).state, slot_of(ledger).reason) == (
        SlotState.MISSED,
        "another run of the job was still under way",
    )
    assert ledger.runs() == []


def test_a_slot_that_another_process_is_at_is_left_to_it_at_once(ledger, tmp_path):
    with ledger.alone(tmp_path, "shop", "daily"):
        ledger.start(RUN)
        with pytest.raises(SlotOver, match="is being run by another process"):
            attend("shop", "daily", "x", _desk(ledger, tmp_path, lambda: DUE), _never)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("broken"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (LedgerError("the session was ended"), SlotLost),
    ],
)
def test_a_run_that_fails_after_it_was_taken_over_tells_nobody_of_it(ledger, tmp_path, error, raised):
    told = Told()

    def overtaken(still):
        crashed(ledger)
        ledger.start(run(2, started_at=DUE + HOUR))
        raise error

    with pytest.raises(raised):
        attend("shop", "daily", "x", _desk(ledger, tmp_path, lambda: DUE, told), overtaken)
    assert told.said == ["started"]
    assert slot_of(ledger).run_id == "r2"


class Told:
    """A witness that remembers."""

    def __init__(self):
        self.said = []

    def started(self, run):
        self.said.append("started")

    def ended(self, run, *, delivered=True):
        self.said.append("ended")

    def failed(self, run, error):
        self.said.append("failed")


def _never(still):
    raise AssertionError("it was run")


def _desk(ledger, folder, clock, *witnesses):
    return Desk(
        ledger=ledger,
        locks=folder,
        reports=folder,
        clock=clock,
        new_id=lambda: "new",
        host="a",
        pid=1,
        redactor=Redactor(),
        say=lambda _: None,
        witnesses=witnesses,
        due_at=DUE,
    )


def _opened(url):
    return closing(Ledger(url).open())


def _end_sessions(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
