"""The weekly digest from end to end: seven days of a hand-made history on a real Prometheus, asked over HTTP."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from opsjobs.model import Status
from tests.conftest import prometheus_with
from tests.unit.shop import DAY, PROFILE, ZONE

MONDAY = DAY - timedelta(days=DAY.weekday() + 7)
HOUR = 3600


def at(day, hour):
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()) + hour * HOUR


def minutes(value, *, but=()):
    """A sample each minute from a week before the week to its end; `but` says (from, until, value), ... is none."""
    samples = []
    for time in range(at(MONDAY - timedelta(days=7), 0), at(MONDAY + timedelta(days=7), 0) + 1, 60):
        state = next((other for start, end, other in but if start <= time < end), value)
        if state is not ...:
            samples.append((time, state))
    return samples


@pytest.fixture(scope="module")
def shop(binaries, tmp_path_factory):
    """A shop with few orders on Tuesday, its database down for an hour of Friday, its stock not seen on Sunday."""
    folder = tmp_path_factory.mktemp("week")
    tuesday, friday, sunday = (MONDAY + timedelta(days=number) for number in (1, 4, 6))
    series = {
        'up{job="api",instance="a"}': minutes(1.0),
        'db_up{instance="db"}': minutes(1.0, but=[(at(friday, 3), at(friday, 4), 0.0)]),
        "orders": minutes(30.0, but=[(at(tuesday, 0) + 1, at(tuesday, 24) + 1, 8.0)]),
        "stock": minutes(5.0, but=[(at(sunday, 12), at(sunday, 24) + 1, ...)]),
        "paid": minutes(98.0),
        "tried": minutes(100.0),
        "prometheus_rule_group_rules": minutes(5.0),
    }
    with prometheus_with(binaries, folder / "prometheus", series) as server:
        (folder / "profile.yml").write_text(PROFILE)
        (folder / "opsjobs.yml").write_text(
            f"systems: {{shop: {{profile: profile.yml, prometheus: {{url: {server.url!r}}}}}}}\n"
            "storage: {root: state}\n"
        )
        yield folder


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", "daily", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_week_is_one_run_with_four_files_below_its_slot(shop):
    slot = f"{MONDAY:%G-W%V}"
    done = run(shop, "--week", slot, "--json")
    assert done.returncode == 3, done.stderr
    (found,) = json.loads(done.stdout)["runs"]
    assert (found["job"], found["slot"], found["status"], found["complete"]) == ("weekly", slot, "UNKNOWN", False)
    assert "4 of 7 days were well" in found["verdict"]
    folder = shop / "state/reports/shop/weekly" / slot
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.pdf", "report.txt"]

    document = json.loads((folder / "report.json").read_text())
    days = document["sections"][0]["blocks"][0]["days"]
    assert [day["status"] for day in days] == [
        *("OK", "WARNING", "OK", "OK", "WARNING", "OK", "UNKNOWN"),
    ]
    rows = {row["id"]: row for row in document["sections"][1]["blocks"][0]["rows"]}
    assert [cell["value"] for cell in rows["orders"]["cells"]] == [30.0, 8.0, 30.0, 30.0, 30.0, 30.0, 30.0]
    assert rows["stock"]["cells"][6]["status"] == Status.UNKNOWN.name
    assert len(document["gaps"]) == 1
    assert "UNKNOWN, PARTIAL: 4 of 7 days were well" in " ".join((folder / "report.txt").read_text().split())

    # Days are remembered by their own reports.
    import sqlite3

    with sqlite3.connect(shop / "state/ledger.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM indicator_days").fetchone() == (0,)
        assert ledger.execute("SELECT job, slot FROM runs").fetchall() == [("weekly", slot)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--week", "2026-W46", "--date", "2026-11-18"), "--date and --week exclude each other"),
        (("--week", "2026-W54"), "'2026-W54' is no ISO week"),
        (("--week", "9999-W52"), "'9999-W52' is no ISO week"),
        (("--week", "last week"), "'last week' is no ISO week"),
        (("--week", ""), "'' is no ISO week"),
        (("--week", "2999-W01"), "2999-W01 has not begun"),
    ],
)
def test_a_week_that_makes_no_sense_is_said_in_words(tmp_path, arguments, said):
    done = run(tmp_path, *arguments)
    assert done.returncode == 64
    assert said in done.stderr


def test_the_last_week_is_the_last_that_is_over(shop, tmp_path):
    for name in ("opsjobs.yml", "profile.yml"):
        shutil.copy(shop / name, tmp_path)
    today = datetime.now(ZONE).date()
    done = run(tmp_path, "--week", "last", "--json")
    (found,) = json.loads(done.stdout)["runs"]
    last = today - timedelta(days=today.weekday() + 7)
    assert found["slot"] == f"{last:%G-W%V}"
    assert "so far" not in found["verdict"]
