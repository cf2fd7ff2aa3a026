"""Queries of panels and rules, and the data sources they ask."""

from __future__ import annotations

from typing import Any

from opsjobs.backup.compare.difference import Telling, bare, plain, said
from opsjobs.backup.compare.forms import Member, Members, Words, cleaned, within, without, without_defaults, word

TEXTS = ("expr", "rawSql", "query", "target", "expression", "rawQuery", "queryText", "content")
"""Where the languages of data sources keep what is asked; the first that is there is shown."""


def state(what: str, off: str, on: str, *, absent: str | None = None) -> Telling:
    """Something that is on or off; where it is neither, it is off."""

    def shown(value: Any) -> str:
        return (on if value else off) if isinstance(value, bool) else plain(value)

    return bare(what, shown, absent=off if absent is None else absent)


def source(value: Any) -> str:
    """A reference to a data source in words."""
    return next((word(within(value, key)) for key in ("name", "uid", "type") if within(value, key)), plain(value))


def source_form(value: Any) -> Any:
    """A reference to a data source; a name and an object stay two things, as nobody here knows whose name it is."""
    if isinstance(value, str) and value:
        # Variables and those that are built in are called the same in both ways.
        return {"uid": value} if value.startswith(("$", "-- ")) else {"name": value}
    made = cleaned(value)
    # The type goes without saying: servers add it to a reference that has none.
    return without(made, ["type"]) if isinstance(made, dict) and made.get("uid") else made


_WORDS = Words(
    names={
        **{key: said("") for key in TEXTS},
        "hide": state("", "shown", "hidden"),
        "datasource": bare("data source", source, absent="that of the panel"),
    }
)


def of_panel(targets: list[Any], panel_source: Any) -> Members:
    """The queries of a panel."""
    return Members(
        noun="queries",
        subjects=False,
        each=tuple(_query(each, place, panel_source) for place, each in enumerate(targets)),
    )


def _query(target: Any, place: int, panel_source: Any) -> Member:
    made = cleaned(target)
    if isinstance(target, dict):
        asked = source_form(target.get("datasource"))
        made = without(made, ["datasource"])
        # Since 8.3 each query repeats the data source of its panel.
        if asked and asked != panel_source:
            made["datasource"] = asked
    return member(made, word(within(target, "refId")), place, summary=asked_text(made), words=_WORDS)


def member(content: Any, ref: str, place: int, *, summary: str, words: Words, noun: str = "query") -> Member:
    """A query by its letter, or by its place where it has none."""
    keys = (ref or None,) if ref else (("#", place),)
    return Member(name=f"{noun} {ref[:40] or place + 1}", keys=keys, content=content, summary=summary, words=words)


def asked_text(content: Any) -> str:
    """What is asked, in the words of the data source."""
    return next((content[key] for key in TEXTS if isinstance(within(content, key), str)), "")


_RULE_QUERY_DEFAULTS = {"intervalMs": 1000, "maxDataPoints": 43200}
"""What Grafana puts into each query of a rule that it saves."""


def of_rule(data: list[Any]) -> Members:
    """The queries and expressions of an alert rule."""
    return Members(noun="queries", subjects=False, each=tuple(_rule_query(*each) for each in enumerate(data)))


def _rule_query(place: int, query: Any) -> Member:
    made = cleaned(query)
    ref = word(within(made, "refId"))
    model = within(made, "model")
    if isinstance(model, dict):
        model = without_defaults(model, _RULE_QUERY_DEFAULTS)
        # The model repeats what stands beside it.
        if model.get("refId") == ref:
            model = without(model, ["refId"])
        if within(model, "datasource", "uid") in (made.get("datasourceUid"), None):
            model = without(model, ["datasource"])
        made["model"] = model
    expression = within(made, "datasourceUid") in ("__expr__", "-100")
    return member(
        made,
        ref,
        place,
        summary=asked_text(model) or conditions(within(model, "conditions")),
        words=_RULE_WORDS,
        noun="expression" if expression else "query",
    )


def conditions(value: Any) -> str:
    """The thresholds of an expression: gt 5."""
    if not isinstance(value, list):
        return ""
    told = []
    for each in value:
        limits = within(each, "evaluator", "params")
        numbers = " to ".join(map(word, limits)) if isinstance(limits, list) else ""
        told.append(f"{word(within(each, 'evaluator', 'type'))} {numbers}".strip())
    return ", ".join(told)


def _range(value: Any) -> str:
    start, end = word(within(value, "from")) or "0", word(within(value, "to")) or "0"
    return f"{start} s ago to {f'{end} s ago' if end != '0' else 'now'}"


_RULE_WORDS = Words(
    names={
        **{f"model.{key}": said("") for key in TEXTS},
        "model.conditions": bare("threshold", conditions),
        "model.type": bare("type"),
        "relativeTimeRange": bare("time range", _range),
        "datasourceUid": bare("data source"),
    }
)


def plain_query(value: Any) -> Any:
    """The query of a variable: since 8.0 as an object that says no more than the text before it."""
    if isinstance(value, dict) and set(value) <= {"query", "refId", "qryType"} and isinstance(value.get("query"), str):
        return value["query"]
    return cleaned(value)
