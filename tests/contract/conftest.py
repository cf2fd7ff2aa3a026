"""A real PostgreSQL and a real Redis for the contract suites."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from opsjobs.ledger import Ledger

SUPERUSER_PASSWORD = "canary-of-the-superuser"


def _programs():
    found = shutil.which("initdb"), shutil.which("postgres")
    if all(found):
        return Path(os.path.realpath(found[0])).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def postgresql(settings=(), *, authentication="trust", files=None, superuser="opsjobs"):
    """A cluster of its own on a free port, run by another user where this one is root; gone afterwards.

    Gives its URL and its process. `files` are put beside the data, readable by the server alone.
    """
    programs = _required()
    with tempfile.TemporaryDirectory(prefix="opsjobs-pg-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        user, own = _owner()
        for name, content in {"password": SUPERUSER_PASSWORD.encode(), **(files or {})}.items():
            path = Path(folder) / name
            path.write_bytes(content)
            path.chmod(0o600)
            if user:
                os.chown(path, user.pw_uid, user.pw_gid)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        initdb = [programs / "initdb", "-D", data, "-U", superuser, "-A", authentication, "-E", "UTF8", "--no-sync"]
        if authentication != "trust":
            initdb.append(f"--pwfile={folder}/password")
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **own)
        password = "" if authentication == "trust" else f":{SUPERUSER_PASSWORD}"
        with _serving(data, f"{superuser}{password}", [each.replace("FOLDER", folder) for each in settings]) as served:
            yield served


@contextmanager
def standby(url, *settings):
    """A standby that follows the cluster of a URL, which lets everybody in; gone afterwards. As `postgresql` gives."""
    programs = _required()
    with tempfile.TemporaryDirectory(prefix="opsjobs-pg-", ignore_cleanup_errors=True) as folder:
        user, own = _owner()
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = Path(folder) / "data"
        copy = [programs / "pg_basebackup", "-d", url, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        subprocess.run(copy, check=True, capture_output=True, cwd=folder, **own)
        with _serving(data, urlsplit(url).username, settings) as served:
            yield served


@contextmanager
def _serving(data, who, settings):
    """A cluster that is there, on a free port."""
    port, (_, own) = free_port(), _owner()
    options = [option for setting in settings for option in ("-c", setting)]
    where = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data.parent]
    server = subprocess.Popen(
        [_required() / "postgres", *where, "-F", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=data.parent,
        **own,
    )
    try:
        yield _ready(f"postgresql://{who}@127.0.0.1:{port}/postgres", server), server
    finally:
        # One that was stopped by a signal would not hear that it is to end.
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(30)


def _required():
    """The folder of PostgreSQL's programs."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no real PostgreSQL: install the package postgresql")
        pytest.skip("no real PostgreSQL: initdb is not installed")
    return programs


def _owner():
    """Who runs it, where this user is root, which PostgreSQL refuses; and how a process is told."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    return user, {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


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


@pytest.fixture(scope="session")
def postgresql_server():
    """The URL of a cluster that lets everybody in."""
    with postgresql() as (url, _):
        yield url


@pytest.fixture
def postgresql_url(postgresql_server):
    """An empty database of its own for each test."""
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.removesuffix("postgres") + name
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Where a ledger may be."""
    return f"sqlite:///{tmp_path}/l.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")


@pytest.fixture
def ledger(url):
    """An empty one."""
    opened = Ledger(url).open()
    yield opened
    opened.close()


@dataclass(frozen=True)
class RedisServer:
    """A Redis that runs: where, its process, its folder, and a client that may do everything."""

    port: int
    process: subprocess.Popen
    folder: Path
    client: redis.Redis


@contextmanager
def redis_server(*options, folder=None, password=None, wait=True):
    """A Redis of its own on a free port, which keeps nothing but what is asked for; gone afterwards."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no real Redis: install the package redis-server")
        pytest.skip("no real Redis: redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="opsjobs-redis-", ignore_cleanup_errors=True) as made:
        where, port = Path(folder or made), free_port()
        secret = ("--requirepass", password) if password else ()
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", where, "--save", "", *secret, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=where,
        )
        client = redis.Redis(host="127.0.0.1", port=port, password=password, decode_responses=True, protocol=2)
        try:
            if wait:
                _pings(client, process)
            yield RedisServer(port, process, where, client)
        finally:
            client.close()
            process.kill()
            process.wait(30)


def _pings(client, process):
    for _ in range(200):
        assert process.poll() is None, "Redis ended while starting"
        try:
            client.ping()
        except redis.RedisError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("Redis was not ready in 10 s")


@pytest.fixture(scope="session")
def redis_shared():
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_real(redis_shared):
    """A Redis without data, without a limit, and with new statistics."""
    redis_shared.client.flushall()
    redis_shared.client.config_set("maxmemory", 0)
    redis_shared.client.config_set("maxmemory-policy", "noeviction")
    redis_shared.client.config_resetstat()
    return redis_shared
