"""Which address is what, who is let in, and what goes with every answer."""

import base64
import logging
import os
import re
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from opsjobs.errors import LedgerError
from opsjobs.report import MEDIA_TYPES
from opsjobs.serving import Guard
from opsjobs.serving.guard import LOOPBACK
from tests.unit.serving.kept import Client, quiet

REPORT = "/shop/daily/2026-11-20/report"
TOKEN, PASSWORD = "canary-token-4711", "canary:päss word"
PAGES = [
    "/",
    "/shop/daily/",
    "/metrics",
    "/archive.css",
    "/icon.svg",
    "/favicon.ico",
    f"{REPORT}.html",
    "/nowhere",
    "/shop/nothing/",
]
FAKE = {
    "report.pdf": b"%PDF-1.7",
    "report.csv": b"a,b\r\n",
    "report.txt": b"text",
    "report.html": b"<p>",
    "report.json": b'{"verdict": "x"}',
}


def basic(user, password):
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def directives(answer):
    found = [each.strip().partition(" ") for each in answer.headers["Content-Security-Policy"].split(";")]
    return {name: value for name, _, value in found}


@pytest.mark.parametrize("name", sorted(MEDIA_TYPES))
def test_each_file_of_a_report_comes_as_it_is_with_its_type(kept, client, name):
    kept.ran(made=FAKE)
    answer = client.get(f"/shop/daily/2026-11-20/{name}")
    assert answer.data == FAKE[name] and answer.headers["Content-Length"] == str(len(FAKE[name]))
    assert answer.headers["Content-Type"] == MEDIA_TYPES[name]
    head = client.head(f"/shop/daily/2026-11-20/{name}")
    assert head.data == b"" and head.status_code == 200
    assert head.headers["Content-Length"] == str(len(FAKE[name]))


