"""The ledger in SQLite here, and in a real PostgreSQL in tests/contract."""

import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from opsjobs.errors import LedgerError
from opsjobs.ledger import Ledger
from opsjobs.model import Run


def test_a_folder_that_can_not_be_made_is_told_in_words():
    with pytest.raises(LedgerError, match=r"sqlite:////proc/nowhere/ledger.db cannot be used"):
        Ledger.at("/proc/nowhere/ledger.db").open()


def test_a_file_that_is_no_ledger_is_told_in_words_and_not_overwritten(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"somebody's own notes, at least a page of them" * 100)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="cannot be used: file is not a database"):
        Ledger.at(path).open()
    assert path.read_bytes() == before


def test_the_password_of_a_database_is_in_no_error():
    with pytest.raises(LedgerError) as caught:
        Ledger("postgresql://u:canary-pass@127.0.0.1:1/x").open()
    assert "canary-pass" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_text_that_is_no_url_is_refused():
    with pytest.raises(LedgerError, match="not a database URL"):
        Ledger("not a url")


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path):
    Ledger.at(tmp_path / "ledger.db").open().close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="was written by a newer opsjobs"):
        Ledger.at(tmp_path / "ledger.db").open()


@pytest.mark.parametrize("url", ["mysql://h/x", "postgresql+asyncpg://h/x", "oracle://h/x"])
def test_a_database_that_is_not_supported_is_named(url):
    with pytest.raises(LedgerError, match="a ledger cannot be kept in"):
        Ledger(url)


@pytest.mark.parametrize("url", ["postgresql://h:port/x", "postgresql://[::1/x"])
def test_a_url_that_can_not_be_read_is_refused(url):
    with pytest.raises(LedgerError, match="not a database URL"):
        Ledger(url)


def test_the_file_is_in_wal_mode(tmp_path):
    Ledger.at(tmp_path / "ledger.db").open().close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_full_disk_is_told_in_words(tmp_path):
    ledger = Ledger.at(tmp_path / "ledger.db").open()
    with ledger.database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    run = Run(id="x", system="s", job="j", slot="d", started_at=datetime.now(UTC), error="long " * 100_000)
    with pytest.raises(LedgerError, match="full"):
        ledger.start(run)
    ledger.close()


def test_naive_times_are_refused(tmp_path):
    ledger = Ledger.at(tmp_path / "ledger.db").open()
    with pytest.raises(LedgerError, match="aware"):
        ledger.start(Run(id="x", system="s", job="j", slot="d", started_at=datetime(2026, 1, 1)))  # noqa: DTZ001
    ledger.close()


def test_values_of_a_day_are_replaced_whole_by_a_later_run(tmp_path):
    from tests.unit.analysis.test_indicators import judge
    from tests.unit.shop import answer

    ledger = Ledger.at(tmp_path / "ledger.db").open()
    run = Run(id="a", system="s", job="daily", slot="d", started_at=datetime.now(UTC))
    day = date(2026, 11, 18)
    for run_id, values in (("a", [30.0] * 24), ("b", [40.0] * 24)):
        ledger.start(replace(run, id=run_id))
        ledger.finish(replace(run, id=run_id), day, [judge(answer(values))])
    assert ledger.past("s", date(2026, 11, 19), 7) == {"orders": {day: 40.0}}
    ledger.close()
