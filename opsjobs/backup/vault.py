"""The snapshots of one Prometheus: their files by their hashes, of any size, and a manifest for each snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from opsjobs.backup import snapshot as snapshots
from opsjobs.backup.rack import Rack
from opsjobs.backup.snapshot import File, Loss, Snapshot
from opsjobs.errors import BackupError, SourceError

_DAMAGED = "its file was damaged after it was written"


class Unproven(BackupError):
    """It does not read back as it was written."""


class Vault(Rack[Snapshot]):
    """Snapshots in a store. Blocks never change: what an earlier snapshot had is not written again."""

    COMMANDS = "opsjobs metrics"
    MAKING = "opsjobs metrics snapshot"

    def written(self, backup: Snapshot) -> bytes:
        return snapshots.written(backup)

    def read(self, content: bytes, name: str) -> Snapshot:
        return snapshots.read(content, name)

    def keep(self, file: File, pieces: Callable[[], Iterable[bytes]]) -> int:
        """Write a file down, unless it is there and whole, and read it back; how many bytes that added.

        Raises `BackupError` when it cannot be written, `Unproven` when it does not read back, `SourceError` when the
        pieces are not those of the file; what they raise is raised.
        """
        name = self.object(file.sha256)
        if self.store.size(name) == file.size and self.fault(file) is None:
            return 0
        self.store.pour(name, _held_to(file.sha256, pieces()))
        if reason := self.fault(file):
            raise Unproven(f"it does not read back: {reason}")
        return file.size

    def pieces(self, file: File) -> Iterator[bytes]:
        """The bytes of a file of a snapshot; at its end it is known whether they are what was written.

        Raises `BackupError` when they are not, or are not there.
        """
        seen, digest = 0, hashlib.sha256()
        for piece in self.store.pieces(self.object(file.sha256)):
            seen += len(piece)
            if seen > file.size:
                break
            digest.update(piece)
            yield piece
        if digest.hexdigest() != file.sha256 or seen != file.size:
            raise BackupError(_DAMAGED, advice="Check the disk. The next snapshot writes it anew if it is still there.")

    def fault(self, file: File) -> str | None:
        """What is wrong with a file, by reading and hashing it; None where it is as it was written. Raises nothing."""
        try:
            for _ in self.pieces(file):
                pass
        except BackupError as error:
            return error.message
        return None

    def verify(
        self,
        files: Sequence[File],
        progress: Callable[[int], None] = lambda _: None,
        known: dict[str, str | None] | None = None,
    ) -> list[Loss]:
        """Read and hash every file; those that are missing or damaged. `progress` is told how many bytes are read.

        What is in `known` by its hash is not read again, and what is read is put there.
        """
        known = {} if known is None else known
        found: list[Loss] = []
        done = 0
        for each in files:
            if each.sha256 not in known:
                known[each.sha256] = self.fault(each)
            if reason := known[each.sha256]:
                found.append(Loss(path=each.path, reason=reason))
            done += each.size
            progress(done)
        return found


def _held_to(sha256: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces, which must have that hash when they end: a name that is a hash is a promise."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise SourceError("it changed while it was read")