def test_a_report_that_a_browser_has_is_not_sent_again_until_it_is_another(kept, client):
    kept.ran(report=quiet())
    etag = client.get(f"{REPORT}.html").headers["ETag"]
    again = client.get(f"{REPORT}.html", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    kept.ran(made=FAKE)
    assert client.get(f"{REPORT}.html", headers={"If-None-Match": etag}).data == b"<p>"


def test_a_slot_leads_to_its_report_and_a_job_without_a_slash_to_the_job(kept, client):
    kept.ran(report=quiet())
    moved = client.get("/shop/daily/2026-11-20/")
    assert (moved.status_code, moved.headers["Location"]) == (302, "./report.html")
    moved = client.get("/shop/daily")
    assert (moved.status_code, moved.headers["Location"]) == (308, "./daily/")
    assert client.get("/shop/daily/2026-11-19/").status_code == 404


@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_sniffed_framed_or_loaded_from_elsewhere(kept, client, address):
    kept.ran(report=quiet())
    answer = client.get(address)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = directives(answer)
    assert (
        policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    )
    assert "script-src" not in policy


def test_what_is_in_a_report_is_nobody_and_may_only_look_as_it_does(kept, client):
    kept.ran(made=FAKE)
    policy = directives(client.get(f"{REPORT}.html"))
    assert policy["sandbox"] == "" and policy["style-src"] == "'unsafe-inline'"
    assert {"default-src", "form-action", "base-uri", "frame-ancestors"} <= set(policy)
    for name in ("txt", "json", "csv"):
        assert "sandbox" in directives(client.get(f"{REPORT}.{name}"))
    assert client.get(f"{REPORT}.csv").headers["Content-Disposition"] == (
        'attachment; filename="shop-daily-2026-11-20.csv"'
    )
    assert "inline" in client.get(f"{REPORT}.pdf").headers["Content-Disposition"]


def test_pages_have_no_style_or_script_of_their_own(kept, client):
    kept.ran(report=quiet())
    for address in ("/", "/shop/daily/", "/shop/daily/?q=x", "/nowhere"):
        page = client.get(address).text
        assert not re.search(r"<style|<script|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("address", ["/", "/shop/daily/", f"{REPORT}.html", "/metrics", "/healthz"])
def test_the_archive_can_only_be_read(kept, client, method, address):
    kept.ran(report=quiet())
    answer = client.open(address, method=method)
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD"
    assert "The archive can only be read." in answer.text
    assert client.get(f"{REPORT}.html").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/../secret",
        "/../../etc/passwd",
        "/shop/../secret/report.html",
        "/shop/daily/../report.html",
        "/shop/daily/../../../secret/report.html",
        "/%2e%2e/%2e%2e/secret/report.html",
        "/shop/daily/%2e%2e/report.html",
        "/shop/daily/..%2f..%2f..%2fsecret/report.html",
        "/shop/daily/..%5c..%5csecret/report.html",
        "/./shop/./report.html",
        "//etc/passwd/report.html",
        "/shop/daily/2026-11-20%00/report.html",
        "/shop/daily/2026-11-20/report.html%00.txt",
        "/shop/daily/2026-11-20/report.html/",
        "/shop/daily/2026-11-20/.partial-0011223344556677",
        "/shop/daily/2026-11-20/other.txt",
        "/shop/daily/2026-11-20/report.exe",
        "/shop/daily/linked/report.html",
        "/shop/daily/pointing/report.html",
        "/shop/daily/piped/report.html",
        "/shop/daily/folder/report.html",
        "/linked/daily/2026-11-20/report.html",
        "/" + "x" * 5000 + "/y/z/report.html",
        "/shop/daily/%ff%fe/report.html",
    ],
)
def test_nothing_but_reports_is_found_whatever_is_asked(kept, client, address):
    kept.ran(report=quiet())
    secret = kept.root / "secret"
    secret.mkdir()
    (secret / "report.html").write_text("canary-of-elsewhere")
    daily = kept.reports / "shop/daily"
    (daily / "linked").symlink_to(secret)
    (kept.reports / "linked").symlink_to(kept.reports / "shop")
    for name in ("pointing", "piped", "folder"):
        (daily / name).mkdir()
    (daily / "pointing/report.html").symlink_to(secret / "report.html")
    os.mkfifo(daily / "piped/report.html")
    (daily / "folder/report.html").mkdir()
    (daily / "2026-11-20/other.txt").write_text("canary-of-elsewhere")
    (daily / "2026-11-20/.partial-0011223344556677").write_text("canary-of-elsewhere")
    answer = client.get(address)
    assert answer.status_code in {404, 308}
    assert "canary-of-elsewhere" not in answer.text and str(kept.root) not in answer.text


def test_a_folder_of_reports_that_is_itself_a_link_is_followed(kept, tmp_path):
    kept.ran(report=quiet())
    (tmp_path / "link").symlink_to(kept.reports)
    assert Client(kept.site(reports=tmp_path / "link")).get(f"{REPORT}.html").status_code == 200


def test_no_folder_of_reports_is_no_report(kept, tmp_path):
    kept.ran(report=quiet())
    client = Client(kept.site(reports=tmp_path / "nowhere"))
    assert client.get(f"{REPORT}.html").status_code == 404
    assert "Its report is not in this archive." in client.get("/shop/daily/").text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9099", "LOCALHOST:80", "[::1]:9099", "[::1]", "localhost."])
