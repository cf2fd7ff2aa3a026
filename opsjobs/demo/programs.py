"""ACQUIRE a real PostgreSQL and a real Redis: installed, kept from last time, or unpacked from packages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import site_cache_path, user_cache_path

from opsjobs.demo.child import nobody, reaches, run
from opsjobs.demo.packages import unpack
from opsjobs.errors import DemoError

_VERSION_TIMEOUT = 30
_ROOT = Path("/")
_LIBRARIES = ("usr/lib/*-linux-*", "lib/*-linux-*")

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Programs:
    """Where the programs of a server are."""

    folder: Path
    libraries: tuple[Path, ...] = ()
    """Folders with libraries that this machine lacks."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What they need besides the environment."""
        return {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))} if self.libraries else {}

    def path(self, program: str) -> str:
        """The file of a program."""
        return str(self.folder / program)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    title: str
    package: str
    with_it: tuple[str, ...] = ()
    """Packages without which it is not whole."""
    folders: str
    """Where its programs are below the root, as a pattern."""
    programs: tuple[str, ...]


_POSTGRESQL = _Kind(
    title="PostgreSQL",
    package="postgresql",
    folders="usr/lib/postgresql/*/bin",
    programs=("postgres", "initdb"),
)
# Debian's redis-server is a link to a program of redis-tools.
_REDIS = _Kind(
    title="Redis",
    package="redis-server",
    with_it=("redis-tools",),
    folders="usr/bin",
    programs=("redis-server",),
)


def postgresql(*, cache: Path | None = None, progress: Progress = lambda _: None) -> Programs:
    """Find PostgreSQL's programs, or get them. Raises `DemoError` with the reason."""
    return _obtained(_POSTGRESQL, cache or _common_cache(), progress)


def redis(*, cache: Path | None = None, progress: Progress = lambda _: None) -> Programs:
    """Find Redis' program, or get it. Raises `DemoError` with the reason."""
    return _obtained(_REDIS, cache or user_cache_path("opsjobs"), progress)


def _obtained(kind: _Kind, cache: Path, progress: Progress) -> Programs:
    found = _installed(kind) or _kept(kind, cache)
    if found:
        return found
    if shutil.which("apt-get") is None:
        raise DemoError(f"{kind.title} is not installed, and there is no apt-get to get it with")
    progress(f"Getting {kind.title} with apt-get; this is done once")
    place = unpack(kind.package, cache, _prefix(kind), with_it=kind.with_it, libraries=True)
    try:
        return _tried(kind, cache)
    except DemoError:
        # It would be found again, and fail again.
        shutil.rmtree(place, ignore_errors=True)
        raise


def _tried(kind: _Kind, cache: Path) -> Programs:
    found = _kept(kind, cache)
    if found is None:
        raise DemoError(f"the package does not hold {' and '.join(kind.programs)}")
    for program in kind.programs:
        run([found.path(program), "--version"], timeout=_VERSION_TIMEOUT, environment=found.environment)
    return found


def _installed(kind: _Kind) -> Programs | None:
    path = shutil.which(kind.programs[0])
    folders = [Path(path).parent] if path else []
    return next(_whole(kind, [*folders, *_newest_first(_ROOT, kind)]), None)


def _kept(kind: _Kind, cache: Path) -> Programs | None:
    for root in sorted(cache.glob(f"{_prefix(kind)}*"), key=_by_number, reverse=True):
        libraries = tuple(path for pattern in _LIBRARIES for path in sorted(root.glob(pattern)))
        for found in _whole(kind, _newest_first(root, kind)):
            return Programs(folder=found.folder, libraries=libraries)
    return None


def _whole(kind: _Kind, folders: list[Path]) -> Iterator[Programs]:
    for folder in folders:
        if all((folder / program).is_file() for program in kind.programs):
            yield Programs(folder=folder)


def _newest_first(root: Path, kind: _Kind) -> list[Path]:
    return sorted(root.glob(kind.folders), key=_by_number, reverse=True)


def _by_number(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _prefix(kind: _Kind) -> str:
    return f"{kind.title.lower()}-"


def _common_cache() -> Path:
    """The cache of this user; of all users where this is root, since nobody runs PostgreSQL then and reads it."""
    own = user_cache_path("opsjobs")
    existing = next(folder for folder in (own, *own.parents) if folder.is_dir())
    return own if reaches(nobody(), existing) else site_cache_path("opsjobs")
