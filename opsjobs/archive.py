"""The reports on disk: `reports/<system>/<job>/<slot>/report.*` below the root, published whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from opsjobs.errors import OpsjobsError
from opsjobs.model import Artifact


def publish(
    root: Path, folder: Path, files: Mapping[str, bytes], media_types: Mapping[str, str]
) -> tuple[Artifact, ...]:
    """Write the files of one report below `root / folder`; a reader sees each either as it was or as it is now.

    A file of an earlier run that this one did not make is removed: it would tell of other data.
    """
    target = root / folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(target / name, content)
        for stale in target.glob("report.*"):
            if stale.name not in files:
                stale.unlink()
        _sync(target)
    except OSError as error:
        raise OpsjobsError(
            f"{target}: the report cannot be written: {error.strerror}",
            advice="Check free space and who may write there, or choose another folder with --out.",
        ) from None
    return tuple(
        Artifact(
            path=str(target / name),
            media_type=media_types[name],
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, content in files.items()
    )


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _sync(folder: Path) -> None:
    """Make the new names survive a power cut, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
