"""What every command needs from its surroundings: configuration, root folder, ledger, clock, somebody to talk to."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from opsjobs.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from opsjobs.config import Config
    from opsjobs.http import Connection
    from opsjobs.ledger import Ledger
    from opsjobs.log import Redactor
    from opsjobs.notify.email import EmailChannel
    from opsjobs.notify.outbox import Outbox
    from opsjobs.notify.sentry import SentryWitness
    from opsjobs.runner import Desk
    from opsjobs.servers import HttpServer
    from opsjobs.system import System

_FILE = "opsjobs.yml"


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

    def profile(self, name: str) -> System:
        """The profile of a system of the configuration, or one that ships. Raises `UsageError`, `ConfigError`."""
        from opsjobs import config  # noqa: PLC0415 - slow to import
        from opsjobs import system as profiles  # noqa: PLC0415 - as above
        from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - as above

        if name in self.config.systems:
            return config.profile(self.config, name, self.base)
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

    def channel(self) -> EmailChannel | None:
        """The mail server of the configuration; None without one."""
        from opsjobs import config  # noqa: PLC0415 - slow to import
        from opsjobs.notify.email import EmailChannel, Server  # noqa: PLC0415 - as above

        email = self.config.delivery.email
        if email is None:
            return None
        password = config.mail_password(email, self.base)
        self.redactor.add(password)
        return EmailChannel(
            Server(
                host=email.host,
                port=email.port,
                security=email.security,
                username=email.username,
                password=password,
                sender=email.sender,
                ca_file=str(self.base / email.ca_file) if email.ca_file else "",
                timeout=email.timeout,
                largest=email.largest,
            )
        )

    def witness(self) -> SentryWitness | None:
        """Who is told how runs go; None where nobody is. Raises `ConfigError` without the extra that it needs."""
        from opsjobs import __version__, config  # noqa: PLC0415 - slow to import

        told = self.config.sentry
        if told is None:
            return None
        dsn = config.reporting_dsn(told, self.base)
        for secret in (dsn, urlsplit(dsn).username or "", urlsplit(dsn).password or ""):
            self.redactor.add(secret)
        try:
            from opsjobs.notify.sentry import SentryWitness  # noqa: PLC0415 - only where the extra is installed
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"sentry: the package that tells it is not installed ({error.name})",
                advice="pip install 'opsjobs[sentry]', or leave `sentry` out of opsjobs.yml.",
            ) from None
        return SentryWitness(
            dsn, environment=told.environment, release=f"opsjobs@{__version__}", redact=self.redactor.redact
        )

    def outbox(self, ledger: Ledger) -> Outbox | None:
        """By which reports are sent; None where no mail server is configured."""
        from opsjobs.notify.outbox import Outbox  # noqa: PLC0415 - slow to import

        channel = self.channel()
        if channel is None:
            return None
        return Outbox(
            ledger,
            self.root / "outbox",
            {channel.name: channel},
            clock=now,
            wait=time.sleep,
            redact=self.redactor.redact,
        )

    @contextmanager
    def desk(self, out: Path | None, recipients: tuple[str, ...] = ()) -> Iterator[Desk]:
        """Where runs are written down and their reports kept; sends to the recipients when there are any."""
        from opsjobs.runner import Desk  # noqa: PLC0415 - slow to import

        witness = self.witness()
        with self.ledger() as ledger, closing(witness) if witness else nullcontext():
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
                outbox=self.outbox(ledger) if recipients else None,
                recipients=recipients,
                witness=witness,
            )


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def say(text: str) -> None:
    """Tell somebody who waits at a terminal; a log has no use for it."""
    if sys.stderr and sys.stderr.isatty():
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

    found = file or next((path for path in _places() if os.path.isfile(path)), None)  # noqa: PTH113 - a folder that may not be read has none
    read = config.read(found, os.environ, profiles=profiles) if found else config.DEFAULT
    base = found.parent.absolute() if found else Path.cwd()
    for secret in config.secrets(read):
        redactor.add(secret)
    return Setting(config=read, file=found, base=base, root=root(read.storage.root, base), redactor=redactor)


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
