"""Groups of alert rules, the tree that says who is told, and who that is.

To give a value of one of them a name: a line in its table.
"""

from __future__ import annotations

import re
from typing import Any

from opsjobs.backup.compare import queries
from opsjobs.backup.compare.difference import Telling, bare, plain, said, short
from opsjobs.backup.compare.forms import Member, Members, Words, cleaned, text, within, without, without_defaults, word

_NAMED = 60
_DEEPEST = 20
_LENGTH = re.compile(r"(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_SIZES = (604800, 86400, 3600, 60, 1)
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

_RULE_NOISE = (
    *("id", "orgID", "orgId", "version", "created", "updated", "updatedBy", "provenance"),
    # Both are those of the group.
    *("folderUID", "folderUid", "ruleGroup"),
)
_RULE_DEFAULTS = {"for": 0, "keep_firing_for": 0, "missing_series_evals_to_resolve": 0}
_LENGTHS = ("interval", "for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval")


def _length(value: Any) -> str:
    """A length of time as Grafana's pages write it: 1m30s."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return plain(value)
    parts = []
    for size, unit in _UNITS:
        count, value = divmod(value, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _joined(value: Any) -> str:
    return ", ".join(map(plain, value)) if isinstance(value, list) else plain(value)


GROUP: dict[str, Telling] = {
    "title": said("title"),
    "interval": bare("interval", _length),
    "folderUid": bare("folder"),
}
_RULE = Words(
    names={
        "title": said("title"),
        "uid": bare("uid"),
        "condition": bare("condition"),
        "for": bare("for", _length, absent="0s"),
        "keep_firing_for": bare("keep firing for", _length, absent="0s"),
        "labels.*": said("label {}"),
        "annotations.*": said("annotation {}"),
        "isPaused": queries.state("paused", "no", "yes"),
        "noDataState": bare("no data"),
        "execErrState": bare("error state"),
        "notification_settings": bare("notification"),
        "notification_settings.receiver": said("receiver"),
    }
)
ROUTE: dict[str, Telling] = {
    "receiver": said("receiver"),
    "object_matchers": bare("matchers", lambda value: _matchers(value) or plain(value)),
    "group_by": bare("grouping", _joined),
    "group_wait": bare("wait of the group", _length),
    "group_interval": bare("interval of the group", _length),
    "repeat_interval": bare("repeated every", _length),
    "continue": queries.state("goes on to the next", "no", "yes"),
    "mute_time_intervals": bare("mute timings"),
    "active_time_intervals": bare("active timings"),
}
# Only what is no secret with any receiver: a URL often is all that it takes to write to a channel.
_SHOWN_TEXTS = ("addresses", "recipient", "title", "message", "severity", "subject")
_SHOWN = ("singleEmail", "httpMethod", "maxAlerts", "chatid", "priority")
CONTACT = Words(
    names={
        "name": said("name"),
        "type": bare("type"),
        "uid": bare("uid"),
        "disableResolveMessage": queries.state("told when resolved", "yes", "no"),
        **{f"settings.{key}": said(key) for key in _SHOWN_TEXTS},
        **{f"settings.{key}": bare(key) for key in _SHOWN},
    },
    secret=True,
    redacted=True,
)


def group_form(content: Any) -> Any:
    """A group of rules without what says nothing."""
    made = _timed(cleaned(content))
    rules = within(content, "rules")
    if isinstance(rules, list) and rules:
        made["rules"] = Members(noun="rules", each=tuple(_rule(each) for each in rules))
    return made


def policy_form(content: Any, depth: int = 0) -> Any:
    """The tree of policies without what says nothing; each of its branches is a member."""
    made = _timed(cleaned(content))
    if not isinstance(made, dict):
        return made
    made = _matched(without(made, ["provenance", "version"]))
    if isinstance(made.get("group_by"), list):
        made["group_by"] = sorted(made["group_by"], key=text)
    routes = within(content, "routes")
    if isinstance(routes, list) and routes and depth < _DEEPEST:
        made["routes"] = Members(noun="routes", each=tuple(_route(each, depth + 1) for each in routes))
    return made


def _rule(rule: Any) -> Member:
    made = cleaned(rule)
    uid, title = word(within(rule, "uid")), word(within(rule, "title"))
    if isinstance(made, dict):
        made = without_defaults(_timed(without(made, _RULE_NOISE)), _RULE_DEFAULTS)
        data = within(rule, "data")
        if isinstance(data, list) and data:
            made["data"] = queries.of_rule(data)
    called = f"rule '{short(title, _NAMED)}'" if title else f"rule {short(uid, _NAMED) or 'without a title'}"
    return Member(name=called, keys=(uid or None, title or None), content=made, words=_RULE)


def _route(route: Any, depth: int) -> Member:
    made = policy_form(route, depth)
    receiver, matchers = word(within(made, "receiver")), within(made, "object_matchers")
    told = _matchers(matchers)
    called = f"route {short(told, _NAMED)}" if told else f"route to {short(receiver, _NAMED) or 'nobody'}"
    key = text(matchers) if matchers else None
    return Member(
        name=called,
        keys=((key, receiver) if key else None, key, receiver or None),
        content=made,
        summary=receiver,
        words=Words(names=ROUTE),
    )


def _matched(route: dict[str, Any]) -> dict[str, Any]:
    """A route whose matchers, in the three ways of saying them, are of one form. Their order says nothing."""
    found = []
    for key, sign in (("match", "="), ("match_re", "=~")):
        given = route.get(key)
        if isinstance(given, dict) and all(isinstance(each, str) for each in given.values()):
            found += [[name, sign, given[name]] for name in given]
            route = without(route, [key])
    given = route.get("object_matchers")
    if isinstance(given, list):
        found += given
    elif given is not None:
        return {**route, "/matchers": found} if found else route
    return {**route, "object_matchers": sorted(found, key=text)} if found else route


def _matchers(value: Any) -> str:
    if not isinstance(value, list):
        return ""
    return ", ".join("".join(map(word, each)) if isinstance(each, list) else plain(each) for each in value)


def _timed(made: Any) -> Any:
    """An object whose lengths of time are seconds: 5m, 5m0s and 300s are the same."""
    if not isinstance(made, dict):
        return made
    return {key: _seconds(value) if key in _LENGTHS else value for key, value in made.items()}


def _seconds(value: Any) -> Any:
    found = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return value
    return sum(int(count or 0) * size for count, size in zip(found.groups(), _SIZES, strict=True))
