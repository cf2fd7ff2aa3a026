from pathlib import Path

import pytest

from opsjobs import promql, system, vocabulary
from opsjobs.declaration import parse
from opsjobs.errors import ConfigError
from opsjobs.model import Direction
from opsjobs.system import System

PROFILE = """
title: Shop
zone: Europe/Rome
teams:
  web: {contact: web@example.com}
  sales: {}
components:
  api: {title: API, up: 'up{job="api"}', team: web}
dashboards:
  main: {title: Main, path: /d/main}
metrics:
  orders_total: {type: counter, component: api}
  latency_seconds: {type: histogram, component: api}
groups:
  shop:
    title: Shop
    team: web
    dashboard: main
    runbook: shop
    indicators:
      orders:
        title: Orders
        query: sum(increase(orders_total[$step]))
        unit: count
        healthy: above
        warning: 10
        summary: sum
        team: sales
      slow:
        title: Share of slow requests
        numerator: sum(increase(latency_seconds_bucket{le="1"}[$step]))
        denominator: sum(increase(latency_seconds_count[$step]))
        unit: ratio
        healthy: above
"""


def read(text=PROFILE):
    return parse(text, System, context=vocabulary.names, name="shop.yml")


def faults(old, new):
    assert old in PROFILE
    with pytest.raises(ConfigError) as caught:
        read(PROFILE.replace(old, new))
    return [(fault.path, fault.message) for fault in caught.value.faults]


def test_an_indicator_takes_from_its_group_what_it_does_not_say():
    orders, slow = (declared.spec for declared in read().indicators)
    assert (orders.team, orders.dashboard, orders.runbook) == ("sales", "main", "shop")
    assert (slow.team, slow.dashboard, slow.runbook) == ("web", "main", "shop")


def test_the_step_of_a_query_is_the_step_of_its_range():
    orders, _ = (declared.spec for declared in read().indicators)
    assert orders.promql == "sum(increase(orders_total[300s]))"


def test_a_ratio_asks_for_both_parts_in_one_valid_query():
    _, slow = (declared.spec for declared in read().indicators)
    assert slow.method == "ratio"
    promql.check(slow.promql)
    assert promql.metrics(slow.promql) == ("latency_seconds_bucket", "latency_seconds_count")


def test_a_slip_in_a_metric_is_found_with_a_hint():
    ((path, message),) = faults("sum(increase(orders_total", "sum(increase(order_total")
    assert path == "groups.shop.indicators.orders.query"
    assert message == "'order_total' is not declared under metrics; did you mean 'orders_total'?"


def test_only_the_parts_of_a_histogram_are_derived():
    ((_, message),) = faults("orders_total[$step]", "orders_total_bucket[$step]")
    assert message.startswith("'orders_total_bucket' is not declared")
    assert read().family("latency_seconds_count") == "latency_seconds"
    assert read().family("orders") is None


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("team: sales", "team: sale", "groups.shop.indicators.orders.team", "did you mean 'sales'?"),
        ("dashboard: main", "dashboard: man", "groups.shop.dashboard", "did you mean 'main'?"),
        ("component: api}\n  lat", "component: app}\n  lat", "metrics.orders_total.component", "did you mean 'api'?"),
        ("unit: count", "unit: pieces", "groups.shop.indicators.orders.unit", "is not a unit"),
        ("zone: Europe/Rome", "zone: Europe/Roma", "zone", "is not a time zone"),
        ("zone: Europe/Rome", "zone: ../../etc/passwd", "zone", "is not a time zone"),
        ("        summary: sum", "        step: 7m", "groups.shop.indicators.orders.step", "does not divide an hour"),
        (
            "        warning: 10",
            "        warning: 10\n        critical: 20",
            "groups.shop.indicators.orders",
            "good to bad",
        ),
        ("        warning: 10", "        warning: .nan", "groups.shop.indicators.orders.warning", "finite number"),
        ("        warning: 10", "        critical: .inf", "groups.shop.indicators.orders.critical", "finite number"),
        ('up{job="api"}\', team: web', "rate(up[$step])', team: web", "components.api.up", "no meaning here"),
        ("team: sales", "team: ''", "groups.shop.indicators.orders.team", "is not declared"),
        ("team: sales", "explained_by: orders", "groups.shop.indicators.orders.explained_by", "must be component:NAME"),
        ("team: sales", "explained_by: 'indicator:x'", "groups.shop.indicators.orders.explained_by", "is not declared"),
        ("team: sales", "for: soon", "groups.shop.indicators.orders.for", "is not a length of time"),
        ("        summary: sum", "        summary: ratio", "groups.shop.indicators.orders", "needs numerator"),
        ("        query: sum", "        numerator: sum", "groups.shop.indicators.orders", "give either query, or"),
    ],
)
def test_a_fault_is_named_with_its_path_and_a_way_out(old, new, path, message):
    found = faults(old, new)
    assert any(where == path and message in what for where, what in found), found


