"""What can go wrong between a client and Grafana, made to happen by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from tests.grafana.wire import JSON_UTF8, Answer, dumps

HTML = "text/html; charset=UTF-8"
BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"
)
"""What a proxy says whose Grafana is away."""


@dataclass
class Fault:
    """Something that happens to requests: to which, after how many of them were let through, and how often.

    `uid` is a part of the path, or what the body of a write names as its own uid; `path` is the start of a path.
    """

    method: str | None = None
    path: str | None = None
    uid: str | None = None
    times: int | None = None
    after: int = 0
    instead: Answer | None = None
    change: Callable[[Answer], Answer] | None = None
    do: Callable[[], object] | None = None

    def meets(self, method: str, path: str, segments: list[str], body: bytes) -> bool:
        """Whether it happens to this request; counts it if it is of its kind."""
        if self.times == 0 or (self.method and self.method != method):
            return False
        if self.path and not path.startswith(self.path):
            return False
        if self.uid is not None and self.uid not in segments and self.uid != _own_uid(body):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def _own_uid(body: bytes) -> str | None:
    try:
        read = orjson.loads(body)
        return (read.get("dashboard") or read.get("metadata") or read).get("uid") or read["metadata"]["name"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Faults:
    """The faults of a double. Each method makes one happen from now on; `heal` ends them all.

    All take `method`, `path` (its start), `uid`, `times` (how often; always where it is not said) and `after` (how many
    requests of this kind pass before).
    """

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.writes_left: int | None = None
        self.last_write_counts = False
        self.dead = False

    def heal(self) -> None:
        """Ends them all; a server that died is to be told to `listen` again."""
        self.active.clear()
        self.writes_left, self.dead = None, False

    def fail(self, status: int = 500, message: str = "Internal Server Error", **which) -> None:
        """An error of Grafana's own, as JSON."""
        self._add(instead=Answer(status, dumps({"message": message}), JSON_UTF8), **which)

    def limit(self, times: int, retry_after: int | str = 1, **which) -> None:
        """429 with Retry-After so many times."""
        body = dumps({"message": "Too many requests"})
        answer = Answer(429, body, JSON_UTF8, headers=(("Retry-After", str(retry_after)),))
        self._add(instead=answer, times=times, **which)

    def proxy_page(self, status: int = 502, page: bytes = BAD_GATEWAY, **which) -> None:
        """The HTML page of a proxy; with status 200 the login page of one that guards Grafana."""
        self._add(instead=Answer(status, page, HTML), **which)

    def redirect(self, to: str, status: int = 302, **which) -> None:
        """Sends the client elsewhere."""
        self._add(instead=Answer(status, b"", HTML, headers=(("Location", to),)), **which)

    def hang(self, **which) -> None:
        """Takes the request and says nothing, until the client gives up."""
        self._add(instead=Answer(200, silent=True), **which)

    def slow(self, seconds: float, **which) -> None:
        """The right answer, late."""
        self._add(change=lambda answer: replace(answer, delay=seconds), **which)

    def drip(self, seconds: float, **which) -> None:
        """The right answer, a few bytes at a time, over so many seconds."""
        self._add(change=lambda answer: replace(answer, drip=seconds), **which)

    def cut(self, kept: int | None = None, **which) -> None:
        """The connection closes after so many bytes of the body, or after half of them."""
        self._add(
            change=lambda answer: replace(answer, cut=len(answer.body) // 2 if kept is None else kept),
            **which,
        )

    def before(self, do: Callable[[], object], *, times: int = 1, **which) -> None:
        """Something else happens before a request is answered: a dashboard goes or comes, a token loses rights."""
        self._add(do=do, times=times, **which)

    def die(self, after_writes: int, *, lost_answer: bool = False) -> None:
        """The server goes away at the write that follows so many others: nothing answers until it listens again.

        That write is not done; with `lost_answer` it is, and nobody hears of it.
        """
        self.writes_left, self.last_write_counts = after_writes, lost_answer

    def _add(self, **known) -> None:
        self.active.append(Fault(**known))
