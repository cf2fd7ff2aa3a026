"""A data folder is written anew: into an empty folder, whole blocks only, nowhere else."""

import shutil
from dataclasses import replace

import pytest

from opsjobs.backup.refill import refill
from opsjobs.backup.snapshot import Loss
from opsjobs.errors import BackupError
from tests.unit.snapshots.around import FIRST, SECOND, Bench, chunks


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, {FIRST: (0, 10, 1000), SECOND: (10, 12, 200)})


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_has_what_the_snapshot_had_and_nothing_else(bench, tmp_path):
    seen = {}
    bench.source.change = lambda folder: seen.update(contents(folder))
    made = bench.take().snapshot
    done = refill(bench.vault, made, tmp_path / "deep" / "new")
    assert contents(tmp_path / "deep" / "new") == seen
    assert (done.blocks, done.files, done.size, done.left_out) == ((FIRST, SECOND), 8, made.size, {})
    assert sorted(path.name for path in (tmp_path / "deep" / "new").iterdir()) == [FIRST, SECOND]
    assert (tmp_path / "deep" / "new" / FIRST).stat().st_mode & 0o077 == 0


def test_an_empty_folder_is_as_good_and_one_that_is_not_is_left_alone(bench, tmp_path):
    made, folder = bench.take().snapshot, tmp_path / "there"
    folder.mkdir()
    refill(bench.vault, made, folder)
    before = contents(folder)
    with pytest.raises(BackupError, match="is not empty"):
        refill(bench.vault, made, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_block_that_is_damaged_is_left_out_and_the_others_are_there(bench, tmp_path, damage):
    made = bench.take().snapshot
    damage(bench.path(chunks(made)))
    done = refill(bench.vault, made, tmp_path / "new")
    assert done.blocks == (SECOND,)
    assert list(done.left_out) == [FIRST] and "chunks/000001" in done.left_out[FIRST]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [SECOND]


def test_a_block_that_was_not_fetched_whole_is_left_out(bench, tmp_path):
    made = replace(bench.take().snapshot, failures=(Loss(path=f"{SECOND}/index", reason="Permission denied"),))
    done = refill(bench.vault, made, tmp_path / "new")
    assert done.blocks == (FIRST,)
    assert done.left_out == {SECOND: f"{SECOND}/index: Permission denied"}


def test_without_a_whole_block_nothing_is_left_there(bench, tmp_path):
    made = bench.take().snapshot
    shutil.rmtree(bench.kept / "objects")
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "new", tmp_path / "there"):
        with pytest.raises(BackupError, match=r"no block of .* is whole"):
            refill(bench.vault, made, folder)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "there").iterdir()) == []


def test_of_a_file_that_is_larger_than_it_says_no_more_is_written(bench):
    file = chunks(bench.take().snapshot)
    path = bench.path(file)
    path.write_bytes(path.read_bytes() + b"\0" * (8 << 20))
    handed_on = []
    with pytest.raises(BackupError, match="damaged"):
        handed_on.extend(bench.vault.pieces(file))
    assert sum(map(len, handed_on)) <= file.size


def test_who_interrupts_leaves_nothing(bench, tmp_path):
    made = bench.take().snapshot

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refill(bench.vault, made, tmp_path / "new", interrupt)
    assert not (tmp_path / "new").exists()


def test_too_little_room_is_known_before_anything_is_written(bench, tmp_path):
    made = bench.take().snapshot
    huge = replace(made, files=tuple(replace(each, size=1 << 60) for each in made.files))
    with pytest.raises(BackupError, match="are free"):
        refill(bench.vault, huge, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_below_a_file_cannot_be_written_and_that_is_said(bench, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match="cannot be written"):
        refill(bench.vault, bench.take().snapshot, tmp_path / "file" / "new")
