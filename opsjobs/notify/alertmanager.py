"""Alertmanager: what goes on as alerts of its own, for it to group, silence and route.

An alert that nobody repeats ends by itself, so each look repeats all that goes on and says that it lasts until after
the next one. Its labels are what an alert is known by: one that got worse is another one, and the one before is ended.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from opsjobs.model import Flip, Letter, Notice, Status
from opsjobs.notify.post import Post

ALERTS = "/api/v2/alerts"


class AlertmanagerChannel:
    """A `Channel` to an Alertmanager. `lasts`: how long an alert lasts unless it is repeated."""

    def __init__(self, post: Post, *, lasts: timedelta) -> None:
        self._post = post
        self._lasts = lasts

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:  # noqa: ARG002 - as every channel
        """The alerts."""
        notice = letter.notice
        alerts = list(self._alerts(notice)) if notice else [self._said(letter, at)]
        return json.dumps(alerts, ensure_ascii=False).encode()

    def send(self, message: bytes, recipient: str) -> None:  # noqa: ARG002 - as every channel
        """Hand them over. Raises `DeliveryError`."""
        self._post.hand(message)

    def _alerts(self, notice: Notice) -> list[dict[str, Any]]:
        ends = notice.at + self._lasts
        found = [_alert(notice, flip, flip.check.status, ends) for flip in notice.going_on]
        return [*found, *(_alert(notice, flip, flip.before, notice.at) for flip in notice.flips if _ends(flip))]

    def _said(self, letter: Letter, at: datetime) -> dict[str, Any]:
        return {
            "labels": {"alertname": "Opsjobs", "severity": "info"},
            "annotations": {"summary": letter.subject, "description": letter.text},
            "startsAt": at.isoformat(),
            "endsAt": (at + timedelta(minutes=5)).isoformat(),
        }


def _ends(flip: Flip) -> bool:
    """Whether what was known is over, or has another severity now and so another name."""
    other = replace(flip.check, status=flip.before).severity != flip.check.severity
    return flip.before is not Status.OK and (flip.change.over or other)


def _alert(notice: Notice, flip: Flip, status: Status, ends: datetime) -> dict[str, Any]:
    check = flip.check
    team = {"team": check.team.name} if check.team.name else {}
    return {
        "labels": {
            "alertname": "OpsjobsCheck",
            "system": notice.system,
            "check": check.id,
            "severity": replace(check, status=status).severity,
            **team,
        },
        "annotations": {
            "summary": f"{check.title}: {check.text}" if check.text else check.title,
            "description": check.advice,
            "runbook_url": check.runbook,
            "explains": ", ".join(check.explains),
        },
        "startsAt": flip.since.isoformat(),
        "endsAt": ends.isoformat(),
        **({"generatorURL": check.dashboard} if check.dashboard.startswith(("https://", "http://")) else {}),
    }
