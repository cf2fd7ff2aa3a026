"""Something on loopback that takes documents over HTTP and answers as it is told."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hook:
    """What came, and what is answered: a code, headers and a body, or what a function of the request says."""

    answer: object = (200, {}, b"ok")
    url: str = ""
    requests: list = field(default_factory=list)

    @property
    def paths(self):
        return [path for path, _, _ in self.requests]

    @property
    def bodies(self):
        return [body for _, _, body in self.requests]

    @property
    def documents(self):
        return [json.loads(body) for body in self.bodies]


@contextmanager
def hook(answer=(200, {}, b"ok")):
    """Takes what is posted; an answer that is None is silence."""
    told = Hook(answer=answer)
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.requests.append((self.path, dict(self.headers), body))
            said = told.answer(self.path, body) if callable(told.answer) else told.answer
            if said is None:
                release.wait(30)
                self.close_connection = True
                return
            code, headers, content = said
            self.send_response(code)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        release.set()
        server.shutdown()
        server.server_close()
