"""The provisioning API of alerting: rules and their groups, contact points, policies, mute timings, templates."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from tests.grafana.boards import may_see_in
from tests.grafana.wire import Answer, Refused, Request, dumps, route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.grafana.double import Double
    from tests.grafana.records import Organisation

_BASE = "/api/v1/provisioning"
_READ = {"since": (9,), "role": "Admin", "needs": "alert.provisioning:read"}
_WRITE = {"since": (9,), "role": "Admin", "needs": "alert.provisioning:write"}
REDACTED = "[REDACTED]"
DEFAULT_RECEIVER = "grafana-default-email"
_DEFAULT_POLICY = {"receiver": DEFAULT_RECEIVER, "group_by": ["grafana_folder", "alertname"]}
_SECRETS = {
    "LINE": ("token",),
    "dingding": (),
    "discord": (),
    "email": (),
    "googlechat": (),
    "kafka": (),
    "opsgenie": ("apiKey",),
    "pagerduty": ("integrationKey",),
    "prometheus-alertmanager": ("basicAuthPassword",),
    "pushover": ("apiToken", "userKey"),
    "sensugo": ("apikey",),
    "slack": ("token", "url"),
    "teams": (),
    "telegram": ("bottoken",),
    "threema": ("api_secret",),
    "victorops": (),
    "webex": ("bot_token",),
    "webhook": ("password", "authorization_credentials"),
    "wecom": ("url", "secret"),
}
"""The types of contact points that are known, and what of each is kept secret."""
_NOT_THERE = Answer(404, b"null", "text/plain; charset=utf-8")


def _provenance(asked: Request, *, heeded_since: tuple[int, ...]) -> str:
    """`api`, which locks the object in the interface, unless the header is there, whatever it says."""
    disabled = "x-disable-provenance" in asked.headers and asked.double.since(*heeded_since)
    return "" if disabled else "api"


# Rules and groups.


@route("GET", f"{_BASE}/alert-rules", **{**_READ, "since": (9, 4)})
def rules(asked: Request) -> list[dict[str, Any]]:
    rows = [each for each in asked.org.alerting.rules.values() if _may_see(asked, each)]
    rows.sort(key=lambda each: (each["folderUID"], each["ruleGroup"], each["id"]))
    return [_rule_dto(asked, each) for each in rows]


@route("GET", f"{_BASE}/alert-rules/:uid", **_READ)
def rule(asked: Request, uid: str) -> dict[str, Any]:
    found = asked.org.alerting.rules.get(uid)
    if found is None or not _may_see(asked, found):
        raise Refused(404 if asked.double.since(10) else 500, "could not find alert rule", traced=True)
    return dict(found)


@route("POST", f"{_BASE}/alert-rules", **_WRITE)
def create_rule(asked: Request) -> Answer:
    said = asked.json()
    _check_rule(asked, said)
    made = store_rule(asked.double, asked.org, said, _provenance(asked, heeded_since=(9, 3)))
    return Answer(201, dumps(made))


@route("PUT", f"{_BASE}/alert-rules/:uid", **_WRITE)
def update_rule(asked: Request, uid: str) -> dict[str, Any] | Answer:
    said, found = {**asked.json(), "uid": uid}, asked.org.alerting.rules.get(uid)
    if found is None:
        return _NOT_THERE
    provenance = _provenance(asked, heeded_since=(9, 3))
    _keeps_provenance(found.get("provenance", ""), provenance)
    _check_rule(asked, said, but=uid)
    return store_rule(asked.double, asked.org, said, provenance)


@route("DELETE", f"{_BASE}/alert-rules/:uid", **_WRITE)
def delete_rule(asked: Request, uid: str) -> Answer:
    asked.org.alerting.rules.pop(uid, None)
    return Answer(204, b"")


@route("GET", f"{_BASE}/folder/:folder/rule-groups/:group", **_READ)
def group(asked: Request, folder: str, group: str) -> dict[str, Any]:
    rows = _rules_of(asked.org, folder, group)
    if not rows or not _may_see(asked, rows[0]):
        raise Refused(404, "rulegroup not found", traced=True)
    interval = asked.org.alerting.intervals.get((folder, group), 60)
    said = [_rule_dto(asked, each) for each in rows]
    return {"title": group, "folderUid": folder, "interval": interval, "rules": said}


@route("PUT", f"{_BASE}/folder/:folder/rule-groups/:group", **_WRITE)
def replace_group(asked: Request, folder: str, group: str) -> dict[str, Any]:
    """Rules that are not named go. Before version 10 a rule with a uid that is not there spoils the whole group."""
    said, known = asked.json(), asked.org.alerting.rules
    rows, interval = list(said.get("rules") or []), said.get("interval") or 0
    provenance = _provenance(asked, heeded_since=(10,))
    if rows and (not interval or interval % 10):
        text = f"interval ({_duration(interval)}) should be non-zero and divided exactly by scheduler interval: 10"
        raise Refused(400, f"invalid alert rule: {text}", traced=True)
    for each in rows:
        uid = each.get("uid") or ""
        if uid and uid not in known and not asked.double.since(10):
            text = f"failed to update rule with UID {uid} because could not find alert rule"
            raise Refused(500, f"failed to calculate diff for alert rules: {text}", traced=True)
        if uid in known:
            _keeps_provenance(known[uid].get("provenance", ""), provenance)
    placed = [{**each, "folderUID": folder, "ruleGroup": group} for each in rows]
    own = {each["uid"] for each in _rules_of(asked.org, folder, group)}
    for each in placed:
        _check_rule(asked, each, but=each.get("uid") or "", leaving=own)
    for uid in own - {each.get("uid") for each in placed}:
        del known[uid]
    for each in placed:
        store_rule(asked.double, asked.org, each, provenance)
    asked.org.alerting.intervals[(folder, group)] = interval
    # What comes back is what was sent, not what was stored.
    echo = [{"id": 0, "updated": "0001-01-01T00:00:00Z", **each, "data": _queries(each)} for each in rows]
    return {"title": group, "folderUid": folder, "interval": interval, "rules": echo}


def store_rule(double: Double, org: Organisation, said: dict[str, Any], provenance: str) -> dict[str, Any]:
    """Writes a rule down. Grafana adds to each query how often and how fine it is asked."""
    uid = said.get("uid") or double.mint()
    before = org.alerting.rules.get(uid)
    made = {
        "id": before["id"] if before else double.next_id("rule"),
        "uid": uid,
        "orgID": org.id,
        "folderUID": said.get("folderUID", ""),
        "ruleGroup": said.get("ruleGroup", ""),
        "title": said.get("title", ""),
        "condition": said.get("condition", ""),
        "data": _queries(said),
        "updated": double.now(),
        "noDataState": said.get("noDataState", ""),
        "execErrState": said.get("execErrState", ""),
        "for": said.get("for", "0s"),
        **{key: said[key] for key in ("annotations", "labels") if said.get(key)},
        **({"provenance": provenance} if provenance else {}),
    }
    if double.since(10):
        made |= {"isPaused": bool(said.get("isPaused"))}
    org.alerting.rules[uid] = made
    org.alerting.intervals.setdefault((made["folderUID"], made["ruleGroup"]), 60)
    return made


def _queries(said: dict[str, Any]) -> list[dict[str, Any]]:
    rows = copy.deepcopy(said.get("data") or [])
    for each in rows:
        each.setdefault("queryType", "")
        each["model"] = {"intervalMs": 1000, "maxDataPoints": 43200, **each.get("model", {})}
    return rows


def _check_rule(asked: Request, said: dict[str, Any], *, but: str = "", leaving: set[str] = frozenset()) -> None:
    if not said.get("data"):
        raise Refused(400, "invalid alert rule: no queries or expressions are found", traced=True)
    if asked.double.since(10) and said.get("folderUID") not in asked.org.folders:
        raise Refused(400, "invalid alert rule: folder does not exist", traced=True)
    for uid, each in asked.org.alerting.rules.items():
        same_title = (each["folderUID"], each["title"]) == (said.get("folderUID"), said.get("title"))
        if uid != but and uid not in leaving and (uid == said.get("uid") or same_title):
            text = "rule title under the same organisation and folder should be unique"
            status = 409 if asked.double.since(10) else 500
            raise Refused(status, f"a conflicting alert rule is found: {text}", traced=True)


def _keeps_provenance(stored: str, wanted: str) -> None:
    if stored not in {"", wanted}:
        raise Refused(500, f"cannot changed provenance from '{stored}' to '{wanted}'", traced=True)


def _rules_of(org: Organisation, folder: str, group: str) -> list[dict[str, Any]]:
    return [each for each in org.alerting.rules.values() if (each["folderUID"], each["ruleGroup"]) == (folder, group)]


def _may_see(asked: Request, each: dict[str, Any]) -> bool:
    return may_see_in(asked, each["folderUID"])


def _rule_dto(asked: Request, each: dict[str, Any]) -> dict[str, Any]:
    """As it stands in lists and groups, which said nothing of provenance before version 10."""
    return each if asked.double.since(10) else {key: value for key, value in each.items() if key != "provenance"}


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


# Contact points.


@route("GET", f"{_BASE}/contact-points", **_READ)
def points(asked: Request) -> list[dict[str, Any]]:
    rows = [_redacted(each, present=True) for each in asked.org.alerting.points.values()]
    rows.sort(key=lambda each: each["name"])
    rows.append(
        {
            "uid": "",
            "name": "email receiver",
            "type": "email",
            "settings": {"addresses": "<example@email.com>"},
            "disableResolveMessage": False,
        }
    )
    name = asked.text("name")
    return [each for each in rows if name in {"", each["name"]}]


@route("GET", f"{_BASE}/contact-points/export", **{**_READ, "since": (10,)})
def export_points(asked: Request) -> dict[str, Any]:
    """The only place where secrets come out, for an Admin who asks for them."""
    decrypt = asked.text("decrypt") == "true"
    said = []
    for each in asked.org.alerting.points.values():
        shown = each if decrypt else _redacted(each, present=True)
        receiver = {key: shown[key] for key in ("uid", "type", "settings", "disableResolveMessage")}
        said.append({"orgId": asked.org.id, "name": each["name"], "receivers": [receiver]})
    return {"apiVersion": 1, "contactPoints": said}


@route("POST", f"{_BASE}/contact-points", **_WRITE)
def create_point(asked: Request) -> Answer:
    said = _point(asked.json())
    known = asked.org.alerting.points
    said["uid"] = said["uid"] or asked.double.mint()
    _check_point(said)
    if said["uid"] in known:
        text = (
            f"receiver configuration with UID '{said['uid']}' already exist in contact point "
            f"'{known[said['uid']]['name']}'. Please use unique identifiers for receivers across all contact points"
        )
        raise Refused(500, text, traced=True)
    known[said["uid"]] = said | _stamped(_provenance(asked, heeded_since=(10,)))
    return Answer(202, dumps(_redacted(known[said["uid"]], present=False)))


@route("PUT", f"{_BASE}/contact-points/:uid", **_WRITE)
def update_point(asked: Request, uid: str) -> Answer:
    """A secret that comes back as it was shown stays what it was."""
    said, found = {**_point(asked.json()), "uid": uid}, asked.org.alerting.points.get(uid)
    if found is None:
        raise Refused(404, f"object not found: contact point with uid '{uid}' not found", traced=True)
    for key in _SECRETS.get(said["type"], ()):
        if said["settings"].get(key) == REDACTED:
            said["settings"][key] = found["settings"].get(key, "")
    _check_point(said)
    provenance = _provenance(asked, heeded_since=(10,))
    _keeps_provenance(found.get("provenance", ""), provenance)
    asked.org.alerting.points[uid] = said | _stamped(provenance)
    return Answer(202, dumps({"message": "contactpoint updated"}))


@route("DELETE", f"{_BASE}/contact-points/:uid", **_WRITE)
def delete_point(asked: Request, uid: str) -> Answer:
    found = asked.org.alerting.points.get(uid)
    if found is not None and found["name"] in {each.get("receiver") for each in _routes(asked.org.alerting.policies)}:
        text = f"contact point '{found['name']}' is currently used by a notification policy"
        raise Refused(500, text, traced=True)
    asked.org.alerting.points.pop(uid, None)
    return Answer(202, dumps({"message": "contactpoint deleted"}))


def _point(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": said.get("uid") or "",
        "name": said.get("name") or "",
        "type": said.get("type") or "",
        "settings": dict(said.get("settings") or {}),
        "disableResolveMessage": bool(said.get("disableResolveMessage")),
    }


def _stamped(provenance: str) -> dict[str, str]:
    return {"provenance": provenance} if provenance else {}


def _check_point(said: dict[str, Any]) -> None:
    kind, settings = said["type"], said["settings"]
    if kind not in _SECRETS:
        raise Refused(400, f"invalid object specification: unknown type '{kind}'", traced=True)
    lacking = ""
    if kind == "slack" and not settings.get("url") and not settings.get("token"):
        lacking = "token must be specified when using the Slack chat API"
    elif kind == "webhook" and not settings.get("url"):
        lacking = "required field 'url' is not specified"
    if lacking:
        text = f'invalid object specification: failed to validate receiver of type "{kind}": {lacking}'
        raise Refused(400, text, traced=True)


def _redacted(each: dict[str, Any], *, present: bool) -> dict[str, Any]:
    """As it is shown: every secret that is there, or right after it was created every one that there may be."""
    settings = dict(each["settings"])
    for key in _SECRETS[each["type"]]:
        if not present or settings.get(key):
            settings[key] = REDACTED
    return {**each, "settings": settings}


# Policies.


@route("GET", f"{_BASE}/policies", **_READ)
def policies(asked: Request) -> dict[str, Any]:
    return asked.org.alerting.policies or dict(_DEFAULT_POLICY)


@route("PUT", f"{_BASE}/policies", **_WRITE)
def replace_policies(asked: Request) -> Answer:
    said, kept = asked.json(), asked.org.alerting
    if not said.get("receiver"):
        raise Refused(400, "bad request data", traced=True)
    receivers = {DEFAULT_RECEIVER, *(each["name"] for each in kept.points.values())}
    for each in _routes(said):
        if (name := each.get("receiver")) and name not in receivers:
            raise Refused(400, f"invalid object specification: receiver '{name}' does not exist", traced=True)
        for timing in each.get("mute_time_intervals") or []:
            if timing not in kept.timings:
                text = f"invalid object specification: mute time interval '{timing}' does not exist"
                raise Refused(400, text, traced=True)
    own = {key: value for key, value in said.items() if key != "provenance"}
    kept.policies = own | _stamped(_provenance(asked, heeded_since=(10,)))
    return Answer(202, dumps({"message": "policies updated"}))


@route("DELETE", f"{_BASE}/policies", **_WRITE)
def reset_policies(asked: Request) -> Answer:
    asked.org.alerting.policies = None
    return Answer(202, dumps(_DEFAULT_POLICY))


def _routes(policy: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if policy:
        yield policy
        for each in policy.get("routes") or []:
            yield from _routes(each)


# Mute timings.


@route("GET", f"{_BASE}/mute-timings", **_READ)
def timings(asked: Request) -> list[dict[str, Any]]:
    return [_plain(asked, each) for each in asked.org.alerting.timings.values()]


@route("GET", f"{_BASE}/mute-timings/:name", **_READ)
def timing(asked: Request, name: str) -> dict[str, Any] | Answer:
    found = asked.org.alerting.timings.get(name)
    return _plain(asked, found) if found else _NOT_THERE


@route("POST", f"{_BASE}/mute-timings", **_WRITE)
def create_timing(asked: Request) -> Answer:
    said = asked.json("name")
    if said["name"] in asked.org.alerting.timings:
        text = "invalid object specification: a mute timing with this name already exists"
        raise Refused(400, text, traced=True)
    return Answer(201, dumps(_store_timing(asked, said)))


@route("PUT", f"{_BASE}/mute-timings/:name", **_WRITE)
def update_timing(asked: Request, name: str) -> Answer:
    said = asked.json("name")
    if name not in asked.org.alerting.timings:
        return _NOT_THERE
    return Answer(202, dumps(_store_timing(asked, {**said, "name": name})))


@route("DELETE", f"{_BASE}/mute-timings/:name", **_WRITE)
def delete_timing(asked: Request, name: str) -> Answer:
    if any(name in (each.get("mute_time_intervals") or []) for each in _routes(asked.org.alerting.policies)):
        raise Refused(500, f"mute time '{name}' is currently used by a notification policy", traced=True)
    asked.org.alerting.timings.pop(name, None)
    return Answer(204, b"")


def _store_timing(asked: Request, said: dict[str, Any]) -> dict[str, Any]:
    made = {"name": said["name"], "time_intervals": said.get("time_intervals") or []}
    made |= _stamped(_provenance(asked, heeded_since=(10,)))
    asked.org.alerting.timings[made["name"]] = made
    return made


def _plain(asked: Request, each: dict[str, Any]) -> dict[str, Any]:
    """What is read says nothing of provenance before version 10."""
    return each if asked.double.since(10) else {key: value for key, value in each.items() if key != "provenance"}


# Templates.


@route("GET", f"{_BASE}/templates", **_READ)
def templates(asked: Request) -> list[dict[str, Any]]:
    return [_plain(asked, each) for _, each in sorted(asked.org.alerting.templates.items())]


@route("GET", f"{_BASE}/templates/:name", **_READ)
def template(asked: Request, name: str) -> dict[str, Any] | Answer:
    found = asked.org.alerting.templates.get(name)
    return _plain(asked, found) if found else _NOT_THERE


@route("PUT", f"{_BASE}/templates/:name", **_WRITE)
def replace_template(asked: Request, name: str) -> Answer:
    """A text that defines nothing is put into a definition of that name."""
    text = str(asked.json().get("template") or "").strip()
    if not text:
        raise Refused(400, "invalid object specification: template must have content", traced=True)
    if text.count("{{") != text.count("}}"):
        raise Refused(400, "invalid object specification: invalid template: template: :1: unclosed action", traced=True)
    if not re.search(r"\{\{-?\s*define", text):
        lines = "\n".join(f"  {line}" for line in text.splitlines())
        text = f'{{{{ define "{name}" }}}}\n{lines}\n{{{{ end }}}}'
    made = {"name": name, "template": text} | _stamped(_provenance(asked, heeded_since=(10,)))
    asked.org.alerting.templates[name] = made
    return Answer(202, dumps(made))


@route("DELETE", f"{_BASE}/templates/:name", **_WRITE)
def delete_template(asked: Request, name: str) -> Answer:
    asked.org.alerting.templates.pop(name, None)
    return Answer(204, b"")
