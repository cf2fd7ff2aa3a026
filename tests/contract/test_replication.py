"""A real primary and a real standby: healthy, behind, stopped; told from the one side and from the other."""

from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest

from opsjobs.analysis import postgresql as judging
from opsjobs.model import Status
from tests.contract.conftest import postgresql, standby
from tests.contract.test_databases_in_the_report import section, subjects
from tests.contract.test_postgres import GRANT, eventually, postgres
from tests.unit.analysis.test_findings import Shop, report

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture(scope="module")
def primary():
    # Behind by more than one file of the log takes that it is still there.
    with postgresql(["wal_keep_size=256MB"], superuser="postgres") as (url, _):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE written (text text)")
        yield url


def rows(url):
    """What the report says of the server, by title, and its findings."""
    with postgres(SimpleNamespace(port=urlsplit(url).port)) as database:
        result = report(Shop(), postgresql=database)
    return {row.title: row for row in section(result, "postgresql").blocks[0].rows}, subjects(result)


def write(url, kibibytes=1):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("INSERT INTO written SELECT repeat('x', 1000) FROM generate_series(1, %s)", [kibibytes])


def caught_up(url, follower):
    with psycopg.connect(url, autocommit=True) as session, psycopg.connect(follower, autocommit=True) as other:
        written = session.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
        eventually(lambda: other.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone()[0])


def test_a_pair_that_keeps_up_needs_nobody_on_either_side(primary):
    with standby(primary) as (follower, _):
        write(primary)
        caught_up(primary, follower)
        said, found = rows(primary)
        assert said["Replication"].value == "primary, 1 replica"
        assert (said["Replica walreceiver"].status, found) == (Status.OK, [])
        said, found = rows(follower)
        assert (said["Standby"].status, said["Standby"].value, found) == (Status.OK, "0 s behind", [])


def test_a_standby_that_applies_late_is_behind_from_both_sides(primary, monkeypatch):
    # A minute is the limit; a test does not wait for so long.
    monkeypatch.setattr(judging, "LAG_WARNING", 1)
    with standby(primary, "recovery_min_apply_delay=3s") as (follower, _):
        write(primary)
        caught_up(primary, follower)
        write(primary)
        eventually(lambda: rows(follower)[0]["Standby"].status is Status.WARNING)
        assert rows(follower)[1] == [("postgresql:standby", Status.WARNING)]
        caught_up(primary, follower)
        eventually(lambda: rows(primary)[1] == [("postgresql:replica:walreceiver", Status.WARNING)])
        assert "longer than 1 s" in rows(primary)[0]["Replica walreceiver"].reason


def test_where_replay_has_stopped_the_standby_says_how_long_and_the_primary_that_it_is_not_known(primary, monkeypatch):
    with standby(primary) as (follower, _), psycopg.connect(follower, autocommit=True) as session:
        write(primary)
        caught_up(primary, follower)
        session.execute("SELECT pg_wal_replay_pause()")
        eventually(lambda: session.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()[0] == "paused")
        write(primary, 40_000)
        monkeypatch.setattr(judging, "LAG_WARNING", 1)
        eventually(lambda: rows(follower)[1] == [("postgresql:standby", Status.WARNING)])
        monkeypatch.undo()
        said, found = rows(primary)
        replica = said["Replica walreceiver"]
        assert (replica.status, found) == (Status.UNKNOWN, [("source:postgresql", Status.UNKNOWN)])
        assert "how long it is behind is not known" in replica.reason and "MiB of the log" in replica.reason
        session.execute("SELECT pg_wal_replay_resume()")
        caught_up(primary, follower)
        eventually(lambda: rows(primary)[1] == [])


def test_a_standby_that_lost_its_primary_says_that_it_is_not_connected():
    with postgresql(superuser="postgres") as (url, process):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE written (text text)")
        with standby(url) as (follower, _):
            write(url)
            caught_up(url, follower)
            process.terminate()
            process.wait(30)
            eventually(lambda: "not connected" in rows(follower)[0]["Standby"].reason)
