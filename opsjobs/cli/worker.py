"""opsjobs worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli import logs
from opsjobs.cli.schedule import GRACE, supervised
from opsjobs.cli.setting import configured, setting
from opsjobs.cli.timetable import planned
from opsjobs.errors import ConfigError

if TYPE_CHECKING:
    from opsjobs.log import Redactor


@click.command(epilog="Example: opsjobs worker")
@configured
@click.pass_obj
@click.pass_context
def worker(context: click.Context, redactor: Redactor, *, file: Path | None) -> None:
    """Run the jobs at their times together with other workers, on any number of machines.

    They share a ledger in PostgreSQL (storage.ledger) and the same configuration; it needs the extra `cluster`. A
    worker that loses the database exits with 1 and is to be started again by whoever started it.
    """
    try:
        from opsjobs.schedule.cluster import Cluster  # noqa: PLC0415 - only where the extra is installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the package that workers share their work by is not installed ({error.name})",
            advice="pip install 'opsjobs[cluster]'; one machine needs `opsjobs schedule run` only.",
        ) from None
    logs.serve(context)
    here = setting(file, redactor)
    with here.ledger() as ledger:
        conninfo = ledger.database.conninfo
    batches = planned(here, list(here.config.systems))
    Cluster(
        supervisor=supervised(here, "--service"),
        batches=lambda: batches,
        conninfo=conninfo,
        at_once=here.config.schedule.at_once,
        grace=GRACE,
    ).run()
