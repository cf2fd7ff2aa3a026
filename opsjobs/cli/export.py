"""opsjobs schedule export: the schedule for cron, systemd and Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from opsjobs import __version__
from opsjobs.cli.cron import calls, machine_zone, program, system_option
from opsjobs.cli.keeping import plain
from opsjobs.cli.setting import configured, now, setting
from opsjobs.errors import ScheduleError, UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MADE = "# Made by `opsjobs schedule export "
_KINDS = ("*.service", "*.timer", "*.yml", "*.crontab", "opsjobs", "instead/*.service")

out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="A folder for the files. Default: all in one, here."
)


def _user(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _USER.fullmatch(value):
        raise UsageError(f"'{value}' is no name of a user")
    return value


@click.group()
def export() -> None:
    """Print the schedule for cron, systemd or Kubernetes, which then call `opsjobs schedule once`."""


@export.command(epilog="Example: opsjobs schedule export crontab --user opsjobs --out /etc/cron.d")
@system_option
@out_option
@click.option("--user", callback=_user, help="For /etc/cron.d: who runs it. Default: for a crontab of somebody's own.")
@click.option("--zone", metavar="ZONE", help="That of the machine where it will be. Default: that of this one.")
@configured
@click.pass_obj
def crontab(
    redactor: Redactor, *, name: str, out: Path | None, user: str | None, zone: str | None, file: Path | None
) -> None:
    """Print the schedule as a crontab."""
    from opsjobs.schedule.crontab import Table  # noqa: PLC0415 - slow to import

    here = setting(file, redactor)
    table = Table(
        calls=calls(here, name),
        program=program(here, name),
        zone=_zone(zone) if zone else machine_zone(),
        since=now(),
        user=user or "",
    )
    # In /etc/cron.d, cron passes over names with a dot.
    _give({"opsjobs" if user else "opsjobs.crontab": table.file()}, out)


@export.command(epilog="Example: opsjobs schedule export systemd --out /etc/systemd/system")
@system_option
@out_option
@click.option("--user", callback=_user, default="opsjobs", show_default=True, help="Who runs it.")
@configured
@click.pass_obj
def systemd(redactor: Redactor, *, name: str, out: Path | None, user: str, file: Path | None) -> None:
    """Print the schedule as services and timers of systemd.

    Use either those, or the one service in the folder `instead`, which runs `opsjobs schedule run`.
    """
    from opsjobs.schedule.systemd import Units  # noqa: PLC0415 - slow to import
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    called, storage = program(here, name), here.config.storage
    kept = here.base / storage.backups if storage.backups and "://" not in storage.backups else None
    spread = here.config.schedule.spread
    units = Units(
        calls=calls(here, name),
        program=called,
        since=now(),
        spread=timedelta(seconds=seconds(spread)) if spread else timedelta(0),
        user=user,
        folders=tuple(str(each) for each in (here.root if called.home or storage.root else None, kept) if each),
        root=storage.root is None,
    )
    _give(units.files(), out)


@export.command(epilog="Example: opsjobs schedule export kubernetes --image registry.example.com/opsjobs:1")
@system_option
@out_option
@click.option(
    "--image",
    default=f"opsjobs:{__version__}",
    show_default=True,
    help="The image with opsjobs in it. None is published: docs/schedulers.md says how to make one.",
)
@configured
@click.pass_obj
def kubernetes(redactor: Redactor, *, name: str, out: Path | None, image: str, file: Path | None) -> None:
    """Print the schedule as CronJobs of Kubernetes, and the claim on the volume for what they make."""
    from opsjobs.declaration import written  # noqa: PLC0415 - slow to import
    from opsjobs.schedule.kubernetes import CONFIG, HOME, MADE, Cluster  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    root = here.config.storage.root
    if root is not None and not root.is_absolute():
        click.echo(
            f"Warning: storage.root is {plain(str(root))}, which would be below {CONFIG}, "
            "where nothing can be written. Leave it out, or make it absolute.",
            err=True,
        )
    cluster = Cluster(
        calls=calls(here, name),
        since=now(),
        image=image,
        config=here.file.name if here.file else "",
        system="" if name == "all" else name,
        home=str(root) if root is not None and root.is_absolute() else HOME,
    )
    _give({path: f"{MADE}\n{written(content)}" for path, content in cluster.objects().items()}, out, between="---\n")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"'{name}' is not a time zone", advice="Use a name such as Europe/Rome.") from None


def _give(files: Mapping[str, str], out: Path | None, between: str = "") -> None:
    """Print files one after the other, or write them into a folder, where nothing of others is touched."""
    from opsjobs.running.folder import put  # noqa: PLC0415 - slow to import

    if out is None:
        single = len(files) == 1
        texts = (text if single else f"# {path}\n{text}" for path, text in files.items())
        click.echo((between or "\n").join(texts), nl=False)
        return
    foreign = [path for path in files if not _ours(out / path, absent=True)]
    if foreign:
        raise ScheduleError(
            f"{out / foreign[0]} is not from here",
            advice="Nothing was written. Name another folder with --out, or move that file away.",
        )
    put(files, out)
    for path in files:
        click.echo(out / path)
    there = sorted({path for kind in _KINDS for path in out.glob(kind)})
    for found in there:
        if found.relative_to(out).as_posix() not in files and _ours(found):
            click.echo(f"{found}  (no longer made; remove it)")


def _ours(path: Path, *, absent: bool = False) -> bool:
    """Whether a file was made here; one that is not there counts as `absent` says."""
    try:
        with path.open(encoding="utf-8", errors="replace") as content:
            return content.readline().startswith(_MADE)
    except FileNotFoundError:
        return absent
    except OSError:
        return False
