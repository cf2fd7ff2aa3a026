"""ACQUIRE a real Prometheus: installed, kept from last time, unpacked from a package, or in a container."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from os import getgid, getuid
from pathlib import Path

from platformdirs import user_cache_path

from opsjobs.demo.child import run
from opsjobs.demo.packages import unpack
from opsjobs.errors import DemoError

IMAGE = "prom/prometheus:v2.53.5"
PROGRAMS = ("prometheus", "promtool")

_DOWNLOAD_TIMEOUT = 300
_CALL_TIMEOUT = 120
_PREFIX = "prometheus-"

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Binaries:
    """How the two programs are called."""

    prometheus: str
    promtool: str
    container: tuple[str, ...] = ()
    """The command that starts a container; empty when the programs are files."""

    def command(self, program: str, *arguments: str, folders: tuple[Path, ...] = ()) -> list[str]:
        """The words that run `prometheus` or `promtool`. A container sees nothing but `folders`, at the same paths."""
        called = self.prometheus if program == "prometheus" else self.promtool
        if not self.container:
            return [called, *arguments]
        mounts = [word for folder in folders for word in ("-v", f"{folder}:{folder}")]
        return [*self.container, *mounts, "--entrypoint", called, IMAGE, *arguments]


def obtain(*, cache: Path | None = None, progress: Progress = lambda _: None) -> Binaries:
    """Find both programs, or get them without rights of an administrator. Takes minutes at most.

    Raises `DemoError` with what was tried and why it did not work.
    """
    cache = cache or user_cache_path("opsjobs")
    found = _installed() or _kept(cache)
    if found:
        return found
    reasons: list[str] = []
    for name, way in (("apt-get", _from_debian), ("brew", _from_homebrew), ("docker", _from_docker)):
        if shutil.which(name) is None:
            continue
        progress(f"Getting Prometheus with {name}; this is done once")
        try:
            return way(cache)
        except DemoError as error:
            reasons.append(f"{name}: {error}")
    tried = "; ".join(reasons) or "none of apt-get, brew and docker is here to get it with"
    raise DemoError(
        f"the demonstration needs Prometheus, which is not installed and could not be had: {tried}",
        advice="install prometheus and promtool (2.40 or later) so that both are on the PATH, or start Docker",
    )


def _installed() -> Binaries | None:
    paths = [shutil.which(program) for program in PROGRAMS]
    return Binaries(prometheus=paths[0], promtool=paths[1]) if paths[0] and paths[1] else None


def _kept(cache: Path) -> Binaries | None:
    for folder in sorted(cache.glob(f"{_PREFIX}*/usr/bin"), reverse=True):
        if all((folder / program).is_file() for program in PROGRAMS):
            return Binaries(prometheus=str(folder / PROGRAMS[0]), promtool=str(folder / PROGRAMS[1]))
    return None


def _from_debian(cache: Path) -> Binaries:
    """Unpack the package into the cache; nothing is installed and no service starts."""
    unpack("prometheus", cache, _PREFIX)
    kept = _kept(cache)
    if kept is None:
        raise DemoError("the package does not hold prometheus and promtool")
    return kept


def _from_homebrew(_: Path) -> Binaries:
    run(["brew", "install", "prometheus"], timeout=2 * _DOWNLOAD_TIMEOUT)
    prefix = Path(run(["brew", "--prefix"], timeout=_CALL_TIMEOUT).strip()) / "bin"
    binaries = Binaries(prometheus=str(prefix / "prometheus"), promtool=str(prefix / "promtool"))
    run(binaries.command("promtool", "--version"), timeout=_CALL_TIMEOUT)
    return binaries


def _from_docker(_: Path) -> Binaries:
    # The network of this machine, because both the exporter and Prometheus are on its loopback address; this user,
    # so that what is written can be deleted again.
    container = ("docker", "run", "--rm", "--network=host", f"--user={getuid()}:{getgid()}")
    binaries = Binaries(prometheus="prometheus", promtool="promtool", container=container)
    run(binaries.command("promtool", "--version"), timeout=_DOWNLOAD_TIMEOUT)
    return binaries
