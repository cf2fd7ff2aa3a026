"""Alerts of health checks in a real Alertmanager: it takes, lists, silences and ends them."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.model import Change, Status
from opsjobs.notify.alertmanager import ALERTS, AlertmanagerChannel
from opsjobs.report import notice as notices
from tests.unit.notify.test_channels import flip, notice, post

pytestmark = pytest.mark.xdist_group("alertmanager")


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("alertmanager is not on the PATH")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    arguments = [
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with subprocess.Popen([program, *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        url = f"http://127.0.0.1:{port}"
        try:
            waited(lambda: answered(f"{url}/-/ready") is not None)
            yield url
        finally:
            running.kill()


def answered(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as said:  # noqa: S310 - loopback
            return said.read()
    except OSError:
        return None


def waited(is_so, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def listed(url):
    """The alerts that go on, by check and severity."""
    return {
        (alert["labels"]["check"], alert["labels"]["severity"]): alert
        for alert in json.loads(answered(f"{url}{ALERTS}"))
        if "check" in alert["labels"]
    }


def tell(url, *flips, at=None, lasts=timedelta(hours=7), **known):
    made = AlertmanagerChannel(post(url, ALERTS), lasts=lasts)
    said = notices.letter(notice(*flips, at=at or datetime.now(UTC), **known))
    made.send(made.compose(said, "alertmanager", "id", datetime.now(UTC)), "alertmanager")


def test_an_alert_goes_on_gets_worse_and_ends(alertmanager):
    name = "component:life"
    tell(alertmanager, flip(name, Status.WARNING))
    assert waited(lambda: (name, "warning") in listed(alertmanager))
    alert = listed(alertmanager)[(name, "warning")]
    ends = datetime.fromisoformat(alert["endsAt"])
    assert ends - datetime.now(UTC) > timedelta(hours=6, minutes=50)
    assert alert["annotations"]["runbook_url"] == "https://docs.example.com/shop#api-down"
    tell(alertmanager, flip(name, change=Change.WORSE, before=Status.WARNING))
    assert waited(lambda: [key for key in listed(alertmanager) if key[0] == name] == [(name, "critical")])
    tell(alertmanager, flip(name, Status.OK, Change.ENDED, Status.CRITICAL))
    assert waited(lambda: not [key for key in listed(alertmanager) if key[0] == name])


def test_what_nobody_repeats_ends_by_itself(alertmanager):
    name = "component:forgotten"
    tell(alertmanager, flip(name), lasts=timedelta(seconds=2))
    assert (name, "critical") in listed(alertmanager)
    assert waited(lambda: (name, "critical") not in listed(alertmanager))


def test_a_silence_holds_it_back(alertmanager):
    name = "component:silenced"
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "check", "value": name, "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ada",
        "comment": "known",
    }
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{alertmanager}/api/v2/silences",
        json.dumps(silence).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - loopback
        tell(alertmanager, flip(name))
    assert waited(lambda: listed(alertmanager)[(name, "critical")]["status"]["state"] == "suppressed")
