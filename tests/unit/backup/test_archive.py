"""An archive from elsewhere: it is read, never unpacked, and nothing in it is believed."""

import gzip
import io
import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opsjobs.backup import archive
from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Manifest, Purpose, Verdict
from opsjobs.backup.shelf import Shelf
from opsjobs.backup.store import Folder
from opsjobs.errors import BackupError
from opsjobs.objects import Copy, Server

AT = datetime(2026, 11, 20, tzinfo=UTC)
MEGABYTE = 1 << 20


@pytest.fixture
def shelf(tmp_path):
    return Shelf(Folder(tmp_path / "shelf"))


@pytest.fixture
def backup(shelf):
    entries = [
        shelf.keep(Copy(kind="dashboard", uid=uid, title=uid.upper(), content={"uid": uid, "title": uid.upper()}))
        for uid in ("a", "b", "c")
    ]
    found = Manifest(
        id="2026-11-20T00-00-00Z",
        system="shop",
        target="grafana",
        purpose=Purpose.BACKUP,
        server=Server(url="http://g", version="9.4.0", organisation=1, organisation_name="Main Org."),
        made_by="tests",
        started_at=AT,
        finished_at=AT,
        verdict=Verdict.COMPLETE,
        counts={},
        entries=tuple(entries),
    )
    shelf.publish(found)
    return found


