"""Stacks to render in tests."""

from pathlib import Path

from opsjobs import system
from opsjobs.stack import Plan

NAMES = system.shipped()


def planned(name, **changed):
    profile = system.read(name, Path())
    known = {"grafana": "http://grafana.example.com", "runbooks": "https://docs.example.com/runbooks"}
    return Plan(name=name, **{"system": profile, **known, **changed})


def having(plan, **changed):
    """The same plan with other parts of its profile."""
    return Plan(
        name=plan.name,
        system=plan.system.model_copy(update=changed),
        grafana=plan.grafana,
        runbooks=plan.runbooks,
        folder=plan.folder,
    )
