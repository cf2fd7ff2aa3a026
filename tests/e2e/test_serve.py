"""The archive as a process of its own, in a real browser, and the metrics on their ways to a Prometheus."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest

from opsjobs.demo.prometheus import Prometheus, Scrape
from opsjobs.model import Outcome, Status
from opsjobs.report import render
from opsjobs.serving import start
from tests.unit.report import samples
from tests.unit.serving.kept import ROME, Kept, quiet, troubled
from tests.unit.test_telemetry import promtool

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
TOKEN = "canary-of-the-archive"
# As it was when the tests began, where the system is.
TODAY = datetime.now(ROME).date()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What a system has after some days, with a report in every form."""
    folder = tmp_path_factory.mktemp("archive")
    kept = Kept(folder / "state")
    now = datetime.now(UTC)
    kept.days(70, system="pratikoai", until=TODAY - timedelta(days=3), status=Status.OK)
    day = (TODAY - timedelta(days=2)).isoformat()
    kept.ran(
        "daily", day, "pratikoai", at=now - timedelta(days=1), outcome=Outcome.FAILED, status=None, error="it broke"
    )
    day = yesterday()
    whole = render(samples.troubled()).files
    assert "report.pdf" in whole
    kept.ran("daily", day, "pratikoai", at=now - timedelta(hours=1), made=whole, status=Status.CRITICAL)
    kept.ran("weekly", "2026-W46", "pratikoai", at=now - timedelta(days=1), report=quiet())
    hostile = "<script>document.title='taken'</script>" + "x" * 300
    kept.ran("health", f"{now:%Y-%m-%dT%H:%M}", "pratikoai", at=now, outcome=Outcome.FAILED, status=None, error=hostile)
    kept.close()
    (folder / "opsjobs.yml").write_text("systems: {pratikoai: {}, portfolio: {}}\nstorage: {root: state}\n")
    return folder


def environment(folder, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **more}


def opsjobs(folder, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextlib.contextmanager
def served(folder, *arguments, **more):
    """The command as a process on a free port, with the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "opsjobs", "serve", "--port", "0", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        found = re.match(r"http://(\S+):(\d+)/ shows the reports", line)
        assert found, (line, process.stderr.read() if process.poll() is not None else "")
        yield process, int(found[2])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def ask(port, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def port(root):
    with served(root) as (_, port):
        yield port


def test_it_shows_what_is_there_on_this_machine_alone(port):
    status, headers, page = ask(port)
    assert status == 200 and "PratikoAI" in page and "Redis was down" in page
    assert headers["Server"] == "opsjobs"
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((_own_address(), port), timeout=2).close()


def _own_address():
    """An address of this machine that others could use; one that leads nowhere where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "192.0.2.1"
        return probe.getsockname()[0]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_while_somebody_is_connected(root, sent):
    with served(root) as (process, port):
        held = socket.create_connection(("127.0.0.1", port))
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held.recv(64).startswith(b"HTTP/1.1 200")
        process.send_signal(sent)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out, err) == (0, "", "")
        held.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_port_that_is_taken_is_told_in_words(root, port):
    done = opsjobs(root, "serve", "--port", str(port))
    assert done.returncode == 1 and f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stderr


