"""The site on a port, in a thread of its own."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from opsjobs.errors import OpsjobsError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_THREADS = 4
_LARGEST_REQUEST = 1 << 16
_TICK = 0.5
_PATIENCE = 5


class Server:
    """A site that is being served until `stop`."""

    def __init__(self, site: WSGIApplication, host: str, port: int) -> None:
        self._sockets: dict[int, Any] = {}
        listening = _listening(host, port)
        at, self.port, *_ = listening.getsockname()
        self.url = f"http://{_shown(at)}:{self.port}/"
        """Where it is found."""
        self._server = create_server(
            site,
            map=self._sockets,
            sockets=[listening],
            threads=_THREADS,
            ident="opsjobs",
            max_request_body_size=_LARGEST_REQUEST,
            max_request_header_size=_LARGEST_REQUEST,
            clear_untrusted_proxy_headers=True,
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opsjobs-serve", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is stopped, or somebody interrupts."""
        self._thread.join()

    def stop(self) -> None:
        """Take no more requests, give those that go on a moment, and end."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            wasyncore.loop(timeout=_TICK, map=self._sockets, count=1)
        self._server.task_dispatcher.shutdown(timeout=_PATIENCE)
        wasyncore.close_all(self._sockets, ignore_all=True)


def start(site: WSGIApplication, host: str, port: int) -> Server:
    """Serve a site on a port of this machine, 0 for one that is free. Raises `OpsjobsError`."""
    # What breaks in the site is logged by it.
    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    return Server(site, host, port)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OpsjobsError(
            f"{_shown(host)}:{port} cannot be listened on: {reason}",
            advice="Choose another serve.host and serve.port, or end what listens there.",
        ) from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