@pytest.fixture(autouse=True)
def own_tmp(tmp_path, monkeypatch):
    """Where archives are read into: only there may anything be made."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def members(shelf, backup):
    """The members of a sound archive."""
    return [("manifest.json", manifests.write(backup))] + [
        (f"{each.sha256}.json", shelf.raw(each)) for each in backup.entries
    ]


def member(name, **known):
    made = tarfile.TarInfo(name)
    for key, value in known.items():
        setattr(made, key, value)
    return made


def packed(path, rows):
    """An archive of rows: a name or a header, and bytes."""
    with tarfile.open(path, "w:gz") as tar:
        for head, content in rows:
            each = member(head) if isinstance(head, str) else head
            if each.isreg():
                each.size = len(content)
            tar.addfile(each, io.BytesIO(content))
    return path


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def read(path):
    with archive.opened(path) as (shelf, backup):
        return backup, [shelf.content(each) for each in backup.entries]


def test_what_was_packed_is_read_and_nothing_stays_behind(tmp_path, own_tmp, shelf, backup):
    path = tmp_path / "all.tar.gz"
    size = archive.pack(shelf, backup, path)
    assert size == path.stat().st_size and path.stat().st_mode & 0o777 == 0o600
    same, contents = read(path)
    assert same == backup and [each["uid"] for each in contents] == ["a", "b", "c"]
    assert list(own_tmp.iterdir()) == [] and not list(tmp_path.glob(".*"))


def test_the_manifest_is_the_first_and_names_say_nothing_of_what_a_server_said(tmp_path, shelf, backup):
    archive.pack(shelf, backup, tmp_path / "all.tar.gz")
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        found = tar.getmembers()
    assert [each.name for each in found] == ["manifest.json", *sorted(f"{each.sha256}.json" for each in backup.entries)]
    assert {(each.mode, each.uid, each.mtime) for each in found} == {(0o600, 0, 0)}


def test_a_damaged_backup_is_not_packed(tmp_path, shelf, backup):
    sha256 = backup.entries[1].sha256
    (tmp_path / "shelf/objects" / sha256[:2] / f"{sha256}.json").write_bytes(b"{}")
    (tmp_path / "all.tar.gz").write_bytes(b"the one before")
    with pytest.raises(BackupError, match="damaged"):
        archive.pack(shelf, backup, tmp_path / "all.tar.gz")
    assert (tmp_path / "all.tar.gz").read_bytes() == b"the one before" and not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_told(tmp_path, shelf, backup):
    with pytest.raises(BackupError, match="cannot be written"):
        archive.pack(shelf, backup, tmp_path / "no/such/all.tar.gz")


HOSTILE = {
    "a name that leads up": ("../../evil", {}),
    "an absolute name": ("/tmp/opsjobs-evil", {}),  # noqa: S108 - what must not be written
    "a symbolic link": ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "a hard link": ("hard", {"type": tarfile.LNKTYPE, "linkname": "manifest.json"}),
    "a hard link out of it": ("hard", {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}),
    "a fifo": ("fifo", {"type": tarfile.FIFOTYPE}),
    "a device": ("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    "a block device": ("sda", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}),
    "a folder": ("folder", {"type": tarfile.DIRTYPE}),
    "a file of root's with setuid": ("root", {"mode": 0o6777, "uid": 0, "gid": 0}),
    "a name with NUL and line ends": ("a\nb\r\x1b[31m", {}),
    "a very long name": ("x" * 5000, {}),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("place", [1, 3, 4])
def test_nothing_is_made_of_a_hostile_member_and_the_others_are_read(what, place, tmp_path, members, own_tmp):
    name, known = HOSTILE[what]
    rows = [*members[:place], (member(name, **known), b"evil"), *members[place:]]
    path = packed(tmp_path / "a.tar.gz", rows)
    before = files_below(tmp_path)
    with archive.opened(path) as (shelf, backup):
        inside = files_below(own_tmp)
        assert len(inside) == 3
        for each in inside:
            assert each.is_file() and not each.is_symlink() and each.stat().st_mode & 0o7777 == 0o600
            assert each.stat().st_nlink == 1 and b"evil" not in each.read_bytes()
        assert [shelf.content(each)["uid"] for each in backup.entries] == ["a", "b", "c"]
    assert files_below(tmp_path) == before
    assert not os.path.lexists("/tmp/opsjobs-evil")  # noqa: S108 - it is looked for, not used


def test_a_link_in_place_of_an_object_is_no_object(tmp_path, members):
    name, _ = members[1]
    link = member(name, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(BackupError, match="1 of its objects are missing"):
        read(packed(tmp_path / "a.tar.gz", [members[0], (link, b""), *members[2:]]))


def test_of_two_members_of_one_name_the_one_with_the_right_hash_counts(tmp_path, members):
    name, _ = members[1]
    for rows in ([(name, b'{"uid": "evil"}'), *members[1:]], [*members[1:], (name, b'{"uid": "evil"}')]):
        _, contents = read(packed(tmp_path / "a.tar.gz", [members[0], *rows]))
        assert [each["uid"] for each in contents] == ["a", "b", "c"]
    with pytest.raises(BackupError, match="missing or damaged"):
        read(packed(tmp_path / "a.tar.gz", [members[0], (name, b'{"uid": "evil"}'), *members[2:]]))


def test_a_second_manifest_changes_nothing(tmp_path, members, backup):
    other = manifests.write(replace(backup, id="evil", entries=()))
    same, _ = read(packed(tmp_path / "a.tar.gz", [*members, ("manifest.json", other)]))
    assert same == backup


@pytest.mark.parametrize("change", ["moved", "absent", "called otherwise"])
def test_without_a_manifest_at_its_beginning_it_is_no_backup(change, tmp_path, members):
    head, *rest = members
    rows = {"moved": [*rest, head], "absent": rest, "called otherwise": [("./manifest.json", head[1]), *rest]}[change]
    with pytest.raises(BackupError, match="does not begin with"):
        read(packed(tmp_path / "a.tar.gz", rows))


def lying(backup, **known):
    first = replace(backup.entries[0], **known)
    return manifests.write(replace(backup, entries=(first, *backup.entries[1:])))


def test_a_manifest_that_lies_is_found_out(tmp_path, members, backup):
    def told(content):
        with pytest.raises(BackupError) as caught:
            read(packed(tmp_path / "a.tar.gz", [("manifest.json", content), *members[1:]]))
        return caught.value.message

    assert "missing or damaged" in told(lying(backup, sha256="0" * 64))
    assert "is no SHA-256" in told(lying(backup, sha256="../../../../etc/cron.d/evil"))
    assert "is no kind of object" in told(lying(backup, kind="../../evil"))
    assert "is no size" in told(lying(backup, size=-1))
    assert "would be" in told(lying(backup, size=1 << 60))
    assert "was changed after it was written" in told(members[0][1].replace(b'"A"', b'"Z"'))
    assert "cannot be read" in told(b"{}") and "cannot be read" in told(b"no json") and "cannot be read" in told(b"[]")
    assert "cannot be read" in told(b"[" * 100_000)
    said = json.loads(members[0][1])["manifest"]
    for wrong in ({"format": 2}, {"entries": 5}, {"entries": [{}]}, {"started_at": "now"}, {"verdict": "good"}):
        document = {**said, **wrong}
        assert told(manifests.encoded({"manifest": document, "sha256": manifests.digest(manifests.encoded(document))}))


def test_it_may_be_cut_off_at_any_place(tmp_path, members):
    whole = gzip.decompress(packed(tmp_path / "a.tar.gz", members).read_bytes())
    path = tmp_path / "cut.tar.gz"
    last = whole.rindex(members[-1][1]) + len(members[-1][1])
    for place in [*range(0, last, 512), last - 1]:
        path.write_bytes(gzip.compress(whole[:place], 1))
        with pytest.raises(BackupError):
            read(path)
    small = packed(tmp_path / "a.tar.gz", members).read_bytes()
    for place in range(0, len(small), 37):
        path.write_bytes(small[:place])
        with pytest.raises(BackupError):
            read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", b"\x1f\x8b", b"PK\x03\x04", gzip.compress(b"", mtime=0), gzip.compress(b"x", mtime=0)],
    ids=["empty", "text", "two bytes", "zip", "nothing", "a letter"],
)
def test_what_is_no_archive_is_told_in_words(content, tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BackupError) as caught:
        read(path)
    assert str(path) in caught.value.message and "opsjobs dashboards pack" in caught.value.advice


def test_bytes_that_were_turned_over_are_an_error_in_words_or_do_no_harm(tmp_path, members, own_tmp):
    whole = gzip.decompress(packed(tmp_path / "a.tar.gz", members).read_bytes())
    dice = random.Random(7)  # noqa: S311 - the same ones each time
    path = tmp_path / "bad.tar.gz"
    outcomes = set()
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            content[dice.randrange(len(whole))] = dice.randrange(256)
        path.write_bytes(gzip.compress(bytes(content), 1))
        try:
            _, contents = read(path)
            assert [each["uid"] for each in contents] == ["a", "b", "c"]
            outcomes.add("read")
        except BackupError:
            outcomes.add("refused")
        assert list(own_tmp.iterdir()) == []
    assert outcomes == {"read", "refused"}


# What is too much.


def zeros(path, megabytes, rows=(), name="zeros", **known):
    """An archive whose last member is so many megabytes of nothing."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        with tarfile.open(fileobj=file, mode="w|") as tar:
            for head, content in rows:
                each = member(head, size=len(content))
                tar.addfile(each, io.BytesIO(content))
        # Over the end that was written: a header, and zeros.
    plain = gzip.decompress(path.read_bytes()).rstrip(b"\0")
    plain += b"\0" * (-len(plain) % 512)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(plain)
        file.write(member(name, size=megabytes * MEGABYTE, **known).tobuf(tarfile.GNU_FORMAT))
        for _ in range(megabytes):
            file.write(b"\0" * MEGABYTE)
    return path