@pytest.mark.parametrize("section", ["components", "groups"])
def test_nothing_to_report_on_is_a_fault(section):
    start = PROFILE.index(f"\n{section}:")
    following = PROFILE.find("\ndashboards:", start) if section == "components" else len(PROFILE)
    with pytest.raises(ConfigError) as caught:
        read(PROFILE[:start] + f"\n{section}: {{}}\n" + PROFILE[following:].removeprefix("\n"))
    assert section in {fault.path for fault in caught.value.faults}


def test_what_explains_an_indicator_is_not_explained_itself():
    text = PROFILE.replace("        team: sales", "        explained_by: 'indicator:slow'")
    text = text.replace(
        "        title: Share of slow", "        explained_by: 'component:api'\n        title: Share of slow"
    )
    with pytest.raises(ConfigError, match="which is explained by something else itself"):
        read(text)


def test_a_comment_at_the_end_of_a_query_does_not_swallow_what_follows():
    text = PROFILE.replace('{le="1"}[$step]))', '{le="1"}[$step])) # fast ones')
    text = text.replace("numerator: sum", "numerator: |\n          sum")
    _, slow = (declared.spec for declared in read(text).indicators)
    promql.check(slow.promql)
    assert promql.metrics(slow.promql) == ("latency_seconds_bucket", "latency_seconds_count")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("up", 0),
        ("rate(x[5m])", 300),
        ("a / b offset 1w", 604_800),
        ("increase(x[1d] offset 1d)", 172_800),
        ("max_over_time(rate(x[5m] offset 1h)[1d:1m] offset 1d)", 2 * 86_400 + 3_900),
        ("sum(rate(x[$step])) / sum(increase(x[30d]))", 30 * 86_400),
    ],
)
def test_how_far_a_query_reads_back(query, seconds):
    assert promql.lookback(query) == seconds


def test_an_indicator_stands_in_one_group_only():
    twice = (
        PROFILE
        + "  more: {title: More, team: web, indicators: {orders: {title: O, query: up, unit: count, healthy: above}}}\n"
    )
    with pytest.raises(ConfigError, match="'orders' stands in two groups"):
        read(twice)


def test_every_shipped_profile_is_without_faults():
    assert "pratikoai" in system.shipped()
    for name in system.shipped():
        assert list(system.read(name, Path()).indicators)


def test_an_unknown_profile_is_told_with_the_nearest_name():
    with pytest.raises(ConfigError, match="no profile is called 'pratiko'; did you mean 'pratikoai'"):
        system.read("pratiko", Path())


def test_a_profile_of_ones_own_is_read_relative_to_the_configuration(tmp_path):
    (tmp_path / "shop.yml").write_text(PROFILE)
    assert system.read("shop.yml", tmp_path).title == "Shop"


class TestPratikoai:
    """The truths of the owners' own description."""

    @pytest.fixture
    def specs(self):
        return {name: spec for name, _, spec in system.read("pratikoai", Path()).indicators}

    @pytest.mark.parametrize(
        ("name", "direction", "target", "warning", "critical"),
        [
            ("user_cost", "below", 2.00, None, 2.50),
            ("cost_spike", "below", None, 0.5, None),
            ("llm_cost_day", "below", None, 100, None),
            ("mrr", "above", 25_000, 20_000, None),
            ("active_subscriptions", "above", 50, None, None),
            ("payment_success", "above", 0.95, None, 0.95),
            ("churn", "below", None, 0.10, None),
            ("signups", "above", None, 1, None),
            ("api_p95", "below", 2, None, 5),
            ("cache_hit_ratio", "above", 0.80, 0.70, None),
            ("db_connections", "below", None, 0.80, None),
            ("error_rate", "below", 0.01, None, 0.05),
            ("uptime", "above", 0.999, 0.999, None),
            ("failed_logins", "below", None, None, 0.1),
        ],
    )
    def test_the_limits_are_those_of_the_seed(self, specs, name, direction, target, warning, critical):
        spec = specs[name]
        found = (spec.healthy, spec.target, spec.warning, spec.critical)
        assert found == (Direction(direction), target, warning, critical)

    def test_every_indicator_has_a_team_a_dashboard_and_a_runbook(self, specs):
        for name, spec in specs.items():
            assert spec.team and spec.dashboard and spec.runbook, name
