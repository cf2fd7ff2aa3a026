"""ACQUIRE programs out of Debian packages, without installing anything and without rights of an administrator."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from opsjobs.demo.child import run
from opsjobs.errors import DemoError

_DOWNLOAD_TIMEOUT = 300
_UNPACK_TIMEOUT = 120
# One that is there in an older version stands with that in brackets first; it does.
_MISSING = re.compile(r"^Inst ((?:lib|lua-)\S+) \(", re.MULTILINE)
# Only compiling of queries needs these, and they are ten times the rest; nothing here is written in Perl.
_NOT_NEEDED = re.compile(r"libllvm.*|libclang.*|libz3.*|.*-dev|.*-perl")


def unpack(wanted: str, cache: Path, prefix: str, *, with_it: Sequence[str] = (), libraries: bool = False) -> Path:
    """Download a package and unpack it into a folder of the cache, called by the prefix and the package's version.

    A package that only stands for one with a version in its name is followed. The packages `with_it` come too, and with
    `libraries` those that this machine lacks. Raises `DemoError`.
    """
    _made(cache)
    with tempfile.TemporaryDirectory(prefix="opsjobs-apt-") as scratch:
        apt = _Apt(Path(scratch))
        name = apt.newest(wanted) if libraries else wanted
        packages = apt.download([name, *with_it, *(apt.missing([name, *with_it]) if libraries else [])])
        (first,) = (each for each in packages if each.name.startswith(f"{name}_"))
        version = first.name.split("_")[1].split("+")[0].split("-")[0].split("%3a")[-1]
        # Beside its final place, so that it can be renamed there whole.
        unpacked = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=cache))
        place = cache / f"{prefix}{version}"
        try:
            for package in packages:
                run(["dpkg", "-x", str(package), str(unpacked)], timeout=_UNPACK_TIMEOUT)
            # Another user may be the one who runs it.
            unpacked.chmod(0o755)
            unpacked.rename(place)
        except OSError as error:
            # Another process was quicker: its copy is as good.
            if not place.is_dir():
                raise DemoError(f"cannot be put into {cache}: {error.strerror}") from error
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
    return place


class _Apt:
    """apt-get and apt-cache. Without package lists, or rights to renew them, private lists are used."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        # As root, apt-get would hand the download to a user that may not write here.
        self._options = ["-q", "-o", "APT::Sandbox::User=root"]
        self._private = False

    def download(self, names: Sequence[str]) -> list[Path]:
        """The files of these packages."""
        for name in names:
            self._run("apt-get", "download", name)
        found = sorted(self._scratch.glob("*.deb"))
        for name in names:
            if not any(path.name.startswith(f"{name}_") for path in found):
                raise DemoError(f"the package '{name}' was not downloaded")
        return found

    def newest(self, name: str) -> str:
        """The package with a version in its name that another one stands for; else this one."""
        said = self._run("apt-cache", "depends", name)
        found = re.findall(rf"^\s*Depends: ({re.escape(name)}-\d+)$", said, re.MULTILINE)
        return found[-1] if found else name

    def missing(self, names: Sequence[str]) -> list[str]:
        """The libraries that these packages need and that are not installed here."""
        said = self._run("apt-get", "--simulate", "--no-install-recommends", "install", *names)
        return [name for name in _MISSING.findall(said) if not _NOT_NEEDED.fullmatch(name) and name not in names]

    def _run(self, program: str, *words: str) -> str:
        try:
            return self._once(program, *words)
        except DemoError:
            if self._private:
                raise
        self._renew()
        return self._once(program, *words)

    def _renew(self) -> None:
        self._private = True
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self._scratch / folder).mkdir(parents=True)
        self._options += ["-o", f"Dir::State={self._scratch}/state", "-o", f"Dir::Cache={self._scratch}/cache"]
        self._options += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        self._once("apt-get", "update")

    def _once(self, program: str, *words: str) -> str:
        return run([program, *self._options, *words], timeout=_DOWNLOAD_TIMEOUT, cwd=self._scratch)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"{folder} cannot be made: {error.strerror}") from error
