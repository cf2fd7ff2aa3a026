"""Telling people what is new, as real processes: once, by every channel, without a secret, and whatever dies."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.unit.notify.hookserver import hook
from tests.unit.notify.mailserver import Inbox, mail_server

CANARIES = {
    "SLACK": "services/T0000/B0000/slackcanary0123",
    "SIGNING": "signingcanary0123456789",
    "PAGER": "pagercanary0123456789abcdef012345",
    "PING": "pingcanary-0123-4567-89ab",
}


class Place:
    """A folder with an opsjobs.yml whose Prometheus is gone: the monitoring is blind."""

    def __init__(self, folder, hook_url, mail_port):
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **{name: f"{hook_url}/{path}" for name, path in CANARIES.items() if name in {"SLACK", "PING"}},
            **{name: CANARIES[name] for name in ("SIGNING", "PAGER")},
        }
        self.write(hook_url, mail_port)

    def write(self, hook_url, mail_port, more=""):
        (self.folder / "opsjobs.yml").write_text(
            f"""
systems:
  pratikoai:
    prometheus: {{url: 'http://127.0.0.1:9', timeout: 2}}
    visits: false
    channels:
      email: {{to: [alerts@pratikoai.com]}}
      slack: {{url: '${{SLACK}}'}}
      webhook: {{url_file: hook, key: '${{SIGNING}}'}}
      pagerduty: {{key: '${{PAGER}}', server: '{hook_url}'}}
    fallback: webhook
    pings: {{health: {{url: '${{PING}}'}}}}
{more}
delivery:
  email: {{host: 127.0.0.1, port: {mail_port}, security: none, sender: opsjobs@example.com, timeout: 5}}
