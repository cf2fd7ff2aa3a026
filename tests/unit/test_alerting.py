"""Alerts, channels, routes and panels of a profile: said once, and every slip found at load."""

import pytest

from opsjobs.declaration import parse
from opsjobs.errors import ConfigError
from opsjobs.system import System
from opsjobs.vocabulary import names
from tests.unit.shop import PROFILE

ALERTING = """
alerts:
  FewOrders: {indicator: orders, for: 5m}
  OrdersGone: {indicator: orders, limit: 1, severity: critical}
  ApiDown: {component: api, for: 2m}
  Odd: {query: 'orders / stock', limit: 3, severity: info, team: web}
channels:
  mail: {kind: email, to: [web@example.com], sender: web@example.com, smarthost: 'smtp.example.com:587'}
  chat: {kind: slack, channel: '#web', mention: '@channel'}
hours:
  business: {days: [mon, tue, wed, thu, fri], from: '09:00', until: '18:00'}
routes:
  - {severities: [critical], channels: [mail, chat]}
  - {severities: [warning], channels: [mail], hours: business, repeat: 1d}
escalations:
  - {of: ApiDown, after: 30m, to: CEO, channels: [mail]}
"""
TEXT = PROFILE + ALERTING.removeprefix("\n")


def read(text=TEXT):
    return parse(text, System, context=names, name="shop.yml")


def test_alerts_channels_hours_and_escalations_are_read():
    shop = read()
    assert shop.alerts["FewOrders"].held_seconds == 300
    assert shop.routes[1].hours == "business" and shop.hours["business"].since == "09:00"
    assert shop.escalations[0].to == "CEO"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("indicator: orders, for", "indicator: odders, for"), "'odders' is not declared under indicators"),
        (("indicator: orders, for", "indicator: again, for"), "the indicator 'again' has no limit 'warning'"),
        (("indicator: orders, for", "indicator: stock, level: critical, for"), "has no limit 'critical'"),
        (("indicator: orders, for: 5m", "for: 5m"), "give one of indicator, component, slo and query"),
        (("component: api, for", "component: api, indicator: orders, for"), "give one of"),
        (("component: api, for", "component: api, level: critical, for"), "a level is of an indicator"),
        (("limit: 1, severity: critical", "limit: 1"), "needs a severity of its own"),
        (("limit: 1,", "limit: 1, level: critical,"), "not both"),
        (("severity: info, team: web", "severity: info"), "give them"),
        (("for: 2m}", "for: soon}"), "not a length of time"),
        (("  chat: {kind: slack", "  ../x: {kind: slack"), "is no name for a channel"),
        (("  chat: {kind: slack", "  grafana-admin: {kind: slack"), "is no name for a channel"),
        (("kind: email, to: [web@example.com],", "kind: email,"), "a channel of the kind email needs to"),
        ((", smarthost: 'smtp.example.com:587'", ""), "a channel of the kind email needs smarthost"),
        (("component: api, for", "component: api, limit: 1, for"), "a limit is of an indicator or of a query"),
        (("limit: 3, severity: info, team: web", "severity: info, team: web"), "give them"),
        (("indicator: orders, for", "indicator: orders, healthy: above, for"), "healthy goes with a query"),
        (("channels: [mail, chat]", "channels: [mail, chet]"), "'chet' is not declared under channels"),
        (("hours: business", "hours: nights"), "'nights' is not declared under hours"),
        (("until: '18:00'", "until: 18:00"), "in quotes"),
        (("days: [mon,", "days: [monday,"), "mon"),
        (("of: ApiDown", "of: ApiDwon"), "'ApiDwon' is not declared under alerts; did you mean"),
        (("severities: [critical]", "severities: [grave]"), "warning"),
    ],
)
def test_a_slip_is_found_at_load_and_told_in_words(change, why):
    assert change[0] in TEXT
    with pytest.raises(ConfigError) as caught:
        read(TEXT.replace(*change, 1))
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("panel", "why"),
    [
        ("{title: X}", "give one of"),
        ("{title: X, indicator: orders, query: orders, unit: count}", "give one of"),
        ("{title: X, query: orders}", "a query with its unit"),
        ("{title: X, indicator: orders, by: plan}", "by goes with a query"),
        ("{title: X, indicator: nothing}", "not declared under indicators"),
        ("{title: X, query: nothing, unit: count}", "not declared under metrics"),
        ("{title: X, indicator: orders, type: bubbles}", "timeseries"),
    ],
)
def test_a_panel_shows_one_thing_that_exists(panel, why):
    dashboards = f"dashboards:\n  main: {{title: Main, path: /d/main, panels: [{panel}]}}"
    text = PROFILE.replace("dashboards:\n  main: {title: Main, path: /d/main}", dashboards)
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert why in str(caught.value)


def test_a_panel_says_why_there_is_nothing_to_show():
    panel = "{title: Top keys, type: table, missing: no exporter tells keys by name}"
    text = PROFILE.replace("path: /d/main}", f"path: /d/main, panels: [{panel}]}}")
    assert read(text).dashboards["main"].panels[0].missing.startswith("no exporter")
