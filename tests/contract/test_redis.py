"""What a Redis that tells how it is must do: the fake always, a real server too, healthy and not."""

import signal
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import redis
import trustme

from opsjobs import config
from opsjobs.config import RedisConnection
from opsjobs.errors import AccessDenied, BadAnswer, ConfigError, Overloaded, SourceError, TimedOut, Unreachable
from opsjobs.facts import RedisFacts
from opsjobs.http import Deadline
from opsjobs.sources.redis import Redis
from tests.contract.conftest import free_port, redis_server
from tests.fakes import FakeRedis

pytestmark = pytest.mark.xdist_group("redis")

FAKED = RedisFacts(
    version="7.0.15",
    at=datetime.now(UTC),
    uptime=100.0,
    loading=False,
    memory=1_000_000,
    memory_limit=0,
    policy="noeviction",
    evicted=0,
    expired=0,
    hits=0,
    misses=0,
    clients=1,
    clients_limit=10_000,
    rejected=0,
    keys=0,
    slow=0,
    bgsave_ok=True,
    bgsave_age=100.0,
    changes=0,
    aof=False,
    aof_ok=True,
    role="master",
)


def store(server, **known):
    return Redis(RedisConnection(**{"key": "systems.shop.redis", "host": "127.0.0.1", "port": server.port, **known}))


def ask(server, seconds=10, **known):
    with store(server, **known) as database:
        return database.facts(Deadline(seconds))


def refused(server, kind=SourceError, seconds=10, **known):
    with pytest.raises(kind) as caught:
        ask(server, seconds, **known)
    assert "canary" not in repr(caught.value) + caught.value.advice
    assert "systems.shop.redis" in caught.value.advice or type(caught.value) is Overloaded
    return caught.value


def eventually(what):
    for _ in range(200):
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in 10 s")


@pytest.fixture(params=["fake", "real"])
def database(request):
    if request.param == "fake":
        yield FakeRedis(FAKED)
    else:
        with store(request.getfixturevalue("redis_real")) as real:
            yield real


