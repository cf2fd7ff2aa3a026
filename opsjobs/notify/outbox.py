"""The outbox: each message is written down before it is sent, and sent with the same bytes however often.

The order is what keeps it honest. The bytes are on the disk before the row says that they are due, the row is there
before they are sent, and the row says `sent` only after the receiver has taken them. A kill between any two of these
leaves a message that the next run sends, with the same id, so that a receiver who has it already can tell.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from opsjobs.errors import DeliveryError, OpsjobsError, TooLarge
from opsjobs.model import Delivery, DeliveryState, Letter
from opsjobs.notify import Channel

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))
"""How long until the next attempt, after the first, the second, ...; after the last the message has failed."""
_AT_ONCE = 3
"""Attempts within one run, before the pauses begin."""
_MOST_WAITING = 5.0


class Book(Protocol):
    """Where deliveries are written down: the ledger."""

    def holds(self, delivery_id: str) -> bool:
        """Whether it was written down, whatever became of it."""

    def post(self, delivery: Delivery) -> None:
        """Write it down."""

    def due(self, at: datetime) -> list[Delivery]:
        """What is to be sent by then, the oldest first."""

    def mark(self, delivery: Delivery) -> None:
        """Write how far it is."""


class Outbox:
    """Messages on their way. `folder` holds their bytes; `wait` is told how many seconds to pause between attempts."""

    def __init__(
        self,
        book: Book,
        folder: Path,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
        redact: Callable[[str], str],
    ) -> None:
        self._book = book
        self._folder = folder
        self._channels = channels
        self._clock = clock
        self._wait = wait
        self._redact = redact

    def post(self, letter: Letter, channel: str, recipients: Sequence[str], run: tuple[str, str, str, str]) -> None:
        """Write a letter down for each recipient; `run` is its id, system, job and slot.

        One that an earlier run of the slot has written down stays as it is: nobody gets two, or a different one.
        """
        run_id, system, job, slot = run
        light = replace(letter, files=())
        for recipient in recipients:
            message_id = identity(system, job, slot, recipient)
            if self._book.holds(message_id):
                continue
            now = self._clock()
            delivery = Delivery(
                id=message_id,
                run_id=run_id,
                system=system,
                job=job,
                slot=slot,
                channel=channel,
                recipient=recipient,
                created_at=now,
                due_at=now,
            )
            compose = self._channels[channel].compose
            self._keep(self._path(delivery), compose(letter, recipient, message_id, now))
            self._keep(self._path(replace(delivery, light=True)), compose(light, recipient, message_id, now))
            self._book.post(delivery)

    def deliver(self) -> list[Delivery]:
        """Send what is due, of this run and of earlier ones, and say how far each is."""
        return [
            self._deliver(delivery) for delivery in self._book.due(self._clock()) if delivery.channel in self._channels
        ]

    def _deliver(self, delivery: Delivery) -> Delivery:
        for attempt in range(1, _AT_ONCE + 1):
            delivery = self._attempt(delivery)
            self._book.mark(delivery)
            if delivery.state is not DeliveryState.PENDING or attempt == _AT_ONCE:
                break
            self._wait(min(_MOST_WAITING, 0.5 * 4**attempt))
        if delivery.state is DeliveryState.SENT:
            for light in (False, True):
                self._path(replace(delivery, light=light)).unlink(missing_ok=True)
        return delivery

    def _attempt(self, delivery: Delivery) -> Delivery:
        """The delivery after one more attempt."""
        tried = replace(delivery, attempts=delivery.attempts + 1)
        try:
            message = self._path(delivery).read_bytes()
            self._channels[delivery.channel].send(message, delivery.recipient)
        except TooLarge as error:
            again = DeliveryState.FAILED if delivery.light else DeliveryState.PENDING
            return replace(tried, light=True, state=again, error=self._redact(str(error)))
        except DeliveryError as error:
            return self._failed(tried, error, permanent=error.permanent)
        except OSError as error:
            lost = DeliveryError(f"its bytes cannot be read: {error.strerror}", permanent=True)
            return self._failed(tried, lost, permanent=True)
        return replace(tried, state=DeliveryState.SENT, error="")

    def _failed(self, tried: Delivery, error: DeliveryError, *, permanent: bool) -> Delivery:
        said = self._redact(str(error))
        pauses = (tried.attempts - 1) // _AT_ONCE
        if permanent or pauses >= len(PAUSES):
            return replace(tried, state=DeliveryState.FAILED, error=said)
        return replace(tried, due_at=self._clock() + PAUSES[pauses], error=said)

    def _path(self, delivery: Delivery) -> Path:
        return self._folder / f"{delivery.id}{'.light' if delivery.light else ''}.eml"

    @staticmethod
    def _keep(path: Path, message: bytes) -> None:
        """The bytes on the disk, readable by their owner alone, whole or not at all."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_suffix(".partial")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise OpsjobsError(
                f"{path}: the mail cannot be written down: {error.strerror}",
                advice="Check free space and who may write there.",
            ) from None


def identity(system: str, job: str, slot: str, recipient: str) -> str:
    """What a message is called, the same for every attempt and every run of the slot."""
    whole = f"{system}\0{job}\0{slot}\0{recipient}".encode()
    return f"{system}.{job}.{slot}.{hashlib.sha256(whole).hexdigest()[:16]}"
