import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsjobs import archive
from opsjobs.errors import OpsjobsError

TYPES = {"report.html": "text/html", "report.pdf": "application/pdf"}


def publish(root, **files):
    return archive.publish(
        root, "shop/daily/2026-11-18", {f"report.{kind}": body for kind, body in files.items()}, TYPES
    )


def test_the_files_are_where_they_should_be_with_size_and_hash(tmp_path):
    (artifact,) = publish(tmp_path, html=b"<p>")
    assert artifact.path == str(tmp_path / "shop/daily/2026-11-18/report.html")
    assert (artifact.size, artifact.sha256) == (3, hashlib.sha256(b"<p>").hexdigest())
    assert (tmp_path / "shop/daily/2026-11-18/report.html").read_bytes() == b"<p>"


def test_a_second_run_replaces_the_first_and_takes_away_what_it_did_not_make(tmp_path):
    publish(tmp_path, html=b"one", pdf=b"one")
    publish(tmp_path, html=b"two")
    folder = tmp_path / "shop/daily/2026-11-18"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"report.html": b"two"}


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    publish(tmp_path, html=b"whole")

    def power_cut(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, html=b"half of a much longer one")
    folder = tmp_path / "shop/daily/2026-11-18"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"report.html": b"whole"}


def test_a_disk_that_is_full_half_way_leaves_the_earlier_report_whole(tmp_path):
    publish(tmp_path, html=b"old", pdf=b"old")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from tests.unit.test_archive import publish; from pathlib import Path;"
        f"publish(Path({str(tmp_path)!r}), html=b'new', pdf=b'n' * 5000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "the report cannot be written: File too large" in done.stderr
    folder = tmp_path / "shop/daily/2026-11-18"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"report.html": b"old", "report.pdf": b"old"}


def test_what_a_killed_run_left_half_written_is_swept(tmp_path):
    publish(tmp_path, html=b"old")
    (tmp_path / "shop/daily/2026-11-18/.partial-abc").write_bytes(b"half")
    publish(tmp_path, html=b"new")
    assert [path.name for path in (tmp_path / "shop/daily/2026-11-18").iterdir()] == ["report.html"]


def test_others_may_read_a_report_where_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        (artifact,) = publish(tmp_path, html=b"x")
    finally:
        os.umask(before)
    assert Path(artifact.path).stat().st_mode & 0o777 == 0o644


def test_a_folder_that_can_not_be_written_is_told_with_what_to_do():
    with pytest.raises(OpsjobsError, match="the report cannot be written") as caught:
        publish(archive.Path("/proc/nowhere"), html=b"x")
    assert "--out" in caught.value.advice
