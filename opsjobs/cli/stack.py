"""opsjobs stack."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from opsjobs.cli.setting import Setting, configured, now, say, setting
from opsjobs.cli.sources import opened
from opsjobs.cli.timetable import late_after
from opsjobs.errors import StackError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsjobs.cli.sources import Sources
    from opsjobs.jobs.drift import Compared, Running
    from opsjobs.jobs.panels import Panels
    from opsjobs.log import Redactor
    from opsjobs.running.tools import Checked
    from opsjobs.stack import Own, Plan

_SECONDS = 120
_DIFFERENT, _UNKNOWN = 1, 3
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - what an operator may have written

system_option = click.option(
    "--system",
    "name",
    metavar="NAME",
    help="A system of the configuration, or a profile that ships. Default: the only one that is configured.",
)
folder_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Its folder. Default: stack/NAME below the folder of everything that opsjobs makes.",
)


@click.group()
def stack() -> None:
    """Render the monitoring stack that a profile describes, check it, run it, and see what runs differently."""


@stack.command(epilog="Example: opsjobs stack render --system pratikoai --out monitoring")
@system_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to fill.")
@click.option("--native", is_flag=True, help="For programs of this machine. Default: for containers.")
@click.option("--dry-run", is_flag=True, help="Write nothing; exit with 1 when something would change.")
@configured
@click.pass_obj
@click.pass_context
def render(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str | None,
    out: Path,
    native: bool,
    dry_run: bool,
    file: Path | None,
) -> None:
    """Write rules, routes, dashboards, provisioning and a compose file.

    The same profile gives the same bytes, so that the folder can be kept in git. Secrets are never written: each is a
    file in its folder `secrets`.
    """
    from opsjobs.running.folder import compare, put  # noqa: PLC0415 - slow to import
    from opsjobs.stack import render as rendered  # noqa: PLC0415 - as above
    from opsjobs.stack import secrets  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    plan = planned(here, _chosen(here, name), out if native else None)
    files = rendered(plan)
    changes = compare(files, out)
    if not dry_run:
        put(files, out)
    for path in changes.new:
        click.echo(f"new      {path}")
    for path in changes.changed:
        click.echo(f"changed  {path}")
    for path in changes.left_over:
        click.echo(f"left     {path}  (no longer rendered; remove it when nothing else needs it)")
    same = len(files) - len(changes.new) - len(changes.changed)
    verb = "would be written to" if dry_run else "are in"
    click.echo(f"{len(files)} files {verb} {out}, {same} of them as they were.")
    missing = [secret for secret in secrets.needed(plan) if not (out / "secrets" / secret.file).exists()]
    if missing and not dry_run:
        click.echo(f"Before it runs, {out / 'secrets'} needs:")
        width = max(len(secret.file) for secret in missing)
        for secret in missing:
            click.echo(f"  {secret.file:<{width}}  {secret.holds}")
    context.exit(_DIFFERENT if dry_run and changes else 0)


@stack.command(epilog="Example: opsjobs stack check --system pratikoai --live")
@system_option
@click.option("--live", is_flag=True, help="Ask its Prometheus what each panel of the dashboards asks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def check(
    context: click.Context, redactor: Redactor, *, name: str | None, live: bool, as_json: bool, file: Path | None
) -> None:
    """Have promtool and amtool check what would be rendered, and run the unit tests of its alerts.

    Exits with 0 when all is well, with 1 when something is not, and with 3 when something could not be checked.
    """
    from opsjobs.model import Status  # noqa: PLC0415 - slow to import
    from opsjobs.running.folder import put  # noqa: PLC0415 - as above
    from opsjobs.running.tools import check as checked  # noqa: PLC0415 - as above
    from opsjobs.stack import render as rendered  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    plan = planned(here, _chosen(here, name))
    with TemporaryDirectory(prefix="opsjobs-stack-") as folder:
        put(rendered(plan), Path(folder))
        found = list(checked(Path(folder)))
    panels = _asked(here, plan) if live else None
    remarks = panels.remarks if panels else ()
    if as_json:
        click.echo(json.dumps(_document(plan.name, found, panels, redactor), indent=2, ensure_ascii=False))
    else:
        _tell(plan.name, found, panels, redactor)
    statuses = {each.status for each in found} | {each.status for each in remarks}
    wrong = statuses & {Status.CRITICAL, Status.WARNING}
    context.exit(_DIFFERENT if wrong else _UNKNOWN if Status.UNKNOWN in statuses else 0)


@stack.command(epilog="Example: opsjobs stack drift --system pratikoai")
@system_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def drift(context: click.Context, redactor: Redactor, *, name: str | None, as_json: bool, file: Path | None) -> None:
    """Compare what runs with what is declared: rules, routes and dashboards.

    Exits with 0 when all is as declared, with 1 when something is not, and with 3 when a server could not be asked.
    """
    from opsjobs.http import Deadline  # noqa: PLC0415 - slow to import
    from opsjobs.jobs.drift import compare  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    plan = planned(here, _chosen(here, name))
    _reachable(here, plan.name)
    with opened(here, plan.name) as sources:
        say(f"{plan.system.title}: asking {sources.metrics.name}")
        compared = compare(running(plan, sources), Deadline(_SECONDS))
    if as_json:
        click.echo(redactor.redact(json.dumps(_differences(plan.name, compared), indent=2, ensure_ascii=False)))
    else:
        for text in _drift(plan.name, compared):
            click.echo(redactor.redact(text))
    failed = any(each.error for each in compared)
    context.exit(_DIFFERENT if any(each.differences for each in compared) else _UNKNOWN if failed else 0)


@stack.command(epilog="Example: opsjobs stack up --system pratikoai --native")
@system_option
@folder_option
@click.option("--native", is_flag=True, help="Programs that are on the PATH. Default: containers, by Docker.")
@configured
@click.pass_obj
@click.pass_context
def up(
    context: click.Context, redactor: Redactor, *, name: str | None, out: Path | None, native: bool, file: Path | None
) -> None:
    """Render the stack and start it. It goes on when this command has ended, until `opsjobs stack down`.

    Exits with 0 when every part is ready, and with 3 when one is missing.
    """
    from opsjobs.ledger.lock import held  # noqa: PLC0415 - slow to import
    from opsjobs.running import containers, programs  # noqa: PLC0415 - as above
    from opsjobs.running.folder import put  # noqa: PLC0415 - as above
    from opsjobs.stack import render as rendered  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    chosen = _chosen(here, name)
    folder = _folder(here, chosen, out)
    plan = planned(here, chosen, folder if native else None)
    ending = f"`opsjobs stack down --system {chosen}{f' --out {out}' if out else ''}{' --native' if native else ''}`"
    if not plan.system.stack.parts:
        raise StackError(f"the profile of {chosen} has no parts to start", advice="Name them under `stack.parts`.")
    with held(here.root / "locks", chosen, "stack"):
        alive = programs.running(folder)
        if alive:
            down = f"`opsjobs stack down --system {chosen}{f' --out {out}' if out else ''} --native`"
            raise StackError(f"{', '.join(alive)} of {folder} run already", advice=f"{down} ends them.")
        put(rendered(plan), folder)
        parts = programs.start(plan, folder, os.environ, say) if native else containers.start(plan, folder, say)
    width = max(len(part.title) for part in parts)
    for part in parts:
        click.echo(f"{part.title:<{width}}  {part.url or f'not started: {part.reason}'}")
    click.echo(f"What it keeps and says is in {folder}. {ending} ends it.")
    context.exit(_UNKNOWN if any(part.reason for part in parts) else 0)


@stack.command(epilog="Example: opsjobs stack down --system pratikoai")
@system_option
@folder_option
@click.option("--native", is_flag=True, help="What was started with --native.")
@configured
@click.pass_obj
def down(redactor: Redactor, *, name: str | None, out: Path | None, native: bool, file: Path | None) -> None:
    """End the stack that `opsjobs stack up` started. What it has gathered stays."""
    from opsjobs.ledger.lock import held  # noqa: PLC0415 - slow to import
    from opsjobs.running import containers, programs  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    chosen = _chosen(here, name)
    folder = _folder(here, chosen, out)
    if native:
        with held(here.root / "locks", chosen, "stack"):
            ended = programs.stop(folder)
        click.echo(f"Ended: {', '.join(ended)}." if ended else f"Nothing that was started in {folder} runs.")
        return
    with held(here.root / "locks", chosen, "stack"):
        containers.stop(planned(here, chosen), folder)
    click.echo("Ended. The volumes with what it has gathered stay.")


def running(plan: Plan, sources: Sources) -> Running:
    """What runs, to be compared with what is declared."""
    from opsjobs.jobs.drift import Running  # noqa: PLC0415 - slow to import

    return Running(plan=plan, rules=sources.metrics, routes=sources.alertmanager, dashboards=sources.grafana)


def _folder(here: Setting, name: str, out: Path | None) -> Path:
    return (out or here.root / "stack" / name).absolute()


def _chosen(here: Setting, name: str | None) -> str:
    """The system that is meant. Raises `UsageError` where that is not clear."""
    systems = list(here.config.systems)
    if name is None and len(systems) > 1:
        raise UsageError("several systems are configured", advice=f"Give --system: {', '.join(systems)}.")
    return name or systems[0]


def planned(here: Setting, name: str, folder: Path | None = None) -> Plan:
    """What is to be rendered: for programs in `folder`, or without one for containers."""
    from opsjobs.stack import Plan  # noqa: PLC0415 - slow to import

    profile = here.declared(name)
    links = here.config.systems[name].links if name in here.config.systems else None
    grafana = f"http://localhost:{profile.stack.parts.get('grafana', 3000)}"
    return Plan(
        name=name,
        system=profile,
        grafana=(links and links.grafana) or grafana,
        runbooks=(links and links.runbooks) or profile.runbooks,
        folder=str(folder.absolute()) if folder else "",
        own=_own(here, name),
    )


def _own(here: Setting, name: str) -> Own | None:
    """How Prometheus gets at what opsjobs tells of itself; None where the configuration says nothing of it."""
    from opsjobs.publication import is_loopback  # noqa: PLC0415 - slow to import
    from opsjobs.stack import Own  # noqa: PLC0415 - as above

    serve, pushed = here.config.serve, here.config.telemetry
    late = late_after(here, [name]) if name in here.config.systems else {}
    if serve is None:
        return Own(late=late) if pushed and pushed.pushgateway else None
    everywhere = is_loopback(serve.host) or serve.host in _EVERYWHERE
    host = "localhost" if everywhere else f"[{serve.host}]" if ":" in serve.host else serve.host
    token = bool(serve.token or serve.token_file)
    return Own(target=f"{host}:{serve.port}", username=serve.username, token=token, late=late)


def _reachable(here: Setting, name: str) -> None:
    """Raise `UsageError` for a system that is no more than a profile."""
    if name not in here.config.systems:
        raise UsageError(
            f"it is not known where the servers of '{name}' are",
            advice="Name the system under `systems` in opsjobs.yml.",
        )


def _asked(here: Setting, plan: Plan) -> Panels:
    from opsjobs.http import Deadline  # noqa: PLC0415 - slow to import
    from opsjobs.jobs.panels import ask_panels  # noqa: PLC0415 - as above

    _reachable(here, plan.name)
    with opened(here, plan.name) as sources:
        say(f"{plan.system.title}: asking {sources.metrics.name}")
        return ask_panels(plan, sources.metrics, now(), Deadline(_SECONDS))


def _tell(name: str, found: list[Checked], panels: Panels | None, redactor: Redactor) -> None:
    for each in found:
        first, *rest = each.text.splitlines() or [""]
        click.echo(f"{each.status.name:<8} {each.name}: {first}")
        for line in rest:
            click.echo(f"         {line}")
    for remark in panels.remarks if panels else ():
        click.echo(f"{remark.status.name:<8} {remark.subject}: {redactor.redact(remark.text)}")
        if remark.advice:
            click.echo(f"         {redactor.redact(remark.advice)}")
    if panels:
        click.echo(f"{name}: {panels.answered} of {panels.asked} panels have an answer.")


def _document(name: str, found: list[Checked], panels: Panels | None, redactor: Redactor) -> dict[str, object]:
    checks = [{"name": each.name, "status": each.status.name, "text": each.text} for each in found]
    document: dict[str, object] = {"system": name, "checks": checks}
    if panels:
        document["panels"] = {"asked": panels.asked, "answered": panels.answered}
        document["remarks"] = [
            {
                "subject": each.subject,
                "status": each.status.name,
                "text": redactor.redact(each.text),
                "advice": redactor.redact(each.advice),
            }
            for each in panels.remarks
        ]
    return document


def _drift(name: str, compared: list[Compared]) -> Iterator[str]:
    for difference in (difference for each in compared for difference in each.differences):
        yield f"{difference.subject}: {difference.text}"
        if difference.declared:
            yield f"    declared: {difference.declared}"
        if difference.running:
            yield f"    running:  {difference.running}"
    for each in compared:
        if each.error:
            yield f"{each.server} could not be asked: {each.error.message}"
            if each.error.advice:
                yield f"    {each.error.advice}"
    for server in _left_out(compared):
        yield f"{server} was not asked: systems.{name}.{server.lower()} is not in the configuration."
    count = sum(len(each.differences) for each in compared)
    said = f"{count} difference{'s' if count > 1 else ''}" if count else "as declared"
    if not count and any(each.error for each in compared):
        said = "not known to be as declared"
    asked = [f"{each.server}: {each.what}" for each in compared if not each.error]
    yield f"{name}: {said}. Compared: {'; '.join(asked) or 'nothing'}."


def _differences(name: str, compared: list[Compared]) -> dict[str, object]:
    return {
        "system": name,
        "compared": [each.server for each in compared if not each.error],
        "differences": [asdict(difference) for each in compared for difference in each.differences],
        "failed": [
            {"server": each.server, "error": each.error.message, "advice": each.error.advice}
            for each in compared
            if each.error
        ],
        "not_configured": _left_out(compared),
    }


def _left_out(compared: list[Compared]) -> list[str]:
    """The servers that are not configured."""
    from opsjobs.jobs.drift import ALERTMANAGER, GRAFANA, PROMETHEUS  # noqa: PLC0415 - slow to import

    asked = {each.server for each in compared}
    return [server for server in (PROMETHEUS, ALERTMANAGER, GRAFANA) if server not in asked]
