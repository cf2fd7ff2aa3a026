"""An address is visited for real: answers, silence, and certificates of a test authority."""

import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from opsjobs.errors import SourceError, TimedOut, Unreachable
from opsjobs.http import Deadline
from opsjobs.sources.web import Web
from tests.unit.test_http import reply, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(file)
    return made, str(file)


def tls(authority, *names, **known):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **known).configure_cert(context)
    return context


def test_an_answer_is_told_with_its_time_and_its_beginning():
    with serving(reply(503, b"no database" + b"x" * 10_000)) as (url, requests):
        visit = Web().visit(f"{url}/health?deep=1", Deadline(5))
    assert (visit.code, visit.certificate_until) == (503, None)
    assert visit.body.startswith("no database") and len(visit.body) == 4096 and 0 < visit.seconds < 5
    assert requests[0][1] == "/health?deep=1"


def test_a_redirect_is_told_and_not_followed():
    with serving(reply(302, Location="http://elsewhere.example.com/")) as (url, requests):
        assert Web().visit(url, Deadline(5)).code == 302
    assert len(requests) == 1


def test_nobody_there_is_unreachable():
    with pytest.raises(Unreachable, match="Connection refused"):
        Web().visit("http://127.0.0.1:9/health", Deadline(5))


def test_silence_ends_at_the_deadline():
    def silent(handler, _):
        time.sleep(3)

    with serving(silent) as (url, _):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            Web().visit(url, Deadline(0.3))
    assert time.monotonic() - began < 4


def test_what_drips_ends_at_the_deadline():
    def dripping(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    with serving(dripping) as (url, _):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            Web().visit(url, Deadline(0.5))
        assert time.monotonic() - began < 2


def test_what_lets_somebody_in_is_not_repeated():
    with pytest.raises(Unreachable) as caught:
        Web().visit("http://user:canary@127.0.0.1:9/health?token=canary", Deadline(5))
    assert "canary" not in caught.value.message


class TestCertificates:
    def test_how_long_a_good_one_is_good_is_told(self, authority):
        made, file = authority
        until = datetime.now(UTC) + timedelta(days=40)
        with serving(reply(200), tls(made, "127.0.0.1", not_after=until)) as (url, _):
            visit = Web(file).visit(url, Deadline(5))
        assert visit.code == 200 and abs(visit.certificate_until - until) < timedelta(seconds=2)

    def test_one_that_has_expired_is_refused(self, authority):
        made, file = authority
        past = datetime.now(UTC) - timedelta(days=1)
        with serving(reply(200), tls(made, "127.0.0.1", not_after=past)) as (url, _):
            with pytest.raises(SourceError, match="certificate has expired"):
                Web(file).visit(url, Deadline(5))

    def test_one_for_another_name_is_refused(self, authority):
        made, file = authority
        with serving(reply(200), tls(made, "shop.example.com")) as (url, _):
            with pytest.raises(SourceError, match="not valid for"):
                Web(file).visit(url, Deadline(5))

    def test_one_of_an_authority_that_nobody_knows_is_refused(self, authority):
        with serving(reply(200), tls(authority[0], "127.0.0.1")) as (url, _):
            with pytest.raises(SourceError, match="certificate is not accepted"):
                Web().visit(url, Deadline(5))
