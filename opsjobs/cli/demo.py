"""opsjobs demo."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.daily import report_on, tell
from opsjobs.cli.setting import Setting, now, root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsjobs.demo.access import Access
    from opsjobs.demo.stage import Stage
    from opsjobs.log import Redactor

_DEFAULT = "pratikoai"


@click.command(epilog="Example: opsjobs demo --system pytake --scenario quiet --keep")
@click.option(
    "--system",
    "name",
    metavar="NAME",
    default=_DEFAULT,
    show_default=True,
    help="Which system: iob-maiis, portfolio, pratikoai, promptpilot or pytake.",
)
@click.option(
    "--scenario",
    default="troubled",
    show_default=True,
    help="What is planted: a scenario that ships (quiet, troubled), or a file (docs/scenarios.md).",
)
@click.option("--keep", is_flag=True, help="Leave it running to look around, until Ctrl-C.")
@click.pass_obj
def demo(redactor: Redactor, *, name: str, scenario: str, keep: bool) -> None:
    """Try opsjobs on a simulated system.

    Gets a real Prometheus, for pratikoai PostgreSQL and Redis too, loads 40 days of history into them, lets Prometheus
    scrape a simulated system, and makes the daily report and the weekly costs. Everything but the reports is gone when
    it ends.
    """
    from opsjobs.config import DEFAULT, Config  # noqa: PLC0415 - slow to import
    from opsjobs.demo.stage import Stage  # noqa: PLC0415 - as above

    with Stage(name, scenario, now=now(), progress=_progress, databases=True) as stage:
        links = DEFAULT.systems[_DEFAULT].links.model_dump(exclude_none=True)
        servers = {"prometheus": {"url": stage.url}, **_servers(stage.databases), "links": links}
        config = Config.model_validate({"systems": {name: servers}})
        base = Path.cwd()
        here = Setting(config=config, file=None, base=base, root=root(None, base) / "demo", redactor=redactor)
        _progress("Making the daily report")
        tell(report_on(here, name))
        if here.profile(name).costs:
            _progress("Making the weekly costs")
            click.echo()
            tell(report_on(here, name, job="costs"))
        if keep:
            click.echo(_places(stage), err=True)
            threading.Event().wait()


def _servers(databases: Mapping[str, Access]) -> dict[str, dict[str, object]]:
    """The databases as they stand in a configuration."""
    places: dict[str, dict[str, object]] = {
        name: {"host": each.host, "port": each.port, "password_file": each.password_file}
        for name, each in databases.items()
    }
    if "postgresql" in places:
        found = databases["postgresql"]
        # Nobody's secrets are in these queries.
        places["postgresql"] |= {"dbname": found.database, "user": found.user, "show_queries": True}
    if "redis" in places:
        places["redis"] |= {"username": databases["redis"].user}
    return places


def _places(stage: Stage) -> str:
    """Where everything is, for who wants to look around."""
    lines = [f"Prometheus  {stage.url}", f"Exporter    {stage.exporter_url}"]
    if found := stage.databases.get("postgresql"):
        lines.append(f"PostgreSQL  postgresql://{found.user}@{found.host}:{found.port}/{found.database}")
    if found := stage.databases.get("redis"):
        lines.append(f"Redis       redis://{found.user}@{found.host}:{found.port}")
    lines += [f"            password in {each.password_file}" for each in stage.databases.values()]
    return "\n".join(["", *lines, "Ctrl-C ends it."])


def _progress(text: str) -> None:
    click.secho(f"{text} ...", dim=True, err=True)