def test_a_healthy_server_tells_everything_and_without_a_limit_there_is_no_ratio(database):
    facts = database.facts(Deadline(10))
    assert database.name == "Redis"
    assert int(facts.version.split(".")[0]) >= 5
    assert abs(facts.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert facts.memory > 100_000 and facts.memory_limit == 0 and facts.memory_ratio is None
    assert facts.policy == "noeviction"
    assert (facts.hits, facts.misses, facts.hit_ratio) == (0, 0, None)
    assert (facts.keys, facts.evicted, facts.expired, facts.rejected) == (0, 0, 0, 0)
    assert facts.loading is False and facts.bgsave_ok is True and facts.aof is False
    assert facts.role == "master" and facts.link_up is None and facts.replicas == ()
    assert facts.clients >= 1 and facts.uptime >= 0 and facts.bgsave_age >= 0 and facts.slow == 0
    assert facts.missing == {}


def test_without_time_it_is_a_time_out(database):
    with pytest.raises(TimedOut):
        database.facts(Deadline(0))


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_server_that_is_down_is_unreachable(kind):
    nowhere = SimpleNamespace(port=free_port())
    database = FakeRedis(Unreachable("Redis cannot be reached")) if kind == "fake" else store(nowhere)
    with pytest.raises(Unreachable, match="cannot be reached"):
        database.facts(Deadline(5))


def test_it_is_asked_four_things_at_most_and_says_nothing_of_itself(redis_real):
    ask(redis_real)
    commands = {name for name in redis_real.client.info("commandstats") if "config" not in name}
    assert commands == {"cmdstat_info", "cmdstat_slowlog|len"}


def test_of_the_newest_slow_command_only_when_and_how_long_is_known(redis_real):
    client = redis_real.client
    client.config_set("slowlog-log-slower-than", 0)
    client.execute_command("SET", "canary-key", "canary-value")
    client.config_set("slowlog-log-slower-than", 10_000_000)
    try:
        facts = ask(redis_real)
        assert "canary-value" in str(client.execute_command("SLOWLOG", "GET", 10))
        assert facts.slow >= 1 and 0 <= facts.slow_seconds < 1
        assert abs(facts.slow_at - facts.at) < timedelta(minutes=5)
        assert "canary" not in repr(facts)
        client.execute_command("ACL", "SETUSER", "looker", "on", ">canary", "+info", "+slowlog|len")
        facts = ask(redis_real, username="looker", password="canary")
        assert facts.slow >= 1 and facts.slow_at is facts.slow_seconds is None
        assert set(facts.missing) == {"slow_at"}
    finally:
        client.execute_command("ACL", "DELUSER", "looker")
        client.config_set("slowlog-log-slower-than", 10_000)
        client.slowlog_reset()


def test_hits_misses_and_keys_are_counted(redis_real):
    redis_real.client.set("here", 1)
    for key in ("here", "here", "here", "gone"):
        redis_real.client.get(key)
    facts = ask(redis_real)
    assert (facts.hits, facts.misses, facts.hit_ratio, facts.keys) == (3, 1, 0.75, 1)


def test_a_server_at_its_limit_that_evicts_nothing_is_seen(redis_real):
    redis_real.client.set("large", "x" * 500_000)
    redis_real.client.config_set("maxmemory", int(ask(redis_real).memory * 0.98))
    facts = ask(redis_real)
    assert facts.memory_ratio > 0.9 and facts.policy == "noeviction"
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        redis_real.client.set("more", "y")


def test_evictions_are_counted(redis_real):
    redis_real.client.config_set("maxmemory-policy", "allkeys-lru")
    redis_real.client.config_set("maxmemory", ask(redis_real).memory + 200_000)
    for number in range(500):
        redis_real.client.set(f"key-{number}", "x" * 1000)
    facts = ask(redis_real)
    assert facts.evicted > 0 and facts.policy == "allkeys-lru" and facts.memory_ratio <= 1.05


def test_a_snapshot_that_could_not_be_saved_is_seen(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    with redis_server(folder=folder) as server:
        server.client.set("unsaved", 1)
        folder.rmdir()
        server.client.bgsave()
        facts = eventually(lambda: (found := ask(server)).bgsave_ok is False and found)
    assert facts.changes == 1 and facts.bgsave_age >= 0


def test_a_server_that_logs_each_write_says_so():
    with redis_server("--appendonly", "yes") as server:
        facts = ask(server)
    assert facts.aof is True and facts.aof_ok is True


def test_a_password_is_asked_for_and_never_told():
    with redis_server(password="canary-right") as server:
        assert ask(server, password="canary-right").version
        assert "Authentication required" in str(refused(server, AccessDenied))
        assert "invalid username-password" in str(refused(server, AccessDenied, password="canary-wrong"))
        assert "password_file" in refused(server, AccessDenied, username="canary", password="canary-wrong").advice


def test_a_user_that_may_do_little_is_asked_for_what_it_may(redis_real):
    redis_real.client.execute_command("ACL", "SETUSER", "looker", "on", ">canary", "+info")
    try:
        facts = ask(redis_real, username="looker", password="canary")
        assert set(facts.missing) == {"slow"} and facts.slow is None
        assert facts.memory_limit == 0 and facts.version
        redis_real.client.execute_command("ACL", "SETUSER", "looker", "-info")
        refused(redis_real, AccessDenied, username="looker", password="canary")
    finally:
        redis_real.client.execute_command("ACL", "DELUSER", "looker")


def test_a_server_that_loads_its_data_says_so(tmp_path):
    with redis_server(folder=tmp_path) as server:
        server.client.mset({f"key-{number}": "x" * 100 for number in range(20_000)})
        server.client.save()
    slowly = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with redis_server(*slowly, folder=tmp_path, wait=False) as server:
        facts = eventually(lambda: answered(server))
        with pytest.raises(redis.exceptions.BusyLoadingError):
            server.client.get("key-1")
    assert facts.loading is True


def answered(server):
    try:
        return ask(server)
    except Unreachable:
        return None


def test_a_replica_knows_whether_it_is_connected_and_its_master_knows_the_replica():
    with redis_server("--repl-diskless-sync-delay", "0") as master:
        with redis_server("--replicaof", "127.0.0.1", str(master.port)) as replica:
            facts = eventually(lambda: (found := ask(replica)).link_up and found)
            assert facts.role == "slave" and facts.link_silent is not None
            (seen,) = eventually(lambda: [each for each in ask(master).replicas if each.state == "online"])
            assert seen.name == f"127.0.0.1:{replica.port}" and seen.lag is not None
            master.process.kill()
            facts = eventually(lambda: (found := ask(replica)).link_up is False and found)
            assert facts.link_down is not None


def test_a_server_with_too_many_clients_says_so_and_counts_whom_it_rejected():
    with redis_server("--maxclients", "3") as server:
        others = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        error = refused(server, Overloaded)
        assert "max number of clients" in str(error)
        for other in others:
            other.close()
        facts = eventually(lambda: (server.client.ping(), answered_or_full(server))[1])
    assert facts.rejected >= 1 and facts.clients_limit == 3


def answered_or_full(server):
    try:
        return ask(server)
    except (Overloaded, Unreachable):
        return None


def test_a_server_that_hangs_is_left_at_the_deadline_and_one_that_ends_then_is_unreachable():
    with redis_server() as server:
        server.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        error = refused(server, TimedOut, seconds=0.5)
        assert time.monotonic() - started < 2
        assert "systems.shop.redis.timeout" in error.advice
        threading.Timer(0.5, server.process.kill).start()
        refused(server, Unreachable, seconds=20)


def test_a_certificate_is_verified(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", tmp_path / "cert.pem", "--tls-key-file", tmp_path / "key.pem")
    with redis_server(*tls, "--tls-ca-cert-file", tmp_path / "ca.pem", "--tls-auth-clients", "no") as plain:
        server = SimpleNamespace(port=port)
        known = {"host": "localhost", "tls": True}
        assert ask(server, **known, ca_file=str(tmp_path / "ca.pem")).encrypted
        assert "ca_file" in refused(server, **known, ca_file=str(tmp_path / "stranger.pem")).advice
        assert "ca_file" in refused(server, **known).advice
        assert "host" in refused(server, tls=True, ca_file=str(tmp_path / "ca.pem")).advice
        refused(server, host="localhost")
        refused(plain, **known)


@contextmanager
def answering(*chunks, pause=0.0):
    """Something on a port with an answer for each request; with a pause, one in so many pieces."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            try:
                line, _ = listener.accept()
                with line:
                    for number, chunk in enumerate(chunks):
                        if not (number and pause):
                            line.recv(1000)
                        line.sendall(chunk)
                        time.sleep(pause)
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield SimpleNamespace(port=listener.getsockname()[1])
        thread.join(20)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$5\r\nhello\r\n",
        b"+OK\r\n",
        b":1\r\n",
        b"*1\r\n$2\r\nhi\r\n",
        b"$4\r\n\xff\xfe\r\n\r\n",
        b"-ERR unknown command\r\n",
    ],
)
def test_what_is_no_redis_is_told(said):
    with answering(said) as server:
        assert type(refused(server)) is BadAnswer


def test_a_server_that_drips_is_left_at_the_deadline():
    with answering(b"$1000\r\n", *[b"x"] * 30, pause=0.1) as server:
        started = time.monotonic()
        refused(server, TimedOut, seconds=0.5)
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "lines",
    [
        b"redis_version:7.0.15\r\n",
        b"redis_version:7.0.15\r\nused_memory:nan\r\nmaxmemory:-1\r\nserver_time_usec:9e99\r\nkeyspace_hits:inf\r\n",
        b"redis_version:\xff\r\nuptime_in_seconds:\r\ndb0:nonsense\r\nslave0:a=b\r\nloading:maybe\r\n",
    ],
)
def test_whatever_is_not_said_is_not_known(lines):
    info = b"$%d\r\n%s\r\n" % (len(lines), lines)
    with answering(info, b"-NOPERM no\r\n", b"-NOPERM no\r\n") as server:
        facts = ask(server)
    assert facts.version and facts.memory is None and facts.memory_ratio is None and facts.hit_ratio is None
    assert facts.memory_limit is None and facts.at is None and facts.uptime is None and facts.bgsave_ok is None
    assert facts.loading is not True
    assert set(facts.missing) == {"slow", "memory_limit"}


# The configuration.


def configured(folder, text, **environment):
    path = folder / "opsjobs.yml"
    path.write_text(f"systems: {{pratikoai: {{redis: {text}}}}}\n")
    return config.read(path, environment).systems["pratikoai"].redis


def test_a_connection_comes_out_of_the_configuration(tmp_path):
    (tmp_path / "password").write_text("canary-in-a-file\n")
    text = "{host: r.example.com, username: u, password_file: password, tls: true, ca_file: ca.pem}"
    connection = config.redis_connection(configured(tmp_path, text), "systems.pratikoai.redis", tmp_path)
    assert (connection.host, connection.port, connection.username) == ("r.example.com", 6379, "u")
    assert connection.tls and connection.ca_file == str(tmp_path / "ca.pem")
    assert connection.password == "canary-in-a-file"
    assert "canary" not in repr(connection)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{password: canary}", "does not belong into this file"),
        ("{password: '${S}', password_file: y}", "not both"),
        ("{username: u}", "needs a password"),
        ("{ca_file: x}", "needs tls"),
        ("{port: 0}", "greater than 0"),
        ("{prot: 1}", "unknown key"),
    ],
)
def test_a_server_that_makes_no_sense_is_a_fault(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text, S="secret")
    assert any(message in fault.message for fault in caught.value.faults), caught.value.faults
    assert "canary" not in str(caught.value)
