"""Dashboards hold to Grafana's published schema: each goes through its types and comes back whole."""

import enum
import json
import typing
import warnings

import pytest

from opsjobs.stack import grafana
from tests.unit.stack.plans import NAMES, planned

with warnings.catch_warnings():
    # The second version of the schema is for Grafana 12 and later; this is the one that every version reads.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
DASHBOARDS = [(name, key) for name in NAMES for key in planned(name).system.dashboards]


def lost(ours, theirs, path=""):
    """The places of ours that the types do not know, or know as something else."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{path}.{key}"
            else:
                yield from lost(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield path


def illegal(value, path=""):
    """The places at which a typed value is none that its type allows: the types do not look at values themselves."""
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from illegal(each, f"{path}[{number}]")
    elif type(value).__module__.startswith("grafana_foundation_sdk") and not isinstance(value, enum.Enum):
        kinds = typing.get_type_hints(type(value))
        for name, each in vars(value).items():
            for kind in enums(kinds.get(name)):
                if each is not None and each not in {member.value for member in kind}:
                    yield f"{path}.{name}: {each}"
            yield from illegal(each, f"{path}.{name}")


def enums(kind):
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield kind
    elif type(None) in typing.get_args(kind) and len(typing.get_args(kind)) == 2:
        yield from enums(typing.get_args(kind)[0])


def through(document):
    typed = Dashboard.from_json(document)
    return typed, json.loads(json.dumps(typed, cls=JSONEncoder))


@pytest.mark.parametrize(("name", "key"), DASHBOARDS)
def test_nothing_of_a_dashboard_is_unknown_to_the_schema(name, key):
    document = grafana.dashboard(planned(name), key)
    typed, back = through(document)
    assert list(lost(document, back)) == []
    assert list(illegal(typed)) == []


def test_nor_of_the_history_of_an_archive():
    document = grafana.history(planned("portfolio"))
    typed, back = through(document)
    assert list(lost(document, back)) == [] and list(illegal(typed)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("colour",), "red"),
        (("panels", 0, "fieldConfig", "defaults", "units"), "s"),
        (("panels", 0, "fieldConfig", "defaults", "color", "mode"), "rainbow"),
        (("panels", 0, "options", "colourMode"), "value"),
        (("panels", 0, "options", "colorMode"), "loud"),
        (("panels", 0, "targets", 0, "expression"), "up"),
        (("graphTooltip",), 7),
    ],
)
def test_a_slip_would_be_found(path, value):
    document = json.loads(json.dumps(grafana.dashboard(planned("pratikoai"), "overview")))
    inner = document
    for each in path[:-1]:
        inner = inner[each]
    inner[path[-1]] = value
    try:
        typed, back = through(document)
    except (ValueError, TypeError, KeyError):
        return
    assert list(lost(document, back)) or list(illegal(typed))
