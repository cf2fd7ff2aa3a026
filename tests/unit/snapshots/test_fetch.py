"""A snapshot is fetched whole or it says what is missing; another's folder is not trusted."""

import errno
import os
import shutil

import pytest

from opsjobs.backup.manifest import Verdict
from opsjobs.backup.store import Folder
from opsjobs.backup.vault import Vault
from opsjobs.errors import BackupError, NotOffered
from tests.unit.snapshots.around import FIRST, HOUR, SECOND, Bench, chunks

TWO = {FIRST: (0, 10, 1000), SECOND: (10, 12, 200)}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, dict(TWO))


def test_every_file_is_kept_by_its_hash_and_reads_back(bench):
    made = bench.take().snapshot
    assert made.verdict is Verdict.COMPLETE
    assert [each.path for each in made.files] == [
        f"{block}/{name}" for block in (FIRST, SECOND) for name in ("chunks/000001", "index", "meta.json", "tombstones")
    ]
    assert bench.path(chunks(made)).read_bytes() == f"chunks of {FIRST}".encode() * 1000
    assert bench.vault.verify(made.files) == []
    assert bench.vault.chosen("latest") == made


def test_it_knows_the_time_and_the_values_of_its_blocks(bench):
    made = bench.take().snapshot
    assert (made.start.timestamp(), made.end.timestamp()) == (0, 12 * HOUR / 1000)
    assert made.samples == 1200


def test_a_second_snapshot_of_the_same_blocks_writes_nothing_but_its_manifest(bench):
    first = bench.take()
    before = bench.vault.store.sizes("objects")
    second = bench.take()
    assert first.added > 10_000
    assert second.added == 0
    assert bench.vault.store.sizes("objects") == before
    assert len(bench.vault.names()) == 2


def test_the_folder_of_this_snapshot_is_removed_and_no_other(bench):
    other = bench.data / "snapshots" / "20200101T000000Z-0000000000000001"
    other.mkdir(parents=True)
    (bench.data / FIRST).mkdir()
    made = bench.take()
    assert bench.left() == [other.name]
    assert (bench.data / FIRST).is_dir()
    assert any("another snapshot lies" in note for note in made.notes)


