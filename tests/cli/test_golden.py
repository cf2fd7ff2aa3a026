"""What a person sees: the whole output and exit code of commands, held in golden/. `make golden` rewrites them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
BROKEN = """systems:
  pratikoai:
    prometheus:
      url: localhost:9090
      password: hunter2-canary
      timeout: -1
  Shop: {profile: shop.yml}
storag: {}
"""
PROFILE = """title: Shop
zone: Europe/Rome
teams: {web: {contact: web@example.com}}
components:
  api: {title: API, up: 'up{job="api"', team: web}
metrics:
  orders_total: {type: counter, component: api}
groups:
  shop:
    title: Shop
    team: wbe
    indicators:
      orders:
        title: Orders
        query: sum(rate(order_total[5m]))
        unit: pieces
        healthy: above
"""
CASES = {
    "help": ["--help"],
    "help-daily": ["daily", "--help"],
    "help-runs-list": ["runs", "list", "--help"],
    "help-runs-show": ["runs", "show", "--help"],
    "help-config-check": ["config", "check", "--help"],
    "help-config-show": ["config", "show", "--help"],
    "help-config-schema": ["config", "schema", "--help"],
    "help-demo": ["demo", "--help"],
    "no-command": [],
    "unknown-command": ["dayly"],
    "unknown-option": ["daily", "--dat", "2026-11-18"],
    "unknown-system": ["daily", "--system", "pratiko"],
    "not-a-date": ["daily", "--date", "18.11.2026"],
    "a-day-to-come": ["daily", "--date", "2999-01-01"],
    "config-check": ["config", "check"],
    "config-check-broken": ["config", "check", "--config", "broken.yml"],
    "config-check-broken-profile": ["config", "check", "--config", "shop.yml"],
    "config-check-missing-file": ["config", "check", "--config", "nowhere.yml"],
    "config-show": ["config", "show"],
    "daily-without-prometheus": ["daily", "--date", "2026-11-18"],
    "daily-without-prometheus-json": ["daily", "--date", "2026-11-18", "--json"],
    "daily-with-a-root-that-can-not-be": ["daily", "--config", "nowhere-to-write.yml"],
    "runs-list-empty": ["runs", "list"],
    "runs-show-unknown": ["runs", "show", "abc"],
    "demo-unknown-scenario": ["demo", "--scenario", "nosuch"],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "opsjobs.yml").write_text(
        "systems: {pratikoai: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}}}\nstorage: {root: state}\n"
    )
    (tmp_path / "broken.yml").write_text(BROKEN)
    (tmp_path / "shop.yml").write_text("systems: {shop: {profile: profile.yml}}\n")
    (tmp_path / "profile.yml").write_text(PROFILE)
    (tmp_path / "nowhere-to-write.yml").write_text("systems: {pratikoai: {}}\nstorage: {root: /proc/nowhere}\n")
    return tmp_path


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "opsjobs", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return f"exit {done.returncode}\n--- stdout\n{done.stdout}--- stderr\n{done.stderr}"


def settled(text, folder):
    """The output without what differs from run to run."""
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "RUN", text)
    return text.replace("python -m opsjobs", "opsjobs")


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_the_expected_one(name, folder):
    found = settled(run(folder, *CASES[name]), folder)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "rewrite":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text()


def test_every_expected_output_belongs_to_a_case():
    assert {path.stem for path in GOLDEN.glob("*.txt")} <= set(CASES)


def test_no_output_holds_a_traceback_or_a_secret():
    for path in GOLDEN.glob("*.txt"):
        text = path.read_text()
        assert "Traceback" not in text, path.name
        assert "hunter2" not in text, path.name


def test_every_command_has_an_example_in_its_help():
    from opsjobs.cli import cli

    def commands(group, path):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, [*path, name])
            else:
                yield [*path, name], command

    found = list(commands(cli, []))
    assert len(found) >= 8
    for path, command in found:
        assert (command.epilog or "").startswith(f"Example: opsjobs {' '.join(path)}"), path
        assert command.help, path
