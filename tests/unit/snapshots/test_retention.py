"""Which snapshots stay: by the same rules as backups of Grafana."""

from dataclasses import replace
from datetime import timedelta

import pytest

from opsjobs.backup.manifest import Verdict, stamp
from opsjobs.backup.retention import Keep, plan
from opsjobs.errors import BackupError
from tests.unit.snapshots.around import FIRST, NOON, SECOND, Bench, chunks

KEEP = Keep(daily=2, weekly=0, monthly=0)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, {FIRST: (0, 10, 1000)})


def aged(bench, days):
    """The snapshot of so many days ago."""
    made = bench.take().snapshot
    at = NOON - timedelta(days=days)
    bench.vault.store.remove(f"manifests/{made.id}.json")
    made = replace(made, id=stamp(at), started_at=at)
    bench.vault.publish(made)
    return made


def test_the_newest_of_so_many_days_stay_and_what_only_the_others_had_goes(bench):
    old = aged(bench, 5)
    bench.source.blocks = {FIRST: (0, 10, 1000), SECOND: (10, 12, 5)}
    for days in (2, 1, 0):
        aged(bench, days)
    kept = plan(bench.vault.backups()[0], lambda each: True, KEEP, NOON)
    leaving = [each.backup.id for each in kept if not each.reasons]
    assert leaving == [stamp(NOON - timedelta(days=2)), old.id]
    assert bench.vault.drop(leaving) > 0
    for name in bench.vault.names():
        assert bench.vault.verify(bench.vault.manifest(name).files) == []
    assert len(bench.vault.names()) == 2


def test_a_damaged_snapshot_does_not_count(bench):
    aged(bench, 3)
    bench.source.blocks = {FIRST: (0, 10, 1000), SECOND: (10, 12, 5)}
    newest = aged(bench, 0)
    bench.path(chunks(newest, SECOND)).unlink()
    kept = plan(bench.vault.backups()[0], lambda each: not bench.vault.verify(each.files), KEEP, NOON)
    assert [each.reasons[0] for each in kept] == ["damaged: a person decides", "the newest complete one"]


def test_one_that_shrank_does_not_count_and_goes_when_it_is_old(bench):
    good = aged(bench, 40)
    bad = replace(
        good, id=stamp(NOON - timedelta(days=20)), verdict=Verdict.SHRUNK, started_at=NOON - timedelta(days=20)
    )
    bench.vault.publish(bad)
    kept = plan(bench.vault.backups()[0], lambda each: True, KEEP, NOON)
    assert [(each.backup.id, bool(each.reasons)) for each in kept] == [(bad.id, False), (good.id, True)]


def test_nothing_is_removed_while_a_manifest_that_stays_cannot_be_read(bench):
    old, new = aged(bench, 5), aged(bench, 0)
    bench.vault.store.put(f"manifests/{new.id}.json", b"{}")
    before = bench.vault.store.sizes()
    with pytest.raises(BackupError):
        bench.vault.drop([old.id])
    assert bench.vault.store.sizes() == before
