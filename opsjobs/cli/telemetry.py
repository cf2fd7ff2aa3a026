"""opsjobs telemetry."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.setting import Setting, configured, now, say, setting
from opsjobs.errors import ConfigError, OpsjobsError, UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor

_PATH = "/metrics/job/opsjobs"
_READABLE = 0o644


@click.command(epilog="Example: opsjobs telemetry --textfile /var/lib/node_exporter/opsjobs.prom")
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it whole into a file that ends in .prom, for the textfile collector of the node exporter.",
)
@click.option("--push", is_flag=True, help="Put it to the Pushgateway at telemetry.pushgateway, in place of the last.")
@configured
@click.pass_obj
def telemetry(redactor: Redactor, *, textfile: Path | None, push: bool, file: Path | None) -> None:
    """Print or hand over what Prometheus may know of opsjobs.

    For who runs jobs by cron; `opsjobs serve` shows the same at /metrics.
    """
    from opsjobs.ledger.reading import Reading  # noqa: PLC0415 - slow to import
    from opsjobs.telemetry import exposition  # noqa: PLC0415 - as above

    if textfile and textfile.suffix != ".prom":
        raise UsageError(f"{textfile} does not end in .prom", advice="The textfile collector reads no other files.")
    here = setting(file, redactor)
    if push and not (here.config.telemetry and here.config.telemetry.pushgateway):
        raise ConfigError("it is not known where a Pushgateway is", advice="Give telemetry.pushgateway in opsjobs.yml.")
    with here.ledger() as ledger:
        media_type, content = exposition(Reading(ledger=ledger), now())
    if textfile:
        _write(textfile, content)
    if push:
        _push(here, media_type, content)
    if not (textfile or push):
        click.echo(content, nl=False)


def _write(path: Path, content: bytes) -> None:
    """A reader sees the file as it was or as it is now."""
    # Not with the same ending: the collector would read both.
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        try:
            with partial.open("xb") as file:
                file.write(content)
                os.fchmod(file.fileno(), _READABLE)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OpsjobsError(
            f"{path} cannot be written: {error.strerror}", advice="Check free space and who may write into its folder."
        ) from None


def _push(here: Setting, media_type: str, content: bytes) -> None:
    from opsjobs.http import Deadline, Http  # noqa: PLC0415 - slow to import
    from opsjobs.servers import connection  # noqa: PLC0415 - as above

    server = here.config.telemetry and here.config.telemetry.pushgateway
    if not server:
        return
    reached = connection(server, "telemetry.pushgateway", here.base, "Pushgateway")
    for secret in reached.secrets:
        here.redactor.add(secret)
    http = Http(reached)
    try:
        http.change("PUT", _PATH, content, {"Content-Type": media_type}, deadline=Deadline(reached.timeout))
    finally:
        http.close()
    say(f"{server.url} has it.")
