"""Ways to a PostgreSQL and a Redis, walked with stubs of the programs that would download them."""

from pathlib import Path

import pytest

from opsjobs.demo import programs
from opsjobs.demo.programs import Programs
from opsjobs.errors import DemoError
from tests.unit.demo.test_binaries import program

BIN = "usr/lib/postgresql/15/bin"
POSTGRESQL = "postgresql-15_15.20-0+deb12u1_amd64.deb"
LIBRARY = "libpq5_15.20-0+deb12u1_amd64.deb"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder that is the whole PATH, on a machine where nothing is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "_ROOT", tmp_path / "root")
    return folder


@pytest.fixture
def apt(path, tmp_path):
    """apt-get, apt-cache and dpkg of a machine that lacks one library; what they were called with."""
    record = tmp_path / "record"
    program(
        path,
        "apt-get",
        f"""
        echo "$@" >> {record}
        case "$@" in
            *--simulate*) cat <<SAID
Inst libpq5 (15.20-0+deb12u1 Debian:12 [amd64])
Inst libllvm14 (1:14.0.6-12 Debian:12 [amd64])
Inst libc6 [2.36-9] (2.36-10 Debian:12 [amd64])
Inst postgresql-common (248 Debian:12 [all])
Inst libjson-perl (4.1 Debian:12 [all])
SAID
            ;;
            *download*postgresql-15) touch {POSTGRESQL};;
            *download*libpq5) touch {LIBRARY};;
            *download*redis-server) touch redis-server_5%3a7.0.15-1_amd64.deb;;
            *download*redis-tools) touch redis-tools_5%3a7.0.15-1_amd64.deb;;
        esac""",
    )
    program(path, "apt-cache", 'test $5 = redis-server || echo "  Depends: $5-15"; echo "  Suggests: $5-doc"')
    stub = 'printf \'#!/bin/sh\\ntest -z "$LD_LIBRARY_PATH" || echo "$LD_LIBRARY_PATH" >> %s\' {record} > $3/{file}'
    lines = "\n".join(
        f"{stub.format(record=record, file=f'{BIN}/{name}')}; chmod +x $3/{BIN}/{name}"
        for name in ("postgres", "initdb")
    )
    program(
        path,
        "dpkg",
        f"""
        case "$2" in
            *libpq5*) mkdir -p $3/usr/lib/x86_64-linux-gnu;;
            *postgresql*) mkdir -p $3/{BIN}
            {lines};;
            *redis-server*) mkdir -p $3/usr/bin; ln -s redis-check-rdb $3/usr/bin/redis-server;;
            *redis-tools*) mkdir -p $3/usr/bin; echo '#!/bin/sh' > $3/usr/bin/redis-check-rdb
            chmod +x $3/usr/bin/redis-check-rdb;;
        esac""",
    )
    return record


def test_what_is_on_the_path_is_taken(path, tmp_path):
    for name in ("postgres", "initdb", "redis-server"):
        program(path, name)
    assert programs.postgresql(cache=tmp_path) == programs.redis(cache=tmp_path) == Programs(folder=path)


def test_of_several_that_debian_installed_the_newest_is_taken(path, tmp_path):
    for version in ("9.6", "15", "13"):
        for name in ("postgres", "initdb"):
            program(tmp_path / f"root/usr/lib/postgresql/{version}/bin", name)
    # A link to one of them alone is not enough.
    program(path, "postgres")
    assert programs.postgresql(cache=tmp_path).folder == tmp_path / "root" / BIN


@pytest.mark.usefixtures("path")
def test_without_a_way_to_get_it_the_reason_says_so(tmp_path):
    with pytest.raises(DemoError, match=r"^Redis is not installed, and there is no apt-get to get it with$"):
        programs.redis(cache=tmp_path)


def test_postgresql_is_unpacked_once_with_the_libraries_that_are_missing(apt, tmp_path):
    cache, told = tmp_path / "cache", []
    found = programs.postgresql(cache=cache, progress=told.append)
    root = cache / "postgresql-15.20"
    assert found == Programs(folder=root / BIN, libraries=(root / "usr/lib/x86_64-linux-gnu",))
    assert found.environment == {"LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    assert told == ["Getting PostgreSQL with apt-get; this is done once"]
    calls = apt.read_text().splitlines()
    # Both programs were tried, with the libraries.
    assert calls[-2:] == [found.environment["LD_LIBRARY_PATH"]] * 2
    downloads = [call.split()[-1] for call in calls if "download" in call]
    assert downloads == ["postgresql-15", "libpq5"]
    assert programs.postgresql(cache=cache, progress=told.append) == found
    assert len(apt.read_text().splitlines()) == len(calls)


def test_redis_needs_two_packages(apt, tmp_path):
    found = programs.redis(cache=tmp_path / "cache")
    assert found.folder == tmp_path / "cache/redis-7.0.15/usr/bin"
    assert Path(found.path("redis-server")).is_file()
    assert "download redis-tools" in apt.read_text()


def test_a_program_that_does_not_start_is_a_reason_and_is_not_kept(apt, path, tmp_path):
    assert apt
    program(path, "dpkg", f"mkdir -p $3/{BIN}; for name in postgres initdb; do touch $3/{BIN}/$name; done")
    with pytest.raises(DemoError, match="postgres cannot be started: Permission denied"):
        programs.postgresql(cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_package_that_does_not_hold_the_programs_is_a_reason(apt, path, tmp_path):
    assert apt
    program(path, "dpkg")
    with pytest.raises(DemoError, match="the package does not hold postgres and initdb"):
        programs.postgresql(cache=tmp_path / "cache")


def test_a_library_that_is_not_to_be_had_is_a_reason(apt, path, tmp_path):
    assert apt
    script = f'case "$@" in *--simulate*) echo "Inst libx1 (1 x)";; *postgresql-15) touch {POSTGRESQL};; esac'
    program(path, "apt-get", script)
    with pytest.raises(DemoError, match="the package 'libx1' was not downloaded"):
        programs.postgresql(cache=tmp_path / "cache")
