"""A small system, and answers as a source would give them, for tests of what judges them."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from opsjobs.analysis.trust import Days
from opsjobs.declaration import parse
from opsjobs.model import Answer, Sample, Series, Team, Window
from opsjobs.system import System
from opsjobs.vocabulary import names

ZONE = ZoneInfo("Europe/Rome")
DAY = date(2026, 11, 18)
TEAM = Team(name="web", contact="web@example.com")

PROFILE = """
title: Shop
zone: Europe/Rome
teams:
  web: {contact: web@example.com}
components:
  api: {title: API, up: 'up{job="api"}', team: web, runbook: api-down}
  database: {title: Database, up: db_up, team: web}
dashboards:
  main: {title: Main, path: /d/main}
metrics:
  orders: {type: gauge, component: api}
  stock: {type: gauge, component: database}
  paid: {type: counter, component: api}
  tried: {type: counter, component: api}
  db_up: {type: gauge, component: database}
groups:
  shop:
    title: Shop
    team: web
    dashboard: main
    runbook: shop
    indicators:
      orders:
        {title: Orders, query: orders, unit: count, healthy: above, target: 20, warning: 10, critical: 5, step: 1h}
      again: {title: Orders again, query: orders, unit: count, healthy: above, step: 1h}
      stock: {title: Stock, query: stock, unit: count, healthy: above, warning: 1, summary: last, step: 1h}
      paid: {title: Paid, numerator: paid, denominator: tried, unit: ratio, healthy: above, critical: 0.95, step: 1h}
      answering:
        {title: Answering, query: 'min(up{job="api"})', unit: ratio, healthy: above, warning: 1, step: 1h,
         explained_by: 'component:api'}
"""


def system(text=PROFILE):
    return parse(text, System, context=names, name="shop.yml")


def days(day=DAY, zone=ZONE):
    return Days(
        window=Window.day(day, zone),
        day_before=Window.day(day - timedelta(days=1), zone),
        week_before=Window.day(day - timedelta(days=7), zone),
        zone=zone,
    )


def grid(window, step):
    """The points of a window: one at the end of each step."""
    start = window.start.timestamp()
    return [start + step * number for number in range(1, int(window.seconds // step) + 1)]


def answer(values, window=None, step=3600, warnings=(), **labels):
    """One series over a window (default: the day): a value for each step, or a function of the step's number.

    A missing point is `...`, NaN is None.
    """
    window = window or days().window
    times = grid(window, step)
    values = [values(number) for number in range(len(times))] if callable(values) else values
    samples = tuple(Sample(time, value) for time, value in zip(times, values, strict=True) if value is not ...)
    return Answer(series=(Series(labels=labels, samples=samples),), warnings=warnings)
