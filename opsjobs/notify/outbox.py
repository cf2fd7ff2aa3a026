"""The outbox: each message is written down before it is sent, and sent with the same bytes however often.

The order is what keeps it honest. A message and its bytes are in the ledger before it is sent, and the ledger says
`sent` only after the receiver has taken it. A kill between any two of these leaves a message that the next run sends,
with the same id, so that a receiver who has it already can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import escape
from typing import Protocol

from opsjobs.errors import DeliveryError, TooLarge
from opsjobs.model import Delivery, DeliveryState, Form, Letter, Message
from opsjobs.notify import Channel

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))
"""How long until the next attempt, after the first, the second, ...; after the last the message has failed."""
_AT_ONCE = 3
"""Attempts within one run, before the pauses begin."""
_MOST_WAITING = 5.0
_LONGEST = 86400.0
"""Seconds for which a receiver may put us off."""
ORDERED = frozenset({"health"})
"""The jobs whose messages arrive in their order: that something is over must not come before that it began."""


class _TakenError(Exception):
    """Another process is at this delivery."""


class Book(Protocol):
    """Where messages are written down: the ledger."""

    def holds(self, delivery_id: str) -> bool:
        """Whether it was written down, whatever became of it."""

    def post(self, *messages: Message) -> None:
        """Write them down."""

    def waiting(self, system: str) -> list[Delivery]:
        """What is to be sent now or later, the oldest first."""

    def message(self, delivery_id: str, form: Form) -> bytes | None:
        """Its bytes."""

    def take(self, delivery: Delivery) -> bool:
        """Count an attempt before it is made; False where another process has made one meanwhile."""

    def mark(self, delivery: Delivery, *instead: Message) -> None:
        """Write how far it is, and what goes another way in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A channel by its name, and whom it reaches."""

    channel: str
    recipient: str


class Outbox:
    """Messages of a system on their way. `wait` is told how many seconds to pause between attempts.

    `alone` holds other processes back from sending for a system meanwhile, and says whether it could.

    What a channel does not take goes to the `fallback`, with what was to be said and why it was not taken.
    """

    def __init__(
        self,
        book: Book,
        channels: Mapping[str, Channel],
        *,
        fallback: Way | None = None,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
        redact: Callable[[str], str],
        alone: Callable[[str], AbstractContextManager[bool]] = lambda _: nullcontext(True),
    ) -> None:
        self._book = book
        self._channels = channels
        self._fallback = fallback
        self._clock = clock
        self._wait = wait
        self._redact = redact
        self._alone = alone

    def post(self, letter: Letter, channel: str, recipients: Sequence[str], run: tuple[str, str, str, str]) -> None:
        """Write a letter down for each recipient; `run` is its id, system, job and slot.

        One that an earlier run of the slot has written down stays as it is: nobody gets two, or a different one.
        """
        _, system, job, slot = run
        for recipient in recipients:
            message_id = identity(system, job, slot, recipient)
            if not self._book.holds(message_id):
                self._book.post(self.message(letter, Way(channel=channel, recipient=recipient), run, message_id))

    def message(
        self, letter: Letter, way: Way, run: tuple[str, str, str, str], message_id: str, *, replaceable: bool = True
    ) -> Message:
        """A letter with the bytes of each form in which it may be sent; `run` is its id, system, job and slot.

        What is not `replaceable` has no fallback.
        """
        run_id, system, job, slot = run
        now = self._clock()
        delivery = Delivery(
            id=message_id,
            run_id=run_id,
            system=system,
            job=job,
            slot=slot,
            channel=way.channel,
            recipient=way.recipient,
            created_at=now,
            due_at=now,
        )
        compose = self._channels[way.channel].compose
        forms = {Form.FULL: compose(letter, way.recipient, message_id, now)}
        if letter.files:
            forms[Form.LIGHT] = compose(replace(letter, files=()), way.recipient, message_id, now)
        if replaceable and self._fallback and way != self._fallback:
            other = self._channels[self._fallback.channel]
            forms[Form.INSTEAD] = other.compose(
                _instead(letter, way), self._fallback.recipient, _other(message_id), now
            )
        return Message(delivery=delivery, forms=forms)

    def deliver(self, system: str) -> list[Delivery]:
        """Send what is due, of this run and of earlier ones, and say how far each is; one process at a time."""
        with self._alone(system) as alone:
            if alone:
                return list(self._delivered(system))
            waiting = self._book.waiting(system)
            return [replace(each, error=each.error or "another process is sending") for each in waiting]

    def _delivered(self, system: str) -> Iterator[Delivery]:
        waiting = self._book.waiting(system)
        now = self._clock()
        due = {(each.channel, each.recipient) for each in waiting if each.due_at <= now}
        stopped = set()
        for delivery in waiting:
            line, ordered = (delivery.channel, delivery.recipient), delivery.job in ORDERED
            # What is new goes after what has waited longest, which is then due as well.
            if delivery.due_at > now and not (ordered and line in due):
                continue
            if ordered and line in stopped:
                yield from self._behind(delivery)
                continue
            try:
                tried, *instead = self._sent(delivery)
            except _TakenError:
                stopped.add(line)
                yield replace(delivery, error=delivery.error or "another process is sending")
                continue
            if tried.state is DeliveryState.PENDING and ordered:
                stopped.add(line)
            yield from (tried, *instead)

    def _behind(self, delivery: Delivery) -> Iterator[Delivery]:
        """One that has to wait for another: nobody waits for both to hear of it by the fallback."""
        waits = replace(delivery, error=delivery.error or "it waits behind an earlier one")
        yield waits
        if instead := self._another_way(waits):
            self._book.mark(waits, instead)
            yield from self._sent(instead.delivery)

    def _sent(self, delivery: Delivery) -> Iterator[Delivery]:
        """The delivery after this run, and what went another way in its place."""
        tried = self._tried(delivery)
        yield tried
        if tried.state is not DeliveryState.SENT:
            instead = self._another_way(tried)
            self._book.mark(tried, *([instead] if instead else []))
            if instead:
                yield from self._sent(instead.delivery)

    def _tried(self, delivery: Delivery) -> Delivery:
        for attempt in range(1, _AT_ONCE + 1):
            delivery, pause = self._attempt(delivery)
            if delivery.state is not DeliveryState.FAILED:
                self._book.mark(delivery)
            if delivery.state is not DeliveryState.PENDING or attempt == _AT_ONCE or pause > _MOST_WAITING:
                break
            self._wait(max(pause, min(_MOST_WAITING, 0.5 * 4**attempt)))
        return delivery

    def _attempt(self, delivery: Delivery) -> tuple[Delivery, float]:
        """The delivery after one more attempt, and the seconds to wait for the next at least."""
        tried = replace(delivery, attempts=delivery.attempts + 1)
        channel = self._channels.get(delivery.channel)
        message = self._book.message(delivery.id, Form.LIGHT if delivery.light else Form.FULL)
        if channel is None or message is None:
            why = f"there is no channel '{delivery.channel}' any more" if channel is None else "its bytes are lost"
            return self._refused(tried, DeliveryError(why, permanent=True)), 0.0
        # Whoever slept since it read the ledger must not send what another one has sent.
        if not self._book.take(delivery):
            raise _TakenError
        try:
            channel.send(message, delivery.recipient)
        except TooLarge as error:
            smaller = not delivery.light and self._book.message(delivery.id, Form.LIGHT) is not None
            state = DeliveryState.PENDING if smaller else DeliveryState.FAILED
            return replace(tried, light=delivery.light or smaller, state=state, error=self._redact(str(error))), 0.0
        except DeliveryError as error:
            return self._refused(tried, error), error.retry_after
        return replace(tried, state=DeliveryState.SENT, error=""), 0.0

    def _refused(self, tried: Delivery, error: DeliveryError) -> Delivery:
        said = self._redact(str(error))
        pauses = (tried.attempts - 1) // _AT_ONCE
        if error.permanent or pauses >= len(PAUSES):
            return replace(tried, state=DeliveryState.FAILED, error=said)
        pause = max(PAUSES[pauses], timedelta(seconds=min(error.retry_after, _LONGEST)))
        return replace(tried, due_at=self._clock() + pause, error=said)

    def _another_way(self, delivery: Delivery) -> Message | None:
        """What goes by the fallback in place of what was not taken, once."""
        content = self._book.message(delivery.id, Form.INSTEAD)
        if content is None or self._fallback is None or self._book.holds(_other(delivery.id)):
            return None
        now = self._clock()
        other = replace(
            delivery,
            id=_other(delivery.id),
            channel=self._fallback.channel,
            recipient=self._fallback.recipient,
            created_at=now,
            due_at=now,
            state=DeliveryState.PENDING,
            light=False,
            attempts=0,
            error="",
        )
        return Message(delivery=other, forms={Form.FULL: content})


def identity(system: str, job: str, slot: str, recipient: str) -> str:
    """What a message is called, the same for every attempt and every run of the slot."""
    whole = f"{system}\0{job}\0{slot}\0{recipient}".encode()
    return f"{system}.{job}.{slot}.{hashlib.sha256(whole).hexdigest()[:16]}"


def _other(message_id: str) -> str:
    return f"{message_id}.instead"


def _instead(letter: Letter, way: Way) -> Letter:
    """What is said of a letter that could not be delivered: whose it was, and all that was in its text."""
    lost = f"This could not be delivered to {way.recipient} ({way.channel}): `opsjobs runs list` says why."
    return replace(
        letter,
        subject=f"Not delivered to {way.recipient}: {letter.subject}",
        text=f"{lost}\n\n{letter.text}",
        html=f"<p>{escape(lost)}</p><pre>{escape(letter.text)}</pre>",
        pictures=(),
        files=(),
    )
