"""The HTTP door against a real server on loopback that misbehaves in every documented way."""

import base64
import contextlib
import gzip
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from opsjobs.errors import (
    AccessDenied,
    BadAnswer,
    NotFound,
    Overloaded,
    QueryRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from opsjobs.http import Deadline, Http
from tests.conftest import connection


@contextmanager
def serving(answer, context=None):
    """A server on a free port; `answer(handler, number)` is called for each request with its number from 1."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            requests.append((dict(self.headers), self.path, self.rfile.read(length).decode()))
            answer(self, len(requests))

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        scheme = "https" if context else "http"
        yield f"{scheme}://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()


def reply(code, body=b"{}", **headers):
    def answer(handler, _):
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def post(url, seconds=10.0, **known):
    http = Http(connection(url, **known))
    try:
        return http.post("/api", {"query": "up"}, deadline=Deadline(seconds))
    finally:
        http.close()


def test_a_form_is_posted_below_the_path_of_the_address():
    with serving(reply(200, b"yes")) as (url, requests):
        assert post(f"{url}/prometheus/") == b"yes"
    ((_, path, body),) = requests
    assert (path, body) == ("/prometheus/api", "query=up")


def test_a_query_is_asked_for_in_the_address_and_the_link_header_is_given():
    with serving(reply(200, b"[]", Link='<http://x>; rel="next"')) as (url, requests):
        http = Http(connection(f"{url}/sentry", token="t0ken"))
        page = http.get("/api/", {"query": "is:new a&b", "limit": "5"}, deadline=Deadline(10))
        http.close()
    assert (page.body, page.link) == (b"[]", '<http://x>; rel="next"')
    ((headers, path, body),) = requests
    assert (path, body) == ("/sentry/api/?query=is%3Anew+a%26b&limit=5", "")
    assert headers["Authorization"] == "Bearer t0ken"


def test_basic_auth_bearer_and_tenant_headers_are_sent():
    with serving(reply(200)) as (url, requests):
        post(url, auth=("user", "secret"))
        post(url, token="t0ken", headers={"X-Scope-OrgID": "team-a"})
    basic, bearer = (headers for headers, _, _ in requests)
    assert basic["Authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
    assert (bearer["Authorization"], bearer["X-Scope-OrgID"]) == ("Bearer t0ken", "team-a")


def test_a_netrc_file_does_not_replace_the_token(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(reply(200)) as (url, requests):
        post(url, token="t0ken")
    assert requests[0][0]["Authorization"] == "Bearer t0ken"


def test_a_proxy_of_the_environment_gets_nothing(monkeypatch):
    with serving(reply(200)) as (proxy, stolen), serving(reply(200, b"direct")) as (url, _):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        assert post(url) == b"direct"
    assert stolen == []


def test_a_redirect_is_not_followed():
    with serving(reply(200)) as (other, stolen), serving(reply(302, Location=f"{other}/login")) as (url, _):
        with pytest.raises(BadAnswer, match="redirects to"):
            post(url, token="t0ken", headers={"X-Api-Key": "key-of-mine"})
    assert stolen == []


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(code):
    def answer(handler, number):
        reply(200, b"late but good")(handler, number) if number == 3 else reply(code)(handler, number)

    with serving(answer) as (url, requests):
        assert post(url) == b"late but good"
    assert len(requests) == 3


def test_after_three_attempts_the_error_is_told_with_what_the_server_said():
    with serving(reply(503, b'{"status":"error","error":"too many queries"}')) as (url, requests):
        with pytest.raises(Overloaded, match=r"cannot answer now \(HTTP 503\): too many queries"):
            post(url)
    assert len(requests) == 3


def test_retry_after_beyond_the_deadline_is_not_waited_for():
    with serving(reply(429, Retry_After="3600")) as (url, requests):
        began = time.monotonic()
        with pytest.raises(Overloaded):
            post(url, seconds=5)
        assert time.monotonic() - began < 3
    assert len(requests) == 1


def test_retry_after_within_the_deadline_is_obeyed():
    def answer(handler, number):
        reply(200)(handler, number) if number == 2 else reply(429, Retry_After="1")(handler, number)

    with serving(answer) as (url, _):
        began = time.monotonic()
        post(url)
        assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, QueryRejected),
        (422, QueryRejected),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (500, BadAnswer),
    ],
)
def test_what_will_not_change_is_tried_once(code, kind):
    with serving(reply(code, b'{"error":"the reason"}')) as (url, requests):
        with pytest.raises(kind) as caught:
            post(url)
    assert len(requests) == 1
    assert kind is AccessDenied or "the reason" in str(caught.value)


def test_nobody_at_the_address_is_unreachable_and_says_what_to_set():
    with serving(reply(200)) as (url, _):
        pass
    with pytest.raises(Unreachable, match="cannot be reached: Connection refused") as caught:
        post(url)
    assert caught.value.advice == "Check that it runs, and set systems.shop.prometheus.url in opsjobs.yml."


def test_a_host_that_does_not_exist_is_unreachable():
    with pytest.raises(Unreachable, match=r"prometheus\.invalid"):
        post("http://prometheus.invalid:9090")


def test_a_silent_server_is_left_at_the_deadline():
    with serving(lambda handler, _: time.sleep(3)) as (url, _):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            post(url, seconds=0.5)
        assert time.monotonic() - began < 1.5


def test_a_server_that_drips_is_left_at_the_deadline():
    def drip(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(60):
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.05)

    with serving(drip) as (url, _):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            post(url, seconds=0.5)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_a_server_that_drips_before_the_body_is_left_at_the_deadline(beginning):
    def drip(handler, _):
        handler.wfile.write(beginning)
        for _ in range(60):
            handler.wfile.write(b"0")
            handler.wfile.flush()
            time.sleep(0.05)

    with serving(drip) as (url, _):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            post(url, seconds=0.5)
        assert time.monotonic() - began < 1.5


def test_a_host_that_does_not_take_connections_is_unreachable_after_seconds():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        # The queue of connections that nobody has accepted is full.
        for _ in range(3):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(listener.getsockname())
        with pytest.raises(Unreachable, match="no connection within 5 s"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}", seconds=7)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_not_waited_for(value):
    with serving(reply(503, Retry_After=value)) as (url, _):
        began = time.monotonic()
        with pytest.raises(Overloaded):
            post(url, seconds=8)
        assert time.monotonic() - began < 4


def test_a_bomb_of_zeros_is_refused_before_it_fills_the_memory():
    bomb = gzip.compress(bytes(200 << 20))
    with serving(reply(200, bomb, Content_Encoding="gzip")) as (url, _):
        with pytest.raises(BadAnswer, match="sent more than 128 MB"):
            post(url)


def test_credentials_beyond_latin_are_sent_as_utf_8():
    with serving(reply(200)) as (url, requests):
        post(url, auth=("usér", "pässwörd-€"))
    encoded = requests[0][0]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "usér:pässwörd-€"


def test_a_body_that_is_cut_short_is_no_answer():
    def cut(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"status"')
        handler.close_connection = True

    with serving(cut) as (url, requests):
        with pytest.raises(Unreachable):
            post(url)
    assert len(requests) == 3


def test_secrets_that_a_server_repeats_are_masked():
    def echo(handler, number):
        reply(400, f"bad {handler.headers['Authorization']} {handler.headers['X-Api-Key']}".encode())(handler, number)

    with serving(echo) as (url, _):
        with pytest.raises(QueryRejected) as caught:
            post(url, auth=("user", "hunter2-canary"), headers={"X-Api-Key": "key-canary"})
    said = str(caught.value)
    encoded = base64.b64encode(b"user:hunter2-canary").decode()
    assert "***" in said
    assert not any(len(part) > 8 and part in said for part in (encoded[:12], "hunter2-c"))
    assert not any(secret in said for secret in ("hunter2-canary", "key-canary", encoded))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)


def test_a_certificate_that_nobody_vouches_for_is_refused_and_says_what_to_set(certificate):
    context, _ = certificate
    with serving(reply(200), context) as (url, requests):
        with pytest.raises(SourceError, match="its TLS certificate was not accepted") as caught:
            post(url, token="t0ken")
    assert requests == []
    assert "ca_file" in caught.value.advice


def test_a_certificate_is_accepted_by_the_authority_that_signed_it(certificate):
    context, authority = certificate
    with serving(reply(200, b"safe"), context) as (url, _):
        assert post(url, ca_file=authority) == b"safe"


def test_a_certificate_for_another_host_is_refused(certificate):
    context, authority = certificate
    with serving(reply(200), context) as (url, requests):
        with pytest.raises(SourceError, match="certificate"):
            post(url.replace("127.0.0.1", "localhost"), ca_file=authority)
    assert requests == []