def test_elsewhere_it_is_refused_without_something_that_lets_in(root):
    done = opsjobs(root, "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused
    assert done.returncode == 78 and "whoever reaches it reads everything" in done.stderr


def test_elsewhere_it_lets_in_who_knows_the_token_and_says_it_nowhere(root, tmp_path):
    config = tmp_path / "opsjobs.yml"
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    config.write_text(
        f"systems: {{pratikoai: {{}}}}\nstorage: {{root: '{root / 'state'}'}}\n"
        "serve: {host: 0.0.0.0, token_file: token}\n"
    )
    with served(tmp_path) as (process, port):
        assert ask(port)[0] == 401 and ask(port, "/metrics")[0] == 401
        assert ask(port, "/healthz")[0] == 200
        assert ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(port, Authorization=f"Bearer {TOKEN}x")[0] == 401
        process.terminate()
        _, err = process.communicate(timeout=15)
    assert TOKEN not in err


def files_open(process):
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_many_requests_at_once_are_all_answered_and_leave_no_file_open(root):
    day = yesterday()
    paths = ["/", "/pratikoai/daily/", "/metrics", f"/pratikoai/daily/{day}/report.pdf", "/nowhere"]
    wrong = []

    def work(port):
        for path in paths * 8:
            status, _, _ = ask(port, path)
            if status != (404 if path == "/nowhere" else 200):
                wrong.append((path, status))

    with served(root) as (process, port):
        for path in paths:
            ask(port, path)
        before = files_open(process)
        threads = [threading.Thread(target=work, args=(port,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        for _ in range(100):
            if files_open(process) <= before + 8:
                break
            time.sleep(0.1)
        # Connections to the ledger are kept, one for each thread.
        assert files_open(process) <= before + 8


def test_a_run_that_is_made_while_it_is_served_is_there_at_once(tmp_path):
    (tmp_path / "opsjobs.yml").write_text("systems: {pratikoai: {}}\nstorage: {root: state}\n")
    with served(tmp_path) as (_, port):
        assert "No job has run yet" in ask(port)[2]
        kept = Kept(tmp_path / "state")
        kept.ran(system="pratikoai", report=troubled())
        kept.close()
        assert "Redis was down" in ask(port)[2]


def test_it_can_be_started_and_stopped_in_a_thread(root):
    kept = Kept(root / "state")
    server = start(kept.site(), "127.0.0.1", 0)
    assert ask(server.port, "/healthz")[0] == 200
    server.stop()
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)
    kept.close()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: install the package chromium")
        pytest.skip("no Chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, Chromium has no sandbox to offer.
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def opened(browser, port):
    """Pages as a person with a window of some size opens them, and what the browser said about them."""
    contexts = []

    def visit(path, size=DESKTOP, *, scripts=False):
        context = browser.new_context(viewport=size, java_script_enabled=scripts)
        contexts.append(context)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(f"not loaded: {request.url}"))
        page.goto(f"http://127.0.0.1:{port}{path}")
        return page, said

    yield visit
    for context in contexts:
        context.close()


def yesterday():
    return (TODAY - timedelta(days=1)).isoformat()


def shown():
    report = f"/pratikoai/daily/{yesterday()}/report"
    return ["/", "/pratikoai/daily/", "/pratikoai/daily/?q=redis", "/pratikoai/health/", f"{report}.html"]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_each_page_is_whole_without_scripts_and_without_a_word_of_complaint(opened, number, size):
    page, said = opened(shown()[number], size)
    assert page.locator("h1").inner_text().strip()
    assert said == []
    # Styled: the heading is larger than the text, and the background is a colour of ours.
    heading = page.locator("h1").bounding_box()
    assert heading["height"] > 20
    assert page.title() != "taken"


@pytest.mark.parametrize("number", range(5))
def test_no_page_is_wider_than_a_phone(opened, number):
    page, said = opened(shown()[number], PHONE, scripts=True)
    wide = page.evaluate(
        "[document.documentElement.scrollWidth, ...[...document.querySelectorAll('main *')]"
        ".filter(each => !each.closest('.scroll, .unseen, thead')).map(each => each.getBoundingClientRect().right)]"
    )
    assert max(wide) <= PHONE["width"] + 0.5
    assert said == [] and page.title() != "taken"


def test_a_person_finds_the_way_from_the_first_page_to_a_report_and_its_files(opened):
    page, said = opened("/")
    assert "jobs need a person" in page.locator("h1").inner_text()
    page.get_by_role("link", name="Daily").click()
    assert page.locator("h1").inner_text() == "Daily"
    page.get_by_role("searchbox").fill("payment success")
    page.get_by_role("button", name="Search").click()
    assert "1 of 72 slots fits" in page.get_by_role("status").inner_text()
    page.get_by_role("link", name="Redis was down").click()
    assert "Redis was down" in page.locator("h1").inner_text()
    page.get_by_text("queries ok").click()
    page.go_back()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Older").click()
    assert "page 2 of 2" in page.locator("nav.pages").inner_text()
    page.get_by_role("link", name="Reports").click()
    assert "jobs need a person" in page.locator("h1").inner_text()
    assert said == []


@pytest.mark.parametrize("name", ["report.txt", "report.json"])
def test_other_forms_of_a_report_are_shown_by_the_browser_itself(opened, name):
    page, said = opened(f"/pratikoai/daily/{yesterday()}/{name}")
    assert "Redis was down for 41 min" in page.locator("body").inner_text()
    assert said == []


def test_what_gets_into_a_report_runs_nothing_and_reads_no_other_page(opened, root):
    folder = root / "state/reports/pratikoai/weekly/2026-W46"
    (folder / "report.html").write_text(
        "<title>mine</title><h1>x</h1><script>document.title='taken'</script>"
        "<img src=/icon.svg onerror=\"document.title='taken'\"><iframe src=/></iframe>"
        "<form action=/pratikoai/daily/><button>go</button></form>"
    )
    page, said = opened("/pratikoai/weekly/2026-W46/report.html", scripts=True)
    assert page.title() == "mine"
    assert any("script" in each for each in said)
    page.get_by_role("button").click()
    assert page.url.endswith("/report.html")


def test_the_shapes_of_the_past_are_told_to_who_does_not_see_them(opened):
    page, _ = opened("/")
    told = page.get_by_role("img").first.get_attribute("aria-label")
    assert re.match(r"The last 30, the oldest first: 2\d OK, 1 FAILED, 1 CRITICAL", told)
    titles = page.locator("svg.trend").first.locator("title").all_text_contents()
    assert f"{yesterday()}: CRITICAL" in titles


def test_a_browser_is_asked_for_a_password_and_keeps_it(browser, root, tmp_path):
    config = tmp_path / "opsjobs.yml"
    config.write_text(
        f"systems: {{pratikoai: {{}}}}\nstorage: {{root: '{root / 'state'}'}}\n"
        "serve: {username: ops, password: '${SECRET}'}\n"
    )
    with served(tmp_path, SECRET=TOKEN) as (_, port):
        context = browser.new_context(http_credentials={"username": "ops", "password": TOKEN})
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("link", name="Daily").click()
        assert page.locator("h1").inner_text() == "Daily"
        context.close()


class Letting(Prometheus):
    """One that brings the token."""

    def _config(self):
        made = super()._config()
        made["scrape_configs"][0]["authorization"] = {"credentials_file": str(self.folder.parent / "token")}
        return made


def query(url, text):
    """The values of an instant query."""
    with urllib.request.urlopen(f"{url}/api/v1/query?{urlencode({'query': text})}", timeout=10) as answer:  # noqa: S310 - of this machine
        return [each["value"][1] for each in json.load(answer)["data"]["result"]]


def test_a_real_prometheus_takes_the_metrics_with_the_token(root, tmp_path, binaries):
    config = tmp_path / "opsjobs.yml"
    (tmp_path / "token").write_text(TOKEN)
    config.write_text(
        f"systems: {{pratikoai: {{}}}}\nstorage: {{root: '{root / 'state'}'}}\nserve: {{token_file: token}}\n"
    )
    with served(tmp_path) as (_, port):
        scrape = [Scrape(job="opsjobs", instance="a", address=f"127.0.0.1:{port}")]
        with Letting(binaries, tmp_path / "prometheus", scrape=scrape, interval=1) as server:
            server.wait_for_scrapes()
            asked = 'opsjobs_last_run_outcome{system="pratikoai",job_name="daily",outcome="succeeded",job="opsjobs"}'
            for _ in range(100):
                if query(server.url, asked):
                    break
                time.sleep(0.2)
            assert query(server.url, asked) == ["1"]
            assert query(server.url, 'opsjobs_last_run_outcome{exported_job!=""}') == []
            (ago,) = query(server.url, "time() - opsjobs_last_success_timestamp_seconds{job_name='daily'}")
            assert 0 < float(ago) < 7200


def test_without_options_the_metrics_are_printed(root, binaries):
    done = opsjobs(root, "telemetry")
    assert done.returncode == 0 and done.stderr == ""
    assert 'opsjobs_last_run_outcome{job_name="daily",outcome="succeeded",system="pratikoai"} 1.0' in done.stdout
    assert promtool(binaries, done.stdout.encode()) == (0, b"", b"")


def test_a_textfile_is_written_whole_and_everybody_may_read_it(root, tmp_path):
    path = tmp_path / "opsjobs.prom"
    path.write_text("what was there before")
    done = opsjobs(root, "telemetry", "--textfile", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.read_text().startswith("# HELP opsjobs_build_info") and path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [("metrics.txt", 64, "does not end in .prom"), ("nowhere/opsjobs.prom", 1, "cannot be written: No such file")],
)
def test_a_textfile_that_can_not_be_is_told_in_words(root, tmp_path, path, code, said):
    done = opsjobs(root, "telemetry", "--textfile", str(tmp_path / path))
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def gateway():
    """Takes what is put to it, as a Pushgateway does; a real one is no package here."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, dict(self.headers), body.decode()))
            self.send_response(200 if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_metrics_are_put_to_a_pushgateway_in_place_of_the_last(root, tmp_path, gateway):
    url, taken = gateway
    (tmp_path / "opsjobs.yml").write_text(
        f"systems: {{pratikoai: {{}}}}\nstorage: {{root: '{root / 'state'}'}}\n"
        f"telemetry: {{pushgateway: {{url: '{url}', token: '${{SECRET}}'}}}}\n"
    )
    done = opsjobs(tmp_path, "telemetry", "--push", SECRET=TOKEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ((path, headers, body),) = taken
    assert path == "/metrics/job/opsjobs" and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "opsjobs_last_success_timestamp_seconds" in body
    refused = opsjobs(tmp_path, "telemetry", "--push", SECRET="another-canary")
    assert refused.returncode == 1 and "refused the credentials" in refused.stderr and "canary" not in refused.stderr


def test_a_push_to_nowhere_is_told_in_words(root):
    done = opsjobs(root, "telemetry", "--push")
    assert done.returncode == 78 and "it is not known where a Pushgateway is" in done.stderr


@pytest.mark.parametrize(
    ("section", "there", "target"),
    [
        ("", False, None),
        ("serve: {}", True, "host.docker.internal:9099"),
        ("serve: {host: '::', port: 8080, token_file: x}", True, "host.docker.internal:8080"),
        ("serve: {host: 10.1.2.3, token_file: x}", True, "10.1.2.3:9099"),
        ("serve: {host: 'fd00::7', token_file: x}", True, "[fd00::7]:9099"),
        ("telemetry: {pushgateway: {}}", True, None),
    ],
)
def test_the_stack_watches_opsjobs_where_its_metrics_can_be_had(tmp_path, section, there, target):
    (tmp_path / "opsjobs.yml").write_text(f"systems: {{pratikoai: {{}}}}\nstorage: {{root: state}}\n{section}\n")
    done = opsjobs(tmp_path, "stack", "render", "--out", "rendered")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rendered/prometheus/rules/opsjobs.yml").exists() is there
    scraped = (tmp_path / "rendered/prometheus/prometheus.yml").read_text()
    assert ("job_name: opsjobs" in scraped) is bool(target)
    assert target is None or target in scraped
    assert ("opsjobs-token" in done.stdout) is ("token_file" in section)
