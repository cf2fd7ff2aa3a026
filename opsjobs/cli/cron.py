"""opsjobs schedule install and uninstall: the schedule in the crontab of whoever calls."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli.keeping import ask, tell
from opsjobs.cli.logs import complain
from opsjobs.cli.setting import Setting, configured, located, now, setting
from opsjobs.errors import ScheduleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsjobs.log import Redactor
    from opsjobs.schedule.calls import Call, Program

_SECONDS = 30
_NONE_YET = ("no crontab for", "no such file")
_INSTEAD = "`opsjobs schedule export` gives the schedule to /etc/cron.d, systemd or Kubernetes."
_HEAD = "# `opsjobs schedule install` writes this block anew, `opsjobs schedule uninstall` removes it."
_DEFAULTS = "defaults"

system_option = click.option("--system", "name", metavar="NAME", default="all", help="Default: each of them.")
dry_option = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")


@click.command(epilog="Example: opsjobs schedule install --dry-run")
@system_option
@dry_option
@yes_option
@configured
@click.pass_obj
def install(redactor: Redactor, *, name: str, dry_run: bool, yes: bool, file: Path | None) -> None:
    """Write the schedule into your crontab, as a block of its own; all other lines stay as they are.

    Installing again replaces the block. Each configuration has one.
    """
    from opsjobs.schedule.crontab import Table, replaced  # noqa: PLC0415 - slow to import

    here = setting(file, redactor)
    called = program(here, name)
    table = Table(calls=calls(here, name), program=called, zone=machine_zone(), since=now())
    lines = [_HEAD, *table.lines()]
    _warn(here, redactor)
    _changed(lambda text: replaced(text, _block(here.file), lines), redactor, dry_run=dry_run, yes=yes)


@click.command(epilog="Example: opsjobs schedule uninstall --dry-run")
@dry_option
@yes_option
@configured
@click.pass_obj
def uninstall(redactor: Redactor, *, dry_run: bool, yes: bool, file: Path | None) -> None:
    """Remove the block of this configuration from your crontab; all other lines stay as they are.

    The configuration need not be there any more.
    """
    from opsjobs.schedule.crontab import names, removed  # noqa: PLC0415 - slow to import

    block = _block(file or located())
    others = [name for name in names(_crontab()) if name != block]
    if _changed(lambda text: removed(text, block), redactor, dry_run=dry_run, yes=yes) or not others:
        return
    tell(redactor, [f"There are blocks of other configurations, for --config: {', '.join(others)}."])


def calls(here: Setting, name: str) -> tuple[Call, ...]:
    """What is to be called for a system or for `all`. Raises `UsageError` where nothing is."""
    from opsjobs.cli import timetable  # noqa: PLC0415 - slow to import
    from opsjobs.schedule import calls  # noqa: PLC0415 - as above

    made = calls.calls(timetable.entries(here, here.config.chosen(name)))
    if not made:
        raise UsageError("no job runs by itself", advice="Say in opsjobs.yml when one does: `schedule.jobs`.")
    return tuple(made)


def program(here: Setting, name: str) -> Program:
    """How another scheduler calls us. Raises `ScheduleError` where that cannot be."""
    from opsjobs.schedule.calls import Program  # noqa: PLC0415 - slow to import

    # Of what the environment says, others know nothing.
    told = any(os.environ.get(each) for each in ("OPSJOBS_HOME", "XDG_STATE_HOME"))
    return Program(
        words=_words(),
        config=str(_absolute(here.file)) if here.file else "",
        home=str(here.root) if told and here.config.storage.root is None else "",
        system="" if name == "all" else name,
    )


def machine_zone(place: Path = Path("/etc/localtime")) -> ZoneInfo:
    """The zone in which cron runs: that of the machine, whatever TZ says here."""
    if not place.exists():
        return ZoneInfo("UTC")
    name = str(place.resolve()).partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name.removeprefix("posix/"))
    except (KeyError, ValueError, OSError):
        # A copy of a zone's file does not say its name.
        with place.open("rb") as content:
            return ZoneInfo.from_file(content, key="this machine's zone")


def _words() -> tuple[str, ...]:
    """The program, as it is called from any folder."""
    called = Path(sys.argv[0])
    found = shutil.which(called.name) if called.parent == Path() else str(called.absolute())
    if found and called.name == "opsjobs" and os.access(found, os.X_OK):
        return (str(Path(found).absolute()),)
    if not sys.executable:
        raise ScheduleError("it is not known where opsjobs is", advice="Call it by its whole path.")
    return sys.executable, "-m", "opsjobs"


def _absolute(file: Path) -> Path:
    """A path from the root that is the same for each way to write it, and keeps the links that lead there."""
    return Path(os.path.normpath(file.absolute()))


def _block(file: Path | None) -> str:
    return str(_absolute(file)) if file else _DEFAULTS


def _warn(here: Setting, redactor: Redactor) -> None:
    from opsjobs.declaration import variables  # noqa: PLC0415 - slow to import

    needed = sorted(each for each in variables(here.file) if each in os.environ) if here.file else []
    if needed:
        lines = [
            f"Warning: cron does not have the environment of your shell, so there will be no {', '.join(needed)}.",
            f"In {here.file}, name files with those secrets instead, by the keys that end in _file.",
        ]
        complain(redactor, "\n".join(lines))


def _changed(make: Callable[[str], str], redactor: Redactor, *, dry_run: bool, yes: bool) -> bool:
    """Change the crontab, after it was shown what changes and somebody agreed; whether anything is to be changed."""
    old = _crontab()
    new = make(old)
    if new == old:
        click.echo("Nothing to change: the crontab is as it should be.")
        return False
    if "CRON_TZ=" in old:
        click.echo("Warning: the crontab sets CRON_TZ; where cron heeds it, our lines come at other times.", err=True)
    shown = difflib.unified_diff(old.split("\n"), new.split("\n"), "crontab", "crontab, changed", lineterm="", n=0)
    tell(redactor, shown)
    if dry_run:
        click.echo("Nothing was changed.")
        return True
    if not yes:
        ask("Change the crontab like this?")
    if _crontab() != old:
        raise ScheduleError("somebody else has changed the crontab meanwhile", advice="Nothing was written. Try again.")
    _run("-", given=new)
    if _crontab() != new:
        raise ScheduleError("the crontab is not what was written", advice="Look at it with `crontab -l`.")
    click.echo("The crontab is changed.")
    return True


def _crontab() -> str:
    """What is in it; empty where there is none."""
    return _run("-l")


def _run(argument: str, given: str | None = None) -> str:
    """What the program `crontab` answers. Raises `ScheduleError` in its words where it refuses."""
    path = shutil.which("crontab")
    if path is None:
        raise ScheduleError("there is no program `crontab` here", advice=f"Install cron. {_INSTEAD}")
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user would call
            [path, argument],
            input=given.encode("utf-8", "surrogateescape") if given is not None else None,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no answer in {_SECONDS} seconds"
        raise ScheduleError(f"`crontab {argument}` cannot be run: {reason}", advice=_INSTEAD) from None
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode:
        if given is None and any(each in said.lower() for each in _NONE_YET):
            return ""
        what = said.splitlines()[-1] if said else f"it ended with {done.returncode} and said nothing"
        raise ScheduleError(
            f"`crontab {argument}` was refused: {what}",
            advice=f"An administrator may allow it in /etc/cron.allow. {_INSTEAD}",
        )
    return done.stdout.decode("utf-8", "surrogateescape")
