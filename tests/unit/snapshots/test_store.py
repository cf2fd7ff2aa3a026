"""Files of any size in both stores: whole or not at all, a piece at a time."""

import uuid

import pytest

from opsjobs.backup.manifest import digest
from opsjobs.backup.remote import Remote
from opsjobs.backup.snapshot import File
from opsjobs.backup.store import Folder
from opsjobs.backup.vault import Unproven, Vault
from opsjobs.errors import BackupError, SourceError

NAME = "objects/ab/large"
PIECES = [bytes([number]) * (1 << 20) for number in range(5)]


@pytest.fixture(params=["folder", "remote"])
def store(request, tmp_path):
    return Folder(tmp_path / "kept") if request.param == "folder" else Remote(f"memory://{uuid.uuid4().hex}/kept")


def test_a_file_is_read_in_pieces_as_it_was_written(store):
    store.pour(NAME, iter(PIECES))
    pieces = list(store.pieces(NAME))
    assert b"".join(pieces) == b"".join(PIECES)
    assert len(pieces) > 1
    assert store.get(NAME) == b"".join(PIECES)


def test_its_size_is_known_and_that_there_is_none(store):
    assert store.size(NAME) is None
    store.pour(NAME, PIECES)
    assert store.size(NAME) == 5 << 20
    assert store.size("manifests/other") is None
    store.remove(NAME)
    assert store.size(NAME) is None


def test_one_that_takes_the_place_of_another_is_whole(store):
    store.put(NAME, b"old")
    store.pour(NAME, [b"new", b"er"])
    assert store.get(NAME) == b"newer"
    assert store.size(NAME) == 5


def test_what_fails_half_way_leaves_what_was_there(store, tmp_path):
    def broken():
        yield PIECES[0]
        raise SourceError("the disk of the other")

    with pytest.raises(SourceError, match="the disk of the other"):
        store.pour(NAME, broken())
    assert store.sizes() == {}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing hidden is left either"
    store.put(NAME, b"old")
    with pytest.raises(SourceError):
        store.pour(NAME, broken())
    assert store.get(NAME) == b"old"


def test_a_file_that_is_not_there_is_told(store):
    with pytest.raises(BackupError, match="cannot be read"):
        list(store.pieces(NAME))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "objects/../../x", "", "objects/\0"])
def test_no_name_leads_elsewhere(store, name):
    for call in (lambda: store.pour(name, [b"x"]), lambda: list(store.pieces(name)), lambda: store.size(name)):
        with pytest.raises(BackupError):
            call()


def test_a_vault_keeps_a_file_once_in_either(store):
    vault, content = Vault(store), b"".join(PIECES)
    file = File(path="01HV/index", size=len(content), sha256=digest(content))
    assert vault.keep(file, lambda: iter(PIECES)) == len(content)
    assert vault.keep(file, lambda: pytest.fail("it is there")) == 0
    assert b"".join(vault.pieces(file)) == content
    with pytest.raises(SourceError, match="changed while it was read"):
        vault.keep(File(path="01HV/index", size=1, sha256=digest(b"a")), lambda: [b"b"])
    assert store.sizes() == {vault.object(file.sha256): len(content)}


def test_what_does_not_read_back_is_not_called_kept(store, monkeypatch):
    vault = Vault(store)
    monkeypatch.setattr(store, "pieces", lambda name: iter([b"c"]))
    with pytest.raises(Unproven, match="does not read back"):
        vault.keep(File(path="01HV/index", size=1, sha256=digest(b"a")), lambda: [b"a"])
