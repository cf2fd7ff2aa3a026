"""The report by mail, as real processes: sent, partly refused, killed while it is sent, and sent by the next run."""

import contextlib
import email
import json
import os
import sqlite3
import subprocess
import sys
import time
from email.policy import default

import pytest

from tests.unit.notify.mailserver import Inbox, mail_server

TO, OTHER = "alerts@example.com", "admin@example.com"


def configure(folder, port, recipients=(TO, OTHER)):
    (folder / "opsjobs.yml").write_text(
        f"""
systems:
  pratikoai:
    prometheus: {{url: 'http://127.0.0.1:9', timeout: 2}}
    recipients: [{", ".join(recipients)}]
delivery:
  email: {{host: 127.0.0.1, port: {port}, security: none, sender: opsjobs@example.com, timeout: 20}}
storage: {{root: state}}
"""
    )


def command(folder, *arguments):
    return {
        "args": [sys.executable, "-m", "opsjobs", *arguments],
        "cwd": folder,
        "env": {"PATH": os.environ["PATH"], "HOME": str(folder)},
    }


def run(folder, *arguments):
    return subprocess.run(**command(folder, *arguments), capture_output=True, text=True, timeout=120)


def daily(folder, *arguments):
    return run(folder, "daily", "--date", "2026-11-18", *arguments)


def parsed(content):
    return email.message_from_bytes(content, policy=default)


def test_everybody_gets_the_report_with_the_verdict_in_the_subject(tmp_path):
    inbox = Inbox()
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        done = daily(tmp_path)
    assert f"sent to {TO}" in done.stdout
    assert sorted(recipient for recipient, _ in inbox.mails) == [OTHER, TO]
    mail = parsed(inbox.mails[0][1])
    assert mail["Subject"] == "UNKNOWN PARTIAL: PratikoAI 2026-11-18: Prometheus could not be asked"
    assert "systems.pratikoai.prometheus.url" in mail.get_body(("plain",)).get_content()
    assert [part.get_filename() for part in mail.iter_attachments()] == [
        "pratikoai-2026-11-18.pdf",
        "pratikoai-2026-11-18.html",
    ]
    assert mail["Message-ID"] != parsed(inbox.mails[1][1])["Message-ID"]


def test_a_day_that_is_run_again_is_not_mailed_again_and_no_send_mails_nobody(tmp_path):
    inbox = Inbox()
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        daily(tmp_path, "--no-send")
        assert inbox.seen == []
        for _ in range(2):
            daily(tmp_path)
    assert len(inbox.mails) == 2


def test_one_recipient_that_is_refused_makes_the_run_partial_and_costs_the_other_nothing(tmp_path):
    inbox = Inbox(rcpt={TO: "550 no such user"})
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        done = daily(tmp_path, "--json")
    assert done.returncode == 3
    (document,) = json.loads(done.stdout)["runs"]
    assert {each["recipient"]: each["state"] for each in document["deliveries"]} == {TO: "failed", OTHER: "sent"}
    assert f"not sent to {TO}" in document["error"]
    assert [recipient for recipient, _ in inbox.mails] == [OTHER]


def test_a_server_that_is_down_leaves_the_mail_for_the_next_run_which_sends_the_same(tmp_path):
    inbox = Inbox()
    with mail_server(inbox) as port:
        pass
    configure(tmp_path, port)
    done = daily(tmp_path)
    assert done.returncode == 3
    assert "cannot be reached: Connection refused" in done.stdout
    waiting = written(tmp_path)
    assert {form for _, form in waiting} == {"full", "light"} and len(waiting) == 4
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        due(tmp_path)
        run(tmp_path, "daily", "--date", "2026-11-17")
    sent = [content for _, content in inbox.mails if b"2026-11-18" in content.split(b"\r\n\r\n")[0]]
    assert sorted(map(bytes.rstrip, sent)) == sorted(
        content.rstrip() for (_, form), content in waiting.items() if form == "full"
    )
    assert all(delivery not in {each for each, _ in written(tmp_path)} for delivery, _ in waiting)


