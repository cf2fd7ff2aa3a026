"""opsjobs system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.setting import Setting, configured, now, say, setting
from opsjobs.cli.sources import opened
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opsjobs.jobs.inspection import Inspection
    from opsjobs.log import Redactor
    from opsjobs.system import Indicator, SloSpec, System

_SECONDS = 120
_MISSING, _UNASKED = 1, 3
_KINDS = {
    "metric": "metrics",
    "component": "components",
    "indicator": "indicators",
    "breakdown": "breakdowns",
    "slo": "objectives",
    "panel": "panels",
}


@click.group()
def system() -> None:
    """See, check and draft what is declared of a system."""


@system.command("list", epilog="Example: opsjobs system list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def list_(redactor: Redactor, *, as_json: bool, file: Path | None) -> None:
    """List the systems of the configuration, and the profiles that ship."""
    from opsjobs import system as profiles  # noqa: PLC0415 - slow to import

    here = setting(file, redactor)
    names = [*here.config.systems, *(name for name in profiles.shipped() if name not in here.config.systems)]
    rows = [_summary(here, name) for name in names]
    if as_json:
        click.echo(json.dumps({"systems": rows}, indent=2, ensure_ascii=False))
        return
    table = [
        ("System", "Title", "Components", "Indicators", "Objectives", "Alerts", "Dashboards", "Prometheus"),
        *(tuple(str(value) for value in row.values()) for row in rows),
    ]
    _print_table(table, numbers={2, 3, 4, 5, 6})


@system.command(epilog="Example: opsjobs system show pratikoai")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def show(redactor: Redactor, *, name: str, as_json: bool, file: Path | None) -> None:
    """Show what a profile declares: a system of the configuration, or a profile that ships."""
    here = setting(file, redactor)
    profile = here.profile(name)
    if as_json:
        click.echo(
            json.dumps(profile.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, ensure_ascii=False)
        )
        return
    for text in _shown(profile):
        click.echo(text)


@system.command(epilog="Example: opsjobs system check pratikoai --live")
@click.argument("name", required=False)
@click.option("--live", is_flag=True, help="Ask its Prometheus what of it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def check(
    context: click.Context, redactor: Redactor, *, name: str | None, live: bool, as_json: bool, file: Path | None
) -> None:
    """Check profiles; with --live, against what their Prometheus has.

    Exits with 0 when all is there, with 1 when something is missing, and with 3 when something could not be asked.
    """
    here = setting(file, redactor)
    names = here.config.chosen(name or "all") if live or name is None or name in here.config.systems else [name]
    documents, code = [], 0
    for chosen in names:
        profile = here.profile(chosen)
        found = _inspected(here, chosen, profile) if live else None
        code = max(code, _code(found))
        documents.append(_document(chosen, profile, found, redactor))
        if not as_json:
            _tell(chosen, profile, found, redactor)
    if as_json:
        click.echo(json.dumps({"systems": documents}, indent=2, ensure_ascii=False))
    context.exit(code)


@system.command(
    epilog="Example: opsjobs system init shop --url http://localhost:9090 --zone Europe/Rome --out shop.yml"
)
@click.argument("name")
@click.option("--url", help="Where its Prometheus is, when opsjobs.yml does not say so yet.")
@click.option("--title", help="What people call it. Default: its name.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone in which its days begin and end.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to make. Default: print it.")
@configured
@click.pass_obj
def init(
    redactor: Redactor, *, name: str, url: str | None, title: str | None, zone: str, out: Path | None, file: Path | None
) -> None:
    """Draft a profile from what a live Prometheus has, ready to edit."""
    from opsjobs.http import Deadline  # noqa: PLC0415 - slow to import
    from opsjobs.jobs.draft import draft  # noqa: PLC0415 - as above
    from opsjobs.servers import prometheus_at  # noqa: PLC0415 - as above
    from opsjobs.sources.prometheus import Prometheus  # noqa: PLC0415 - as above

    here = setting(file, redactor, profiles=False)
    if url:
        server = prometheus_at(url, "--url")
    elif name in here.config.systems:
        server = here.prometheus(name)
    else:
        raise UsageError(f"it is not known where the Prometheus of '{name}' is", advice="Give --url.")
    if out and out.exists():
        raise UsageError(f"{out} is there already", advice="Name another file; a profile is never overwritten.")
    say(f"asking {server.url}")
    with Prometheus(server) as metrics:
        text = draft(metrics, now(), Deadline(_SECONDS), title=title or name, zone=zone)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", advice="Name another file.") from None
    click.echo(f"Drafted {out}. Next: edit it, then in opsjobs.yml say")
    click.echo(f"  systems:\n    {name}:\n      profile: {out}\n      prometheus: {{url: '{server.url}'}}")
    click.echo(f"and `opsjobs system check {name} --live` says what is missing.")


def _inspected(here: Setting, name: str, profile: System) -> Inspection:
    from opsjobs.http import Deadline  # noqa: PLC0415 - slow to import
    from opsjobs.jobs.inspection import inspect  # noqa: PLC0415 - as above

    with opened(here, name) as sources:
        say(f"{profile.title}: asking {sources.metrics.name}")
        stores = {"postgresql": sources.postgresql, "redis": sources.redis}
        return inspect(profile, sources.metrics, now(), Deadline(_SECONDS), stores)


def _code(found: Inspection | None) -> int:
    if found is None or not found.remarks:
        return 0
    return _MISSING if found.asked else _UNASKED


def _summary(here: Setting, name: str) -> dict[str, object]:
    profile = here.profile(name)
    own = here.config.systems.get(name)
    return {
        "name": name,
        "title": profile.title,
        "components": len(profile.components),
        "indicators": sum(1 for _ in profile.indicators),
        "objectives": len(profile.slos),
        "alerts": len(profile.alerts),
        "dashboards": len(profile.dashboards),
        "prometheus": own.prometheus.url if own else "(not configured)",
    }


def _document(name: str, profile: System, found: Inspection | None, redactor: Redactor) -> dict[str, object]:
    document: dict[str, object] = {"system": name, "title": profile.title, "valid": True}
    if found:
        document["there"] = {_KINDS[kind]: there for kind, (there, _) in found.looked_at.items()}
        document["declared"] = {_KINDS[kind]: declared for kind, (_, declared) in found.looked_at.items()}
        document["labels"] = {name: list(labels) for name, labels in found.labels.items()}
        document["rules"] = found.rules
        document["remarks"] = [
            {
                "subject": each.subject,
                "status": each.status.name,
                "text": redactor.redact(each.text),
                "advice": redactor.redact(each.advice),
            }
            for each in found.remarks
        ]
    return document


def _tell(name: str, profile: System, found: Inspection | None, redactor: Redactor) -> None:
    if found is None:
        count = sum(1 for _ in profile.indicators)
        click.echo(
            f"{name}: valid. {len(profile.components)} components, {len(profile.metrics)} metrics, {count} indicators, "
            f"{len(profile.slos)} objectives, {len(profile.alerts)} alerts, {len(profile.dashboards)} dashboards."
        )
        return
    for remark in found.remarks:
        click.echo(f"{remark.status.name:<8} {remark.subject}: {redactor.redact(remark.text)}")
        if remark.advice:
            click.echo(f"         {redactor.redact(remark.advice)}")
    counts = ", ".join(f"{there} of {all_} {_KINDS[kind]}" for kind, (there, all_) in found.looked_at.items())
    rules = "whether rules are loaded is not known" if found.rules is None else f"{found.rules:.0f} rules loaded"
    click.echo(f"{name}: {counts} are there; {rules}.")


def _shown(profile: System) -> Iterator[str]:
    """A profile as one tells it."""
    yield profile.title
    yield from (f"  {line}" for line in (profile.about.strip(), f"Zone {profile.zone}") if line)
    teams = (f"{name:<14} {team.contact}  {team.hours}" for name, team in profile.teams.items())
    yield from _part("Teams", teams)
    parts = (f"{name:<14} {each.title}, {each.team}: {each.up}" for name, each in profile.components.items())
    yield from _part("Components", parts)
    for group in profile.groups.values():
        yield from _part(f"Indicators: {group.title}", map(_indicator, group.indicators, group.indicators.values()))
    yield from _part("Objectives", map(_objective, profile.slos, profile.slos.values()))
    yield from _part("Alerts", (_alert(profile, name) for name in profile.alerts))
    channels = (
        f"{name:<14} {each.kind} {each.channel or each.url or ', '.join(each.to)}"
        for name, each in profile.channels.items()
    )
    yield from _part("Channels", channels)
    routes = (
        f"{', '.join(each.severities):<20} {', '.join(each.channels)} {each.hours or ''}" for each in profile.routes
    )
    yield from _part("Routes", routes)
    for dashboard in profile.dashboards.values():
        panels = (f"{each.title}{f': {each.missing}' if each.missing else ''}" for each in dashboard.panels)
        yield from _part(f"Dashboard: {dashboard.title} ({dashboard.path})", panels)


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading with its lines; nothing without any."""
    found = [f"  {line}".rstrip() for line in lines]
    yield from ["", title, *found] if found else []


