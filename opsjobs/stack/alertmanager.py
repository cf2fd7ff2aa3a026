"""The configuration of Alertmanager: who is told of what, when, and what is kept back because something explains it."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsjobs import promql
from opsjobs.errors import ConfigError
from opsjobs.stack import secrets, values
from opsjobs.stack.alerts import NO_DATA
from opsjobs.stack.plan import Plan
from opsjobs.system import System
from opsjobs.system.alerting import ANY, WEEK, AlertSpec, ChannelSpec, EscalationSpec, HoursSpec, RouteSpec

GROUP_BY = ("alertname", "severity")
GROUP_WAIT, GROUP_INTERVAL, REPEAT = "30s", "5m", "4h"
"""How long what belongs together is waited for, how often news of it is told, and how often it is told again."""
NOBODY = "nobody"
"""Gets what no route of the profile is for: it stands in Alertmanager, and nobody is told."""
_ADDRESS = re.compile(r"[^\s@,]+@[^\s@,]+")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COLOUR = (
    '{{ if eq .Status "resolved" }}good'
    '{{ else if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}'
)


def files(plan: Plan) -> Mapping[str, Any]:
    """The configuration and its templates, by their names."""
    return {"alertmanager.yml": document(plan), "templates/messages.tmpl": _messages()}


def _messages() -> str:
    return importlib.resources.files("opsjobs.stack").joinpath("messages.tmpl").read_text("utf-8")


def document(plan: Plan) -> dict[str, Any]:
    """The configuration."""
    system = plan.system
    hours = [_interval(name, spec, system.zone) for name, spec in system.hours.items()]
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": list(GROUP_BY),
            "group_wait": GROUP_WAIT,
            "group_interval": GROUP_INTERVAL,
            "repeat_interval": REPEAT,
            "routes": [*_escalations(system), *_routes(system)],
        },
        **({"time_intervals": hours} if hours else {}),
        "inhibit_rules": list(_inhibitions(system)),
        "receivers": [{"name": NOBODY}, *_receivers(plan)],
        "templates": ["templates/*.tmpl"],
    }


def _routes(system: System) -> Iterator[dict[str, Any]]:
    """An alert goes every way that fits, and to each channel of a way on its own."""
    for route in system.routes:
        matchers = [_matcher("severity", route.severities)]
        if route.teams:
            matchers.append(_matcher("team", route.teams))
        for channel in route.channels:
            yield {
                "receiver": channel,
                "matchers": matchers,
                **({"active_time_intervals": [route.hours]} if route.hours else {}),
                **({"repeat_interval": route.repeat} if route.repeat else {}),
                "continue": True,
            }


def _escalations(system: System) -> Iterator[dict[str, Any]]:
    """Who is told later is told by a group that waits for so long: what has ended by then is never sent."""
    for of, after in _steps(system):
        yield {
            "receiver": _step_name(of, after),
            "matchers": [_matcher("alertname", (of,))],
            "group_by": ["alertname"],
            **({"group_wait": after} if after else {}),
            "continue": True,
        }


def _steps(system: System) -> Mapping[tuple[str, str], list[EscalationSpec]]:
    """The escalations, those together that are due for one alert at one time."""
    steps: dict[tuple[str, str], list[EscalationSpec]] = {}
    for escalation in system.escalations:
        steps.setdefault((escalation.of, escalation.after or ""), []).append(escalation)
    return steps


def _step_name(of: str, after: str) -> str:
    return f"{of}, escalated after {after}" if after else f"{of}, escalated"


def _interval(name: str, hours: HoursSpec, zone: str) -> dict[str, Any]:
    days = [_DAYS[WEEK.index(day)] for day in hours.days]
    span = {"start_time": hours.since, "end_time": hours.until}
    return {"name": name, "time_intervals": [{"times": [span], "weekdays": days, "location": zone}]}


def _inhibitions(system: System) -> Iterator[dict[str, Any]]:
    """One cause is told once."""
    for label in ("indicator", "slo"):
        yield {
            "source_matchers": ['severity="critical"', f'{label}!=""', f'alertname!="{NO_DATA}"'],
            "target_matchers": ['severity=~"warning|info"', f'{label}!=""'],
            "equal": ["system", label],
        }
    explained = dict(_explained(system))
    for name, alert in system.alerts.items():
        causes = _causes(system, name, alert)
        for source, cause in causes:
            kind, _, component = cause.partition(":")
            if kind == "component":
                target = [_matcher("alertname", (NO_DATA,)), _matcher("component", (component,))]
                yield {"source_matchers": source, "target_matchers": target, "equal": ["system"]}
            behind = [other for other, by in explained.items() if by == cause and other != name]
            if behind:
                yield {
                    "source_matchers": source,
                    "target_matchers": [_matcher("alertname", behind)],
                    "equal": ["system"],
                }


def _causes(system: System, name: str, alert: AlertSpec) -> list[tuple[list[str], str]]:
    """What an alert is about, as profiles name it, with the matchers by which Alertmanager knows it."""
    own = _matcher("alertname", (name,))
    if alert.component == ANY:
        return [
            ([own, _matcher("job", (spec.scrape.job,))], f"component:{component}")
            for component, spec in system.components.items()
            if spec.scrape
        ]
    if alert.component:
        return [([own], f"component:{alert.component}")]
    return [([own], f"indicator:{alert.indicator}")] if alert.indicator else []


def _explained(system: System) -> Iterator[tuple[str, str]]:
    """Each alert whose subject is explained by another, with that."""
    specs = {declared.id: declared.spec for declared in system.indicators}
    for name, alert in system.alerts.items():
        watched = specs[alert.indicator] if alert.indicator else system.slos[alert.slo] if alert.slo else None
        if watched and watched.explained_by:
            yield name, watched.explained_by


def _receivers(plan: Plan) -> Iterator[dict[str, Any]]:
    for name, channel in plan.system.channels.items():
        yield {"name": name, **_configured(plan, name, channel)}
    for (of, after), escalations in _steps(plan.system).items():
        yield {"name": _step_name(of, after), **_escalated(plan, of, after, escalations)}


def _configured(plan: Plan, name: str, channel: ChannelSpec) -> dict[str, Any]:
    """The part of a receiver that a channel is."""
    if channel.kind == "email":
        return {"email_configs": [_mail(plan, name, channel, channel.to)]}
    if channel.kind == "slack":
        return {"slack_configs": [_slack(plan, name, channel)]}
    if channel.kind == "webhook":
        token = plan.secret(secrets.webhook(name))
        authorization = {"http_config": {"authorization": {"credentials_file": token}}} if channel.token else {}
        return {"webhook_configs": [{"url": plan.url(channel.url), "send_resolved": True, **authorization}]}
    described = '{{ template "opsjobs.subject" . }}'
    return {
        "pagerduty_configs": [
            {
                "routing_key_file": plan.secret(secrets.pagerduty(name)),
                "severity": '{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}warning{{ end }}',
                "description": described,
                "send_resolved": True,
            }
        ]
    }


def _mail(plan: Plan, name: str, channel: ChannelSpec, to: tuple[str, ...], subject: str = "") -> dict[str, Any]:
    return {
        "to": ", ".join(to),
        "from": channel.sender,
        "smarthost": channel.smarthost,
        "auth_username": channel.sender,
        "auth_password_file": plan.secret(secrets.smtp(name)),
        "require_tls": True,
        "headers": {"Subject": f'{subject}{{{{ template "opsjobs.subject" . }}}}'},
        "html": '{{ template "opsjobs.mail" . }}',
        "send_resolved": True,
    }


def _slack(plan: Plan, name: str, channel: ChannelSpec) -> dict[str, Any]:
    mention = f"<!{channel.mention.removeprefix('@')}> " if channel.mention else ""
    called = f'{{{{ if and (eq .Status "firing") (eq .CommonLabels.severity "critical") }}}}{mention}{{{{ end }}}}'
    return {
        "api_url_file": plan.secret(secrets.slack(name)),
        "channel": channel.channel,
        "color": _COLOUR,
        "title": '{{ template "opsjobs.subject" . }}',
        "text": f'{called if mention else ""}{{{{ template "opsjobs.slack" . }}}}',
        "send_resolved": True,
    }


def _escalated(plan: Plan, of: str, after: str, escalations: Sequence[EscalationSpec]) -> dict[str, Any]:
    """One mail to all whose addresses are given; a role without one is named in it, and the team has to call."""
    told = {channel for route in _ways(plan.system, of) for channel in route.channels} if not after else set()
    channels = {name: None for each in escalations for name in each.channels if name not in told}
    parts: dict[str, Any] = {}
    for name in channels:
        for key, configs in _configured(plan, name, plan.system.channels[name]).items():
            parts[key] = [*parts.get(key, []), *configs]
    roles = [each.to for each in escalations if not _ADDRESS.search(each.to)]
    found = [address for each in escalations for address in _ADDRESS.findall(each.to)]
    contact = plan.system.teams[plan.system.owner(of)].contact if roles else ""
    addresses = tuple(dict.fromkeys([*found, *([contact] if contact else [])]))
    mail = next(((name, spec) for name, spec in plan.system.channels.items() if spec.kind == "email"), None)
    if mail and addresses:
        call = (
            f'{{{{ if eq .Status "firing" }}}}Call the {values.plain(", ".join(roles))}: {{{{ end }}}}' if roles else ""
        )
        parts["email_configs"] = [*parts.get("email_configs", []), _mail(plan, *mail, addresses, call)]
    if not parts:
        who = " and ".join(each.to for each in escalations)
        raise ConfigError(
            f"escalations: there is no way to tell {who} of {of}",
            advice="Give the escalation a channel, or the profile a channel of the kind email and the team a contact.",
        )
    return parts


def _ways(system: System, alert: str) -> Iterator[RouteSpec]:
    """The routes that are always open to an alert."""
    for route in system.routes:
        if system.severity(alert) in route.severities and not route.teams and not route.hours:
            yield route


def _matcher(label: str, names: tuple[str, ...] | list[str]) -> str:
    """A matcher for one value, or for any of several."""
    if len(names) == 1:
        return f"{label}={promql.quote(names[0])}"
    return f"{label}=~{promql.quote('|'.join(re.escape(name) for name in names))}"
