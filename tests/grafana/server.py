"""The double as a server on loopback: HTTP/1.1 with connections that are kept, written for a cheap GET.

    python -m tests.grafana.server --version 9.4.0 --dashboards 1000 --panels 20

prints one JSON line with its port, and serves until it is told to end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Self

from tests.grafana.double import ADMIN, TOKEN, Double
from tests.grafana.wire import Answer, Call

_TRIES = 50
_REASONS = {each.value: each.phrase for each in HTTPStatus}
_KEPT_BYTES = 256_000_000
_DRIPS = 20


class Server:
    """A double that is reached over HTTP, in a thread of its own."""

    def __init__(self, double: Double, *, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.double = double
        self.port = port
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._listener: asyncio.Server | None = None
        self.talks: set[_Talk] = set()
        self.kept: dict[bytes, tuple[int, str, int, bytes]] = {}
        """Answers to GET by the very bytes of their requests, with the generation that they are of."""
        self.kept_bytes = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}{self.double.prefix}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves from now on."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="grafana-double", daemon=True)
        self._thread.start()
        self.listen()

    def stop(self) -> None:
        """Ends for good."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(10)
        self._loop.close()

    def listen(self) -> None:
        """Takes connections, at the port that it had: after `refuse`, or after it died."""
        if self.double.faults.dead:
            self.double.faults.dead, self.double.faults.writes_left = False, None
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def refuse(self) -> None:
        """Nobody is there any more: no connection is taken, and those that are open break."""
        asyncio.run_coroutine_threadsafe(self._vanish(), self._loop).result(10)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await self._bound()
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _bound(self) -> asyncio.Server:
        """At its port, also where a connection of somebody else has that number for a moment."""
        for _ in range(_TRIES):
            with contextlib.suppress(OSError):
                return await self._loop.create_server(
                    lambda: _Talk(self), "127.0.0.1", self.port, ssl=self._context, reuse_address=True, backlog=256
                )
            await asyncio.sleep(0.1)
        raise RuntimeError(f"port {self.port} is taken")

    async def _vanish(self) -> None:
        self.vanish()
        # The sockets are closed in the next round of the loop.
        await asyncio.sleep(0)

    def vanish(self) -> None:
        """Closes all that is open, from inside the loop."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for talk in list(self.talks):
            talk.abort()

    def keep(self, head: bytes, known: tuple[int, str, int, bytes]) -> None:
        """Remembers an answer, and forgets all of them where they became too many."""
        if self.kept_bytes > _KEPT_BYTES:
            self.kept.clear()
            self.kept_bytes = 0
        self.kept[head] = known
        self.kept_bytes += len(known[3])


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.talks.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.talks.discard(self)

    def abort(self) -> None:
        """Breaks the connection: the other side reads a reset, or the end."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._buffer and not self._busy:
            known = self._server.kept.get(data)
            if known is not None and self._repeat(known):
                return
        self._buffer += data
        self._proceed()

    def _repeat(self, known: tuple[int, str, int, bytes]) -> bool:
        """Answers as before, as long as nothing changed and nothing is to go wrong."""
        double = self._server.double
        generation, target, status, answer = known
        if generation != double.generation or double.faults.active or double.faults.dead:
            return False
        double.calls.append(Call("GET", target, status))
        self._transport.write(answer)
        return True

    def _proceed(self) -> None:
        """Answers one request after the other, as far as they are here."""
        while not self._busy and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 4]
            method, target, headers = _read(head)
            if headers is None:
                self._transport.abort()
                return
            length = int(headers.get("content-length") or 0)
            if "chunked" in headers.get("transfer-encoding", ""):
                self._transport.write(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                self._transport.close()
                return
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            double = self._server.double
            with double.lock:
                calm = not double.faults.active
                answer = double.answer(method, target, headers, body)
                generation = double.generation
            closes = headers.get("connection", "").lower() == "close"
            wire = _wire(answer, closes=closes)
            if calm and method == "GET" and not closes and not body and answer.status == 200:
                self._server.keep(head, (generation, target, answer.status, wire))
            self._send(answer, wire, closes=closes)

    def _send(self, answer: Answer, wire: bytes, *, closes: bool) -> None:
        loop = asyncio.get_running_loop()
        if answer.dies:
            self._busy = True
            self._server.vanish()
        elif answer.silent:
            self._busy = True
        elif answer.delay:
            self._busy = True
            loop.call_later(answer.delay, self._late, answer, wire, closes)
        elif answer.drip:
            self._busy = True
            size = max(len(wire) // _DRIPS, 1)
            parts = [wire[start : start + size] for start in range(0, len(wire), size)]
            self._drip(parts, answer.drip / len(parts), closes)
        elif answer.cut is not None:
            self._busy = True
            self._transport.write(wire[: len(wire) - len(answer.body) + answer.cut])
            self._transport.close()
        else:
            self._transport.write(wire)
            if closes:
                self._transport.close()

    def _late(self, answer: Answer, wire: bytes, closes: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(wire)
        self._rest(closes)

    def _drip(self, parts: list[bytes], pause: float, closes: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(parts[0])
        if len(parts) > 1:
            asyncio.get_running_loop().call_later(pause, self._drip, parts[1:], pause, closes)
        else:
            self._rest(closes)

    def _rest(self, closes: bool) -> None:
        self._busy = False
        if closes:
            self._transport.close()
        else:
            self._proceed()


def _read(head: bytes) -> tuple[str, str, dict[str, str] | None]:
    """The first line and the headers, with names in lower case."""
    try:
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
    except ValueError:
        return "", "", None
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers


def _wire(answer: Answer, *, closes: bool) -> bytes:
    """The whole answer as it goes out."""
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    if closes:
        more += "Connection: close\r\n"
    # No answer to "nothing here" has a body, and so no length of one.
    length = "" if answer.status == HTTPStatus.NO_CONTENT else f"Content-Length: {len(answer.body)}\r\n"
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}\r\n"
        f"Content-Type: {answer.kind}\r\n{length}Cache-Control: no-cache\r\n{more}\r\n"
    )
    return head.encode("latin-1") + answer.body


@contextlib.contextmanager
def serving(version: str = "9.4.0", *, context: ssl.SSLContext | None = None, **known: Any) -> Iterator[Server]:
    """A double of a version on a free port, gone afterwards; what else is known of it goes to `Double`."""
    with Server(Double(version, **known), context=context) as server:
        yield server


def main(arguments: list[str] | None = None) -> None:
    """Serves a filled double until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.grafana.server", description="A double of Grafana.")
    parser.add_argument("--version", default="9.4.0")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dashboards", type=int, default=0)
    parser.add_argument("--panels", type=int, default=20)
    parser.add_argument("--folders", type=int, default=20)
    parser.add_argument("--die-after-writes", type=int)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that each answer takes")
    chosen = parser.parse_args(arguments)
    double = Double(chosen.version)
    if chosen.dashboards:
        double.fill(chosen.dashboards, chosen.panels, folders=chosen.folders)
    if chosen.slow:
        double.faults.slow(chosen.slow)
    if chosen.die_after_writes is not None:
        double.faults.die(chosen.die_after_writes)
    # What was made above stays until the end: to look through it again and again would only cost time.
    gc.collect()
    gc.freeze()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with Server(double, port=chosen.port) as server:
        said = {"port": server.port, "url": server.url, "pid": os.getpid(), "token": TOKEN}
        said |= {"user": ADMIN[0], "password": ADMIN[1], "version": chosen.version}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
