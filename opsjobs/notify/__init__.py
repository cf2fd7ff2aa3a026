"""DELIVER: hand a message to a receiver, or say why not and whether another attempt makes sense.

    email.py     a letter as the bytes of a mail, and the SMTP server that takes them
    outbox.py    what is due: written down first, sent with the same bytes however often
    sentry.py    opsjobs' own errors, and a check-in for each run, for a Sentry

A channel composes bytes from a `Letter` once and sends those bytes; it raises `DeliveryError`, and decides whether that
is permanent, never when to try again: that is the outbox's business. To add one: a file here, its section in
`opsjobs.config.DeliveryConfig`, a line where `opsjobs.cli.setting` opens the channels.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from opsjobs.model import Letter, Run


class Channel(Protocol):
    """Something that takes messages."""

    name: str
    """As it stands in the ledger: email."""

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:
        """The exact bytes of the message."""

    def send(self, message: bytes, recipient: str) -> None:
        """Hand it over. Raises `DeliveryError`, and `TooLarge` where it would be taken without its files."""


class Witness(Protocol):
    """Something that is told how runs go. It does not fail, and does not hold a run up for long."""

    def started(self, run: Run) -> None:
        """A run has begun."""

    def ended(self, run: Run) -> None:
        """A run has ended, with a report."""

    def failed(self, run: Run, error: BaseException) -> None:
        """A run has ended with an error."""
