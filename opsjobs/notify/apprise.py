"""Any other service, by a URL of Apprise. Needs the extra `apprise`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime

from apprise import Apprise, LogCapture, NotifyFormat, NotifyType

from opsjobs.errors import DeliveryError
from opsjobs.model import Letter, Status

_TYPES = {
    Status.OK: NotifyType.SUCCESS,
    Status.WARNING: NotifyType.WARNING,
    Status.CRITICAL: NotifyType.FAILURE,
    Status.UNKNOWN: NotifyType.WARNING,
}
_SAID = 300
_BODY = 1500
"""Characters; many services refuse or cut longer ones."""
# It names whole URLs, which let in.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False


class AppriseChannel:
    """A `Channel` to whatever a URL of Apprise means. `redact` takes the URL out of what is said."""

    def __init__(self, url: str, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        self._apprise = Apprise()
        self._known = bool(self._apprise.add(url))

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:  # noqa: ARG002 - as every channel
        """Title, text and kind of the message."""
        notice = letter.notice
        kind = NotifyType.INFO if notice is None else _TYPES[notice.news]
        body = letter.text if len(letter.text) <= _BODY else f"{letter.text[:_BODY]}…\nand more: opsjobs health"
        return json.dumps({"title": letter.subject, "body": body, "type": str(kind.value)}).encode()

    def send(self, message: bytes, recipient: str) -> None:
        """Hand it over. Raises `DeliveryError`."""
        if not self._known:
            raise DeliveryError(
                f"Apprise knows no service by the url of {recipient}",
                permanent=True,
                advice="Its documentation lists the forms of a url for each service.",
            )
        said = json.loads(message)
        with LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]  # as published
            taken = self._apprise.notify(
                title=said["title"],
                body=said["body"],
                notify_type=NotifyType(said["type"]),
                body_format=NotifyFormat.TEXT,
            )
            # Before it is cut: a half of a secret is not recognised any more.
            words = " ".join(self._redact(log.getvalue()).split())
        if not taken:
            raise DeliveryError(
                f"{recipient} did not take the message: {words[-_SAID:] or 'no reason given'}", permanent=False
            )
