"""A webhook: the document that docs/notifications.md describes, signed where a key is given."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from opsjobs.model import Flip, Letter
from opsjobs.notify.post import Post

VERSION = 1


class WebhookChannel:
    """A `Channel` to an address that takes JSON."""

    def __init__(self, post: Post, *, signing_key: str = "") -> None:
        self._post = post
        self._key = signing_key

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:  # noqa: ARG002 - as every channel
        """The document."""
        notice = letter.notice
        document = {
            "version": VERSION,
            "id": message_id,
            "at": (notice.at if notice else at).isoformat(),
            "system": notice.system if notice else "",
            "title": notice.title if notice else "",
            "status": notice.status.name if notice else "OK",
            "subject": letter.subject,
            "text": letter.text,
            "news": [_flip(flip) for flip in notice.flips] if notice else [],
            "going_on": [_flip(flip) for flip in notice.going_on] if notice else [],
        }
        return json.dumps(document, ensure_ascii=False).encode()

    def send(self, message: bytes, recipient: str) -> None:  # noqa: ARG002 - as every channel
        """Hand it over; any 2xx says that it was taken. Raises `DeliveryError`."""
        self._post.hand(message, {"X-Opsjobs-Signature": signature(self._key, message)} if self._key else {})


def signature(key: str, document: bytes) -> str:
    """What the header X-Opsjobs-Signature says of a document: `sha256=` and its HMAC in hexadecimal (RFC 2104)."""
    return f"sha256={hmac.new(key.encode(), document, hashlib.sha256).hexdigest()}"


def _flip(flip: Flip) -> dict[str, Any]:
    check = flip.check
    return {
        "change": flip.change.value,
        "words": flip.words,
        "check": check.id,
        "title": check.title,
        "status": check.status.name,
        "before": flip.before.name,
        "since": flip.since.isoformat(),
        "incident": flip.incident,
        "text": check.text,
        "value": check.value,
        "unit": check.unit,
        "warning": check.warning,
        "critical": check.critical,
        "explains": list(check.explains),
        "advice": check.advice,
        "team": check.team.name,
        "dashboard": check.dashboard,
        "runbook": check.runbook,
    }
