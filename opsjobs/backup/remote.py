"""A store in S3, Google Cloud, Azure and what else fsspec reaches: objects first, the manifest last.

Who may write there is said by the store's own variables, files and roles, never by opsjobs.yml. An object store puts a
file there whole or not at all, which is what a manifest needs: nothing is renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any

import fsspec

from opsjobs.backup.store import checked, read_out
from opsjobs.errors import BackupError, OpsjobsError


class Remote:
    """A store below an address such as s3://bucket/backups. Raises `BackupError` when nothing here speaks to it."""

    def __init__(self, url: str) -> None:
        self.place = url
        with self._told("cannot be used"):
            # Only a disk has folders that have to be made before.
            more = {"auto_mkdir": True} if url.startswith("file:") else {}
            filesystem, root = fsspec.core.url_to_fs(url, **more)
        # Listings that were remembered would hide what another writer did.
        filesystem.invalidate_cache()
        self._files: Any = filesystem
        self._root = root.rstrip("/")
        self._known: dict[str, dict[str, int]] = {}

    def sizes(self, folder: str = "") -> dict[str, int]:
        with self._told("cannot be listed"):
            place = f"{self._root}/{checked(folder)}" if folder else self._root
            self._files.invalidate_cache()
            try:
                found = self._files.find(place, detail=True)
            except FileNotFoundError:
                return {}
        return {str(name)[len(self._root) + 1 :]: int(each.get("size") or 0) for name, each in found.items()}

    def get(self, name: str) -> bytes:
        with self._told(f"{name} cannot be read"):
            return bytes(self._files.cat_file(self._path(name)))

    def put(self, name: str, content: bytes) -> None:
        with self._told(f"{name} cannot be written"):
            self._files.pipe_file(self._path(name), content)
        self._known.get(name.partition("/")[0], {})[name] = len(content)

    def has(self, name: str, content: bytes) -> bool:
        return self.size(name) == len(content)

    def size(self, name: str) -> int | None:
        # One listing instead of a question for each: what is there has its hash for a name, and is whole.
        folder = checked(name).partition("/")[0]
        if folder not in self._known:
            self._known[folder] = self.sizes(folder)
        return self._known[folder].get(name)

    def pour(self, name: str, pieces: Iterable[bytes]) -> None:
        # It lies here until all of it is known to be right: an upload that breaks off may leave half of it there.
        with self._told(f"{name} cannot be written"), NamedTemporaryFile(prefix="opsjobs-") as file:
            file.writelines(pieces)
            file.flush()
            self._files.put_file(file.name, self._path(name))
        self._known.pop(name.partition("/")[0], None)

    def pieces(self, name: str) -> Iterator[bytes]:
        with (
            self._told(f"{name} cannot be read"),
            self._files.open(self._path(name), "rb", cache_type="readahead") as file,
        ):
            yield from read_out(file)

    def remove(self, name: str) -> None:
        with self._told(f"{name} cannot be removed"):
            path = self._path(name)
            if self._files.exists(path):
                self._files.rm_file(path)
        self._known.pop(name.partition("/")[0], None)

    def settle(self, names: Iterable[str]) -> None:
        """What an object store took is safe."""

    def tidy(self) -> None:
        """An object store keeps nothing that is half written."""

    def _path(self, name: str) -> str:
        return f"{self._root}/{checked(name)}"

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OpsjobsError:
            raise
        except ImportError as error:
            raise BackupError(
                f"{self.place}: nothing here speaks to such a store: {error}",
                advice="Install what does: pip install 'opsjobs[remote]'.",
            ) from None
        except Exception as error:  # noqa: BLE001 - each store has errors of its own, with no common tree
            raise BackupError(
                f"{self.place}: {what}: {type(error).__name__}: {error}",
                advice="Check the address (storage.backups), and the store's own credentials.",
            ) from None
