"""opsjobs config."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.setting import configured, setting

if TYPE_CHECKING:
    from opsjobs.log import Redactor


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command(epilog="Example: opsjobs config check --config /etc/opsjobs/opsjobs.yml")
@configured
@click.pass_obj
def check(redactor: Redactor, *, file: Path | None) -> None:
    """Check the configuration and its profiles, and name every fault at once."""
    from opsjobs import config as operator  # noqa: PLC0415 - slow to import
    from opsjobs.cli.telling import channels, unheard, witnesses  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    for name in here.config.systems:
        system = operator.profile(here.config, name, here.base)
        operator.connection(here.config.systems[name].prometheus, f"systems.{name}.prometheus", here.base)
        tracker = here.config.systems[name].sentry
        if tracker:
            operator.sentry_connection(tracker, f"systems.{name}.sentry", here.base)
        count = len(list(system.indicators))
        click.echo(f"{name}: {system.title}, {count} indicators, {len(system.components)} components")
        # Made, so that every file of a secret is read.
        channels(here, name)
        with witnesses(here, name):
            pass
        for line in unheard(here, name):
            click.echo(line)
    click.echo(f"{here.file or 'The defaults'}: no faults.")


@config.command(epilog="Example: opsjobs config show --json | jq .systems")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def show(redactor: Redactor, *, as_json: bool, file: Path | None) -> None:
    """Show the configuration in force, its secrets masked."""
    from opsjobs import config as operator  # noqa: PLC0415 - slow to import
    from opsjobs.declaration import written  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    content = operator.shown(here.config)
    content.setdefault("storage", {})["root"] = str(here.root)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        click.echo(f"# from {here.file or 'the defaults'}\n{written(content)}", nl=False)


@config.command(epilog="Example: opsjobs config example > opsjobs.yml")
def example() -> None:
    """Print a configuration to start from, with every key explained."""
    click.echo((importlib.resources.files("opsjobs") / "example.yml").read_text("utf-8"), nl=False)


@config.command(epilog="Example: opsjobs config schema --profile > profile.schema.json")
@click.option("--profile", is_flag=True, help="The schema of system profiles instead.")
def schema(*, profile: bool) -> None:
    """Print the JSON Schema, for an editor that completes and checks."""
    from opsjobs.config import Config  # noqa: PLC0415 - slow to import
    from opsjobs.system import System  # noqa: PLC0415 - as above

    click.echo(json.dumps((System if profile else Config).model_json_schema(), indent=2))
