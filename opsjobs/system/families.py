"""Families of metrics that many have: what a draft of a profile can say of them before anybody wrote it."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from opsjobs import promql
from opsjobs.declaration import Declared, load

_PLACEHOLDER = re.compile(r"\$(name|job|metric|status|scale)")


class FamilyComponent(Declared):
    """A part whose metrics an exporter tells, and which may be down while the exporter is up."""

    title: str
    up: str


class Family(Declared):
    """What is known of metrics that come together."""

    title: str
    known_by: str = ""
    """The metric that is there where the family is."""
    each: Literal["", "histogram", "counter"] = ""
    """Taken once for each job that times its requests by such a histogram, or counts them by such a counter."""
    counters: tuple[str, ...] = ()
    """Counters whose names do not end with _total, as those of all others do."""
    component: FamilyComponent | None = None
    indicators: dict[str, dict[str, Any]]
    """As in a profile, with placeholders: `$name` is the job in words, `$job` in a query; `$metric` times or counts its
    requests, `$status` is the label that says how they ended, `$scale` turns the time into seconds."""
    slo: dict[str, Any] = Field(default_factory=dict)

    @property
    def metrics(self) -> set[str]:
        """The metrics that its queries read; of a family without `each`."""
        return {self.known_by, *(name for spec in self.indicators.values() for name in read_by(spec))}

    def kind(self, metric: str) -> str:
        """Whether it is a counter or a gauge."""
        return "counter" if metric.endswith("_total") or metric in self.counters else "gauge"


class Families(Declared):
    """All of them."""

    families: dict[str, Family]


def known() -> Mapping[str, Family]:
    """The families that are known, by name."""
    resource = importlib.resources.files("opsjobs.system") / "families.yml"
    with importlib.resources.as_file(resource) as path:
        return load(path, Families, name="families.yml").families


def queries(spec: Mapping[str, Any]) -> Iterator[str]:
    """The queries of an indicator or an objective of a family."""
    yield from (spec[key] for key in ("query", "numerator", "denominator", "good", "total") if key in spec)
    if "breakdown" in spec:
        yield spec["breakdown"]["query"]


def read_by(spec: Mapping[str, Any]) -> set[str]:
    """The metrics that an indicator or an objective reads, its placeholders filled."""
    return {name for query in queries(spec) for name in promql.metrics(promql.over(query, 300))}


def filled(content: Any, found: Mapping[str, str]) -> Any:
    """A part of a family, each placeholder replaced by what was found."""
    if isinstance(content, dict):
        return {key: filled(value, found) for key, value in content.items()}
    if isinstance(content, str):
        # In one pass: what is filled in is not looked through again.
        return _PLACEHOLDER.sub(lambda match: found[match[1]], content)
    return content


def literal(value: str) -> str:
    """A label value as a PromQL literal in which nothing can be taken for a placeholder."""
    return promql.quote(value).replace("$", "\\x24")
