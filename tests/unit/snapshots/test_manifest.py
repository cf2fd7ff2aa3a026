"""A manifest is read as if somebody bad had written it."""

import orjson
import pytest

from opsjobs.backup.manifest import digest, encoded
from opsjobs.backup.snapshot import checked_path, read, written
from opsjobs.errors import BackupError
from tests.unit.snapshots.around import FIRST, SECOND, Bench

HOSTILE = [
    "../../etc/cron.d/job",
    "/etc/passwd",
    "01HV/../../x",
    "01HV/./index",
    "01HV//index",
    "01HV/index/",
    "",
    "..",
    ".ssh/authorized_keys",
    "01HV/.hidden",
    "01HV/in\0dex",
    "01HV/in\ndex",
    "01HV\\index",
    "a/" * 8 + "b",
    "a" * 256,
    "/".join(["a" * 255] * 5),
    "~root/x y",
]


@pytest.fixture
def made(tmp_path):
    return Bench(tmp_path, {FIRST: (0, 10, 1000), SECOND: (10, 12, 200)}).take().snapshot


def forged(made, change):
    said = orjson.loads(written(made))["snapshot"]
    change(said)
    return encoded({"snapshot": said, "sha256": digest(encoded(said))})


def test_what_is_written_reads_back_the_same(made):
    assert read(written(made), made.id) == made


def test_a_manifest_that_was_changed_is_not_believed(made):
    with pytest.raises(BackupError, match="was changed after it was written"):
        read(written(made).replace(b'"system": "shop"', b'"system": "shap"'), made.id)


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leads_out_of_the_folder(made, path):
    with pytest.raises(ValueError, match="no path of a file"):
        checked_path(path)
    with pytest.raises(BackupError, match="no path of a file"):
        read(forged(made, lambda said: said["files"][0].update(path=path)), made.id)


@pytest.mark.parametrize("path", [f"{FIRST}/chunks/000001", f"{FIRST}/meta.json", "a", "/".join("abcdefgh")])
def test_paths_of_prometheus_are_fine(path):
    assert checked_path(path) == path


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["files"][0].update(sha256="../../../x".ljust(64, "0")),
        lambda said: said["files"][0].update(sha256="A" * 64),
        lambda said: said["files"][0].update(size=-1),
        lambda said: said["files"][0].update(size=True),
        lambda said: said["files"][0].update(size=1e300),
        lambda said: said["files"][0].update(path=7),
        lambda said: said["files"].append(dict(said["files"][0])),
        lambda said: said["files"].append({**said["files"][0], "path": said["files"][1]["path"] + "/below"}),
        lambda said: said["blocks"][0].update(start=10**17),
        lambda said: said["blocks"][0].update(start="yesterday"),
        lambda said: said["blocks"][0].update(end=-1),
        lambda said: said["blocks"][0].update(samples=None),
        lambda said: said.update(id="2020-01-01T00-00-00Z"),
        lambda said: said.update(verdict="splendid"),
        lambda said: said.update(files=None),
        lambda said: said.update(server={}),
        lambda said: said.update(more=1),
        lambda said: said.pop("failures"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_told_and_nothing_else_happens(made, change):
    with pytest.raises(BackupError, match=r"the manifest of .* cannot be read"):
        read(forged(made, change), made.id)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"snapshot": []}', b"\xff", b"[" * 10_000])
def test_what_is_no_manifest_is_told(content):
    with pytest.raises(BackupError, match="cannot be read"):
        read(content, "2026-11-21T13-00-00Z")
