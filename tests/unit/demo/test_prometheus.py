import shlex
import socket
import subprocess
import sys
import textwrap
import time

import pytest
import requests

from opsjobs.demo.binaries import Binaries, obtain
from opsjobs.demo.exposition import Exporter, write_history
from opsjobs.demo.prometheus import Prometheus, Scrape, import_history
from opsjobs.errors import DemoError
from tests.unit.demo import processes
from tests.unit.demo.samples import TODAY, course
from tests.unit.demo.test_binaries import program


def ask(url, query, at=None):
    answer = requests.get(f"{url}/api/v1/query", {"query": query, "time": at}, timeout=10)
    answer.raise_for_status()
    return {tuple(sorted(row["metric"].items())): row["value"][1] for row in answer.json()["data"]["result"]}


def refused(url):
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "history.om"
    write_history(course(), path, TODAY.timestamp())
    return path


def test_imported_history_can_be_asked_for(binaries, tmp_path, text):
    server = Prometheus(binaries, tmp_path)
    import_history(binaries, text, server.storage)
    with server:
        found = ask(server.url, "sum by (path) (increase(request_seconds_count[1d]))", TODAY.timestamp())
    assert {key[0][1]: float(value) for key, value in found.items()} == {
        "/x": pytest.approx(2 * 86400, rel=0.05),
        "/y": pytest.approx(6 * 86400, rel=0.05),
    }


def test_targets_are_scraped_under_the_names_they_are_given(binaries, tmp_path):
    live = course(({"component": "api", "instance": "two", "down": True}, TODAY, TODAY.replace(hour=23)))
    with Exporter(lambda _: live, lambda: TODAY.timestamp() + 60) as exporter:
        scrape = [
            Scrape(job=job, instance=instance, address=exporter.address, path=f"/metrics/{job}/{instance}")
            for job, instance in live.up
        ]
        with Prometheus(binaries, tmp_path, scrape=scrape, interval=1) as server:
            server.wait_for_scrapes()
            up = ask(server.url, "up")
            customers = ask(server.url, "customers")
    assert {(dict(key)["job"], dict(key)["instance"]): value for key, value in up.items()} == {
        ("shop", "one"): "1",
        ("shop", "two"): "0",
        ("database", "db"): "1",
    }
    assert [dict(key) for key in customers] == [{"__name__": "customers", "job": "shop", "instance": "one"}]


def test_stopping_leaves_no_process_and_no_port(binaries, tmp_path):
    server = Prometheus(binaries, tmp_path)
    server.start()
    assert processes.naming(str(tmp_path))
    assert not refused(server.url)
    with pytest.raises(RuntimeError, match="running already"):
        server.start()
    server.stop()
    assert not processes.naming(str(tmp_path))
    assert refused(server.url)
    server.stop()


def test_it_can_be_started_again_on_the_same_storage(binaries, tmp_path, text):
    server = Prometheus(binaries, tmp_path)
    import_history(binaries, text, server.storage)
    for _ in range(2):
        with server:
            assert ask(server.url, "customers", TODAY.timestamp())


def test_a_parent_that_is_killed_leaves_no_child(binaries, tmp_path):
    script = f"""
        import time
        from pathlib import Path
        from opsjobs.demo.binaries import Binaries
        from opsjobs.demo.prometheus import Prometheus
        server = Prometheus({binaries!r}, Path({str(tmp_path)!r}))
        server.start()
        print(server.url, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as parent:
        url = parent.stdout.readline().strip()
        assert not refused(url)
        parent.kill()
        parent.wait()
        assert processes.gone(f"--storage.tsdb.path={tmp_path}")
    assert refused(url)


def test_one_that_ends_while_starting_is_an_error_with_the_end_of_its_log(tmp_path):
    path = program(tmp_path, "broken", "echo first; echo 'opening storage failed: lock' >&2; exit 3")
    server = Prometheus(Binaries(prometheus=str(path), promtool=str(path)), tmp_path)
    with pytest.raises(DemoError, match="ended with 3 while starting: first / opening storage failed: lock"):
        server.start()


def test_a_port_that_somebody_else_took_meanwhile_is_tried_no_more(binaries, tmp_path):
    marker = tmp_path / "marker"
    script = f"""
    if test ! -e {marker}; then
        touch {marker}
        echo 'listen tcp 127.0.0.1:1: bind: address already in use' >&2
        exit 1
    fi
    {shlex.join(binaries.command("prometheus", folders=(tmp_path,)))} "$@" """
    path = program(tmp_path, "prometheus", script)
    with Prometheus(Binaries(prometheus=str(path), promtool=str(path)), tmp_path / "data") as server:
        assert marker.exists()
        assert ask(server.url, "vector(1)")


def test_ports_that_are_always_taken_are_an_error(tmp_path):
    path = program(tmp_path, "prometheus", "echo 'bind: address already in use' >&2; exit 1")
    with pytest.raises(DemoError, match="found no free port in 5 attempts"):
        Prometheus(Binaries(prometheus=str(path), promtool=str(path)), tmp_path).start()


def test_text_that_is_no_history_is_an_error_with_the_reason_of_promtool(binaries, tmp_path):
    path = tmp_path / "wrong.om"
    path.write_text("this is not OpenMetrics\n")
    with pytest.raises(DemoError, match=r"promtool failed with 1: .*invalid syntax"):
        import_history(binaries, path, tmp_path / "data")


def test_targets_that_are_never_scraped_are_an_error(binaries, tmp_path):
    scrape = [Scrape(job="x", instance="y", address="127.0.0.1:1")]
    with (
        Prometheus(binaries, tmp_path, scrape=scrape, interval=3600) as server,
        pytest.raises(DemoError, match=r"did not scrape all 1 targets within 0\.2 s"),
    ):
        server.wait_for_scrapes(0.2)


def test_in_a_container_both_programs_work_on_the_folders_they_are_given(binaries, tmp_path, text, monkeypatch):
    if binaries.container:
        pytest.fail("this test stands in for Docker with programs that are files")
    record = tmp_path / "record"
    # As Docker would: what follows the image are the arguments of the entry point.
    docker = f"""
    echo "$@" >> {record}
    while test "$1" != --entrypoint; do shift; done
    case "$2" in prometheus) called={binaries.prometheus};; *) called={binaries.promtool};; esac
    shift 3
    exec "$called" "$@" """
    stub = tmp_path / "bin"
    program(stub, "docker", docker)
    monkeypatch.setenv("PATH", str(stub))
    contained = obtain(cache=tmp_path / "cache")
    folder = tmp_path / "server"
    server = Prometheus(contained, folder)
    import_history(contained, text, server.storage)
    with server:
        assert ask(server.url, "customers", TODAY.timestamp())
    checked, imported, started = record.read_text().splitlines()
    assert checked.endswith(" --version")
    assert f"-v {text.parent}:{text.parent} -v {server.storage}:{server.storage} " in imported
    assert f"-v {folder}:{folder} --entrypoint prometheus " in started
    assert processes.gone(str(folder), 0)


def test_one_that_does_not_listen_is_killed_with_all_that_it_started(binaries, tmp_path, monkeypatch):
    monkeypatch.setattr("opsjobs.demo.child._STOP_GRACE", 0.5)
    # A shell that ignores SIGTERM, with the real one behind it.
    real = shlex.join(binaries.command("prometheus", folders=(tmp_path,)))
    path = program(tmp_path, "deaf", f"trap '' TERM; {real} \"$@\" & while :; do sleep 1; done")
    server = Prometheus(Binaries(prometheus=str(path), promtool=str(path)), tmp_path / "data")
    server.start()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert processes.gone(str(tmp_path), 5)
