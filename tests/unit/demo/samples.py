"""A small simulation to test with, and how to read a course."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from opsjobs.declaration import parse
from opsjobs.demo import simulation
from opsjobs.demo.scenario import Effect, Planted
from opsjobs.demo.simulation import Simulation
from opsjobs.demo.weaver import weave

ROME = ZoneInfo("Europe/Rome")
SHOP = """
seed: 7
rhythms:
  day: {night: 0.5, peak: 15, weekend: 0.5}
alerts:
  TooSlow: {severity: warning}
targets:
  shop:
    component: api
    instances: [one, two]
    counters:
      orders_total: {about: Orders., level: 600, per: hour, whole: true, rhythm: day, noise: 0.2}
      euros: {about: Turnover., level: 0.5, noise: 0.2, series: [{labels: {kind: a}}, {labels: {kind: b}, weight: 2}]}
      complaints_total: {about: Rare., level: 3, per: hour, events: true}
      failed_total:
        about: Failed requests.
        of: request_seconds
        share: 0.1
        whole: true
        series: [{labels: {path: /x}}, {labels: {path: /y}}]
      all_total: {about: All requests again., of: request_seconds, share: 1}
    gauges:
      customers: {about: "Customers, with a \\"quote\\".", level: 1000, growth: 0.01, drift: 0.05, whole: true}
    histograms:
      request_seconds:
        about: Requests.
        level: 2
        noise: 0.1
        buckets: [0.1, 1, 10]
        series:
          - {labels: {path: /x}, median: 0.2, spread: 0.5}
          - {labels: {path: /y}, weight: 3, median: 0.3, spread: 0.5}
  database:
    component: database
    instances: [db]
    alive: db_up
    gauges:
      db_up: {about: Whether it is up., level: 1}
      db_size: {about: Size., level: 5.5}
"""
TODAY = datetime(2026, 11, 19, tzinfo=ROME)


def shop() -> Simulation:
    return parse(SHOP, Simulation, context=simulation.names)


def course(*effects, start=-2, end=1, today=TODAY, what=None):
    """The course of the shop over these days; effects are (mapping, start, end) with aware times."""
    planted = [Planted(Effect(**effect), since.timestamp(), until.timestamp()) for effect, since, until in effects]
    return weave(
        what or shop(),
        planted,
        start=today + timedelta(days=start),
        end=today + timedelta(days=end),
        today=today,
        zone=ROME,
    )


def curves(course):
    """Every series by name, instance and labels."""
    return {
        (curve.name, family.instance, *sorted(curve.labels.items())): curve
        for family in course.families
        for curve in family.curves
    }


def differing(one, other):
    """The names of the series that differ, with the times at which they do; a counter by its increments."""

    def shown(curve):
        values = np.diff(curve.values, prepend=0) if curve.counts else curve.values
        return np.where(curve.present, values, np.nan)

    before, after = curves(one), curves(other)
    assert before.keys() == after.keys()
    found = {}
    for key in before:
        # A whole counter may round an increment into the next step.
        slack = 1 if before[key].counts and before[key].whole else 1e-5
        same = np.isclose(shown(before[key]), shown(after[key]), rtol=0, atol=slack, equal_nan=True)
        if not same.all():
            found[key] = one.times[~same]
    return found