def _indicator(name: str, spec: Indicator) -> str:
    from opsjobs.words import limit  # noqa: PLC0415 - slow to import

    aim, beyond = {"below": ("≤", ">"), "above": ("≥", "<")}[spec.healthy.value]
    limits = (("target", aim, spec.target), ("warning", beyond, spec.warning), ("critical", beyond, spec.critical))
    said = ", ".join(f"{kind} {sign} {limit(value, spec.unit)}" for kind, sign, value in limits if value is not None)
    return f"{name:<22} {spec.title}{f': {said}' if said else ''}"


def _objective(name: str, spec: SloSpec) -> str:
    from opsjobs.words import limit  # noqa: PLC0415 - slow to import

    return f"{name:<22} {spec.title}: {limit(spec.objective, 'ratio')} in {spec.window}"


def _alert(profile: System, name: str) -> str:
    alert = profile.alerts[name]
    watched = next(each for each in (alert.indicator, alert.component, alert.slo, "its own query") if each)
    spec = next((each.spec for each in profile.indicators if each.id == alert.indicator), None)
    held = alert.held_for or (spec.held_for if spec else None)
    parts = (profile.severity(name), watched, f"for {held}" if held else "at once", profile.owner(name))
    return f"{name:<30} {', '.join(parts)}"


def _print_table(rows: list[tuple[str, ...]], *, numbers: set[int]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            text.rjust(widths[column]) if column in numbers else text.ljust(widths[column])
            for column, text in enumerate(row)
        ]
        click.echo("  ".join(cells).rstrip())
