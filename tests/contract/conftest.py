"""A real PostgreSQL for the contract suites."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest


def _programs():
    found = shutil.which("initdb"), shutil.which("postgres")
    if all(found):
        return Path(os.path.realpath(found[0])).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@pytest.fixture(scope="session")
def postgresql_server():
    """A cluster of its own on a free port, run by another user where this one is root; gone afterwards."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no real PostgreSQL: install the package postgresql")
        pytest.skip("no real PostgreSQL: initdb is not installed")
    with tempfile.TemporaryDirectory(prefix="opsjobs-pg-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        own = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "opsjobs", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **own,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **own,
        )
        try:
            yield _ready(f"postgresql://opsjobs@127.0.0.1:{port}/postgres", server)
        finally:
            server.terminate()
            server.wait(30)


def _ready(url, server):
    for _ in range(200):
        assert server.poll() is None, "PostgreSQL ended while starting"
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return url
    raise AssertionError("PostgreSQL was not ready in 10 s")


@pytest.fixture
def postgresql_url(postgresql_server):
    """An empty database of its own for each test."""
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.removesuffix("postgres") + name
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
