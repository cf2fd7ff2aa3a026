"""Ways to a Prometheus, walked with stubs of the programs that would download it."""

import stat
import sys
from pathlib import Path

import pytest

from opsjobs.demo.binaries import IMAGE, Binaries, obtain
from opsjobs.demo.child import run
from opsjobs.errors import DemoError


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder that is the whole PATH, but for what a shell script needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, script: str = "exit 0") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


UNPACK = """
mkdir -p "$3/usr/bin"
touch "$3/usr/bin/prometheus" "$3/usr/bin/promtool"
"""
DEB = "prometheus_2.42.0+ds-5+deb12u1_amd64.deb"


def test_what_is_on_the_path_is_taken(path, tmp_path):
    files = [program(path, name) for name in ("prometheus", "promtool")]
    assert obtain(cache=tmp_path) == Binaries(prometheus=str(files[0]), promtool=str(files[1]))


def test_one_of_the_two_programs_alone_is_not_enough(path, tmp_path):
    program(path, "prometheus")
    with pytest.raises(DemoError, match="none of apt-get, brew and docker is here"):
        obtain(cache=tmp_path)


@pytest.mark.usefixtures("path")
def test_without_anything_one_sentence_says_so_and_advises(tmp_path):
    with pytest.raises(DemoError) as caught:
        obtain(cache=tmp_path)
    assert str(caught.value) == (
        "the demonstration needs Prometheus, which is not installed and could not be had:"
        " none of apt-get, brew and docker is here to get it with"
    )
    assert "start Docker" in caught.value.advice


def test_a_package_is_unpacked_into_the_cache_once(path, tmp_path):
    cache, told = tmp_path / "cache", []
    program(path, "apt-get", f"touch {DEB}")
    program(path, "dpkg", UNPACK)
    found = obtain(cache=cache, progress=told.append)
    assert found.promtool == str(cache / "prometheus-2.42.0/usr/bin/promtool")
    assert told == ["Getting Prometheus with apt-get; this is done once"]
    assert [entry.name for entry in cache.iterdir()] == ["prometheus-2.42.0"]
    program(path, "apt-get", "exit 1")
    assert obtain(cache=cache) == found


def test_without_package_lists_private_ones_are_made(path, tmp_path):
    record = tmp_path / "record"
    script = f"""
    echo "$@" >> {record}
    case "$@" in
        *Dir::State=*download*) touch {DEB};;
        *Dir::State=*update*) ;;
        *) echo "E: Unable to locate package prometheus" >&2; exit 100;;
    esac"""
    program(path, "apt-get", script)
    program(path, "dpkg", UNPACK)
    assert obtain(cache=tmp_path / "cache").prometheus.endswith("prometheus-2.42.0/usr/bin/prometheus")
    calls = record.read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["prometheus", "update", "prometheus"]
    assert all("Dir::State=" in call and "Dir::Cache=" in call for call in calls[1:])


def test_the_reason_of_each_way_reaches_the_error_and_nothing_half_done_stays(path, tmp_path):
    cache = tmp_path / "cache"
    program(path, "apt-get", f"touch {DEB}")
    program(path, "dpkg", 'mkdir "$3/usr"; echo "dpkg: no space left" >&2; exit 2')
    program(path, "brew", 'echo "Error: no bottle" >&2; exit 1')
    program(path, "docker", 'echo "Cannot connect to the Docker daemon" >&2; exit 125')
    with pytest.raises(DemoError) as caught:
        obtain(cache=cache)
    for reason in (
        "apt-get: dpkg failed with 2: dpkg: no space left",
        "brew: brew failed with 1: Error: no bottle",
        "docker: docker failed with 125: Cannot connect to the Docker daemon",
    ):
        assert reason in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_package_that_does_not_hold_the_programs_is_a_reason(path, tmp_path):
    program(path, "apt-get", f"touch {DEB}")
    program(path, "dpkg")
    with pytest.raises(DemoError, match="the package does not hold prometheus and promtool"):
        obtain(cache=tmp_path / "cache")


def test_homebrew_says_where_it_put_the_programs(path, tmp_path):
    program(tmp_path, "brewed/bin/promtool")
    program(path, "brew", f'test "$1" = --prefix && echo {tmp_path}/brewed; exit 0')
    assert obtain(cache=tmp_path / "cache").promtool == str(tmp_path / "brewed/bin/promtool")


def test_docker_is_called_with_this_network_this_user_and_only_the_folders_it_needs(path, tmp_path):
    record = tmp_path / "record"
    program(path, "docker", f'echo "$@" >> {record}')
    program(path, "id")
    binaries = obtain(cache=tmp_path / "cache")
    (call,) = record.read_text().splitlines()
    head, _, tail = call.partition("--user=")
    user, _, rest = tail.partition(" ")
    assert head == "run --rm --network=host "
    assert all(part.isdigit() for part in user.split(":"))
    assert rest == f"--entrypoint promtool {IMAGE} --version"
    assert binaries.command("prometheus", "--x", folders=(Path("/a b"), Path("/c"))) == [
        *("docker", "run", "--rm", "--network=host", f"--user={user}", "-v", "/a b:/a b", "-v", "/c:/c"),
        *("--entrypoint", "prometheus", IMAGE, "--x"),
    ]


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(DemoError, match=r"was not done after 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(DemoError, match="nonesuch is not installed"):
        run(["/nowhere/nonesuch"], timeout=1)