def test_this_machine_may_be_called_by_its_own_names(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "evil.example.com:9099", "localhost.evil.example.com", "127.0.0.1.nip.io", "[::2]", "x]"],
)
def test_a_page_of_the_web_can_not_have_a_browser_ask_for_it_under_another_name(kept, client, host):
    kept.ran(report=quiet())
    for address in ("/", "/metrics", f"{REPORT}.html"):
        answer = client.get(address, headers={"Host": host})
        assert answer.status_code == 421 and "Redis" not in answer.text and "serve.names" in answer.text
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=", ";", "a" * 5000, "*/*"]
)
def test_metrics_come_whatever_format_is_asked_for(client, accept):
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200 and "opsjobs_build_info" in answer.text


@pytest.mark.parametrize(
    "query", ["before=%00", "q=%00", "q=%ff%fe", "page=%00", "q=" + "x" * 5000, "before=%E2%80%AE&q=a"]
)
def test_no_query_breaks_anything(kept, client, query):
    kept.ran(report=quiet())
    assert client.get(f"/shop/daily/?{query}").status_code in {200, 400}


def test_what_is_the_same_is_not_sent_twice(client):
    for address in ("/archive.css", "/icon.svg"):
        etag = client.get(address).headers["ETag"]
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_names_that_are_configured_are_answered_to(kept):
    client = Client(kept.site(guard=Guard(names=LOOPBACK | {"reports.example.com"})))
    assert client.get("/", headers={"Host": "reports.example.com"}).status_code == 200
    assert Client(kept.site(guard=Guard(names=None, token=TOKEN))).get("/", headers={"Host": "any"}).status_code == 401


@pytest.mark.parametrize(
    ("guard", "sent", "code"),
    [
        (Guard(token=TOKEN), {}, 401),
        (Guard(token=TOKEN), {"Authorization": f"Bearer {TOKEN}"}, 200),
        (Guard(token=TOKEN), {"Authorization": f"bearer {TOKEN}"}, 200),
        (Guard(token=TOKEN), {"Authorization": f"Bearer {TOKEN}x"}, 401),
        (Guard(token=TOKEN), {"Authorization": "Bearer "}, 401),
        (Guard(token=TOKEN), {"Authorization": TOKEN}, 401),
        (Guard(token=TOKEN), {"Authorization": "Basic ???"}, 401),
        (Guard(token=TOKEN), {"Authorization": "Basic"}, 401),
        (Guard(token=TOKEN), {"Authorization": "Digest username=x"}, 401),
        (Guard(token=TOKEN), basic("anybody", TOKEN), 200),
        (Guard(token=TOKEN), basic("anybody", ""), 401),
        (Guard(token=TOKEN), basic(TOKEN, "x"), 401),
        (Guard(username="ops", password=PASSWORD), {}, 401),
        (Guard(username="ops", password=PASSWORD), basic("ops", PASSWORD), 200),
        (Guard(username="ops", password=PASSWORD), basic("Ops", PASSWORD), 401),
        (Guard(username="ops", password=PASSWORD), basic("ops", "wrong"), 401),
        (Guard(username="ops", password=PASSWORD), basic("", ""), 401),
        (Guard(username="ops", password=PASSWORD), {"Authorization": f"Bearer {PASSWORD}"}, 401),
        (Guard(username="ops", password=PASSWORD, token=TOKEN), basic("ops", PASSWORD), 200),
        (Guard(username="ops", password=PASSWORD, token=TOKEN), {"Authorization": f"Bearer {TOKEN}"}, 200),
        (Guard(), {"Authorization": "Bearer whatever"}, 200),
    ],
)
def test_only_who_knows_the_secret_is_let_in(kept, guard, sent, code):
    kept.ran(report=quiet())
    client = Client(kept.site(guard=guard))
    for address in PAGES:
        expected = code if code == 401 or not address.startswith(("/nowhere", "/shop/nothing")) else 404
        answer = client.get(address, headers=sent)
        assert answer.status_code == expected, address
        if code == 401:
            challenges = answer.headers.getlist("WWW-Authenticate")
            assert [each.split()[0] for each in challenges] == ["Basic", "Bearer"]
            assert "Everything is within" not in answer.text
    assert client.get("/healthz").text == "ok\n"


def test_secrets_are_in_no_repr():
    assert "canary" not in repr(Guard(token=TOKEN, username="ops", password=PASSWORD))


def test_healthz_says_when_the_ledger_can_not_be_read_and_not_why(kept, client, caplog):
    assert client.get("/healthz").text == "ok\n"
    kept.ledger.close()
    path = kept.root / "ledger.db"
    path.unlink()
    path.write_bytes(b"no ledger any more, and long enough to be a page of something" * 100)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (kept.root / name).unlink(missing_ok=True)
    with caplog.at_level(logging.ERROR, logger="opsjobs"):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "The ledger cannot be read.\n")
    assert any("cannot be used" in record.getMessage() for record in caplog.records)
    for address in ("/", "/metrics", "/shop/daily/"):
        answer = client.get(address)
        assert answer.status_code == 503 and "The ledger cannot be read" in answer.text
        assert str(kept.root) not in answer.text


@pytest.fixture
def broken(kept):
    """A site whose ledger breaks as nobody foresaw."""

    def fall(*_, **__):
        raise RuntimeError("canary-of-inside")

    return kept.site(reading=SimpleNamespace(check=fall, done=fall, jobs=fall, count=fall))


def test_what_nobody_foresaw_is_logged(broken, caplog):
    with caplog.at_level(logging.ERROR, logger="opsjobs"), pytest.raises(RuntimeError):
        Client(broken).get("/")
    assert "canary-of-inside" in caplog.text and "GET '/' could not be answered" in caplog.text


def test_what_nobody_foresaw_is_answered_in_words_that_tell_nothing_of_inside(broken):
    import http.client

    from opsjobs.serving import start

    server = start(broken, "127.0.0.1", 0)
    try:
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", "/")
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 500 and "internal server error" in text
            assert "canary" not in text and "Traceback" not in text
            connection.close()
    finally:
        server.stop()


def test_what_is_known_to_break_is_a_page(kept, caplog):
    def fall(*_, **__):
        raise LedgerError("the ledger sqlite:///canary-of-inside cannot be used")

    client = Client(kept.site(reading=SimpleNamespace(done=fall, jobs=fall, count=fall)))
    with caplog.at_level(logging.ERROR, logger="opsjobs"):
        answer = client.get("/")
    assert answer.status_code == 503 and "canary" not in answer.text and "canary" in caplog.text


@pytest.mark.parametrize("below", ["", "/reports"])
def test_every_link_leads_somewhere_also_in_a_folder_of_a_proxy(kept, below):
    kept.days(60)
    kept.ran(slot="2026-11-20", made=FAKE)
    kept.ran("health", slot="2026-11-21T06:00")
    kept.ran("a:b/c?d", slot="2026-W46")
    site = kept.site()
    client = Client(DispatcherMiddleware(NotFound(), {below: site}) if below else site)
    waiting, seen = [f"{below}/"], set()
    while waiting:
        address = waiting.pop()
        answer = client.get(address)
        seen.add(address)
        if "a%3Ab" in address:
            # A slash in a name is no name of a folder, and nothing was ever made there.
            continue
        assert answer.status_code in {200, 302}, address
        found = [answer.headers["Location"]] if answer.status_code == 302 else []
        if address.endswith("/") or "?" in address:
            found += [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', answer.text)]
        for link in found:
            there = urljoin(f"http://localhost{address}", link)
            assert there.startswith(f"http://localhost{below}/"), link
            onward = there.removeprefix("http://localhost")
            waiting += [onward] if onward not in seen | set(waiting) else []
    assert {f"{below}/shop/daily/2026-11-20/report.pdf", f"{below}/archive.css", f"{below}/shop/daily/?page=2"} <= seen


@pytest.mark.parametrize(("address", "root"), [("/nowhere", "./"), ("/a/b/c/d/e", "../../../../"), ("/a/b/", "../../")])
def test_a_page_of_nothing_leads_back(client, address, root):
    answer = client.get(address)
    assert answer.status_code == 404 and "There is nothing here" in answer.text
    assert f'href="{root}archive.css"' in answer.text
