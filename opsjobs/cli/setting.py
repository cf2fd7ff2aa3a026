"""What every command needs from its surroundings: configuration, root folder, ledger, clock, somebody to talk to."""

from __future__ import annotations

import os
import re
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import click

from opsjobs import log
from opsjobs.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from opsjobs.config import Config
    from opsjobs.http import Connection
    from opsjobs.ledger import Ledger
    from opsjobs.log import Redactor
    from opsjobs.runner import Desk
    from opsjobs.servers import HttpServer
    from opsjobs.system import System

_FILE = "opsjobs.yml"
_PIECES = re.compile(r"[/?&=:@#]+")
_LONG = 8


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The configuration in force, and where it came from."""

    config: Config
    file: Path | None
    """The file it was read from; None when the defaults hold."""
    base: Path
    """The folder to which its paths are relative."""
    root: Path
    redactor: Redactor
    due_at: datetime | None = None
    """The slot of the schedule for which something is run; None where somebody asked for it."""
    read: dict[str, System] = field(default_factory=dict, repr=False)
    """The profiles that were read, by name: reading one takes a while."""

    def slot(self) -> str:
        """What a run of this moment, or of the slot of the schedule, is called; in the zone of this machine."""
        return f"{(self.due_at or now()).astimezone():%Y-%m-%dT%H:%M}"

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, open while the block runs."""
        from opsjobs.ledger import Ledger  # noqa: PLC0415 - slow to import

        url = self.config.storage.ledger
        ledger = Ledger(url.get_secret_value()) if url else Ledger.at(self.root / "ledger.db")
        try:
            yield ledger.open()
        finally:
            ledger.close()

    @contextmanager
    def alone(self, system: str, job: str) -> Iterator[None]:
        """Hold the lock of a system's job while the block runs. Raises `SlotTaken` when somebody else does."""
        with self.ledger() as ledger, ledger.alone(self.root / "locks", system, job):
            yield

    def profile(self, name: str) -> System:
        """The profile of a system of the configuration, or one that ships. Raises `UsageError`, `ConfigError`."""
        from opsjobs import config  # noqa: PLC0415 - slow to import
        from opsjobs import system as profiles  # noqa: PLC0415 - as above
        from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - as above

        if name in self.config.systems:
            if name not in self.read:
                self.read[name] = config.profile(self.config, name, self.base)
            return self.read[name]
        if name in profiles.shipped():
            return profiles.read(name, self.base)
        known = {*self.config.systems, *profiles.shipped()}
        advice = "See `opsjobs system list`."
        raise UsageError(f"no system is called '{name}'{did_you_mean(name, known)}", advice=advice)

    def declared(self, name: str) -> System:
        """As `profile`, whatever store indicators are asked of: what the stack is rendered from."""
        from opsjobs import config  # noqa: PLC0415 - slow to import

        known = name in self.config.systems
        return config.declared(self.config, name, self.base) if known else self.profile(name)

    def prometheus(self, name: str) -> Connection:
        """Where the Prometheus of a system is."""
        return self.connection(self.config.systems[name].prometheus, name, "Prometheus")

    def connection(self, server: HttpServer, name: str, called: str) -> Connection:
        """Where a server of a system is; `called` is what people call it, and in small letters its key."""
        from opsjobs import config  # noqa: PLC0415 - slow to import

        made = config.connection(server, f"systems.{name}.{called.lower()}", self.base, called)
        for secret in made.secrets:
            self.redactor.add(secret)
        return made

    @contextmanager
    def desk(self, name: str, out: Path | None = None, *, send: bool) -> Iterator[Desk]:
        """Where the runs of a system are written down and their reports kept, and by whom they are told of."""
        from opsjobs.cli import telling  # noqa: PLC0415 - slow to import
        from opsjobs.runner import Desk  # noqa: PLC0415 - as above

        told = telling.witnesses(self, name) if send else nullcontext(())
        with self.ledger() as ledger, told as witnesses:
            yield Desk(
                ledger=ledger,
                locks=self.root / "locks",
                reports=(out or self.root / "reports").absolute(),
                clock=now,
                new_id=lambda: str(uuid.uuid4()),
                host=socket.gethostname(),
                pid=os.getpid(),
                redactor=self.redactor,
                say=say,
                outbox=telling.outbox(self, name, ledger) if send else None,
                recipients=self.config.systems[name].recipients if send else (),
                witnesses=witnesses,
                due_at=self.due_at,
            )


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def say(text: str) -> None:
    """Tell somebody who waits at a terminal; a log has no use for it."""
    if sys.stderr and sys.stderr.isatty() and not log.in_json():
        click.secho(text, dim=True, err=True)


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--config`."""
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        envvar="OPSJOBS_CONFIG",
        show_envvar=True,
        help=f"The configuration. Default: ./{_FILE}, else the user's, else one local pratikoai.",
    )(command)


def setting(file: Path | None, redactor: Redactor, *, profiles: bool = True) -> Setting:
    """Find and read the configuration. Raises `ConfigError` with every fault, those of its profiles where asked."""
    from opsjobs import config  # noqa: PLC0415 - slow to import

    found = file or located()
    read = config.read(found, os.environ, profiles=profiles) if found else config.DEFAULT
    base = found.parent.absolute() if found else Path.cwd()
    for secret in config.secrets(read):
        hide(redactor, secret)
    return Setting(config=read, file=found, base=base, root=root(read.storage.root, base), redactor=redactor)


def located() -> Path | None:
    """Where the configuration is when nobody says; None when the defaults hold."""
    return next((path for path in _places() if os.path.isfile(path)), None)  # noqa: PTH113 - a folder that may not be read has none


def hide(redactor: Redactor, secret: str) -> None:
    """Keep a secret out of everything that is said; of an address also each piece that may be what lets in."""
    redactor.add(secret)
    if "://" in secret:
        rest = secret.partition("://")[2].partition("/")[2]
        path, _, query = rest.partition("?")
        values = [value for _, value in parse_qsl(query)]
        # A word is no secret: `services`, `webhooks`, the name of a host.
        pieces = [piece for piece in _PIECES.split(secret) if "." not in piece and any(map(str.isdigit, piece))]
        for piece in (rest, path, *values, *pieces):
            if len(piece) >= _LONG:
                redactor.add(piece)


def _places() -> Iterator[Path]:
    import platformdirs  # noqa: PLC0415 - only where no file was given

    yield Path(_FILE)
    yield platformdirs.user_config_path("opsjobs") / _FILE


def root(configured: Path | None, base: Path) -> Path:
    """The folder of everything that is made: as configured, else OPSJOBS_HOME, else where the platform keeps state."""
    import platformdirs  # noqa: PLC0415 - as above

    if configured:
        return base / configured
    home = os.environ.get("OPSJOBS_HOME", "")
    if home:
        return Path(home).absolute()
    try:
        return platformdirs.user_state_path("opsjobs")
    except (RuntimeError, OSError) as error:
        raise ConfigError(f"no folder for what opsjobs makes: {error}", advice="Set OPSJOBS_HOME.") from None
