"""What stands beside the panels of a dashboard: its variables and its annotations."""

from __future__ import annotations

from typing import Any

from opsjobs.backup.compare import queries
from opsjobs.backup.compare.difference import Telling, bare, plain, said, short
from opsjobs.backup.compare.forms import Member, Members, Words, cleaned, within, without, without_defaults, word

_NAMED = 60
_DEFAULTS = {"hide": 0, "sort": 0, "refresh": 0}
_SELECTED = ("selected", "isNone")
"""Marks of what is chosen at the moment, beside `current`, which says it."""


def _choice(value: Any) -> str:
    """What is chosen of a variable: its text, or its texts."""
    chosen = within(value, "text") or within(value, "value")
    return _choices(chosen) if isinstance(chosen, list) else word(chosen) or plain(value)


def _choices(value: Any) -> str:
    if not isinstance(value, list):
        return plain(value)
    return ", ".join(word(each) or word(within(each, "text")) or plain(each) for each in value)


_VARIABLE: dict[str, Telling] = {
    "query": said("query"),
    "definition": said("definition"),
    "type": bare("type"),
    "label": said("label"),
    "regex": said("regex"),
    "datasource": bare("data source", queries.source, absent="default"),
    "current": bare("default value", _choice, absent="none"),
    "options": bare("options", _choices),
    "multi": queries.state("several values", "no", "yes"),
    "includeAll": queries.state("all values", "no", "yes"),
}
_ANNOTATION: dict[str, Telling] = {
    **{key: said("query") for key in queries.TEXTS},
    "enable": bare("enabled"),
    "datasource": bare("data source", queries.source, absent="default"),
}
_ELEMENT_VARIABLE = Words(
    names={
        **{f"spec.{path}": tell for path, tell in _VARIABLE.items() if path != "query"},
        **{f"spec.query.spec.{key}": said("query") for key in queries.TEXTS},
        "spec.query.datasource": bare("data source", queries.source, absent="default"),
        "kind": bare("type"),
    }
)
_ELEMENT_ANNOTATION = Words(
    names={
        **{f"spec.query.spec.{key}": said("query") for key in queries.TEXTS},
        "spec.query.datasource": bare("data source", queries.source, absent="default"),
        "spec.enable": bare("enabled"),
    }
)


def of_model(given: list[Any]) -> Members:
    """The variables of the model that all Grafanas know."""
    return _named("variable", given, [_variable(each) for each in given], Words(names=_VARIABLE))


def annotations_of_model(given: list[Any]) -> Members:
    """The annotations of that model, without the one that Grafana puts into each dashboard."""
    own = [each for each in given if not _builtin(each)]
    return _named("annotation", own, [_with_source(each, cleaned(each)) for each in own], Words(names=_ANNOTATION))


def of_elements(given: list[Any]) -> Members:
    """The variables of a dashboard of elements."""
    made = []
    for each in given:
        form = cleaned(each)
        spec = within(form, "spec")
        made.append({**form, "spec": {**spec, **_chosen(spec)}} if isinstance(spec, dict) else form)
    return _named("variable", [within(each, "spec") for each in given], made, _ELEMENT_VARIABLE)


def annotations_of_elements(given: list[Any]) -> Members:
    """The annotations of a dashboard of elements."""
    own = [each for each in given if within(each, "spec", "builtIn") is not True]
    made = [cleaned(each) for each in own]
    return _named("annotation", [within(each, "spec") for each in own], made, _ELEMENT_ANNOTATION)


def _named(noun: str, given: list[Any], made: list[Any], words: Words) -> Members:
    members = []
    for one, content in zip(given, made, strict=True):
        name = word(within(one, "name"))
        called = f"{noun} '{short(name, _NAMED)}'" if name else f"{noun} without a name"
        members.append(Member(name=called, keys=(name or None,), content=content, words=words))
    return Members(noun=f"{noun}s", each=tuple(members))


def _variable(variable: Any) -> Any:
    made = cleaned(variable)
    if not isinstance(variable, dict):
        return made
    made = without_defaults({**_with_source(variable, made), **_chosen(made)}, _DEFAULTS)
    if "query" in made:
        made["query"] = queries.plain_query(made["query"])
        # A copy of the query for those who read lists of variables.
        if made.get("definition") == made["query"]:
            made = without(made, ["definition"])
    return made


def _chosen(made: dict[str, Any]) -> dict[str, Any]:
    """What is chosen and what can be, without marks of it; one value in a list is that value."""
    found: dict[str, Any] = {}
    current, options = made.get("current"), made.get("options")
    if isinstance(current, dict):
        kept = without(current, _SELECTED)
        found["current"] = {key: _single(each) for key, each in kept.items()}
    if isinstance(options, list):
        found["options"] = [without(each, _SELECTED) if isinstance(each, dict) else each for each in options]
    return found


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _with_source(given: Any, made: Any) -> Any:
    asked = queries.source_form(within(given, "datasource"))
    return {**made, "datasource": asked} if isinstance(made, dict) and asked else made


def _builtin(annotation: Any) -> bool:
    return bool(within(annotation, "builtIn") == 1)