storage: {{root: state}}
"""
        )
        (self.folder / "hook").write_text(f"{hook_url}/hook")

    def command(self, *words):
        return {"args": [sys.executable, "-m", "opsjobs", *words], "cwd": self.folder, "env": self.environment}

    def run(self, *words):
        return subprocess.run(**self.command(*words), capture_output=True, text=True, timeout=120)


@contextmanager
def opened(folder, answer=(200, {}, b"ok"), **answers):
    inbox = Inbox(**answers)
    with hook(answer) as server, mail_server(inbox) as port:
        yield Place(folder, server.url, port), server, inbox


def of(server, path):
    return [json.loads(body) for where, _, body in server.requests if where.startswith(path)]


def test_everybody_is_told_once_and_the_run_is_pinged(tmp_path):
    with opened(tmp_path) as (place, server, inbox):
        first, second = place.run("health"), place.run("health")
    assert first.returncode == second.returncode == 3, first.stderr
    assert "told alerts@pratikoai.com by email" in first.stdout and "told #pratikoai-alerts by slack" in first.stdout
    assert "told" not in second.stdout
    assert {recipient for recipient, _ in inbox.mails} == {"alerts@pratikoai.com", "engineering@pratikoai.com"}
    assert len(inbox.mails) == 2, "the owners of the monitoring, and who gets everything"
    assert b"Subject: UNKNOWN: PratikoAI: Monitoring is blind" in inbox.mails[0][1]
    assert len(of(server, "/hook")) == 1 and len(of(server, "/services")) == 1
    (event,) = of(server, "/v2/enqueue")
    assert (event["event_action"], event["routing_key"]) == ("trigger", CANARIES["PAGER"])
    pings = [path for path in server.paths if "pingcanary" in path]
    runs = json.loads(place.run("runs", "list", "--json").stdout)["runs"]
    base = f"/{CANARIES['PING']}"
    ids = [run["id"] for run in reversed(runs)]
    assert pings == [f"{base}{what}?rid={run}" for run in ids for what in ("/start", "")]


def test_no_secret_is_in_anything_that_is_said_or_kept(tmp_path):
    with opened(tmp_path, (404, {}, "\n".join(CANARIES.values()).encode())) as (place, _, _):
        said = [
            place.run(*words)
            for words in (
                ("--debug", "health"),
                ("health", "--json"),
                ("config", "show"),
                ("config", "check"),
                ("checks", "list", "--json"),
                ("--debug", "notify", "test", "--system", "pratikoai", "--channel", "slack"),
                ("notify", "preview", "--system", "pratikoai", "--job", "health", "--out", "messages"),
                ("runs", "list", "--json"),
            )
        ]
    assert "not told #pratikoai-alerts: Slack at http://127.0.0.1:" in said[0].stdout
    texts = [f"{done.stdout}{done.stderr}".encode() for done in said]
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    kept += [path.read_bytes() for path in (tmp_path / "messages").iterdir()]
    assert len(kept) > 5
    for content in (*texts, *kept):
        for secret in ("slackcanary", "signingcanary", "pagercanary", "pingcanary"):
            assert secret.encode() not in content


def test_killed_while_somebody_is_told_the_next_look_tells_it_with_the_same_id(tmp_path):
    with opened(tmp_path, lambda path, _: None if path == "/hook" else (200, {}, b"ok")) as (place, server, _):
        with subprocess.Popen(**place.command("health"), stdout=subprocess.DEVNULL) as killed:
            deadline = time.monotonic() + 60
            while not of(server, "/hook") and time.monotonic() < deadline:
                time.sleep(0.05)
            killed.kill()
        (before,) = of(server, "/hook")
    with opened(tmp_path) as (place, server, _):
        due(tmp_path)
        done = place.run("health")
        assert done.returncode == 3, done.stderr
        (after,) = of(server, "/hook")
    assert after == before


def due(folder):
    """As if every pause were over."""
    import sqlite3

    connection = sqlite3.connect(folder / "state/ledger.db")
    connection.execute("UPDATE deliveries SET due_at = created_at")
    connection.commit()
    connection.close()


def test_what_mail_does_not_take_is_said_by_the_fallback_and_in_the_next_report(tmp_path):
    with opened(tmp_path, data="550 no") as (place, server, _):
        done = place.run("health")
        subjects = [document["subject"] for document in of(server, "/hook")]
        pings = [path for path in server.paths if "pingcanary" in path]
        report = json.loads(place.run("daily", "--no-send", "--json").stdout)["runs"][0]
    assert "not told alerts@pratikoai.com: the mail server 127.0.0.1 answered 550" in done.stdout
    assert min(subjects).startswith("Not delivered to alerts@pratikoai.com: UNKNOWN: PratikoAI")
    assert pings[-1].partition("?")[0].endswith("/fail")
    assert any("not delivered" in finding["title"] for finding in report["findings"])


def test_no_send_tells_nobody_and_whoever_is_told_later_hears_of_it(tmp_path):
    with opened(tmp_path) as (place, server, inbox):
        place.run("health", "--no-send")
        assert inbox.mails == [] and of(server, "/hook") == []
        place.run("health")
        assert len(of(server, "/hook")) == 1


class TestWhoeverKnows:
    @pytest.fixture
    def told(self, tmp_path):
        with opened(tmp_path) as (place, server, _):
            place.run("health", "--no-send")
            yield place, server

    def test_is_not_told_and_everybody_can_see_it(self, told):
        place, server = told
        reason = "the link is being mended"
        done = place.run("checks", "ack", "monitoring", "--for", "3d", "--reason", reason)
        assert done.stdout.startswith("nobody is told of monitoring until ")
        looked = place.run("health")
        assert f": {reason}" in looked.stdout and of(server, "/hook") == []
        listed = place.run("checks", "list").stdout
        assert "knows until" in listed and reason in listed
        (system,) = json.loads(place.run("checks", "list", "--json").stdout)["systems"]
        (blind,) = [check for check in system["checks"] if check["check"] == "monitoring"]
        assert blind["acknowledged"]["reason"] == reason and blind["looks"] == 2
        assert place.run("checks", "unack", "monitoring").stdout == "monitoring is told again\n"
        place.run("health")
        assert len(of(server, "/hook")) == 1

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("ack", "monitorin", "--for", "3d", "--reason", "r"), "did you mean 'monitoring'?"),
            (("ack", "monitoring", "--for", "3 days", "--reason", "r"), "'3 days' is no length of time"),
            (("ack", "monitoring", "--for", "31d", "--reason", "r"), "30d at most"),
            (("ack", "monitoring", "--for", "1d", "--reason", " "), "the reason is empty"),
            (("ack", "monitoring", "--for", "1d"), "Missing option '--reason'"),
            (("unack", "monitoring"), "nobody said that they know of 'monitoring'"),
            (("ack", "monitoring", "--for", "1d", "--reason", "r", "--system", "shop"), "no system is called 'shop'"),
        ],
    )
    def test_is_told_what_was_wrong_with_what_they_said(self, told, words, said):
        place, _ = told
        done = place.run("checks", *words)
        assert done.returncode == 64 and said in done.stderr


def test_maintenance_keeps_quiet_and_says_why(tmp_path):
    days = "[mon, tue, wed, thu, fri, sat, sun]"
    window = f'    maintenance: [{{reason: moving house, days: {days}, from: "00:00", until: "24:00"}}]'
    with opened(tmp_path) as (place, server, inbox):
        place.write(server.url, 9, window)
        done = place.run("health")
        assert done.returncode == 3 and "maintenance: moving house" in done.stdout
        assert of(server, "/hook") == of(server, "/v2") == inbox.mails == []


def test_a_channel_is_tried_before_it_is_needed(tmp_path):
    with opened(tmp_path) as (place, _, _):
        done = place.run("notify", "test", "--system", "pratikoai", "--channel", "slack")
        assert done.stdout == "sent to #pratikoai-alerts\n"
        assert place.run("notify", "test", "--system", "pratikoai", "--channel", "email").stdout.count("sent to ") == 5
        wrong = place.run("notify", "test", "--system", "pratikoai", "--channel", "slak")
        assert wrong.returncode == 64 and "it has email, slack, webhook, pagerduty" in wrong.stderr
        assert place.run("notify", "test").returncode == 64
        preview = place.run("notify", "preview", "--system", "pratikoai", "--job", "health", "--out", "messages")
        assert preview.returncode == 0
        written = [json.loads(path.read_text()) for path in (tmp_path / "messages").glob("*.json")]
        assert len(written) == 3 and len(list((tmp_path / "messages").glob("*.eml"))) == 2
        assert any(document.get("event_action") == "trigger" for document in written)
