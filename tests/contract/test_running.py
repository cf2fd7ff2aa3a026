"""What runs, as its servers tell it: rules of Prometheus, the configuration of Alertmanager, dashboards of Grafana.

The answers are those of Prometheus 2.42, Alertmanager 0.25 and Grafana 6.5 and 9.4.
"""

import json

import pytest

from opsjobs.errors import AccessDenied, BadAnswer, NotFound
from opsjobs.http import Connection, Deadline
from opsjobs.sources.alertmanager import Alertmanager
from opsjobs.sources.grafana import Grafana
from opsjobs.sources.prometheus import Prometheus
from tests.unit.test_http import reply, serving

RULES = {
    "status": "success",
    "data": {
        "groups": [
            {
                "name": "Costs",
                "file": "/etc/prometheus/rules/alerts.yml",
                "interval": 15,
                "rules": [
                    {
                        "state": "inactive",
                        "name": "HighUserCost",
                        "query": "indicator:user_cost > 2.5",
                        "duration": 120,
                        "labels": {"severity": "critical"},
                        "annotations": {"summary": "It costs"},
                        "alerts": [],
                        "health": "ok",
                        "type": "alerting",
                    },
                    {
                        "name": "indicator:mrr",
                        "query": "sum(mrr)",
                        "health": "err",
                        "lastError": "many-to-many",
                        "type": "recording",
                    },
                ],
            }
        ]
    },
}


def source(kind, url):
    name = kind.__name__
    return kind(Connection(name=name, key=f"systems.shop.{name.lower()}", url=url, token="canary-token", timeout=5))


def answering(body, code=200):
    return serving(reply(code, body if isinstance(body, bytes) else json.dumps(body).encode()))


def test_rules_are_told_with_all_that_can_drift():
    with answering(RULES) as (url, requests), source(Prometheus, url) as metrics:
        alert, recording = metrics.rules(Deadline(5))
    assert (alert.name, alert.query, alert.held, alert.interval) == (
        "HighUserCost",
        "indicator:user_cost > 2.5",
        120,
        15,
    )
    assert (alert.alerts, alert.labels, alert.annotations) == (
        True,
        {"severity": "critical"},
        {"summary": "It costs"},
    )
    assert (recording.alerts, recording.labels, recording.error) == (False, {}, "many-to-many")
    assert requests[0][1] == "/api/v1/rules"


def test_a_configuration_is_told_as_it_is():
    with answering({"config": {"original": "route: {receiver: x}\n"}}) as (url, requests):
        with source(Alertmanager, url) as routes:
            assert routes.configuration(Deadline(5)) == "route: {receiver: x}\n"
    assert requests[0][1] == "/api/v2/status"


def test_a_dashboard_is_told_as_it_is_shown():
    with answering({"meta": {"provisioned": True}, "dashboard": {"uid": "a/b", "version": 3}}) as (url, requests):
        with source(Grafana, url) as dashboards:
            assert dashboards.dashboard("a/b", Deadline(5)) == {"uid": "a/b", "version": 3}
    assert requests[0][1] == "/api/dashboards/uid/a%2Fb"
    assert requests[0][0]["Authorization"] == "Bearer canary-token"


def test_a_dashboard_that_a_grafana_does_not_have_is_none():
    health = {"database": "ok", "version": "6.5.1", "commit": "NA"}

    def answer(handler, number):
        body, code = (health, 200) if handler.path == "/api/health" else ({"message": "Dashboard not found"}, 404)
        reply(code, json.dumps(body).encode())(handler, number)

    with serving(answer) as (url, _), source(Grafana, url) as dashboards:
        assert dashboards.dashboard("gone", Deadline(5)) is None


def test_a_server_that_is_no_grafana_has_no_dashboards_that_are_missing():
    with answering(b"404 page not found", 404) as (url, _), source(Grafana, url) as dashboards:
        with pytest.raises(NotFound):
            dashboards.dashboard("gone", Deadline(5))


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        (Prometheus, lambda found: found.rules(Deadline(5))),
        (Alertmanager, lambda found: found.configuration(Deadline(5))),
        (Grafana, lambda found: found.dashboard("x", Deadline(5))),
    ],
    ids=["rules", "configuration", "dashboard"],
)
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"data": 1}', b'{"dashboard": []}', b"\xff"])
def test_an_answer_that_is_something_else_is_told_in_words(kind, ask, body):
    with answering(body) as (url, _), source(kind, url) as found:
        with pytest.raises(BadAnswer) as caught:
            ask(found)
    assert kind.__name__ in caught.value.message and caught.value.advice


@pytest.mark.parametrize("kind", [Alertmanager, Grafana])
def test_refused_credentials_are_told_with_where_they_stand(kind):
    with answering({"message": "Unauthorized"}, 401) as (url, _), source(kind, url) as found:
        with pytest.raises(AccessDenied) as caught:
            found.configuration(Deadline(5)) if kind is Alertmanager else found.dashboard("x", Deadline(5))
    assert f"systems.shop.{kind.__name__.lower()}" in caught.value.advice
    assert "canary-token" not in caught.value.message + caught.value.advice


def grafana_with(dashboards, panels=0, rules=()):
    """A Grafana with two things on a page; without rules it is too old to know of them."""

    def answer(handler, number):
        path, _, query = handler.path.partition("?")
        asked = dict(pair.split("=") for pair in query.split("&")) if query else {}
        first = (int(asked.get("page", 1)) - 1) * 2
        code, body = 200, {"message": "Not found"}
        if path == "/api/search":
            body = [{"uid": f"d{each}"} for each in range(dashboards)][first : first + 2]
        elif path.startswith("/api/dashboards/uid/"):
            body = {"dashboard": {"uid": path[20:], "panels": [{"targets": [{"expr": f"m_{path[20:]}"}]}]}}
        elif path == "/api/library-elements":
            named = [{"model": {"expr": f"lib_{each}"}} for each in range(panels)]
            body = {"result": {"elements": named[first : first + 2]}}
        elif path == "/api/v1/provisioning/alert-rules" and rules:
            body = rules
        elif path == "/api/health":
            body = {"database": "ok"}
        else:
            code = 404
        reply(code, json.dumps(body).encode())(handler, number)

    return serving(answer)


def test_all_that_names_metrics_is_read_page_by_page():
    with grafana_with(5, panels=4, rules=[{"data": [{"model": {"expr": "alerted"}}]}]) as (url, _):
        with source(Grafana, url) as dashboards:
            texts = "".join(dashboards.texts(Deadline(30)))
    assert all(f'"m_d{each}"' in texts for each in range(5))
    assert '"lib_0"' in texts and '"lib_3"' in texts and '"alerted"' in texts


def test_a_grafana_that_is_too_old_for_rules_of_its_own_has_none():
    with grafana_with(1) as (url, _), source(Grafana, url) as dashboards:
        assert '"m_d0"' in "".join(dashboards.texts(Deadline(5)))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"title": "without a uid"}]', b"[1]"])
def test_a_list_of_dashboards_that_is_something_else_is_told_in_words(body):
    with answering(body) as (url, _), source(Grafana, url) as found:
        with pytest.raises(BadAnswer) as caught:
            list(found.texts(Deadline(5)))
    assert caught.value.advice


def test_dashboards_that_one_may_not_list_are_not_none():
    with answering({"message": "Forbidden"}, 403) as (url, _), source(Grafana, url) as found:
        with pytest.raises(AccessDenied):
            list(found.texts(Deadline(5)))
