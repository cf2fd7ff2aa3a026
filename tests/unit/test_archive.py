import hashlib
import os

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


def test_a_folder_that_can_not_be_written_is_told_with_what_to_do():
    with pytest.raises(OpsjobsError, match="the report cannot be written") as caught:
        publish(archive.Path("/proc/nowhere"), html=b"x")
    assert "--out" in caught.value.advice
