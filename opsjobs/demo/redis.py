"""A real Redis as a child of this process, with PratikoAI's figures, and the state that a scenario wants it in."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

import redis

from opsjobs.demo.access import Access, write_private
from opsjobs.demo.books import Books
from opsjobs.demo.child import Child
from opsjobs.demo.programs import Programs
from opsjobs.errors import DemoError

READER = "opsjobs"

_LIMIT = 32 << 20
"""Bytes: enough for the figures many times over, and soon full."""
_FULL = 0.93
_PIECE = 64 << 10
_PIECES = 8
_STATE_TIMEOUT = 20
_CONNECT_SECONDS = 5
_SNAPSHOT = "dump.rdb"
# What docs/databases.md lets it do, with the command for its figures by user.
_RIGHTS = "+info +slowlog|len +config|get +exists +hget +zrevrange ~pratikoai:*"


class Redis:
    """One server whose files are in `folder/redis`.

    `states` are those of `scenario.STATES`: enter, `fill`, then `bring_about`.
    """

    def __init__(self, programs: Programs, folder: Path, *, states: Collection[str] = ()) -> None:
        self._programs = programs
        self._folder = folder
        self._home = folder / "redis"
        self._states = tuple(states)
        self._password = secrets.token_urlsafe()
        self._reader_password = secrets.token_urlsafe()
        self._child = Child("Redis", folder / "redis.log", environment=programs.environment)

    def __enter__(self) -> Self:
        self._home.mkdir()
        configuration = self._folder / "redis.conf"
        # Not as words of the command, which anybody on the machine could read.
        write_private(configuration, self._configuration())
        command = [self._programs.path("redis-server"), str(configuration)]
        self._child.start(lambda port: [*command, "--port", str(port)], self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self._child.port

    def fill(self, books: Books) -> Access:
        """Put the figures of each day into it; return how opsjobs is let in. Raises `DemoError`."""
        try:
            with self._connected() as client:
                pipeline: Any = client.pipeline(transaction=False)
                for day, kept in books.days.items():
                    pipeline.hset(f"pratikoai:{day}", mapping=dict(kept.figures))
                    if kept.costliest:
                        pipeline.zadd(f"pratikoai:{day}:cost_by_user", dict(kept.costliest))
                pipeline.execute()
                self._snapshot(client, "ok")
        except redis.RedisError as error:
            raise DemoError(f"Redis could not be filled: {error}") from error
        return Access.kept(self._folder / "redis.password", self._reader_password, port=self.port, user=READER)

    def bring_about(self) -> None:
        """Bring it into its states. Raises `DemoError`."""
        try:
            with self._connected() as client:
                if "snapshot_fails" in self._states:
                    self._let_snapshots_fail(client)
                if "memory_full" in self._states:
                    self._fill_memory(client)
        except (redis.RedisError, OSError) as error:
            raise DemoError(f"Redis could not be brought into its state: {error}") from error

    def _let_snapshots_fail(self, client: redis.Redis) -> None:
        """A folder stands where the file belongs, which stops root as well."""
        (self._home / _SNAPSHOT).unlink()
        (self._home / _SNAPSHOT).mkdir()
        self._snapshot(client, "err")

    def _fill_memory(self, client: redis.Redis) -> None:
        """Answers are cached until there is hardly room for one more."""
        numbers = count()
        while self._memory(client) < _FULL:
            client.mset({f"pratikoai:answer:{number}": b"x" * _PIECE for number in islice(numbers, _PIECES)})

    def _memory(self, client: redis.Redis) -> float:
        info: Any = client.info("memory")
        return float(info["used_memory"]) / _LIMIT

    def _snapshot(self, client: redis.Redis, how: str) -> None:
        client.bgsave()

        def ended() -> bool:
            info: Any = client.info("persistence")
            return not info["rdb_bgsave_in_progress"] and info["rdb_last_bgsave_status"] == how

        if not self._child.until(ended, _STATE_TIMEOUT):
            raise DemoError(f"no snapshot of Redis ended with '{how}' within {_STATE_TIMEOUT} s")

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f'dir "{self._home}"',
            f"dbfilename {_SNAPSHOT}",
            # Snapshots are made when they are asked for, not when it ends.
            'save ""',
            f"maxmemory {_LIMIT}",
            "maxmemory-policy noeviction",
            f"requirepass {self._password}",
            f"user {READER} on >{self._reader_password} {_RIGHTS}",
        ]
        return "\n".join([*lines, ""])

    def _ready(self) -> bool:
        """Whether it is ready, and it is this one: another would not know the password."""
        with suppress(redis.RedisError), self._connected() as client:
            return bool(client.ping())
        return False

    def _connected(self) -> redis.Redis:
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self._password,
            socket_timeout=_CONNECT_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
            protocol=2,
        )
