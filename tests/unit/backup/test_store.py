"""What every store owes, held against each: this machine's disk, and what is reached by fsspec."""

import os
import secrets
import stat

import pytest

from opsjobs.backup.remote import Remote
from opsjobs.backup.store import Folder, checked
from opsjobs.errors import BackupError

NAME = "objects/3f/3f9a.json"


@pytest.fixture(params=["folder", "memory", "file"])
def store(request, tmp_path):
    """An empty store, and a way to look at it anew, as another process does."""
    place = tmp_path / "shop" / "grafana"
    if request.param == "folder":
        return lambda: Folder(place)
    bucket = f"memory://bucket-{secrets.token_hex(8)}/shop/grafana"
    if request.param == "file":
        # fsspec makes no folders by itself on a disk.
        for folder in ("objects/3f", "manifests"):
            (place / folder).mkdir(parents=True)
        bucket = f"file://{place}"
    return lambda: Remote(bucket)


def test_what_was_put_is_there_whole_for_whoever_looks(store):
    store().put(NAME, b"content")
    assert store().get(NAME) == b"content"
    assert store().sizes() == {NAME: 7} == store().sizes("objects")
    assert store().sizes("manifests") == {}


def test_an_empty_store_has_nothing_and_is_no_error(store):
    assert store().sizes() == {} == store().sizes("manifests")
    store().tidy()
    store().settle([])


def test_a_file_that_is_not_there_cannot_be_read_and_the_place_is_named(store):
    with pytest.raises(BackupError, match="cannot be read") as told:
        store().get(NAME)
    assert NAME in told.value.message and store().place in told.value.message and told.value.advice


def test_what_is_put_again_takes_the_place_of_what_was_there(store):
    there = store()
    there.put(NAME, b"first, and longer")
    there.put(NAME, b"second")
    assert there.get(NAME) == b"second" and there.sizes() == {NAME: 6}


def test_it_is_told_whether_a_file_is_there_and_as_long_as_it_should_be(store):
    assert not store().has(NAME, b"content")
    store().put(NAME, b"content")
    assert store().has(NAME, b"content")
    store().put(NAME, b"cont")
    assert not store().has(NAME, b"content")


def test_what_was_removed_is_gone_and_none_is_as_good(store):
    there = store()
    there.put(NAME, b"content")
    there.put("manifests/a.json", b"{}")
    there.remove(NAME)
    there.remove(NAME)
    assert store().sizes() == {"manifests/a.json": 2}


def test_what_another_writer_put_is_seen(store):
    one, other = store(), store()
    assert one.sizes() == {}
    other.put("manifests/a.json", b"{}")
    assert one.sizes() == {"manifests/a.json": 2} and one.get("manifests/a.json") == b"{}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a//b",
        "a/",
        ".hidden",
        "a/.partial-1",
        "a\x00b",
        "a b",
        "ä",
        "a\n",
        "~",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_none(store, name, tmp_path):
    (tmp_path / "up").write_bytes(b"of somebody else")
    for use in (lambda: store().get(name), lambda: store().put(name, b""), lambda: store().remove(name)):
        with pytest.raises(BackupError, match="is no name"):
            use()
    with pytest.raises(BackupError):
        checked(name)
    assert (tmp_path / "up").read_bytes() == b"of somebody else"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o027])
def test_files_are_for_their_owner_alone_and_so_are_folders_whatever_the_umask(mask, tmp_path):
    before = os.umask(mask)
    try:
        Folder(tmp_path / "grafana").put(NAME, b"content")
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"grafana": 0o700, "grafana/objects": 0o700, "grafana/objects/3f": 0o700, f"grafana/{NAME}": 0o600}


def test_what_a_killed_writer_left_is_not_listed_and_is_tidied_away(tmp_path):
    store = Folder(tmp_path)
    store.put(NAME, b"content")
    left = tmp_path / "objects" / "3f" / ".partial-0123"
    left.write_bytes(b"half")
    assert store.sizes() == {NAME: 7}
    store.tidy()
    assert not left.exists() and store.get(NAME) == b"content"


def test_a_write_that_fails_leaves_the_old_file_and_no_part_of_a_new_one(tmp_path, monkeypatch):
    store = Folder(tmp_path)
    store.put(NAME, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(BackupError, match="No space left on device") as told:
        store.put(NAME, b"new")
    assert "free space" in told.value.advice
    assert [path.name for path in (tmp_path / "objects" / "3f").iterdir()] == ["3f9a.json"]
    assert store.get(NAME) == b"old"


def test_settling_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(BackupError):
        Folder(tmp_path).settle([NAME])


def test_links_in_a_store_are_not_followed_when_it_is_listed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.json").write_bytes(b"{}")
    store = Folder(tmp_path / "grafana")
    store.put(NAME, b"content")
    (tmp_path / "grafana" / "manifests").symlink_to(tmp_path / "elsewhere")
    assert store.sizes() == {NAME: 7}


def test_a_store_that_nothing_here_speaks_to_is_told_in_words():
    with pytest.raises(BackupError) as told:
        Remote("nosuch://bucket/path")
    assert "nosuch://bucket/path" in told.value.message and told.value.advice


def test_what_a_store_raises_of_its_own_is_told_in_words(monkeypatch):
    store = Remote("memory://bucket/errors")

    def denied(*_, **__):
        raise RuntimeError("AccessDenied")

    for name in ("find", "cat_file", "pipe_file", "exists"):
        monkeypatch.setattr(store._files, name, denied, raising=False)
    for use in (store.sizes, lambda: store.get(NAME), lambda: store.put(NAME, b""), lambda: store.remove(NAME)):
        with pytest.raises(BackupError, match="AccessDenied") as told:
            use()
        assert "memory://bucket/errors" in told.value.message and "credentials" in told.value.advice


def test_the_folders_above_a_store_that_it_makes_are_for_their_owner_too(tmp_path):
    before = os.umask(0)
    try:
        Folder(tmp_path / "backups" / "shop" / "grafana").put(NAME, b"content")
    finally:
        os.umask(before)
    for folder in ("backups", "backups/shop", "backups/shop/grafana", "backups/shop/grafana/objects"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700, folder


def test_a_disk_that_is_reached_by_its_address_needs_no_folders_made_before(tmp_path):
    store = Remote(f"file://{tmp_path}/new")
    store.put(NAME, b"content")
    assert store.get(NAME) == b"content" and store.sizes() == {NAME: 7}