def written(folder):
    """The messages that are still to be sent, as they are written down."""
    with contextlib.closing(sqlite3.connect(folder / "state/ledger.db", timeout=30)) as connection:
        try:
            rows = connection.execute("SELECT delivery_id, form, content FROM messages").fetchall()
        except sqlite3.OperationalError:
            return {}
    return {(delivery, form): content for delivery, form, content in rows}


def due(folder):
    """As if the pause were over."""
    connection = sqlite3.connect(folder / "state/ledger.db")
    connection.execute("UPDATE deliveries SET due_at = created_at")
    connection.commit()
    connection.close()


def test_killed_while_the_mail_is_sent_the_next_run_sends_the_same_one(tmp_path):
    slow = Inbox(silence=15)
    with mail_server(slow) as port:
        configure(tmp_path, port, (TO,))
        with subprocess.Popen(
            **command(tmp_path, "daily", "--date", "2026-11-18"), stdout=subprocess.DEVNULL
        ) as killed:
            for _ in range(300):
                if (tmp_path / "state/ledger.db").exists() and written(tmp_path):
                    break
                time.sleep(0.05)
            time.sleep(0.5)
            (before,) = (content for (_, form), content in written(tmp_path).items() if form == "full")
            killed.kill()
    inbox = Inbox()
    with mail_server(inbox) as port:
        configure(tmp_path, port, (TO,))
        daily(tmp_path)
    ((_, content),) = inbox.mails
    assert content.rstrip() == before.rstrip()


def test_the_preview_is_the_mail_that_would_be_sent_and_is_not_sent(tmp_path):
    inbox = Inbox()
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        done = run(tmp_path, "notify", "preview", "--system", "pratikoai", "--date", "2026-11-18", "--out", "mails")
        assert inbox.seen == []
        assert done.returncode == 0, done.stderr
        daily(tmp_path)
    previews = sorted((tmp_path / "mails").glob("*.eml"))
    assert len(previews) == 2

    def settled(content):
        return [line for line in content.rstrip().split(b"\r\n") if not line.startswith(b"Date:")]

    assert sorted(settled(path.read_bytes()) for path in previews) == sorted(
        settled(content) for _, content in inbox.mails
    )


def test_a_test_mail_says_what_the_server_offers(tmp_path):
    inbox = Inbox()
    with mail_server(inbox) as port:
        configure(tmp_path, port)
        done = run(tmp_path, "notify", "test", "--to", TO)
    assert done.returncode == 0, done.stderr
    assert "TLS: none" in done.stdout
    assert "largest message: 33554432" in done.stdout
    assert [recipient for recipient, _ in inbox.mails] == [TO]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{host: mail.example.com, security: none, sender: a@example.com}", "only for a server on this machine"),
        ("{host: localhost, security: none, sender: a@example.com, username: u, password: '${S}'}", "sent in clear"),
        ("{host: mail.example.com, sender: a@example.com, username: u}", "go together"),
        ("{host: mail.example.com, sender: 'a@example.com, b@example.com'}", "one mail address"),
        ("{host: mail.example.com, sender: 'Ops <a@example.com>'}", "one mail address"),
    ],
)
def test_mail_that_would_not_be_safe_is_a_fault_of_the_configuration(tmp_path, settings, message):
    (tmp_path / "opsjobs.yml").write_text(f"systems: {{pratikoai: {{}}}}\ndelivery: {{email: {settings}}}\n")
    environment = command(tmp_path, "config", "check")
    environment["env"]["S"] = "secret-of-mine"
    done = subprocess.run(**environment, capture_output=True, text=True)
    assert done.returncode == 78
    assert message in done.stderr


def test_recipients_without_a_mail_server_are_a_fault(tmp_path):
    (tmp_path / "opsjobs.yml").write_text("systems: {pratikoai: {recipients: [a@example.com]}}\n")
    done = run(tmp_path, "config", "check")
    assert done.returncode == 78
    assert "delivery.email says nothing" in done.stderr
