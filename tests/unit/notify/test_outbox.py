"""The outbox on a real ledger: killed at every step, refused, delayed; nobody loses a mail or gets a different one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from opsjobs.errors import DeliveryError, TooLarge
from opsjobs.ledger import Ledger, lock, tables
from opsjobs.model import DeliveryState
from opsjobs.notify.outbox import PAUSES, Outbox, Way
from tests.unit.notify.samples import OTHER, TO, channel, letter

START = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
RUN = ("run-1", "shop", "daily", "2026-11-18")


class Killed(BaseException):
    """As by kill -9: nothing that would tidy up runs after it."""


class Line:
    """A channel that composes real mails and hands them to whoever answers."""

    def __init__(self, answer=lambda recipient, message: None):
        self.answer = answer
        self.taken = []
        self.compose = channel(25).compose

    def send(self, message, recipient):
        self.answer(recipient, message)
        self.taken.append((recipient, message))


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger.at(tmp_path / "ledger.db").open()
    yield opened
    opened.close()


class Desk:
    def __init__(self, ledger, channels, now=START, **known):
        self.now = now
        self.waited = []
        self.outbox = Outbox(
            ledger,
            channels if isinstance(channels, dict) else {"email": channels},
            **known,
            clock=lambda: self.now,
            wait=self.waited.append,
            redact=lambda text: text.replace("canary", "***"),
        )

    def deliver(self):
        return self.outbox.deliver("shop")


@pytest.fixture
def desk(ledger):
    return lambda channels, now=START, **known: Desk(ledger, channels, now, **known)


def states(deliveries):
    return {each.recipient: each.state for each in deliveries}


def kept(ledger):
    with ledger.database.begin() as connection:
        return {(row.delivery_id, row.form) for row in connection.execute(sa.select(tables.messages))}


def test_each_recipient_gets_a_mail_of_their_own_and_nothing_is_kept_of_it(desk, ledger):
    line = Line()
    one = desk(line)
    one.outbox.post(letter(), "email", [TO, OTHER], RUN)
    assert len(kept(ledger)) == 4
    assert states(one.deliver()) == {TO: DeliveryState.SENT, OTHER: DeliveryState.SENT}
    assert sorted(recipient for recipient, _ in line.taken) == sorted([TO, OTHER])
    assert len({message for _, message in line.taken}) == 2
    assert kept(ledger) == set()


def test_what_was_sent_is_not_sent_again_when_the_slot_is_run_again(desk):
    line = Line()
    for _ in range(2):
        again = desk(line)
        again.outbox.post(letter(text="another text"), "email", [TO], RUN)
        again.deliver()
    assert len(line.taken) == 1


def test_a_mail_that_waits_is_sent_as_it_was_written_although_the_report_is_made_again(desk):
    def busy(recipient, message):
        raise DeliveryError("451 busy", permanent=False)

    first = desk(Line(busy))
    first.outbox.post(letter(text="first"), "email", [TO], RUN)
    first.deliver()
    line = Line()
    later = desk(line, START + timedelta(hours=1))
    later.outbox.post(letter(text="second"), "email", [TO], ("run-2", *RUN[1:]))
    later.deliver()
    ((_, message),) = line.taken
    assert b"first" in message
    assert b"second" not in message


def test_one_recipient_that_is_refused_costs_the_other_nothing(desk, ledger):
    def refuse(recipient, message):
        if recipient == TO:
            raise DeliveryError("550 no such user canary", permanent=True)

    one = desk(Line(refuse))
    one.outbox.post(letter(), "email", [TO, OTHER], RUN)
    assert states(one.deliver()) == {TO: DeliveryState.FAILED, OTHER: DeliveryState.SENT}
    (missing,) = ledger.undelivered("shop")
    assert (missing.recipient, missing.error, missing.attempts) == (TO, "550 no such user ***", 1)


def test_what_may_pass_is_tried_at_once_then_after_longer_and_longer_pauses_and_then_given_up(desk, ledger):
    attempts = []

    def busy(recipient, message):
        attempts.append(message)
        raise DeliveryError("451 busy", permanent=False)

    one = desk(Line(busy))
    one.outbox.post(letter(), "email", [TO], RUN)
    for pause in PAUSES:
        one.deliver()
        assert one.deliver() == [], "not before it is due"
        one.now += pause
    (last,) = one.deliver()
    assert last.state is DeliveryState.FAILED
    assert len(attempts) == 3 * len(PAUSES) + 1
    assert len(set(attempts)) == 1
    assert all(seconds <= 5 for seconds in one.waited)
    assert ledger.waiting("shop") == [] and kept(ledger) == set()


def test_a_mail_that_is_too_large_goes_without_its_files_and_says_where_they_are(desk):
    def small(recipient, message):
        if b"%PDF" in message or b"JVBERi" in message:
            raise TooLarge("552 too large", permanent=False)

    line = Line(small)
    one = desk(line)
    one.outbox.post(letter(), "email", [TO], RUN)
    (delivery,) = one.deliver()
    assert (delivery.state, delivery.light) == (DeliveryState.SENT, True)
    assert b"too large for this mail: /reports/shop" in line.taken[0][1]


def test_a_mail_that_is_too_large_even_without_its_files_has_failed(desk):
    def tiny(recipient, message):
        raise TooLarge("552 too large", permanent=False)

    one = desk(Line(tiny))
    one.outbox.post(letter(), "email", [TO], RUN)
    (delivery,) = one.deliver()
    assert delivery.state is DeliveryState.FAILED


def test_bytes_that_are_gone_are_told_and_not_sent_as_something_else(desk, ledger):
    line = Line()
    one = desk(line)
    one.outbox.post(letter(), "email", [TO], RUN)
    with ledger.database.begin() as connection:
        connection.execute(sa.delete(tables.messages))
    (delivery,) = one.deliver()
    assert delivery.state is DeliveryState.FAILED
    assert delivery.error == "its bytes are lost"
    assert line.taken == []


def test_a_message_for_a_channel_that_is_no_more_has_failed_in_words(desk):
    desk({"email": Line(), "slack": Line()}).outbox.post(letter(), "slack", [OTHER], RUN)
    (delivery,) = desk(Line()).deliver()
    assert (delivery.state, delivery.error) == (DeliveryState.FAILED, "there is no channel 'slack' any more")


def test_messages_of_another_system_are_left_to_it(desk):
    line = Line()
    desk(line).outbox.post(letter(), "email", [TO], RUN)
    assert desk(line).outbox.deliver("another") == []
    assert [each.state for each in desk(line).deliver()] == [DeliveryState.SENT]


def test_the_bytes_of_a_mail_are_readable_by_their_owner_alone(desk, tmp_path):
    desk(Line()).outbox.post(letter(), "email", [TO], RUN)
    files = list(tmp_path.glob("ledger.db*"))
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_receiver_says_when_it_wants_to_be_asked_again(desk):
    def busy(recipient, message):
        raise DeliveryError("429 slow down", permanent=False, retry_after=retry_after)

    retry_after = 2
    one = desk(Line(busy))
    one.outbox.post(letter(), "email", [TO], RUN)
    one.deliver()
    assert one.waited[0] >= 2 and len(one.waited) == 2
    retry_after, one.waited[:] = 600, []
    one.now += timedelta(hours=1)
    (delivery,) = one.deliver()
    assert one.waited == []
    assert delivery.due_at >= one.now + timedelta(seconds=600)


class TestTheFallback:
    WAY = Way(channel="slack", recipient=OTHER)

    @pytest.mark.parametrize(("permanent", "state"), [(True, DeliveryState.FAILED), (False, DeliveryState.PENDING)])
    def test_says_at_once_what_another_channel_did_not_take(self, desk, ledger, permanent, state):
        def refuse(recipient, message):
            raise DeliveryError("no", permanent=permanent)

        slack = Line()
        one = desk({"email": Line(refuse), "slack": slack}, fallback=self.WAY)
        one.outbox.post(letter(), "email", [TO], RUN)
        assert [(each.channel, each.state) for each in one.deliver()] == [
            ("email", state),
            ("slack", DeliveryState.SENT),
        ]
        ((recipient, message),) = slack.taken
        assert recipient == OTHER
        assert f"Not delivered to {TO}".encode() in message and b"Orders: 4, below 5" in message
        assert b"%PDF" not in message
        one.now += timedelta(minutes=2)
        one.deliver()
        assert len(slack.taken) == 1, "it is said once"
        assert [each.channel for each in ledger.undelivered("shop")] == ["email"]

    def test_is_not_needed_for_what_arrives_nor_used_for_itself(self, desk):
        def refuse(recipient, message):
            raise DeliveryError("no", permanent=True)

        slack = Line(refuse)
        one = desk({"email": Line(), "slack": slack}, fallback=self.WAY)
        one.outbox.post(letter(), "email", [TO], RUN)
        one.outbox.post(letter(), "slack", [OTHER], RUN)
        assert {each.channel: each.state for each in one.deliver()} == {
            "slack": DeliveryState.FAILED,
            "email": DeliveryState.SENT,
        }
        assert slack.taken == []

    def test_that_is_dead_too_is_tried_again_later(self, desk):
        def refuse(recipient, message):
            raise DeliveryError("no", permanent=False)

        one = desk({"email": Line(refuse), "slack": Line(refuse)}, fallback=self.WAY)
        one.outbox.post(letter(), "email", [TO], RUN)
        one.deliver()
        slack = Line()
        later = desk({"email": Line(refuse), "slack": slack}, fallback=self.WAY, now=START + timedelta(minutes=2))
        later.deliver()
        assert len(slack.taken) == 1

    def test_says_also_what_has_to_wait_for_another(self, desk):
        def busy(recipient, message):
            raise DeliveryError("busy", permanent=False)

        slack = Line()
        one = desk({"email": Line(busy), "slack": slack}, fallback=self.WAY)
        for slot in ("one", "two"):
            one.outbox.post(letter(text=slot), "email", [TO], (f"run-{slot}", "shop", "health", slot))
            one.now += timedelta(seconds=1)
        one.deliver()
        assert [b"two" in message for _, message in slack.taken] == [False, True]


def test_two_processes_do_not_send_at_once(desk, ledger, tmp_path):
    line = Line()
    with lock.held(tmp_path / "locks", "shop", "outbox"):
        one = desk(line, alone=lambda system: lock.waited(lambda: lock.held(tmp_path / "locks", system, "outbox"), 0.2))
        one.outbox.post(letter(), "email", [TO], RUN)
        (delivery,) = one.deliver()
        assert (delivery.state, delivery.error) == (DeliveryState.PENDING, "another process is sending")
    assert [each.state for each in one.deliver()] == [DeliveryState.SENT]
    late = replace(ledger.waiting("shop")[0] if ledger.waiting("shop") else delivery, error="too late")
    ledger.mark(late)
    assert ledger.waiting("shop") == [], "what was taken stays so"


@pytest.mark.parametrize("seconds", [1e12, 99999999999.0])
def test_nobody_puts_a_message_off_for_ever(desk, seconds):
    def busy(recipient, message):
        raise DeliveryError("429", permanent=False, retry_after=seconds)

    one = desk(Line(busy))
    one.outbox.post(letter(), "email", [TO], RUN)
    (delivery,) = one.deliver()
    assert delivery.due_at == START + timedelta(days=1)


def test_where_order_matters_what_is_new_goes_after_what_has_waited(desk):
    def busy(recipient, message):
        raise DeliveryError("busy", permanent=False)

    def posted(one, *slots):
        for slot in slots:
            one.outbox.post(letter(text=slot), "email", [TO], (f"run-{slot}", "shop", "health", slot))
            one.now += timedelta(seconds=1)

    first = desk(Line(busy))
    posted(first, "one", "two")
    tried, behind = first.deliver()
    assert (tried.attempts, behind.attempts) == (3, 0), "the second does not overtake the first"
    assert behind.error == "it waits behind an earlier one"
    line = Line()
    later = desk(line, START + timedelta(seconds=20))
    posted(later, "three")
    assert [each.slot for each in later.deliver()] == ["one", "two", "three"]
    assert [b"two" in message for _, message in line.taken] == [False, True, False]


class Steps:
    """Kills at the n-th step of posting and delivering, before or after what the step does."""

    def __init__(self, ledger, line, last):
        self.left = last
        self.ledger = ledger
        self.line = line

    def step(self, work):
        def stepped(*arguments):
            self.left -= 1
            if self.left == 0:
                raise Killed
            result = work(*arguments)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return result

        return stepped

    def __getattr__(self, name):
        return self.step(getattr(self.line if name in {"compose", "send"} else self.ledger, name))


@pytest.mark.parametrize("last", range(1, 32))
def test_killed_at_any_step_everybody_gets_the_mail_and_nobody_a_different_one(ledger, last):
    line = Line()
    steps = Steps(ledger, line, last)
    mortal = Outbox(
        steps,
        {"email": steps},
        clock=lambda: START,
        wait=lambda _: None,
        redact=str,
    )
    try:
        mortal.post(letter(), "email", [TO, OTHER], RUN)
        mortal.deliver("shop")
        killed = False
    except Killed:
        killed = True
    # The next run of the slot, an hour later, over data that has changed meanwhile.
    following = Desk(ledger, line, START + timedelta(hours=1))
    following.outbox.post(letter(), "email", [TO, OTHER], ("run-2", *RUN[1:]))
    following.deliver()
    for recipient in (TO, OTHER):
        got = [message for to, message in line.taken if to == recipient]
        assert 1 <= len(got) <= 2
        assert len({message.replace(b"09:00", b"08:00") for message in got}) == 1
    assert killed or last > 20
    assert kept(ledger) == set()
