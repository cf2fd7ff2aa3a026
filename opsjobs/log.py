"""Logging to standard error, and the redactor that keeps secrets out of everything that is said."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Iterable
from typing import TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4


class Redactor:
    """Replaces secrets in texts: as they are, URL-quoted, and base64-encoded."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Keep this secret out from now on. Very short ones would mask ordinary words and are left."""
        if len(secret) < _SHORTEST:
            return
        encoded = base64.b64encode(secret.encode()).decode()
        quoted = {quote(secret, safe=""), quote_plus(secret), encoded}
        # As a repr or a JSON text has it.
        escaped = {repr(secret)[1:-1], repr(secret.encode())[2:-1], json.dumps(secret)[1:-1]}
        self._forms |= {secret, html.escape(secret)} | quoted | escaped

    def redact(self, text: str) -> str:
        """The text without the secrets; the longest first, so that none leaves a tail."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text


class _RedactingFormatter(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.redact(super().format(record))


def configure(*, debug: bool, stream: TextIO, redactor: Redactor) -> None:
    """Log warnings, or everything that opsjobs does, to the stream. Calling again replaces the earlier set-up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_RedactingFormatter(redactor))
    logger = logging.getLogger("opsjobs")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