READ = (
    "import resource, sys\n"
    "from pathlib import Path\n"
    "from opsjobs.backup import archive\n"
    "from opsjobs.errors import BackupError\n"
    "import opsjobs.backup.shelf, tarfile, tempfile\n"
    "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
    "try:\n"
    "    with archive.opened(Path(sys.argv[1])): print('read')\n"
    "except BackupError as error: print(error.message)\n"
    "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
)


def cost(path):
    """What reading says, and how many megabytes it takes; never more than so much memory or time."""
    limit = 2 << 30
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 0, done.stderr
    said, megabytes = done.stdout.splitlines()
    return said, int(megabytes)


def test_a_bomb_of_zeros_costs_no_memory(tmp_path, members):
    path = zeros(tmp_path / "a.tar.gz", 1024, members)
    assert path.stat().st_size < 8 * MEGABYTE
    said, megabytes = cost(path)
    assert "holds more than a backup may have" in said and megabytes < 64


def test_a_bomb_in_place_of_the_manifest_costs_no_memory(tmp_path):
    said, megabytes = cost(zeros(tmp_path / "a.tar.gz", 512, name="manifest.json"))
    assert "holds more than a backup may have" in said and megabytes < 64


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME], ids=["pax", "global", "long"]
)
def test_a_header_of_half_a_gigabyte_is_not_held_in_memory(kind, tmp_path, members):
    said, megabytes = cost(zeros(tmp_path / "a.tar.gz", 512, members, type=kind))
    assert "holds more than a backup may have" in said and megabytes < 600


def test_a_member_of_no_known_kind_with_a_gigabyte_is_refused(tmp_path, members):
    said, megabytes = cost(zeros(tmp_path / "a.tar.gz", 1024, members, type=b"Z"))
    assert "holds more than a backup may have" in said and megabytes < 64


def test_more_than_a_backup_may_have_is_refused_by_number_and_by_size(tmp_path, members, monkeypatch):
    path = packed(tmp_path / "a.tar.gz", members)
    monkeypatch.setattr(archive, "_MEMBERS", 3)
    with pytest.raises(BackupError, match="holds more"):
        read(path)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "_ALTOGETHER", sum(len(content) for _, content in members) - 1)
    with pytest.raises(BackupError, match="holds more"):
        read(path)


# Headers that tarfile stumbles over.


def header(content, kind):
    made = member("x", size=len(content), type=kind).tobuf(tarfile.GNU_FORMAT)
    return made + content + b"\0" * (-len(content) % 512)


ODD = {
    "a length of 5,000 digits": header(b"9" * 5000 + b" a=b\n", tarfile.XHDTYPE),
    "a sparse map of words": header(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", tarfile.XHDTYPE),
    "a sparse map in a header": header(b"25 GNU.sparse.map=1,2,a\n", tarfile.XHDTYPE),
    "a sparse size in words": header(b"27 GNU.sparse.size=abcdefg\n", tarfile.XHDTYPE),
    "headers of headers": header(b"n\0", tarfile.GNUTYPE_LONGNAME) * 3000,
}


@pytest.mark.parametrize("what", ODD)
def test_odd_headers_are_an_error_in_words(what, tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(ODD[what] + header(b"garbage\nmore\n", tarfile.REGTYPE)))
    with pytest.raises(BackupError, match="cannot be read"):
        read(path)
