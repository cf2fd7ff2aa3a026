"""Whether two of Grafana's objects mean the same, and what is different where they do not.

    forms.py        an object without what says nothing, and lists whose members have names
    dashboards.py   the forms and the words of dashboards; rows, panels, queries, variables, elements: of their parts
    alerting.py     those of rules, policies and contact points
    walk.py         two forms side by side -> differences
    difference.py   one difference, and its line

To add a kind: a line in `KINDS`. To give a value a name: a line in the table of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsjobs.backup.compare import alerting, dashboards, panels
from opsjobs.backup.compare.difference import Difference, bare, hidden, said
from opsjobs.backup.compare.forms import Words, cleaned, text, within, without
from opsjobs.backup.compare.queries import state
from opsjobs.backup.compare.walk import walk

__all__ = ["KINDS", "Difference", "canonical", "differences", "same"]

# What a server says of an object by itself: its numbers, who saved it and when, who may, and where its page is.
_NOISE = (
    *("id", "orgId", "orgID", "version", "created", "createdBy", "updated", "updatedBy", "url", "provenance"),
    *("canSave", "canEdit", "canAdmin", "canDelete", "hasAcl", "accessControl", "parents", "managedBy", "meta"),
    *("folderId", "folderName", "folderUrl", "readOnly", "typeName", "typeLogoUrl", "apiVersion"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How objects of one kind are compared."""

    form: Callable[[Any], Any]
    words: Words = field(default_factory=Words)
    across: Callable[[Any, Any], tuple[Any, Any]] = lambda before, after: (before, after)
    """How far two forms can be compared at all."""


def _plain(content: Any) -> Any:
    return cleaned(_own(content))


def _own(content: Any) -> Any:
    return without(content, _NOISE) if isinstance(content, dict) else content


def _library_panel(content: Any) -> Any:
    made = _plain(content)
    model = within(content, "model")
    if isinstance(made, dict) and isinstance(model, dict):
        # Grafana copies both out of the model.
        made = without(made, [key for key in ("type", "description") if made.get(key) == within(made, "model", key)])
        made = {**without(made, ["model"]), **({"model": form} if (form := panels.content(model)) else {})}
    return made


def _data_source(content: Any) -> Any:
    if not isinstance(content, dict):
        return cleaned(content)
    # The URL is that of the server which is asked, not of a page.
    made = cleaned({**without(content, [*_NOISE, *_SECRETS]), "url": content.get("url")})
    held = [content.get(key) for key in _SECRETS]
    there = {str(key): True for each in held if isinstance(each, dict) for key, value in each.items() if value}
    odd = [each for each in held if each and not isinstance(each, dict)]
    return {**made, **({_SECRETS[0]: there} if there else {}), **({_SECRETS[1]: cleaned(odd)} if odd else {})}


_SECRETS = ("secureJsonFields", "secureJsonData")
"""That secrets are set, and, on the way to a server, the secrets; of these no more is said either."""
_NAMED = {"uid": bare("uid"), "name": said("name"), "title": said("title"), "type": bare("type")}
KINDS: Mapping[str, Kind] = {
    "folder": Kind(form=_plain, words=Words(names={**_NAMED, "parentUid": bare("parent", absent="none")})),
    "dashboard": Kind(form=dashboards.form, words=dashboards.WORDS, across=dashboards.across),
    "library-panel": Kind(
        form=_library_panel,
        words=Words(names={**_NAMED, **panels.LIBRARY_NAMES, "folderUid": bare("folder"), "kind": bare("kind")}),
    ),
    "data-source": Kind(
        form=_data_source,
        words=Words(
            names={
                **_NAMED,
                "url": bare("URL"),
                "access": bare("access"),
                "isDefault": state("default", "no", "yes"),
                "secureJsonFields.*": state("secret {}", "not set", "set"),
                "secureJsonData": hidden("secrets"),
                # Kept in the open by old servers.
                "password": hidden("password"),
                "basicAuthPassword": hidden("password of basic authentication"),
            },
            redacted=True,
        ),
    ),
    "rule-group": Kind(form=lambda content: alerting.group_form(_own(content)), words=Words(names=alerting.GROUP)),
    "contact-point": Kind(form=_plain, words=alerting.CONTACT),
    "policy": Kind(form=lambda content: alerting.policy_form(_own(content)), words=Words(names=alerting.ROUTE)),
    "mute-timing": Kind(form=_plain, words=Words(names=_NAMED)),
    "template": Kind(form=_plain, words=Words(names={**_NAMED, "template": said("text")})),
    "playlist": Kind(form=_plain, words=Words(names={**_NAMED, "interval": bare("interval")})),
}
_ANY = Kind(form=_plain, words=Words(names=_NAMED))


def differences(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What is different in the second, in words: the object itself, its parts, and last what only stands elsewhere."""
    known = KINDS.get(kind, _ANY)
    one, other = known.across(*(known.form(_object(side)) for side in (before, after)))
    return tuple(sorted(walk(known.words, one, other), key=lambda each: (each.place, each.subject != "")))


def canonical(kind: str, content: Mapping[str, Any]) -> str:
    """An object without what says nothing, as one line: the same for all that mean the same, and for no other."""
    return text(KINDS.get(kind, _ANY).form(_object(content)))


def same(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two objects mean the same: their canonical forms are equal, but for what a server has redacted."""
    return canonical(kind, before) == canonical(kind, after) or not differences(kind, before, after)


def _object(content: Any) -> Any:
    return dict(content) if isinstance(content, Mapping) else content
