"""A system to check in tests, with whoever is asked standing in."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs import checks
from opsjobs.checks.check import Around
from opsjobs.declaration import parse
from opsjobs.errors import Unreachable
from opsjobs.http import Deadline
from opsjobs.model import Answer, CheckResult
from opsjobs.system import System
from opsjobs.system.owners import Owners
from opsjobs.vocabulary import names

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
TEXT = """
title: Shop
zone: Europe/Rome
runbooks: https://docs.example.com/shop
teams:
  web: {contact: web@example.com}
components:
  api: {title: API, up: 'up{job="api"}', team: web, runbook: api-down, url: 'http://127.0.0.1:9/health'}
  prometheus: {title: Prometheus, up: 'up{job="prometheus"}', team: web, runbook: blind}
metrics:
  orders_total: {type: counter, component: api}
  stock: {type: gauge, component: api}
groups:
  shop:
    title: Shop
    team: web
    runbook: orders
    indicators:
      stock: {title: Stock, query: sum(stock), unit: count, healthy: above, warning: 10, critical: 5}
      orders: {title: Orders, query: "sum(increase(orders_total[$step]))", unit: count, healthy: above}
"""


def shop():
    return parse(TEXT, System, context=names, name="shop.yml")


class Nobody:
    """A Prometheus that cannot be reached."""

    name = "Prometheus"
    concurrency = 2

    def ask(self, question, deadline):
        raise Unreachable("Prometheus at http://x cannot be reached", advice="See that it runs.")


class Silent:
    """A Prometheus that has nothing."""

    name = "Prometheus"
    concurrency = 2

    def ask(self, question, deadline):
        return Answer()


def around(**known):
    system = known.pop("system", None) or shop()
    return Around(
        **{
            "system": system,
            "owners": Owners(system),
            "zone": ZoneInfo("Europe/Rome"),
            "now": NOW,
            "since": NOW - timedelta(hours=6),
            "metrics": Silent(),
            **known,
        }
    )


def results(found):
    return {each.id: each for each in found if isinstance(each, CheckResult)}


def looked(kind, where, deadline=5):
    """What the checks of one kind find."""
    return checks.look(where, list(kind.checks(where)), Deadline(deadline))
