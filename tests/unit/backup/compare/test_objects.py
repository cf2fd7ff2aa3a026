"""What people read when a rule, a policy, a contact point or another of Grafana's objects is not what it was."""

import pytest

from opsjobs.backup.compare import differences, same
from tests.unit.backup.compare.boards import board, changed, panel


def lines(kind, before, after):
    return [str(each) for each in differences(kind, before, after)]


def rule(**more):
    return {
        "uid": "r1",
        "title": "HighErrors",
        "condition": "C",
        "for": "5m",
        "labels": {"severity": "warning"},
        "noDataState": "NoData",
        "data": [
            {"refId": "A", "datasourceUid": "prom", "model": {"refId": "A", "expr": "rate(errors[5m])"}},
            {
                "refId": "C",
                "datasourceUid": "__expr__",
                "model": {"type": "threshold", "conditions": [{"evaluator": {"type": "gt", "params": [5]}}]},
            },
        ],
        **more,
    }


def group(*rules, interval=60):
    return {"title": "errors", "folderUid": "ops", "interval": interval, "rules": list(rules) or [rule()]}


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (group(interval=300), ["interval 1m → 5m"]),
        (group(rule(), rule(uid="r2", title="Slow")), ["rule 'Slow' added"]),
        (group(rule(**{"for": "10m"})), ["rule 'HighErrors': for 5m → 10m"]),
        (group(rule(labels={"severity": "critical"})), ["rule 'HighErrors': label severity 'warning' → 'critical'"]),
        (group(rule(annotations={"summary": "Look"})), ["rule 'HighErrors': annotation summary added: 'Look'"]),
        (group(rule(isPaused=True)), ["rule 'HighErrors': paused no → yes"]),
        (group(rule(noDataState="OK")), ["rule 'HighErrors': no data NoData → OK"]),
        (group(rule(execErrState="Error")), ["rule 'HighErrors': error state added: Error"]),
        (group(rule(condition="A")), ["rule 'HighErrors': condition C → A"]),
        (group(rule(uid="other")), ["rule 'HighErrors': uid r1 → other"]),
        (
            group(changed(rule(), "data", 0, "model", "expr", to="up")),
            ["rule 'HighErrors': query A 'rate(errors[5m])' → 'up'"],
        ),
        (
            group(changed(rule(), "data", 1, "model", "conditions", 0, "evaluator", "params", to=[10])),
            ["rule 'HighErrors': expression C threshold gt 5 → gt 10"],
        ),
        (group(rule(id=5, updated="now", provenance="api", folderUID="ops", **{"for": "5m0s"})), []),
        (group(changed(rule(), "data", 0, "model", "intervalMs", to=1000)), []),
    ],
)
def test_rules_are_told_in_words(after, found):
    assert lines("rule-group", group(), after) == found


def test_the_order_of_rules_is_told():
    one, other = rule(), rule(uid="r2", title="Slow")
    assert lines("rule-group", group(one, other), group(other, one)) == [
        "order of rules rule 'HighErrors', rule 'Slow' → rule 'Slow', rule 'HighErrors'"
    ]


def policy(*routes, **more):
    return {"receiver": "mail", "group_by": ["alertname"], "routes": list(routes), **more}


def route(team="db", receiver="dba", **more):
    return {"receiver": receiver, "object_matchers": [["team", "=", team]], **more}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (policy(), policy(receiver="chat"), ["receiver 'mail' → 'chat'"]),
        (policy(), policy(route()), ["route team=db added"]),
        (policy(route()), policy(), ["route team=db removed"]),
        (policy(route()), policy(route(receiver="ops")), ["route team=db: receiver 'dba' → 'ops'"]),
        (policy(route()), policy(route("web")), ["route team=db: matchers team=db → team=web"]),
        (
            policy(route(routes=[route("x", "y")])),
            policy(route(routes=[route("x", "z")])),
            ["route team=db / route team=x: receiver 'y' → 'z'"],
        ),
        (
            policy(route(), route("web")),
            policy(route("web"), route()),
            ["order of routes route team=db, route team=web → route team=web, route team=db"],
        ),
        (policy(group_wait="30s"), policy(group_wait="1m"), ["wait of the group 30s → 1m"]),
        (policy(group_wait="60s"), policy(group_wait="1m", provenance="api"), []),
        (policy(route()), policy({"receiver": "dba", "match": {"team": "db"}, "continue": False}), []),
    ],
)
def test_policies_are_told_by_their_routes(before, after, found):
    assert lines("policy", before, after) == found


def contact(kind="slack", **settings):
    return {"uid": "c1", "name": "chat", "type": kind, "settings": settings, "disableResolveMessage": False}


def test_what_is_redacted_can_be_anything_but_nothing():
    assert same("contact-point", contact(url="[REDACTED]"), contact(url="https://hooks.example/T0/B1/secret"))
    assert lines("contact-point", contact(url="[REDACTED]"), contact()) == ["settings.url changed"]
    assert lines("dashboard", board(title="[REDACTED]"), board()) == ["title '[REDACTED]' → 'Overview'"]


def test_secrets_are_told_and_not_shown():
    found = differences(
        "contact-point", contact(token="hunter2", recipient="#a"), contact(token="hunter3", recipient="#b")
    )
    assert [str(each) for each in found] == ["recipient '#a' → '#b'", "settings.token changed"]
    assert "hunter" not in repr(found)
    before = {
        "name": "p",
        "url": "http://u:hunter2@db:1",
        "password": "hunter2",
        "secureJsonData": {"token": "hunter2"},
    }
    after = {"name": "p", "url": "http://u:hunter3@db:2", "password": "hunter3", "secureJsonData": {"key": "hunter3"}}
    found = differences("data-source", before, after)
    assert len(found) == 4
    assert "hunter" not in repr(found)


def test_a_secret_that_is_set_is_told():
    before = {"name": "p", "url": "http://a", "version": 3, "readOnly": False, "secureJsonFields": {"password": True}}
    assert lines("data-source", before, {**before, "secureJsonFields": {}}) == ["secret password set → not set"]
    assert lines("data-source", before, {**before, "secureJsonFields": {"password": True, "x": False}, "id": 4}) == []
    assert lines("data-source", before, {**before, "url": "http://b"}) == ["URL http://a → http://b"]


def test_the_rest_is_told_by_name_or_path():
    folder = {"uid": "ops", "title": "Ops", "parentUid": "all", "url": "/f/1", "version": 1, "canSave": True}
    assert lines("folder", folder, {**folder, "version": 2, "canSave": False, "created": "now"}) == []
    assert lines("folder", folder, {**folder, "parentUid": None}) == ["parent all → none"]
    library = {"uid": "l", "name": "Rate", "model": panel(), "version": 1, "meta": {}}
    faster = changed(library, "model", "targets", 0, "expr", to="up")
    assert lines("library-panel", library, {**faster, "version": 2}) == ["query A 'rate(a[5m])' → 'up'"]
    timing = {"name": "nights", "time_intervals": [{"times": [{"start_time": "22:00", "end_time": "23:00"}]}]}
    later = changed(timing, "time_intervals", 0, "times", 0, "start_time", to="21:00")
    assert lines("mute-timing", timing, later) == ["time_intervals[0].times[0].start_time '22:00' → '21:00'"]
    assert lines("playlist", {"interval": "5m"}, {"interval": "1m"}) == ["interval 5m → 1m"]
