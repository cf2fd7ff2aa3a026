"""Which backups go: those whose day a younger one has, never the last good one, and no object that is needed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Manifest, Purpose, Verdict
from opsjobs.backup.retention import Keep, plan
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError
from opsjobs.objects import Copy, Server

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NONE = Keep(daily=0, weekly=0, monthly=0)


def backup(at, verdict=Verdict.COMPLETE, purpose=Purpose.BACKUP, entries=()):
    return Manifest(
        id=manifests.stamp(at),
        system="shop",
        target="grafana",
        purpose=purpose,
        server=Server(url="http://x", version="9.4.0", organisation=1, organisation_name="Main Org."),
        made_by="opsjobs test",
        started_at=at,
        finished_at=at,
        verdict=verdict,
        counts={},
        entries=tuple(entries),
    )


def ago(**span):
    return NOW - timedelta(**span)


def planned(backups, keep=NONE, whole=lambda _: True, at=NOW):
    return {each.backup.started_at: each.reasons for each in plan(backups, whole, keep, at)}


def stay(backups, keep=NONE, whole=lambda _: True, at=NOW):
    return {each for each, reasons in planned(backups, keep, whole, at).items() if reasons}


def test_the_newest_of_each_of_so_many_days_stays():
    backups = [backup(ago(days=day, hours=hour)) for day in range(5) for hour in (0, 3)]
    assert stay(backups, Keep(daily=3, weekly=0, monthly=0)) == {ago(days=0), ago(days=1), ago(days=2)}


def test_the_newest_of_each_of_so_many_weeks_and_months_stays():
    backups = [backup(ago(days=day)) for day in range(100)]
    # 21 November 2026 is a Saturday.
    weekly = stay(backups, Keep(daily=0, weekly=3, monthly=0))
    assert weekly == {NOW, NOW - timedelta(days=6), NOW - timedelta(days=13)}
    monthly = stay(backups, Keep(daily=0, weekly=0, monthly=3))
    assert monthly == {NOW, datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 9, 30, 12, tzinfo=UTC)}


def test_days_without_a_backup_are_not_counted():
    backups = [backup(ago(days=day)) for day in (0, 10, 20, 30)]
    assert stay(backups, Keep(daily=3, weekly=0, monthly=0)) == {ago(days=day) for day in (0, 10, 20)}


def test_a_day_is_one_of_the_place_and_a_week_belongs_to_its_year():
    evening, night = datetime(2026, 11, 20, 22, 30, tzinfo=UTC), datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    backups = [backup(evening), backup(night)]
    keep = Keep(daily=2, weekly=0, monthly=0)
    assert stay(backups, keep) == {night}
    rome = NOW.astimezone(ZoneInfo("Europe/Rome"))
    assert stay(backups, keep, at=rome) == {evening, night}
    assert "day 2026-11-21" in planned(backups, keep, at=rome)[night]
    # The first of January 2027 is a Friday of the last week of 2026.
    years = [backup(datetime(2026, 12, 28, 12, tzinfo=UTC)), backup(datetime(2027, 1, 1, 12, tzinfo=UTC))]
    later = datetime(2027, 3, 1, tzinfo=UTC)
    assert stay(years, Keep(daily=0, weekly=2, monthly=0), at=later) == {years[1].started_at}


def test_each_reason_is_said():
    reasons = planned([backup(NOW)], Keep(daily=1, weekly=1, monthly=1))[NOW]
    assert reasons == ("the newest complete one", "day 2026-11-21", "week 2026-W47", "month 2026-11")


def test_the_newest_good_one_stays_whatever_the_numbers_say_and_however_old_it_is():
    backups = [backup(ago(days=900)), backup(ago(days=901))]
    assert stay(backups) == {ago(days=900)}


@pytest.mark.parametrize("verdict", [Verdict.INCOMPLETE, Verdict.SHRUNK, Verdict.EMPTY])
def test_one_that_is_not_whole_counts_for_no_day_and_goes_after_two_weeks(verdict):
    good, bad = backup(ago(days=30)), backup(ago(days=1), verdict)
    old = backup(ago(days=15), verdict)
    keep = Keep(daily=1, weekly=1, monthly=1)
    assert stay([good, bad, old], keep) == {good.started_at, bad.started_at}
    assert planned([good, bad, old], keep)[bad.started_at] == (f"{verdict.value}, and not old",)


@pytest.mark.parametrize("verdict", [Verdict.INCOMPLETE, Verdict.SHRUNK, Verdict.EMPTY])
def test_without_a_good_one_nothing_goes(verdict):
    backups = [backup(ago(days=day), verdict) for day in (1, 100, 1000)]
    backups.append(backup(ago(days=500), purpose=Purpose.BEFORE_RESTORE))
    assert len(stay(backups)) == 4


def test_a_damaged_one_counts_for_nothing_and_is_left_for_a_person():
    damaged, good = backup(ago(days=1)), backup(ago(days=2))
    whole = lambda each: each is not damaged  # noqa: E731
    said = planned([damaged, good], NONE, whole)
    assert said == {damaged.started_at: ("damaged: a person decides",), good.started_at: ("the newest complete one",)}
    # Where all are damaged, there is no good one.
    assert len(stay([damaged, good], NONE, lambda _: False)) == 2


def test_only_complete_backups_are_read_to_see_whether_they_are_whole():
    asked = []
    backups = [
        backup(ago(days=1), Verdict.INCOMPLETE),
        backup(ago(days=2), purpose=Purpose.BEFORE_RESTORE),
        backup(ago(days=3)),
    ]
    plan(backups, lambda each: asked.append(each.id) or True, NONE, NOW)
    assert asked == [backups[2].id]


def test_what_a_restore_overwrote_stays_for_90_days_and_is_no_backup():
    good = backup(ago(days=100))
    young, old = (backup(ago(days=days), purpose=Purpose.BEFORE_RESTORE) for days in (89, 91))
    said = planned([good, young, old], Keep(daily=9, weekly=9, monthly=9))
    assert said[young.started_at] == ("before a restore",) and said[old.started_at] == ()
    assert said[good.started_at][0] == "the newest complete one"


class Memory:
    """A store in memory."""

    place = "memory"

    def __init__(self):
        self.files = {}

    def sizes(self, folder=""):
        return {name: len(each) for name, each in self.files.items() if name.startswith(folder)}

    def size(self, name):
        return len(self.files[name]) if name in self.files else None

    def get(self, name):
        if name not in self.files:
            raise BackupError(f"{name} cannot be read")
        return self.files[name]

    def put(self, name, content):
        self.files[name] = content

    def has(self, name, content):
        return self.files.get(name) == content

    def remove(self, name):
        self.files.pop(name, None)

    def settle(self, names):
        assert set(names) <= self.files.keys()

    def tidy(self):
        pass


moments = st.integers(0, 500 * 24).map(lambda hours: ago(hours=hours))
histories = st.lists(
    st.tuples(
        moments,
        st.sampled_from(Verdict),
        st.sampled_from(Purpose),
        st.sets(st.integers(0, 9), max_size=4),
    ),
    max_size=14,
    unique_by=lambda each: each[0],
)
keeps = st.builds(Keep, daily=st.integers(0, 4), weekly=st.integers(0, 3), monthly=st.integers(0, 3))


@settings(deadline=None, max_examples=150)
@given(history=histories, keep=keeps, damaged=st.sets(st.integers(0, 9), max_size=2))
def test_the_newest_good_one_is_never_removed_and_no_object_that_another_one_needs(history, keep, damaged):
    shelf = Shelf(Memory())
    for at, verdict, purpose, numbers in history:
        kept = [
            shelf.keep(Copy(kind="dashboard", uid=f"d{each}", title="D", content={"number": each}))
            for each in sorted(numbers)
        ]
        shelf.publish(backup(at, verdict, purpose, kept))
    for number in damaged:
        sha256 = manifests.digest(manifests.encoded({"number": number}))
        name = f"objects/{sha256[:2]}/{sha256}.json"
        if name in shelf.store.files:
            shelf.store.files[name] = b"damaged"
    backups, broken = shelf.backups(tuple(Purpose))
    assert broken == [] and len(backups) == len(history)
    wrong = {each.id: shelf.verify(each.entries) for each in backups}
    good = [each for each in backups if each.good and each.purpose is Purpose.BACKUP and not wrong[each.id]]
    said = plan(backups, lambda each: not shelf.verify(each.entries), keep, NOW)
    leaving = {each.backup.id for each in said if not each.reasons}
    if not good:
        assert leaving == set()
    else:
        assert max(each.id for each in good) not in leaving
    before, sizes = dict(shelf.store.files), sum(shelf.store.sizes().values())
    assert shelf.drop(leaving) == sizes - sum(shelf.store.sizes().values())
    staying = [each for each in backups if each.id not in leaving]
    assert set(shelf.names()) == {each.id for each in staying}
    # What stays verifies as it did, and nothing is kept that nobody needs.
    assert all(shelf.verify(each.entries) == wrong[each.id] for each in staying)
    needed = {each.sha256 for one in staying for each in one.entries}
    assert {name.rpartition("/")[2] for name in shelf.store.sizes("objects")} == {f"{each}.json" for each in needed}
    assert all(before[name] == content for name, content in shelf.store.files.items())


def test_nothing_is_removed_while_a_manifest_that_stays_cannot_be_read():
    shelf = Shelf(Memory())
    for day in (3, 2, 1):
        entry = shelf.keep(Copy(kind="dashboard", uid="d", title="D", content={"day": day}))
        shelf.publish(backup(ago(days=day), entries=[entry]))
    names = shelf.names()
    shelf.store.files[f"manifests/{names[0]}.json"] = b"{"
    before = dict(shelf.store.files)
    with pytest.raises(BackupError, match=names[0]):
        shelf.drop([names[2]])
    assert shelf.store.files == before


def test_a_drop_that_was_cut_off_is_finished_by_the_next():
    shelf = Shelf(Memory())
    for day in (2, 1):
        entry = shelf.keep(Copy(kind="dashboard", uid="d", title="D", content={"day": day}))
        shelf.publish(backup(ago(days=day), entries=[entry]))
    newest, oldest = shelf.names()
    shelf.store.remove(f"manifests/{oldest}.json")
    assert len(shelf.store.sizes("objects")) == 2
    assert shelf.drop([]) > 0 and len(shelf.store.sizes("objects")) == 1
    assert shelf.verify(shelf.manifest(newest).entries) == []
