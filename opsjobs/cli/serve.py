"""opsjobs serve."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli.setting import Setting, configured, now, say, setting
from opsjobs.cli.timetable import late_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsjobs.log import Redactor
    from opsjobs.serving import Server


@click.command(epilog="Example: opsjobs serve --port 9099")
@click.option("--host", metavar="ADDRESS", help="The address to listen on. Default: serve.host, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: serve.port, else 9099; 0 takes one that is free.")
@configured
@click.pass_obj
def serve(redactor: Redactor, *, host: str | None, port: int | None, file: Path | None) -> None:
    """Show the reports, opsjobs' own metrics and its health on a port.

    Until Ctrl-C or SIGTERM. The pages are at /, the metrics at /metrics, the health at /healthz. Only this machine
    reaches it, unless the configuration says where it listens and what lets in: docs/archive.md.
    """
    here = setting(file, redactor)
    with served(here, host, port) as server:
        click.echo(f"{server.url} shows the reports. Ctrl-C ends it.")
        try:
            server.wait()
        except KeyboardInterrupt:
            say("Ended.")


@contextmanager
def served(here: Setting, host: str | None = None, port: int | None = None) -> Iterator[Server]:
    """The archive, served while the block runs."""
    from opsjobs.ledger.reading import Reading  # noqa: PLC0415 - slow to import
    from opsjobs.publication import Serve, access  # noqa: PLC0415 - as above
    from opsjobs.serving import Guard, Site, Subject, start  # noqa: PLC0415 - as above

    declared = here.config.serve or Serve()
    at = host or declared.host
    known = access(declared, at, here.base)
    for secret in (known.token, known.password):
        here.redactor.add(secret)
    profiles = {name: here.profile(name) for name in here.config.systems}
    with here.ledger() as ledger:
        site = Site(
            reading=Reading(ledger=ledger),
            reports=here.root / "reports",
            subjects=[
                Subject(name=name, title=profile.title, zone=ZoneInfo(profile.zone))
                for name, profile in profiles.items()
            ],
            guard=Guard(names=known.names, token=known.token, username=known.username, password=known.password),
            clock=now,
            late=late_after(here, list(here.config.systems)),
        )
        server = start(site, at, declared.port if port is None else port)
        try:
            yield server
        finally:
            server.stop()
