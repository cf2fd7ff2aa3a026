"""Alerting as Grafana evaluates it itself: rules by their groups, and who is told of them.

Everything is written so that people can go on editing it in Grafana, but for what a program such as Terraform has made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opsjobs.errors import NotFound, NotOffered, SourceError
from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana import hiding
from opsjobs.sources.grafana.api import Api, segment

_PATH = "/api/v1/provisioning"
_RULER = "/api/ruler/grafana/api/v1/rules"
_SINCE = (9, 1)
_WHAT = "API by which alerting is kept (older channels and rules are not in the backup)"
_EDITABLE_GROUPS = (10, 0)
_EDITABLE = {"X-Disable-Provenance": "true"}
_OF_RULE = ("id", "orgID", "updated", "provenance")
_LETS_IN = frozenset({"url", "webhook", "webhookUrl", "webhook_url"})
"""Settings whose address lets in whoever knows it."""
_PLAIN = "prometheus-alertmanager"
"""The kind of contact point whose address is only that of a server."""


def groups(api: Api) -> Iterator[Listed]:
    """Every group of alert rules."""
    api.need(_WHAT, *_SINCE)
    seen: set[tuple[str, str]] = set()
    for folder, group in _groups(api):
        if (folder, group) not in seen:
            seen.add((folder, group))
            yield Listed(kind="rule-group", uid=f"{folder}/{group}", title=group, folder=folder)


def _groups(api: Api) -> Iterator[tuple[str, str]]:
    try:
        rules = api.get(f"{_PATH}/alert-rules")
    except NotFound:
        # Before 9.4 only the API of the pages lists them.
        found = api.offered("alert rules", _RULER)
        rules = [
            {"folderUID": rule["grafana_alert"]["namespace_uid"], "ruleGroup": group["name"]}
            for folder in found.values()
            for group in folder
            for rule in group["rules"]
        ]
    for rule in rules:
        yield str(rule["folderUID"]), str(rule["ruleGroup"])


def read_group(api: Api, found: Listed) -> Copy:
    """A group with its interval and its rules in their order."""
    group = api.get(_of_group(found.folder, found.title))
    rules = [{name: value for name, value in each.items() if name not in _OF_RULE} for each in group["rules"]]
    provenance = {str(each.get("provenance") or "") for each in group["rules"]}
    return Copy(
        kind="rule-group",
        uid=found.uid,
        title=found.title,
        folder=found.folder,
        content={"title": found.title, "folderUid": found.folder, "interval": group["interval"], "rules": rules},
        api=_PATH,
        updated=max((str(each.get("updated") or "") for each in group["rules"]), default=""),
        provisioned="file" in provenance,
    )


def write_group(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make the group as it was, its rules under their uids; rules that are not in it are removed from it."""
    rules = [{**each, "folderUID": wanted.folder, "ruleGroup": wanted.title} for each in wanted.content["rules"]]
    there = {str(each.get("uid")): each for each in live.content["rules"]} if live else {}
    for rule in rules:
        if str(rule.get("uid")) not in there:
            # A group takes only rules that are there under a uid.
            _save(api, "POST", f"{_PATH}/alert-rules", rule)
    if not api.has(*_EDITABLE_GROUPS):
        _one_by_one(api, rules, there)
        if api.get(_of_group(wanted.folder, wanted.title))["interval"] == wanted.content["interval"]:
            return
    document = {
        "title": wanted.title,
        "folderUid": wanted.folder,
        "interval": wanted.content["interval"],
        "rules": rules,
    }
    _save(api, "PUT", _of_group(wanted.folder, wanted.title), document)


def _one_by_one(api: Api, rules: list[dict[str, object]], there: Mapping[str, object]) -> None:
    """Save rules by themselves: here a group that is saved could not be edited by people any more."""
    for rule in rules:
        if str(rule.get("uid")) in there:
            _save(api, "PUT", f"{_PATH}/alert-rules/{segment(str(rule['uid']))}", rule)
    for uid in there.keys() - {str(rule.get("uid")) for rule in rules}:
        _save(api, "DELETE", f"{_PATH}/alert-rules/{segment(uid)}", None)


def remove_group(api: Api, found: Listed) -> None:
    """Remove its rules: a group without rules is none."""
    for rule in api.get(_of_group(found.folder, found.title))["rules"]:
        _save(api, "DELETE", f"{_PATH}/alert-rules/{segment(str(rule['uid']))}", None)


