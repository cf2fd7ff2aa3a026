"""The Grafanas of a system and the shelves of their backups, opened as the configuration says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from opsjobs.cli.setting import Setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.backup.collect import Progress
    from opsjobs.backup.shelf import Shelf
    from opsjobs.backup.store import Store
    from opsjobs.http import Connection
    from opsjobs.log import Redactor
    from opsjobs.objects import BackedUp, Server
    from opsjobs.servers import GrafanaServer
    from opsjobs.sources.grafana.inventory import Inventory

_MAIN = "grafana"
_STYLE = re.compile(r"\x1b\[(?:0|1|3[1-6])m")
"""What our own colours are written as."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One organisation of one Grafana of a system."""

    system: str
    name: str
    """As its backups are filed: grafana, grafana-org2, staging."""
    server: GrafanaServer
    key: str
    """Where it stands in the configuration."""
    organisation: int = 0

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.system}, {self.name}"


def targets(here: Setting, name: str) -> list[Target]:
    """Every Grafana of a system and each of its organisations; the one that is looked at daily is the first."""
    system = here.config.systems[name]
    servers = {_MAIN: (system.grafana, f"systems.{name}.grafana")} if system.grafana else {}
    servers |= {each: (server, f"systems.{name}.grafanas.{each}") for each, server in system.grafanas.items()}
    return [
        Target(
            system=name,
            name=f"{each}-org{number}" if number else each,
            server=server,
            key=key,
            organisation=number,
        )
        for each, (server, key) in servers.items()
        if server
        for number in server.organisations or (0,)
    ]


def all_targets(here: Setting, name: str, wanted: str | None) -> list[Target]:
    """The Grafanas that `--system NAME` and `--target NAME` mean. Raises `UsageError` where there is none."""
    chosen = here.config.chosen(name)
    found = [each for system in chosen for each in targets(here, system) if wanted in {None, each.name}]
    if not found:
        raise _no_target(here, chosen, wanted)
    return found


def one_target(here: Setting, name: str | None, wanted: str | None) -> Target:
    """The one Grafana that is meant: of the only system that has any, and its first. Raises `UsageError`."""
    chosen = here.config.chosen(name or "all")
    having = [each for each in chosen if targets(here, each)]
    if len(having) > 1:
        raise UsageError(
            f"several systems have a Grafana: {', '.join(having)}", advice="Say which one with --system NAME."
        )
    found = [each for system in having for each in targets(here, system) if wanted in {None, each.name}]
    if not found:
        raise _no_target(here, chosen, wanted)
    return found[0]


def _no_target(here: Setting, chosen: list[str], wanted: str | None) -> UsageError:
    known = [each.name for system in chosen for each in targets(here, system)]
    if wanted and known:
        from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - slow to import

        meant = did_you_mean(wanted, set(known))
        return UsageError(f"no Grafana is called '{wanted}'{meant}", advice=f"There is {', '.join(known)}.")
    system = chosen[0] if len(chosen) == 1 else "NAME"
    return UsageError(
        f"it is not configured where the Grafana of {', '.join(chosen)} is",
        advice=f"Set systems.{system}.grafana.url and token_file in opsjobs.yml: see docs/dashboards.md.",
    )


def connection(here: Setting, target: Target) -> Connection:
    """How the Grafana is reached. Raises `ConfigError`."""
    from opsjobs import config  # noqa: PLC0415 - slow to import

    made = config.connection(target.server, target.key, here.base, "Grafana")
    for secret in made.secrets:
        here.redactor.add(secret)
    return replace(made, organisation=target.organisation)


@contextmanager
def opened(here: Setting, target: Target) -> Iterator[Inventory]:
    """What the Grafana keeps, open while the block runs. Nothing is asked yet."""
    from opsjobs.sources.grafana.inventory import Inventory  # noqa: PLC0415 - slow to import

    with Inventory(connection(here, target)) as found:
        yield found


def shelf(here: Setting, target: Target) -> Shelf:
    """Where its backups are."""
    from opsjobs.backup.shelf import Shelf  # noqa: PLC0415 - slow to import

    return Shelf(store(here, target.system, target.name))


def states(here: Setting, name: str, before: datetime | None = None) -> Callable[[], list[BackedUp]] | None:
    """How the backups of each Grafana of a system are, read when it is called; None where there is none."""
    from opsjobs.backup import state  # noqa: PLC0415 - slow to import
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - as above

    found = targets(here, name)
    max_age = seconds(here.config.systems[name].backup.max_age)
    if not found:
        return None
    return lambda: [state.of(shelf(here, each), each.name, max_age, before=before) for each in found]


def store(here: Setting, system: str, name: str) -> Store:
    """Where the backups of one server of a system are: on this machine, or where the configuration says."""
    from opsjobs.backup.store import Folder  # noqa: PLC0415 - slow to import

    place = here.config.storage.backups
    if "://" in place:
        from opsjobs.backup.remote import Remote  # noqa: PLC0415 - as above

        return Remote(f"{place.rstrip('/')}/{system}/{name}")
    return Folder((here.base / place if place else here.root / "backups") / system / name)


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Something that is told how far it is: a bar on a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda what, done, total: bar.update(
            task, description=f"{label}: {what}", completed=done, total=total or None
        )


def told(server: Server) -> str:
    """A Grafana in a few words."""
    version = f"Grafana {server.version}" if server.version else "a Grafana that hides its version"
    return f"{server.organisation_name}, {version}"


def ask(question: str) -> None:
    """Go on only when somebody says yes. Raises `click.Abort` for a no, `UsageError` where nobody is there."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError("nobody answered", advice="Give --yes to do it without asking.") from None
    if not agreed:
        raise click.Abort


def tell(redactor: Redactor, lines: Iterable[str]) -> None:
    """Print lines, each of them one, whatever is in it."""
    click.echo("\n".join(plain(redactor.redact(line)) for line in lines))


def plain(line: str) -> str:
    """A line without what would begin another, move the cursor or speak to the terminal: titles are anybody's."""
    parts = _STYLE.split(line)
    styles = [*_STYLE.findall(line), ""]
    return "".join(_printable(part) + style for part, style in zip(parts, styles, strict=True))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)


SYSTEM = click.option("--system", "name", metavar="NAME", help="Needed where several systems have a Grafana.")
TARGET = click.option("--target", metavar="NAME", help="Which Grafana of the system. Default: its first.")