def test_a_folder_that_may_not_be_removed_is_a_note_and_no_failure(bench, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    made = bench.take()
    assert made.snapshot.good
    assert any("could not be removed (Permission denied)" in note for note in made.notes)
    assert len(bench.left()) == 1


def test_links_are_not_followed_and_leave_it_incomplete(bench, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("canary-of-the-key")

    def change(folder):
        (folder / FIRST / "chunks" / "000002").symlink_to(secret / "key")
        (folder / "01HVZ").symlink_to(secret)

    bench.source.change = change
    made = bench.take().snapshot
    assert made.verdict is Verdict.INCOMPLETE
    assert {each.path for each in made.failures} >= {f"{FIRST}/chunks/000002", "01HVZ"}
    assert all("link" in each.reason for each in made.failures if each.path.endswith(("000002", "01HVZ")))
    assert not [path for path in bench.kept.rglob("*") if path.is_file() and b"canary-of" in path.read_bytes()]
    assert (secret / "key").exists()


def test_a_snapshot_folder_that_is_a_link_is_not_read_and_not_removed(bench, tmp_path):
    elsewhere = tmp_path / "elsewhere"

    def change(folder):
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere)

    bench.source.change = change
    with pytest.raises(BackupError, match="cannot be read here"):
        bench.take()
    assert (elsewhere / FIRST / "index").exists()
    assert bench.vault.names() == []


def test_a_folder_of_snapshots_that_is_a_link_is_not_gone_into(bench, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (bench.data / "snapshots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="cannot be read here"):
        bench.take()
    assert len(bench.left()) == 1


def test_a_pipe_in_the_folder_holds_nothing_up(bench):
    bench.source.change = lambda folder: os.mkfifo(folder / FIRST / "chunks" / "pipe")
    made = bench.take().snapshot
    assert [str(each) for each in made.failures] == [f"{FIRST}/chunks/pipe: it is no regular file"]


def test_a_file_with_a_name_that_leads_elsewhere_is_not_taken(bench):
    bench.source.change = lambda folder: (folder / FIRST / "a b\n").write_text("x")
    made = bench.take().snapshot
    assert made.verdict is Verdict.INCOMPLETE
    assert "no path of a file of Prometheus" in made.failures[0].reason


@pytest.mark.parametrize("name", ["meta.json", "index"])
def test_a_block_without_what_it_needs_is_incomplete(bench, name):
    bench.source.change = lambda folder: (folder / FIRST / name).unlink()
    made = bench.take().snapshot
    assert made.verdict is Verdict.INCOMPLETE
    assert [each.path for each in made.failures] == [f"{FIRST}/{name}"]


def test_a_block_that_does_not_say_what_it_is_is_incomplete(bench):
    bench.source.change = lambda folder: (folder / FIRST / "meta.json").write_text('{"minTime": "yesterday"}')
    made = bench.take().snapshot
    assert made.verdict is Verdict.INCOMPLETE
    assert [each.name for each in made.blocks] == [SECOND]


def test_an_empty_snapshot_is_a_failure_and_leaves_nothing(bench):
    bench.source.blocks = {}
    with pytest.raises(BackupError, match="the snapshot is empty"):
        bench.take()
    assert bench.vault.names() == []
    assert bench.left() == []


def test_nothing_is_made_where_it_could_not_be_fetched(bench, tmp_path):
    bench.data = tmp_path / "nowhere"
    with pytest.raises(BackupError, match="there is no such folder"):
        bench.take()
    assert bench.source.made == []


def test_another_folder_than_that_of_this_prometheus_is_told(bench, tmp_path):
    bench.data = tmp_path / "other"
    (bench.data / "snapshots").mkdir(parents=True)
    with pytest.raises(BackupError, match="cannot be read here: No such file") as raised:
        bench.take()
    assert "prometheus.data" in raised.value.advice


def test_whoever_interrupts_leaves_no_backup_and_no_folder(bench, monkeypatch):
    poured = []

    def pour(self, name, pieces):
        if len(poured) == 3:
            raise KeyboardInterrupt
        poured.append(name)
        real(self, name, pieces)

    real = Folder.pour
    monkeypatch.setattr(Folder, "pour", pour)
    with pytest.raises(KeyboardInterrupt):
        bench.take()
    monkeypatch.undo()
    assert len(poured) == 3
    assert bench.vault.names() == []
    assert bench.left() == []
    assert bench.take().snapshot.good


def test_a_disk_that_loses_what_it_took_is_found_before_it_is_called_a_backup(bench, monkeypatch):
    def pour(self, name, pieces):
        real(self, name, pieces)
        path = self._root / name
        if name.startswith("objects/") and path.stat().st_size > 10_000:
            path.write_bytes(b"\0" + path.read_bytes()[1:])

    real = Folder.pour
    monkeypatch.setattr(Folder, "pour", pour)
    made = bench.take().snapshot
    assert made.verdict is Verdict.INCOMPLETE
    assert {each.path for each in made.failures} == {f"{FIRST}/chunks/000001", f"{SECOND}/chunks/000001"}
    assert all("does not read back" in each.reason for each in made.failures)


def test_a_damaged_file_is_written_anew_while_prometheus_still_has_it(bench):
    first = bench.take().snapshot
    path = bench.path(chunks(first))
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    assert [each.path for each in bench.vault.verify(first.files)] == [f"{FIRST}/chunks/000001"]
    second = bench.take()
    assert second.snapshot.good and second.added == chunks(first).size
    assert bench.vault.verify(first.files) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept_under_a_wrong_hash(bench, monkeypatch):
    def keep(self, file, pieces):
        if not file.path.endswith("chunks/000001"):
            return real(self, file, pieces)
        return real(self, file, lambda: [b"something else"])

    real = Vault.keep
    monkeypatch.setattr(Vault, "keep", keep)
    made = bench.take().snapshot
    assert {each.reason for each in made.failures} == {"it changed while it was read"}
    assert {str(each).rpartition("/")[2] for each in bench.vault.store.sizes("objects")} == made.hashes


def test_a_prometheus_that_makes_none_leaves_nothing(bench):
    class Off(type(bench.source)):
        def snapshot(self, *, head):
            raise NotOffered("off")

    bench.source = Off(bench.data, {})
    with pytest.raises(NotOffered):
        bench.take()
    assert bench.vault.names() == []


def test_much_less_than_the_last_time_is_no_backup_to_rely_on_until_somebody_says_so(bench):
    whole = bench.take().snapshot
    del bench.source.blocks[FIRST]
    less = bench.take().snapshot
    assert less.verdict is Verdict.SHRUNK and not less.good
    assert "10.0 hours are missing" in less.shrunk[0]
    assert bench.vault.chosen("latest") == whole
    assert bench.take(fewer=True).snapshot.good
    assert bench.take().snapshot.good