def _save(api: Api, method: str, path: str, document: object = None) -> None:
    """Change something so that people can go on editing it; what a program has made stays that program's."""
    try:
        api.send(method, path, document, _EDITABLE)
    except SourceError as error:
        if "provenance" not in error.said.lower():
            raise
        api.send(method, path, document)


def _of_group(folder: str, group: str) -> str:
    return f"{_PATH}/folder/{segment(folder)}/rule-groups/{segment(group)}"


def contacts(api: Api) -> Iterator[Listed]:
    """Every contact point, as Grafana shows it: without its secrets."""
    api.need(_WHAT, *_SINCE)
    for each in api.offered("contact points", f"{_PATH}/contact-points"):
        # The one that ships has no uid.
        uid = str(each.get("uid") or each["name"])
        yield Listed(kind="contact-point", uid=uid, title=str(each["name"]), content=each)


def read_contact(_: Api, found: Listed) -> Copy:
    """A contact point; of an address that lets in only where it leads."""
    content = dict(found.content or {})
    hidden: list[str] = []
    places = frozenset() if content.get("type") == _PLAIN else _LETS_IN
    content["settings"] = hiding.masked(content.get("settings") or {}, "", hidden, places)
    return Copy(
        kind="contact-point",
        uid=found.uid,
        title=found.title,
        content={name: value for name, value in content.items() if name != "provenance"},
        api=_PATH,
        secrets=tuple(sorted(set(hidden))),
        provisioned=content.get("provenance") == "file",
    )


def write_contact(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, with what is hidden left for a person; or save it, with the secrets that it has."""
    if live is None:
        _save(api, "POST", f"{_PATH}/contact-points", wanted.content)
        return
    now = next(each for each in contacts(api) if each.uid == live.uid).content or {}
    kept = hiding.unmasked(wanted.content.get("settings") or {}, now.get("settings"))
    document = {**wanted.content, "settings": kept}
    _save(api, "PUT", f"{_PATH}/contact-points/{segment(wanted.uid)}", document)


def remove_contact(api: Api, found: Listed) -> None:
    """Remove it; refused while a policy names it."""
    _save(api, "DELETE", f"{_PATH}/contact-points/{segment(found.uid)}", None)


def policies(api: Api) -> Iterator[Listed]:
    """The one tree that says who is told of what."""
    api.need(_WHAT, *_SINCE)
    tree = api.offered("notification policies", f"{_PATH}/policies")
    yield Listed(kind="policy", uid="policies", title="Notification policies", content=tree)


def write_policies(api: Api, wanted: Copy, _: Copy | None) -> None:
    """Put the tree in place of the one that is there."""
    _save(api, "PUT", f"{_PATH}/policies", wanted.content)


def remove_policies(_: Api, __: Listed) -> None:
    """It cannot be removed."""
    raise NotOffered("a Grafana always has notification policies")


def timings(api: Api) -> Iterator[Listed]:
    """Every time at which nobody is told."""
    return _by_name(api, "mute-timing", "mute-timings")


def write_timing(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or save it."""
    path = f"{_PATH}/mute-timings"
    method, address = ("PUT", f"{path}/{segment(wanted.uid)}") if live else ("POST", path)
    _save(api, method, address, wanted.content)


def remove_timing(api: Api, found: Listed) -> None:
    """Remove it; refused while a policy names it."""
    _save(api, "DELETE", f"{_PATH}/mute-timings/{segment(found.uid)}", None)


def templates(api: Api) -> Iterator[Listed]:
    """Every group of message templates."""
    return _by_name(api, "template", "templates")


def write_template(api: Api, wanted: Copy, _: Copy | None) -> None:
    """Make it, or save it."""
    _save(api, "PUT", f"{_PATH}/templates/{segment(wanted.uid)}", {"template": wanted.content["template"]})


def remove_template(api: Api, found: Listed) -> None:
    """Remove it."""
    _save(api, "DELETE", f"{_PATH}/templates/{segment(found.uid)}", None)


def _by_name(api: Api, kind: str, path: str) -> Iterator[Listed]:
    api.need(_WHAT, *_SINCE)
    # None of them is null in some versions.
    for each in api.offered(path.replace("-", " "), f"{_PATH}/{path}") or []:
        yield Listed(kind=kind, uid=str(each["name"]), title=str(each["name"]), content=each)


def read_listed(_: Api, found: Listed) -> Copy:
    """What its list gave."""
    content = dict(found.content or {})
    provenance = content.pop("provenance", "")
    # A template's version is counted anew at each save.
    content.pop("version", None)
    return Copy(
        kind=found.kind,
        uid=found.uid,
        title=found.title,
        content=content,
        api=_PATH,
        provisioned=provenance == "file",
    )
