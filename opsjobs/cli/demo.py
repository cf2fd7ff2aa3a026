"""opsjobs demo."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.daily import report_on, tell
from opsjobs.cli.setting import Setting, now, root

if TYPE_CHECKING:
    from opsjobs.log import Redactor

_SYSTEM = "pratikoai"


@click.command(epilog="Example: opsjobs demo --scenario quiet --keep")
@click.option(
    "--scenario",
    default="troubled",
    show_default=True,
    help="What is planted: a scenario that ships (quiet, troubled), or a file (docs/scenarios.md).",
)
@click.option("--keep", is_flag=True, help="Leave it running to look around, until Ctrl-C.")
@click.pass_obj
def demo(redactor: Redactor, *, scenario: str, keep: bool) -> None:
    """Try opsjobs on a simulated PratikoAI.

    Gets a real Prometheus, loads 40 days of history into it, lets it scrape a simulated system, and makes the daily
    report. Everything but the report is gone when it ends.
    """
    from opsjobs.config import DEFAULT, Config  # noqa: PLC0415 - slow to import
    from opsjobs.demo.stage import Stage  # noqa: PLC0415 - as above

    with Stage(_SYSTEM, scenario, now=now(), progress=_progress) as stage:
        links = DEFAULT.systems[_SYSTEM].links.model_dump(exclude_none=True)
        config = Config.model_validate({"systems": {_SYSTEM: {"prometheus": {"url": stage.url}, "links": links}}})
        base = Path.cwd()
        here = Setting(config=config, file=None, base=base, root=root(None, base) / "demo", redactor=redactor)
        _progress("Making the daily report")
        tell(report_on(here, _SYSTEM))
        if keep:
            click.echo(f"\nPrometheus  {stage.url}\nExporter    {stage.exporter_url}\nCtrl-C ends it.", err=True)
            threading.Event().wait()


def _progress(text: str) -> None:
    click.secho(f"{text} ...", dim=True, err=True)
