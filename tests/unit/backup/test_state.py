"""What health checks and the daily report say of backups: old, not whole, never made, never proven."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.analysis.backups import evaluate
from opsjobs.backup import state
from opsjobs.backup.manifest import Count, Failure, Verdict
from opsjobs.backup.shelf import Shelf
from opsjobs.checks import backups as checks
from opsjobs.errors import BackupError
from opsjobs.model import Status, Team
from opsjobs.objects import Copy
from tests.unit.backup.test_retention import Memory, backup

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86_400.0
TEAM = Team(name="platform", contact="ops@example.com")


def board(title, uid="a", by="", **content):
    return Copy(kind="dashboard", uid=uid, title=title, updated_by=by, content={"title": title, **content})


def put(shelf, at, *copies, verdict=Verdict.COMPLETE, **known):
    entries = sorted((shelf.keep(each) for each in copies), key=lambda each: each.key)
    counts = {"dashboard": Count(listed=len(entries), saved=len(entries), failed=0)}
    made = replace(backup(at, verdict, entries=entries), counts=counts, **known)
    shelf.publish(made)
    return made


def rows(shelf, *, before=None, target="grafana", now=NOW):
    said = evaluate([state.of(shelf, target, 2 * DAY, before=before)], now, team=TEAM, runbook="backups")
    return {row.id: row for row in said.rows}, {each.subject: each for each in said.findings}


@pytest.fixture
def shelf():
    return Shelf(Memory())


def test_where_there_was_never_a_backup_it_is_said(shelf):
    found, findings = rows(shelf)
    row = found["backup:grafana"]
    assert (row.status, row.value, row.reason) == (Status.WARNING, "none", "there was never one")
    assert "opsjobs dashboards backup" in findings["backup:backup:grafana"].advice


@pytest.mark.parametrize(
    ("age", "status", "reason"),
    [
        (timedelta(hours=5), Status.OK, ""),
        (timedelta(days=2), Status.OK, ""),
        (timedelta(days=2, minutes=1), Status.WARNING, "older than 2 d"),
        (timedelta(days=6), Status.WARNING, "older than 2 d"),
        (timedelta(days=6, minutes=1), Status.CRITICAL, "older than 2 d"),
    ],
)
def test_one_that_is_too_old_is_a_warning_and_after_three_times_critical(age, status, reason, shelf):
    put(shelf, NOW - age, board("A"))
    row = rows(shelf)[0]["backup:grafana"]
    assert (row.status, row.reason) == (status, reason) and row.number == age.total_seconds()
    assert "1 dashboard, 1 objects" in row.value


@pytest.mark.parametrize(
    ("verdict", "known", "says"),
    [
        (
            Verdict.INCOMPLETE,
            {"failures": (Failure(kind="dashboard", uid="b", title="B", reason="HTTP 500"),) * 3},
            "incomplete: dashboard B (b): HTTP 500 and 2 more",
        ),
        (Verdict.SHRUNK, {"missing": ("no dashboards where there were 9",)}, "shrunk: no dashboards where there"),
        (Verdict.EMPTY, {}, "empty: nothing in Grafana may be seen"),
    ],
)
def test_a_newest_one_that_is_not_whole_is_a_warning_though_an_older_one_is(verdict, known, says, shelf):
    put(shelf, NOW - timedelta(hours=20), board("A"))
    put(shelf, NOW - timedelta(hours=1), board("A"), verdict=verdict, **known)
    row = rows(shelf)[0]["backup:grafana"]
    assert row.status is Status.WARNING and says in row.reason and row.value.startswith("20 h ago")


def test_where_only_one_that_is_not_whole_was_made_none_is_claimed(shelf):
    put(shelf, NOW - timedelta(hours=1), verdict=Verdict.EMPTY)
    row = rows(shelf)[0]["backup:grafana"]
    assert (row.status, row.value) == (Status.WARNING, "none") and "empty" in row.reason


def test_an_old_good_one_under_bad_ones_is_critical_and_both_are_said(shelf):
    put(shelf, NOW - timedelta(days=9), board("A"))
    put(shelf, NOW - timedelta(hours=1), verdict=Verdict.EMPTY)
    row = rows(shelf)[0]["backup:grafana"]
    assert row.status is Status.CRITICAL and "older than 2 d; empty:" in row.reason


def test_a_place_that_cannot_be_read_is_unknown(shelf, monkeypatch):
    def broken(*_):
        raise BackupError("/srv/backups: cannot be listed: Permission denied")

    monkeypatch.setattr(shelf.store, "sizes", broken)
    row = rows(shelf)[0]["backup:grafana"]
    assert row.status is Status.UNKNOWN and "Permission denied" in f"{row.value}{row.reason}"


def drilled(shelf, **said):
    shelf.store.put("drills.json", json.dumps({"held_at": None, "lost": "", **said}).encode())


def test_a_drill_that_was_never_tried_is_no_warning_and_one_that_failed_is(shelf):
    put(shelf, NOW - timedelta(hours=1), board("A"))
    row = rows(shelf)[0]["drill:grafana"]
    assert (row.status, row.value) == (Status.OK, "never tried")
    drilled(shelf, lost="dashboard A (a): panels differ")
    row = rows(shelf)[0]["drill:grafana"]
    assert row.status is Status.WARNING and "did not hold: dashboard A (a): panels differ" in row.reason
    drilled(shelf, held_at=(NOW - timedelta(days=3)).isoformat(), lost="dashboard A (a): gone")
    row = rows(shelf)[0]["drill:grafana"]
    assert row.status is Status.WARNING and row.value == "3 d ago"


@pytest.mark.parametrize(("days", "status"), [(1, Status.OK), (40, Status.OK), (41, Status.WARNING)])
def test_a_drill_proves_something_for_forty_days(days, status, shelf):
    put(shelf, NOW - timedelta(hours=1), board("A"))
    drilled(shelf, held_at=(NOW - timedelta(days=days)).isoformat())
    assert rows(shelf)[0]["drill:grafana"].status is status


def test_a_damaged_note_of_drills_is_unknown_and_not_ok(shelf):
    put(shelf, NOW - timedelta(hours=1), board("A"))
    shelf.store.put("drills.json", b"{")
    assert rows(shelf)[0]["backup:grafana"].status is Status.UNKNOWN


def test_what_is_different_since_the_day_before_is_said_with_who_did_it(shelf):
    midnight = NOW.replace(hour=0)
    put(shelf, midnight - timedelta(hours=30), board("Old", "x"), board("A"))
    put(shelf, midnight - timedelta(hours=20), board("A", panels=[]), board("Gone", "gone"))
    put(shelf, midnight + timedelta(hours=3), board("A2", by="anna", panels=[]), board("New", "new", by="ben"))
    row = rows(shelf, before=midnight)[0]["changes:grafana"]
    assert (row.value, row.number, row.status) == ("3 objects", 3, Status.OK)
    for part in ("dashboard 'A2' changed by anna", "dashboard 'Gone' removed", "dashboard 'New' added by ben"):
        assert part in row.reason
    assert "Old" not in row.reason, "only since the newest one of the day before"


def test_nothing_that_is_different_is_said_to_be_nothing_and_many_are_counted(shelf):
    midnight = NOW.replace(hour=0)
    put(shelf, midnight - timedelta(hours=20), board("A"))
    put(shelf, midnight + timedelta(hours=3), board("A"))
    row = rows(shelf, before=midnight)[0]["changes:grafana"]
    assert (row.value, row.number, row.reason) == ("0 objects", 0, "")
    put(shelf, midnight + timedelta(hours=4), board("A"), *(board(f"B{n}", f"b{n}") for n in range(11)))
    row = rows(shelf, before=midnight)[0]["changes:grafana"]
    assert row.value == "11 objects" and row.reason.endswith("; 3 more")


def test_without_a_backup_of_today_or_of_before_nothing_is_compared(shelf):
    midnight = NOW.replace(hour=0)
    put(shelf, midnight - timedelta(hours=20), board("A"))
    assert "changes:grafana" not in rows(shelf, before=midnight)[0]
    other = Shelf(Memory())
    put(other, midnight + timedelta(hours=2), board("A"))
    assert "changes:grafana" not in rows(other, before=midnight)[0]


def test_an_incomplete_one_is_not_what_is_compared(shelf):
    midnight = NOW.replace(hour=0)
    put(shelf, midnight - timedelta(hours=20), board("A"))
    put(shelf, midnight - timedelta(hours=10), verdict=Verdict.INCOMPLETE)
    put(shelf, midnight + timedelta(hours=3), board("A"))
    assert rows(shelf, before=midnight)[0]["changes:grafana"].value == "0 objects"


class Around:
    """What a check is given."""

    now = NOW

    class owners:
        monitoring = TEAM

        @staticmethod
        def of_server(name):
            return TEAM, "backups"

    def __init__(self, *found):
        self.backups = (lambda: list(found)) if found else None


def test_the_health_check_has_a_result_for_each_grafana_and_none_for_what_people_change(shelf):
    midnight = NOW.replace(hour=0)
    put(shelf, midnight - timedelta(hours=20), board("A"))
    put(shelf, midnight + timedelta(hours=3), board("B"))
    other = Shelf(Memory())
    put(other, NOW - timedelta(days=7), board("A"))
    around = Around(
        state.of(shelf, "grafana", 2 * DAY, before=midnight), state.of(other, "staging", 2 * DAY, before=midnight)
    )
    (probe,) = checks.checks(around)
    said = {each.id: each for each in probe.ask(None)}
    assert {name: each.status for name, each in said.items()} == {
        "backup:grafana": Status.OK,
        "backup:grafana:drill": Status.OK,
        "backup:staging": Status.CRITICAL,
        "backup:staging:drill": Status.OK,
    }
    assert "opsjobs dashboards backup" in said["backup:staging"].advice
    assert said["backup:staging"].team is TEAM and said["backup:staging"].runbook == "backups"
    assert "of staging" in said["backup:staging"].title


def test_where_there_is_no_grafana_there_is_no_check():
    assert list(checks.checks(Around())) == []


@pytest.mark.parametrize("older", [True, False])
def test_a_newest_manifest_that_is_damaged_is_a_warning(older, shelf):
    if older:
        put(shelf, NOW - timedelta(hours=20), board("A"))
    made = put(shelf, NOW - timedelta(hours=1), board("A"))
    shelf.store.files[f"manifests/{made.id}.json"] = b"{"
    row = rows(shelf)[0]["backup:grafana"]
    assert row.status is Status.WARNING and made.id in row.reason and "cannot be read" in row.reason
