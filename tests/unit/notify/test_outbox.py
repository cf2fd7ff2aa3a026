"""The outbox on a real ledger: killed at every step, refused, delayed; nobody loses a mail or gets a different one."""

from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.errors import DeliveryError, TooLarge
from opsjobs.ledger import Ledger
from opsjobs.model import DeliveryState
from opsjobs.notify.outbox import PAUSES, Outbox
from tests.unit.notify.samples import OTHER, TO, channel, letter

START = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
RUN = ("run-1", "shop", "daily", "2026-11-18")


class Killed(BaseException):
    """As by kill -9: nothing that would tidy up runs after it."""


class Line:
    """A channel that composes real mails and hands them to whoever answers."""

    name = "email"

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
    def __init__(self, ledger, folder, line, now=START):
        self.now = now
        self.waited = []
        self.outbox = Outbox(
            ledger,
            folder / "outbox",
            {"email": line},
            clock=lambda: self.now,
            wait=self.waited.append,
            redact=lambda text: text.replace("canary", "***"),
        )


@pytest.fixture
def desk(ledger, tmp_path):
    return lambda line, now=START: Desk(ledger, tmp_path, line, now)


def states(deliveries):
    return {each.recipient: each.state for each in deliveries}


def test_each_recipient_gets_a_mail_of_their_own_and_nothing_is_kept_of_it(desk, tmp_path):
    line = Line()
    one = desk(line)
    one.outbox.post(letter(), "email", [TO, OTHER], RUN)
    assert states(one.outbox.deliver()) == {TO: DeliveryState.SENT, OTHER: DeliveryState.SENT}
    assert sorted(recipient for recipient, _ in line.taken) == sorted([TO, OTHER])
    assert len({message for _, message in line.taken}) == 2
    assert list((tmp_path / "outbox").iterdir()) == []


def test_what_was_sent_is_not_sent_again_when_the_slot_is_run_again(desk):
    line = Line()
    for _ in range(2):
        again = desk(line)
        again.outbox.post(letter(text="another text"), "email", [TO], RUN)
        again.outbox.deliver()
    assert len(line.taken) == 1


def test_a_mail_that_waits_is_sent_as_it_was_written_although_the_report_is_made_again(desk):
    def busy(recipient, message):
        raise DeliveryError("451 busy", permanent=False)

    first = desk(Line(busy))
    first.outbox.post(letter(text="first"), "email", [TO], RUN)
    first.outbox.deliver()
    line = Line()
    later = desk(line, START + timedelta(hours=1))
    later.outbox.post(letter(text="second"), "email", [TO], ("run-2", *RUN[1:]))
    later.outbox.deliver()
    ((_, message),) = line.taken
    assert b"first" in message
    assert b"second" not in message


def test_one_recipient_that_is_refused_costs_the_other_nothing(desk, ledger):
    def refuse(recipient, message):
        if recipient == TO:
            raise DeliveryError("550 no such user canary", permanent=True)

    one = desk(Line(refuse))
    one.outbox.post(letter(), "email", [TO, OTHER], RUN)
    assert states(one.outbox.deliver()) == {TO: DeliveryState.FAILED, OTHER: DeliveryState.SENT}
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
        one.outbox.deliver()
        assert one.outbox.deliver() == [], "not before it is due"
        one.now += pause
    (last,) = one.outbox.deliver()
    assert last.state is DeliveryState.FAILED
    assert len(attempts) == 3 * len(PAUSES) + 1
    assert len(set(attempts)) == 1
    assert all(seconds <= 5 for seconds in one.waited)
    assert ledger.due(one.now + timedelta(days=30)) == []


def test_a_mail_that_is_too_large_goes_without_its_files_and_says_where_they_are(desk):
    def small(recipient, message):
        if b"%PDF" in message or b"JVBERi" in message:
            raise TooLarge("552 too large", permanent=False)

    line = Line(small)
    one = desk(line)
    one.outbox.post(letter(), "email", [TO], RUN)
    (delivery,) = one.outbox.deliver()
    assert (delivery.state, delivery.light) == (DeliveryState.SENT, True)
    assert b"too large for this mail: /reports/shop" in line.taken[0][1]


def test_a_mail_that_is_too_large_even_without_its_files_has_failed(desk):
    def tiny(recipient, message):
        raise TooLarge("552 too large", permanent=False)

    one = desk(Line(tiny))
    one.outbox.post(letter(), "email", [TO], RUN)
    (delivery,) = one.outbox.deliver()
    assert delivery.state is DeliveryState.FAILED


def test_bytes_that_are_gone_are_told_and_not_sent_as_something_else(desk, tmp_path):
    line = Line()
    one = desk(line)
    one.outbox.post(letter(), "email", [TO], RUN)
    for path in (tmp_path / "outbox").iterdir():
        path.unlink()
    (delivery,) = one.outbox.deliver()
    assert delivery.state is DeliveryState.FAILED
    assert "bytes cannot be read" in delivery.error
    assert line.taken == []


def test_the_bytes_of_a_mail_are_readable_by_their_owner_alone(desk, tmp_path):
    desk(Line()).outbox.post(letter(), "email", [TO], RUN)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "outbox").iterdir()} == {0o600}


class Steps:
    """Kills at the n-th step of posting and delivering, before or after what the step does."""

    def __init__(self, ledger, line, last):
        self.left = last
        self.ledger = ledger
        self.line = line
        self.name = "email"

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
def test_killed_at_any_step_everybody_gets_the_mail_and_nobody_a_different_one(ledger, tmp_path, last):
    line = Line()
    steps = Steps(ledger, line, last)
    mortal = Outbox(
        steps,
        tmp_path / "outbox",
        {"email": steps},
        clock=lambda: START,
        wait=lambda _: None,
        redact=str,
    )
    try:
        mortal.post(letter(), "email", [TO, OTHER], RUN)
        mortal.deliver()
        killed = False
    except Killed:
        killed = True
    # The next run of the slot, an hour later, over data that has changed meanwhile.
    following = Desk(ledger, tmp_path, line, START + timedelta(hours=1))
    following.outbox.post(letter(), "email", [TO, OTHER], ("run-2", *RUN[1:]))
    following.outbox.deliver()
    for recipient in (TO, OTHER):
        got = [message for to, message in line.taken if to == recipient]
        assert 1 <= len(got) <= 2
        assert len({message.replace(b"09:00", b"08:00") for message in got}) == 1
    assert killed or last > 20
    assert list((tmp_path / "outbox").glob("*.eml")) == [] or killed
