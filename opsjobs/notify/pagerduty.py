"""PagerDuty, by its Events API v2: one incident for what broke together, closed when all of it is over."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from opsjobs.model import CheckResult, Letter, Notice, Status
from opsjobs.notify.post import Post

EVENTS = "https://events.pagerduty.com"
_SUMMARY, _KEY, _NAMED = 1024, 255, 20
_SEVERITIES = {Status.CRITICAL: "critical", Status.UNKNOWN: "error", Status.WARNING: "warning", Status.OK: "info"}


class PagerDutyChannel:
    """A `Channel` to one service of PagerDuty. The key that lets in is put into an event only when it is sent."""

    def __init__(self, post: Post, *, key: str) -> None:
        self._post = post
        self._key = key

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:  # noqa: ARG002 - as every channel
        """The event, but for its key: `trigger` while anything of the incident goes on, else `resolve`."""
        notice = letter.notice
        goes_on = notice is None or bool(notice.going_on)
        worst = notice.going_on[0].check if notice and notice.going_on else None
        links = (
            [
                {"href": address, "text": text}
                for address, text in ((worst.runbook, "Runbook"), (worst.dashboard, "Dashboard"))
                if address.startswith(("https://", "http://"))
            ]
            if worst
            else []
        )
        document = {
            "event_action": "trigger" if goes_on else "resolve",
            "dedup_key": (f"opsjobs/{notice.system}/{notice.incident}" if notice else message_id)[:_KEY],
            "client": "opsjobs",
            "payload": {
                "summary": letter.subject[:_SUMMARY],
                "source": notice.title if notice else "opsjobs",
                "severity": _severity(notice) if notice else "info",
                "timestamp": (notice.at if notice else at).isoformat(),
                "custom_details": _details(notice) if notice else {"text": letter.text[:_SUMMARY]},
                **(
                    {"component": worst.id, "group": worst.team.name, "class": worst.id.partition(":")[0]}
                    if worst
                    else {}
                ),
            },
            "links": links,
        }
        return json.dumps(document, ensure_ascii=False).encode()

    def send(self, message: bytes, recipient: str) -> None:  # noqa: ARG002 - as every channel
        """Hand it over; 202 says that it was taken. Raises `DeliveryError`."""
        event = {"routing_key": self._key, **json.loads(message)}
        self._post.hand(json.dumps(event, ensure_ascii=False).encode())


def _severity(notice: Notice) -> str:
    if any(flip.check.severity == "critical" for flip in notice.going_on):
        return "critical"
    return _SEVERITIES[notice.status]


def _details(notice: Notice) -> dict[str, Any]:
    named = {
        f"{flip.check.title} ({flip.check.id})": _detail(flip.check, flip.words) for flip in notice.going_on[:_NAMED]
    }
    more = len(notice.going_on) - len(named)
    return {**named, **({"and more": more} if more > 0 else {})}


def _detail(check: CheckResult, words: str) -> str:
    said = f"{check.status.name}, {words}: {check.text}"
    explains = f" Explains {', '.join(check.explains[:_NAMED])}." if check.explains else ""
    return f"{said}{explains}{f' {check.advice}' if check.advice else ''}"[:_SUMMARY]
