"""The key of pseudonyms: made once, whole, and for nobody else."""

import os
import threading

import pytest

from opsjobs.errors import LedgerError
from opsjobs.ledger.key import kept


def test_it_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "pseudonyms.key"
    key = kept(path)
    assert len(key) == 32 and kept(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["pseudonyms.key"], "nothing else is left"


def test_all_who_make_it_at_once_get_the_same(tmp_path):
    path, found, ready = tmp_path / "pseudonyms.key", [], threading.Barrier(8)

    def make():
        ready.wait()
        found.append(kept(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_one_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "pseudonyms.key"
    kept(path)
    path.chmod(0o640)
    with pytest.raises(LedgerError, match="others may read it") as refused:
        kept(path)
    assert "chmod 600" in refused.value.advice


@pytest.mark.parametrize("content", [b"", b"abc", b"no key at all", b"\xff\xfe", b"00" * 31])
def test_what_is_no_key_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "pseudonyms.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(LedgerError) as refused:
        kept(path)
    assert refused.value.advice and path.read_bytes() == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(LedgerError, match="cannot be kept"):
        kept(tmp_path / "pseudonyms.key")


def test_a_root_that_is_a_file_is_told(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(LedgerError, match="cannot be kept"):
        kept(tmp_path / "state" / "pseudonyms.key")
