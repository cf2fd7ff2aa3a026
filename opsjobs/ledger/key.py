"""A secret key beside the ledger: made once, whole or not at all, and readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from opsjobs.errors import LedgerError

_BYTES = 32
_OTHERS = 0o077


def kept(path: Path) -> bytes:
    """The key of a file; where there is none, a new one that is written first. Raises `LedgerError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        with path.open() as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LedgerError(
            f"{path}: the key of the pseudonyms cannot be kept: {said}",
            advice="Set OPSJOBS_HOME or storage.root to a folder of yours.",
        ) from None
    if mode & _OTHERS:
        raise LedgerError(f"{path}: others may read it, too", advice=f"Run `chmod 600 {path}`.")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise LedgerError(
            f"{path}: this is no key of pseudonyms",
            advice="Put it back from a copy, or remove it: then a new one is made, and users get new pseudonyms.",
        )
    return key


def _make(path: Path) -> None:
    """A file with a new key; where somebody else was faster, theirs."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_hex(_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never takes the place of a file that is there.
        os.link(partial, path)
    except FileExistsError:
        return
    finally:
        partial.unlink(missing_ok=True)
