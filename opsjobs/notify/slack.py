"""Slack, by an incoming webhook.

Its limits are kept well below what is documented: 50 blocks, 3,000 characters of a section and 150 of a header, and
some 13,000 in all. What it has taken it answers with `ok`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from opsjobs.errors import DeliveryError
from opsjobs.model import Change, Flip, Letter, Notice, Status
from opsjobs.notify.post import Post

_HEADER, _TITLE, _TEXT, _ADVICE = 150, 120, 300, 200
_WHOLE = 2500
"""Of a message that is not about checks."""
_FLIPS = 10
_EXPLAINED = 5
_COLOURS = {Status.OK: "#2f6b45", Status.WARNING: "#8a5300", Status.CRITICAL: "#b3261e", Status.UNKNOWN: "#5d4a9c"}
_SHAPES = {Status.OK: "●", Status.WARNING: "▲", Status.CRITICAL: "■", Status.UNKNOWN: "◇"}
_CALLS = {"@channel": "<!channel>", "@here": "<!here>", "@everyone": "<!everyone>"}
_CODE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ALARMING = {Change.NEW, Change.WORSE, Change.FLAPPING}


class SlackChannel:
    """A `Channel` to one channel of Slack. `mention` is who is called when something critical is new."""

    def __init__(self, post: Post, *, mention: str = "") -> None:
        self._post = post
        self._mention = mention

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:  # noqa: ARG002 - as every channel
        """The message as the JSON that the webhook takes."""
        document: dict[str, Any] = {"text": _escaped(letter.subject)}
        if letter.notice is None:
            document["blocks"] = [_header(letter.subject), _section(_escaped(letter.text, _WHOLE))]
        else:
            document |= self._about(letter.subject, letter.notice)
        return json.dumps(document, ensure_ascii=False).encode()

    def send(self, message: bytes, recipient: str) -> None:
        """Hand it over. Raises `DeliveryError`."""
        said = self._post.hand(message)
        if said.strip() != b"ok":
            raise DeliveryError(
                f"{self._post.name} at {recipient} did not say that it took the message",
                # It may well have: whatever answers so is no Slack, and would get each attempt.
                permanent=True,
                advice="The url has to be that of an incoming webhook: https://hooks.slack.com/services/...",
            )

    def _about(self, subject: str, notice: Notice) -> dict[str, Any]:
        blocks = [_header(subject)]
        alarming = any(flip.check.severity == "critical" and flip.change in _ALARMING for flip in notice.flips)
        if self._mention and alarming:
            blocks.append(_section(_CALLS.get(self._mention, _escaped(self._mention))))
        parts = [_part(flip) for flip in notice.flips[:_FLIPS]]
        left = len(notice.flips) - len(parts)
        if left:
            parts.append({"color": _COLOURS[notice.status], "blocks": [_section(f"and {left} more: `opsjobs health`")]})
        return {"blocks": blocks, "attachments": parts}


def _part(flip: Flip) -> dict[str, Any]:
    text = "\n".join(_lines(flip))
    status = Status.OK if flip.change is Change.ENDED else flip.check.status
    return {"color": _COLOURS[status], "fallback": _escaped(flip.check.title), "blocks": [_section(text)]}


def _lines(flip: Flip) -> Iterator[str]:
    check = flip.check
    status = Status.OK if flip.change is Change.ENDED else check.status
    yield f"{_SHAPES[status]} *{status.name}  {_escaped(check.title, _TITLE)}*  {_escaped(flip.words, _TITLE)}"
    if check.text:
        yield _escaped(check.text)
    if check.explains:
        more = f" and {len(check.explains) - _EXPLAINED} more" if len(check.explains) > _EXPLAINED else ""
        yield _escaped(f"explains {', '.join(check.explains[:_EXPLAINED])}", _TITLE) + more
    if check.advice:
        yield f"_{_escaped(check.advice, _ADVICE)}_"
    # As code, so that it can be copied.
    name = f"`{check.id.replace('`', '')[:_TITLE].translate(_CODE)}`"
    links = [
        name,
        _escaped(check.team.name, _TITLE),
        _link(check.runbook, "Runbook"),
        _link(check.dashboard, "Dashboard"),
    ]
    yield " · ".join(filter(None, links))


def _link(address: str, title: str) -> str:
    """A link to a page; what is no page is said as it is."""
    quoted = quote(address, safe=":/?#[]@!$&()*+,;=%~'")
    if not address.startswith(("https://", "http://")) or len(quoted) > _TEXT:
        return _escaped(address, _TITLE)
    return f"<{quoted}|{title}>"


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:_HEADER], "emoji": False}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text or " "}}


def _escaped(text: str, most: int = _TEXT) -> str:
    """Without what would call somebody, link somewhere or change the form of the text; cut between two signs."""
    signs: list[str] = []
    size = 0
    for sign in text:
        # A zero-width space keeps marks from beginning or ending anything.
        piece = f"{sign}\u200b" if sign in "*_~`" else sign.translate(_CODE)
        size += len(piece)
        if size > most:
            return "".join([*signs, "…"])
        signs.append(piece)
    return "".join(signs)
