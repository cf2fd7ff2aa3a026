"""DELIVER: hand a message to a receiver, or say why not and whether another attempt makes sense.

    routing.py       who is told of what, in which hours
    flips.py         what is new for each of them
    outbox.py        what is due: written down first, sent with the same bytes however often

    email.py         a letter as the bytes of a mail, and the SMTP server that takes them
    slack.py         by an incoming webhook
    pagerduty.py     by its Events API v2
    webhook.py       JSON, signed
    alertmanager.py  as alerts of its own
    apprise.py       any other service
    post.py          the way of documents over HTTP

    sentry.py        opsjobs' own errors, and a check-in for each run, for a Sentry
    ping.py          that a run began, ended or failed, for whoever raises the alarm when none does

A channel composes bytes from a `Letter` once and sends those bytes; it raises `DeliveryError`, and decides whether that
is permanent, never when to try again: that is the outbox's business. To add one: a file here, its kind in
`opsjobs.receivers`, a line where `opsjobs.cli.telling` opens the channels.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from opsjobs.model import Letter, Run


class Channel(Protocol):
    """Something that takes messages."""

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:
        """The exact bytes of the message."""

    def send(self, message: bytes, recipient: str) -> None:
        """Hand it over. Raises `DeliveryError`, and `TooLarge` where it would be taken without its files."""


class Witness(Protocol):
    """Something that is told how runs go. It does not fail, and does not hold a run up for long."""

    def started(self, run: Run) -> None:
        """A run has begun."""

    def ended(self, run: Run, *, delivered: bool = True) -> None:
        """A run has ended, with a report; `delivered` says whether everybody got it."""

    def failed(self, run: Run, error: BaseException) -> None:
        """A run has ended with an error."""
