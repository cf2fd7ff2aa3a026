"""opsjobs costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.daily import LAST, made, monday_of, report_on
from opsjobs.cli.setting import configured, setting

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.runner import Finished


@click.command(epilog="Example: opsjobs costs --system pratikoai --week 2026-W46")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--week", metavar="YYYY-Www", default=LAST, help="An ISO week such as 2026-W46. Default: the last one.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep the reports below this folder.")
@click.option("--no-send", is_flag=True, help="Mail it to nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def costs(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str,
    week: str,
    out: Path | None,
    no_send: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Say what a week cost, for whom, why that changed, and what the month will have cost.

    Of all systems those are left out whose profile says nothing of costs. Exits with 3 when a day or a price is
    missing.
    """
    monday = None if week == LAST else monday_of(week)
    here = setting(file, redactor)
    names = here.config.chosen(name)
    if name == "all":
        names = [each for each in names if here.profile(each).costs] or names

    def make(chosen: str) -> Finished:
        return report_on(here, chosen, monday, out, send=not no_send, job="costs")

    context.exit(made(here, names, make, as_json=as_json))
