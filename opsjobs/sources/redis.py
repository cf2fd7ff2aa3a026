"""What a Redis says of itself (INFO, its slow log, its limit), and the figures that an application keeps in it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from opsjobs import statements
from opsjobs.config import RedisConnection
from opsjobs.errors import AccessDenied, BadAnswer, Overloaded, QueryRejected, SourceError, TimedOut, Unreachable
from opsjobs.facts import RedisFacts, RedisReplica
from opsjobs.http import Deadline
from opsjobs.log import Redactor
from opsjobs.model import Answer, Series
from opsjobs.sources import Question, each_in_time, figure, in_time

_CONNECT_SECONDS = 5.0
_SHOWN = 300
_SPOKE_FIRST = "Connection not ready"
_MICROSECONDS = 1e6
_LAST_TIME = 2.5e11
"""Unix time of the year 9892; the calendar ends soon after it."""
_NUMERAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_COMMAND_ADVICE = "Correct the command in the profile, or what the application keeps there."
_DATABASE = re.compile(r"db\d+")
_REPLICA = re.compile(r"slave\d+")

Info = Mapping[str, Any]


class Redis:
    """A `KeyValueStore`. Each call of `facts` has a connection of its own."""

    def __init__(self, connection: RedisConnection) -> None:
        self.connection = connection
        self.name = connection.name
        self._redact = Redactor([connection.password]).redact
        self._client: redis.Redis | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up()

    def facts(self, deadline: Deadline) -> RedisFacts:
        """What the server says of itself. Raises `SourceError`."""
        deadline = deadline.within(self.connection.timeout)
        return in_time(lambda: self._facts(deadline), deadline, late=self._timed_out(), give_up=self._give_up)

    def figures(self, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
        """The numbers that commands give for the days they are asked of, in the order of the questions.

        A key that is not there is no data. Members of a sorted set are series with the label `member`.
        """
        deadline = deadline.within(self.connection.timeout)
        return each_in_time(
            questions,
            lambda questions: self._figures(questions, deadline),
            deadline,
            late=self._timed_out(),
            give_up=self._give_up,
        )

    def _figures(self, questions: Sequence[Question], deadline: Deadline) -> Iterator[Answer | SourceError]:
        if not deadline.left:
            raise self._timed_out()
        try:
            with self._connected(deadline) as client:
                self._client = client
                try:
                    for question in questions:
                        if not deadline.left:
                            raise self._timed_out()
                        yield self._figure(client, question)
                finally:
                    self._client = None
        except (redis.RedisError, OSError, LookupError, TypeError, AttributeError) as error:
            raise self._translated(error) from None

    def _figure(self, client: redis.Redis, question: Question) -> Answer | SourceError:
        window = question.window
        if window is None:
            raise TypeError("a figure is of a window")
        name, key, *words = statements.command(question.query, window)
        try:
            # A set that is not there is as empty as one that has nothing in it, and says nothing.
            both: Any = client.pipeline(transaction=False)
            both.exists(key)
            if name == "ZREVRANGE":
                both.zrevrange(key, *map(int, words[:2]), withscores=True)
            else:
                both.execute_command(name, key, *words)
            there, answer = both.execute()
            return Answer(series=tuple(_figures(name, answer, window.end)) if there else ())
        except redis.exceptions.NoPermissionError as error:
            advice = f"Let the user {self.connection.username or 'default'} +exists, +{name.lower()} and read {key}."
            return AccessDenied(f"{self._who}: {self._said(error)}", advice=advice)
        except redis.AuthenticationError:
            raise
        except redis.ResponseError as error:
            return QueryRejected(f"{self._who} rejected {name} {key}: {self._said(error)}", advice=_COMMAND_ADVICE)
        except ValueError as error:
            return QueryRejected(f"{self._who}: {name} {key}: {self._said(error)}", advice=_COMMAND_ADVICE)

    def _facts(self, deadline: Deadline) -> RedisFacts:
        if not deadline.left:
            raise self._timed_out()
        try:
            with self._connected(deadline) as client:
                self._client = client
                try:
                    return self._collected(client)
                finally:
                    self._client = None
        except (redis.RedisError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._translated(error) from None

    def _connected(self, deadline: Deadline) -> redis.Redis:
        known, seconds = self.connection, deadline.left
        # The older protocol and no names: a user that may do little is let in with a password and nothing else.
        return redis.Redis(
            host=known.host,
            port=known.port,
            username=known.username or None,
            password=known.password or None,
            ssl=known.tls,
            ssl_ca_certs=known.ca_file or None,
            socket_timeout=seconds,
            socket_connect_timeout=min(_CONNECT_SECONDS, seconds),
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            encoding_errors="replace",
            protocol=2,
            driver_info=None,
            max_connections=1,
        )

    def _collected(self, client: redis.Redis) -> RedisFacts:
        info: Any = client.info()
        if not isinstance(info, Mapping) or not any(key.startswith("redis_") for key in info):
            raise BadAnswer(
                f"{self._who} sent something that is no INFO of a Redis",
                advice=f"Set {self.connection.key}.host and {self.connection.key}.port to a Redis.",
            )
        missing: dict[str, str] = {}
        slow = self._asked(missing, "slow", client.slowlog_len)
        limits = self._limits(client, info, missing)
        # As it comes: the driver would read the command, too.
        ask: Any = client.execute_command
        newest = self._asked(missing, "slow_at", lambda: ask("SLOWLOG", "GET", 1)) if slow else None
        facts = _facts(info, limits, slow, encrypted=self.connection.tls, missing=missing)
        return replace(facts, **_newest(newest))

    def _limits(self, client: redis.Redis, info: Info, missing: dict[str, str]) -> Info:
        """The limit and the policy: of INFO, else of the configuration, which fewer users may read."""
        limits = {key: info[key] for key in ("maxmemory", "maxmemory_policy") if key in info}
        if len(limits) < 2:  # noqa: PLR2004 - both or ask for both
            answer = self._asked(missing, "memory_limit", lambda: client.config_get("maxmemory*"))
            if isinstance(answer, Mapping):
                limits = {**{key.replace("-", "_"): value for key, value in answer.items()}, **limits}
        return limits

    def _asked(self, missing: dict[str, str], part: str, command: Callable[[], Any]) -> Any:
        """The answer to a command, or None with the reason among what is missing."""
        try:
            return command()
        except redis.ResponseError as error:
            missing[part] = self._said(error)
            return None

    def _give_up(self) -> None:
        """End what another thread waits for."""
        if self._client is not None:
            self._client.connection_pool.disconnect()

    @property
    def _who(self) -> str:
        return f"{self.name} at {self.connection.host}:{self.connection.port}"

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"{self._who} did not answer in time, within {self.connection.timeout:g} s at most",
            advice=f"Check what it is busy with, or raise {self.connection.key}.timeout.",
        )

    def _said(self, error: BaseException) -> str:
        return self._redact(" ".join(str(error).split()))[:_SHOWN]

    def _translated(self, error: Exception) -> SourceError:
        """What the driver raised, in words."""
        said, key = self._said(error), self.connection.key
        if isinstance(error, redis.TimeoutError | TimeoutError):
            return self._timed_out()
        if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
            return AccessDenied(
                f"{self._who} refused the credentials: {said}",
                advice=f"Set {key}.username and {key}.password_file; the user needs +info and +slowlog|len.",
            )
        if "max number of clients" in said or said == _SPOKE_FIRST:
            # Who is one too many is told so before it asks; the driver then says only that it was not ready.
            return Overloaded(
                f"{self._who} takes no more clients (max number of clients)",
                advice=f"Close clients that nobody uses, or raise maxclients; else {key}.port is not that of a Redis.",
            )
        if "certificate" in said or "SSL" in said:
            return SourceError(
                f"{self._who}: TLS failed: {said}",
                advice=f"Set {key}.tls as the server has it, {key}.ca_file to who signed it, {key}.host to its name.",
            )
        if isinstance(error, LookupError | TypeError | ValueError | AttributeError):
            said = "its INFO is no text"
        elif not isinstance(error, redis.ResponseError | redis.InvalidResponse):
            return Unreachable(
                f"{self._who} cannot be reached: {said}",
                advice=f"Check that it runs, and set {key}.host, {key}.port and {key}.tls in opsjobs.yml.",
            )
        return BadAnswer(
            f"{self._who} did not answer as a Redis does: {said}", advice=f"Set {key}.host and {key}.port to a Redis."
        )


def _figures(name: str, answer: Any, at: datetime) -> Iterator[Series]:
    if name == "ZREVRANGE":
        for member, score in answer:
            yield figure(float(score), at, member=str(member)[:_SHOWN])
    elif answer is not None:
        yield figure(answer if isinstance(answer, int) else _numeral(answer), at)


def _numeral(text: Any) -> float:
    """A number that was kept as text. What else float() takes, such as 1_000 and nan, nobody meant as one."""
    if not _NUMERAL.fullmatch(str(text)):
        raise ValueError("what is kept there is no number")
    return float(text)


def _newest(entries: Any) -> dict[str, Any]:
    """When the newest entry of the slow log was logged, and its seconds. Behind them is the command, which is left."""
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], list):
        return {}
    _, at, length, *_ = entries[0]
    if not (isinstance(at, int) and isinstance(length, int) and 0 <= at < _LAST_TIME and length >= 0):
        return {}
    return {"slow_at": datetime.fromtimestamp(at, UTC), "slow_seconds": length / _MICROSECONDS}


def _facts(info: Info, limits: Info, slow: Any, *, encrypted: bool, missing: Mapping[str, str]) -> RedisFacts:
    at = _number(info, "server_time_usec")
    at = at / _MICROSECONDS if at is not None and at / _MICROSECONDS < _LAST_TIME else None
    saved, up = _number(info, "rdb_last_save_time"), _flag(info, "master_link_status", "up")
    return RedisFacts(
        version=str(info.get("redis_version", "")),
        at=None if at is None else datetime.fromtimestamp(at, UTC),
        encrypted=encrypted,
        uptime=_number(info, "uptime_in_seconds"),
        loading=_flag(info, "loading", "1"),
        memory=_count(info, "used_memory"),
        memory_uncounted=_count(info, "mem_not_counted_for_evict") or 0,
        memory_limit=_count(limits, "maxmemory"),
        policy=str(limits.get("maxmemory_policy", "")),
        evicted=_count(info, "evicted_keys"),
        expired=_count(info, "expired_keys"),
        hits=_count(info, "keyspace_hits"),
        misses=_count(info, "keyspace_misses"),
        clients=_count(info, "connected_clients"),
        clients_limit=_count(info, "maxclients"),
        rejected=_count(info, "rejected_connections"),
        keys=_keys(info),
        slow=slow if isinstance(slow, int) else None,
        bgsave_ok=_flag(info, "rdb_last_bgsave_status", "ok"),
        bgsave_age=None if at is None or saved is None else max(0.0, at - saved),
        changes=_count(info, "rdb_changes_since_last_save"),
        aof=_flag(info, "aof_enabled", "1"),
        aof_ok=_both(_flag(info, "aof_last_write_status", "ok"), _flag(info, "aof_last_bgrewrite_status", "ok")),
        role=str(info.get("role", "")),
        link_up=up,
        link_down=_number(info, "master_link_down_since_seconds"),
        link_silent=_number(info, "master_last_io_seconds_ago"),
        replicas=tuple(_replicas(info)),
        missing=missing,
    )


def _number(values: Info, key: str) -> float | None:
    """A number that is there, finite, and not below 0; Redis writes -1 for what it does not know."""
    try:
        number = float(values.get(key, math.nan))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _count(values: Info, key: str) -> int | None:
    number = _number(values, key)
    return None if number is None else int(number)


def _flag(values: Info, key: str, yes: str) -> bool | None:
    return str(values[key]) == yes if key in values else None


def _both(one: bool | None, other: bool | None) -> bool | None:
    known = [each for each in (one, other) if each is not None]
    return all(known) if known else None


def _keys(info: Info) -> int | None:
    """Keys of all databases; one without keys is not listed, so that an empty server lists none."""
    counts = [_count(value, "keys") for key, value in info.items() if _DATABASE.fullmatch(key) and _is_group(value)]
    return None if None in counts else sum(count for count in counts if count)


def _replicas(info: Info) -> Iterator[RedisReplica]:
    for key, value in info.items():
        if _REPLICA.fullmatch(key) and _is_group(value):
            name = f"{value.get('ip', '?')}:{value.get('port', '?')}"
            yield RedisReplica(name=name, state=str(value.get("state", "")), lag=_number(value, "lag"))


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping)
