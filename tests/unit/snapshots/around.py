"""A Prometheus that is none: it makes a snapshot of the blocks that it is told of."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsjobs.backup.fetch import Order, fetch
from opsjobs.backup.store import Folder
from opsjobs.backup.vault import Vault
from opsjobs.sources import Origin

HOUR = 3_600_000
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = (f"01HV{letter * 22}" for letter in "ABC")


class FakeSnapshots:
    """A `Snapshots` source beside a folder. `blocks` are name: (first hour, last hour, samples)."""

    name = "Prometheus"

    def __init__(self, data: Path, blocks, retention="60d"):
        self.data, self.blocks, self.retention = data, blocks, retention
        self.made = []
        self.change = lambda folder: None

    @property
    def origin(self):
        return Origin(url="http://127.0.0.1:9090", version="2.42.0", retention=self.retention, folder="/prometheus")

    def snapshot(self, *, head):
        name = f"20261121T120000Z-{len(self.made):016x}"
        self.made.append((name, head))
        folder = self.data / "snapshots" / name
        folder.mkdir(parents=True)
        for block, (start, end, samples) in self.blocks.items():
            (folder / block / "chunks").mkdir(parents=True)
            meta = {"minTime": start * HOUR, "maxTime": end * HOUR, "stats": {"numSamples": samples, "numSeries": 1}}
            (folder / block / "meta.json").write_text(json.dumps(meta))
            (folder / block / "index").write_bytes(f"index of {block}".encode() * 50)
            (folder / block / "tombstones").write_bytes(b"\x01\x30\xba\x30\x01\x00\x00\x00\x00")
            (folder / block / "chunks" / "000001").write_bytes(f"chunks of {block}".encode() * 1000)
        self.change(folder)
        return name


class Bench:
    """A source, a vault, and a clock that goes on by an hour with each snapshot."""

    def __init__(self, folder: Path, blocks, **known):
        self.data = folder / "data"
        self.data.mkdir()
        self.source = FakeSnapshots(self.data, blocks, **known)
        self.kept = folder / "kept"
        self.vault = Vault(Folder(self.kept))
        self.at = NOON

    def take(self, **known):
        self.at += timedelta(hours=1)
        order = Order(system="shop", data=self.data, made_by="opsjobs test", clock=lambda: self.at, **known)
        return fetch(self.source, self.vault, order)

    def left(self):
        return sorted(path.name for path in (self.data / "snapshots").iterdir())

    def path(self, file):
        return self.kept / self.vault.object(file.sha256)


def chunks(snapshot, block=FIRST):
    return next(each for each in snapshot.files if each.path == f"{block}/chunks/000001")
