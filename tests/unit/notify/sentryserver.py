"""Something on loopback that takes the envelopes of a Sentry SDK, as its ingestion does."""

import gzip
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli

KEY = "c0ffee00c0ffee00c0ffee00c0ffee00"


@dataclass
class Received:
    """What came, and where it is taken."""

    dsn: str = ""
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    items: list[tuple[str, dict]] = field(default_factory=list)

    def of(self, kind):
        return [content for name, content in self.items if name == kind]


@contextmanager
def sentry(answer=(200, {})):
    """Takes envelopes, and answers each with a code and headers."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = {"gzip": gzip.decompress, "br": brotli.decompress}.get(self.headers.get("Content-Encoding"), bytes)
            body = packed(body)
            received.headers.append(dict(self.headers))
            received.bodies.append(body.decode())
            if self.path == "/api/7/envelope/":
                lines = body.splitlines()[1:]
                for head, content in zip(lines[::2], lines[1::2], strict=True):
                    received.items.append((json.loads(head)["type"], json.loads(content)))
            code, headers = answer
            self.send_response(code)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    received.dsn = f"http://{KEY}@127.0.0.1:{server.server_port}/7"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
