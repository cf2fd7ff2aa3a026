"""Real database servers for tests of the demonstration: without them, skipped by name at home and failed in CI."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsjobs.demo import programs
from opsjobs.errors import DemoError

OBTAIN = {"PostgreSQL": programs.postgresql, "Redis": programs.redis}


def required(title):
    """The programs of a server."""
    try:
        return OBTAIN[title]()
    except DemoError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no real {title}: {error}")


@contextmanager
def reachable():
    """A folder for temporary files into which also the user can come that runs PostgreSQL instead of root."""
    folder = Path(tempfile.mkdtemp(prefix="opsjobs-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
