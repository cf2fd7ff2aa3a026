"""Weekly costs on a real Prometheus: what is planted is found, to the amount and by its cause."""

import csv
import itertools
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from opsjobs.analysis.drivers import CACHE, MIX, PRICE, TOKENS, VOLUME
from opsjobs.analysis.money import exact
from opsjobs.analysis.outlay import month
from opsjobs.analysis.prices import Expenses, FixedCost, Invoice, Price, PriceTable
from opsjobs.declaration import parse
from opsjobs.errors import TimedOut, UsageError
from opsjobs.facts import RunningRule
from opsjobs.http import Deadline
from opsjobs.jobs import Context, costs, reconciliation
from opsjobs.ledger import Ledger
from opsjobs.model import Run, Status, Window
from opsjobs.recommendation import Decision
from opsjobs.report.document import Table
from opsjobs.sources.prometheus import Prometheus
from opsjobs.system import System
from opsjobs.vocabulary import names
from tests.conftest import connection, prometheus_with

pytestmark = pytest.mark.xdist_group("costs")
ROME = ZoneInfo("Europe/Rome")
MONDAY = date(2026, 11, 9)
WEEK = [MONDAY + timedelta(days=number) for number in range(7)]
STEP = 300
PRICES = {"large": {"input": 3e-6, "output": 12e-6}, "small": {"input": 2e-7, "output": 8e-7}}
SMALL = PRICES["small"]["input"] * 0.75 + PRICES["small"]["output"] * 0.25
PATTERN = (1.0, 1.1, 1.2, 1.1, 1.0, 0.5, 0.4)

PROFILE = """
title: Shop
zone: Europe/Rome
teams: {finance: {contact: finance@example.com}}
components: {api: {title: API, up: up, team: finance}}
metrics:
  llm_cost_eur_total: {type: counter, component: api}
  llm_requests_total: {type: counter, component: api}
  llm_tokens_total: {type: counter, component: api}
  requests_total: {type: counter, component: api}
  cache_hits_total: {type: counter, component: api}
  users: {type: gauge, component: api}
groups:
  g: {title: G, team: finance, indicators: {users: {title: Users, query: sum(users), unit: count, healthy: above}}}
costs:
  currency: EUR
  team: finance
  target: 0.50
  critical: 2.50
  active_users: max(users)
  traffic: requests_total
  cache_hits: cache_hits_total
  items:
    llm:
      title: LLM
      spent: llm_cost_eur_total
      by: [model]
      requests: llm_requests_total
      failed: llm_requests_total{status="failed"}
      tokens: {counter: llm_tokens_total}
      cheaper: {large: small}
"""
WITH_POOL = PROFILE.replace("metrics:\n", "metrics:\n  pool_used: {type: gauge, component: api}\n")
SERVER = FixedCost(name="server", monthly=Decimal(300), currency="EUR")
BY_TOKENS = PROFILE.replace("      spent: llm_cost_eur_total\n", "")


@dataclass(frozen=True)
class Day:
    """What a day was like."""

    traffic: float = 20_000.0
    hit: float = 0.8
    large: float = 0.3
    tokens: float = 1000.0
    """Of a request: three quarters of them input."""
    price: float = 1.0
    model: str = "large"
    """What the dear model is called."""
    failed: float = 0.02
    """Share of its requests."""
    night: float = 0.0
    """Requests to the small model between midnight and six that no user asked for."""


def costs_of(day, weekday=0):
    """What a day costs by model, exactly as it is put into the counters."""
    reached = day.traffic * PATTERN[weekday] * (1 - day.hit)
    found = {}
    for model, share in (("large", day.large), ("small", 1 - day.large)):
        price = PRICES[model]["input"] * 0.75 + PRICES[model]["output"] * 0.25
        found[model] = reached * share * day.tokens * price * day.price
    return found


def history(days, weeks=4):
    """Counters every five minutes, from so many weeks before the week on; `days` are those that were not usual."""
    first = MONDAY - timedelta(days=7 * weeks + 1)
    series = {}
    totals = {}

    def add(name, time, amount):
        totals[name] = totals.get(name, 0.0) + amount
        series.setdefault(name, []).append((time, totals[name]))

    day = first
    while day <= WEEK[-1]:
        window, like = Window.day(day, ROME), days.get(day, Day())
        start, steps = int(window.start.timestamp()), int(window.seconds) // STEP
        traffic = like.traffic * PATTERN[day.weekday()] / steps
        reached = traffic * (1 - like.hit)
        for number in range(1, steps + 1):
            time = start + number * STEP
            add("requests_total", time, traffic)
            add("cache_hits_total", time, traffic * like.hit)
            series.setdefault("users", []).append((time, 1000.0))
            series.setdefault("pool_used", []).append((time, 0.2 + 0.1 * (number % 2)))
            night = like.night * (number * STEP <= 6 * 3600) / (6 * 3600 / STEP)
            for model, share in (("large", like.large), ("small", 1 - like.large)):
                name = like.model if model == "large" else model
                count = reached * share + night * (model == "small")
                for status, part in (("failed", like.failed), ("succeeded", 1 - like.failed)):
                    add(f'llm_requests_total{{model="{name}",status="{status}"}}', time, count * part)
                for kind, part in (("input", 0.75), ("output", 0.25)):
                    add(f'llm_tokens_total{{model="{name}",kind="{kind}"}}', time, count * like.tokens * part)
                cost = costs_of(like, day.weekday())[model] / steps + night * (model == "small") * SMALL * like.tokens
                add(f'llm_cost_eur_total{{model="{name}"}}', time, cost)
        day += timedelta(days=1)
    return series


def in_the_week(like):
    return dict.fromkeys(WEEK, like)


@pytest.fixture
def told(found):
    """What the report of the week says about a history."""
    return lambda *given, **named: found(*given, **named).report


@pytest.fixture
def found(binaries, tmp_path):
    """What a run finds out about the week of a history."""
    number = itertools.count()

    def result(series, profile=PROFILE, expenses=None, week=MONDAY, asked=lambda metrics: metrics, **known):
        # Each history in a folder of its own: what is imported twice is merged.
        with prometheus_with(binaries, tmp_path / f"prometheus-{next(number)}", series) as server:
            with Prometheus(connection(server.url)) as metrics:
                context = Context(
                    name="shop",
                    system=parse(profile, System, context=names, name="shop.yml"),
                    metrics=asked(metrics),
                    day=week,
                    now=Window.day(WEEK[-1], ROME).end + timedelta(hours=9),
                    deadline=Deadline(60),
                    expenses=expenses or Expenses(),
                    **known,
                )
                return costs.run(context)

    return result


def table(report, section):
    (found,) = [part for part in report.sections if part.id == section]
    return next((block for block in found.blocks if isinstance(block, Table)), None)


def amounts(report, section, column=1):
    """The amounts of a table, by its first column."""
    return {row.cells[0]: money(row.cells[column]) for row in table(report, section).rows}


def money(text):
    digits = text.replace("\N{MINUS SIGN}", "-").replace("€", "").replace(",", "").replace("+", "")
    return Decimal(digits) if digits else Decimal(0)


def week_of(like):
    return sum(sum(costs_of(like, number).values()) for number in range(7))


def test_a_quiet_week_is_as_the_one_before_and_asks_nothing_of_anybody(told):
    report = told(history({}), expenses=Expenses(budget=Decimal(1000)))
    assert (report.status, report.complete, report.findings) == (Status.OK, True, ())
    assert report.verdict.startswith("The week cost €") and ", as the week before;" in report.verdict
    spent = amounts(report, "spent")
    assert spent["In total"] == sum(amount for name, amount in spent.items() if name != "In total")
    assert abs(spent["In total"] - Decimal(week_of(Day()))) < Decimal("0.01")
    assert set(amounts(report, "why").values()) == {Decimal("0.00")}
    facts = {fact.name: fact.value for fact in report.tally}
    november = sum(
        sum(costs_of(Day(), (MONDAY + timedelta(days=number)).weekday()).values()) for number in range(-8, 22)
    )
    assert facts["Forecast for the month"] == f"€{november:.2f} of €1,000"


@pytest.mark.parametrize(
    ("like", "driver"),
    [
        (Day(traffic=30_000.0), VOLUME),
        (Day(hit=0.6), CACHE),
        (Day(large=0.6), MIX),
        (Day(large=0.3, model="larger"), MIX),
        (Day(tokens=1600.0), TOKENS),
        (Day(price=0.7), PRICE),
    ],
    ids=["volume", "cold cache", "mix shift", "new model", "token leak", "price change"],
)
def test_what_was_planted_is_the_cause_that_is_told_to_the_cent(told, like, driver):
    report = told(history(in_the_week(like)))
    planted = Decimal(week_of(like) - week_of(Day()))
    why = amounts(report, "why")
    assert abs(why["In total"] - planted) < Decimal("0.02")
    others = {name: part for name, part in why.items() if name not in {driver.capitalize(), "In total"}}
    assert abs(why[driver.capitalize()] - planted) < Decimal("0.03")
    assert all(abs(part) <= Decimal("0.02") for part in others.values()), others
    assert sum(others.values()) + why[driver.capitalize()] == why["In total"]


def test_a_day_that_costs_too_much_is_dated_and_attributed(told):
    report = told(history({WEEK[2]: Day(tokens=4000.0)}))
    (spike,) = [each for each in report.findings if each.subject.startswith("costs:spike")]
    assert spike.subject == f"costs:spike:{WEEK[2]}"
    assert spike.title.startswith("Wednesday cost €") and "LLM: large" in spike.detail
    assert spike.team.contact == "finance@example.com"


def test_two_days_that_nobody_saw_are_no_days_without_cost(told):
    series = history({})
    gone = [Window.day(day, ROME) for day in WEEK[3:5]]
    holed = {
        name: [(time, value) for time, value in samples if not any(window.holds(time) for window in gone)]
        for name, samples in series.items()
    }
    report = told(holed)
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert report.verdict.startswith("The week cost at least €")
    assert "Thursday" in report.gaps[0].reason and "Friday" in report.gaps[0].reason
    assert table(report, "why") is None, "nothing is compared with half a week"
    facts = {fact.name: fact.value for fact in report.tally}
    assert facts["Since the week before"] == "no baseline"
    assert facts["The week in total"].startswith("at least ")
    # A forecast takes such days for days like others.
    assert facts["Forecast for the month"].startswith("€")


def test_traffic_that_nobody_saw_is_no_day_without_traffic(told):
    series = history(in_the_week(Day(tokens=1600.0)))
    gone = Window.day(WEEK[3], ROME)
    series["requests_total"] = [(time, value) for time, value in series["requests_total"] if not gone.holds(time)]
    report = told(series)
    why = amounts(report, "why")
    assert "Cache" not in why and why["Volume"] == 0, "volume is then that of the requests to providers"
    assert abs(why["Tokens"] - Decimal(week_of(Day(tokens=1600.0)) - week_of(Day()))) < Decimal("0.03")
    assert not any("from the cache" in title for title in advised(report))


class Failing:
    """A Prometheus that does not answer some questions."""

    def __init__(self, metrics, fails):
        self.name, self.concurrency, self._metrics, self._fails = metrics.name, 1, metrics, fails

    def ask(self, question, deadline):
        if self._fails(question):
            raise TimedOut("Prometheus did not answer in time")
        return self._metrics.ask(question, deadline)


def test_a_day_that_could_not_be_read_is_no_day_without_cost(told):
    end = Window.day(WEEK[2], ROME).end
    report = told(
        history({}),
        asked=lambda metrics: Failing(metrics, lambda each: each.at == end and "llm_cost_eur_total" in each.query),
    )
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert report.verdict.startswith("The week cost at least €") and table(report, "why") is None
    assert any("did not answer in time" in gap.reason for gap in report.gaps)
    assert any("Wednesday (0 % seen)" in gap.reason for gap in report.gaps)


class Partial:
    """A Prometheus that has only a part of some answers."""

    def __init__(self, metrics, part):
        self.name, self.concurrency, self._metrics, self._part = metrics.name, 1, metrics, part

    def ask(self, question, deadline):
        answer = self._metrics.ask(question, deadline)
        return replace(answer, warnings=("a store is away",)) if self._part(question) else answer


def test_failures_that_were_counted_in_part_are_not_few(told):
    report = told(history({}), asked=lambda metrics: Partial(metrics, lambda each: 'status="failed"' in each.query))
    economics = {row.cells[0]: row.cells[1] for row in table(report, "economics").rows}
    assert economics["Paid for what failed or was made again"] == "not counted"
    assert any("a store is away" in gap.reason for gap in report.gaps) and report.status is Status.UNKNOWN


def test_users_that_could_not_be_counted_leave_the_target_unproven(told):
    report = told(history({}), asked=lambda metrics: Failing(metrics, lambda each: each.query == "max(users)"))
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert {gap.source for gap in report.gaps} == {"Active users", "Cost for each active user"}
    assert any(item.subject == "cost:system:active_users" for item in report.evidence)


def test_a_process_that_began_anew_costs_what_it_costs(told):
    series = history({})
    at = Window.day(WEEK[2], ROME).start.timestamp() + 10 * STEP
    restarted = {
        name: samples
        if name == "users"
        else [(time, value if time <= at else value - dict(samples)[at]) for time, value in samples]
        for name, samples in ((name, samples) for name, samples in series.items())
    }
    report = told(restarted)
    # What a counter had gained when it was first seen again is known; what was lost at its end is a step of 288.
    assert abs(amounts(report, "spent")["In total"] - Decimal(week_of(Day()))) < Decimal("0.02")


def test_a_pair_of_servers_that_saw_the_same_counts_once(told):
    doubled = {}
    for name, samples in history({}).items():
        for replica in "ab":
            label = f'prometheus_replica="{replica}"'
            named = name.replace("{", f"{{{label},") if "{" in name else f"{name}{{{label}}}"
            doubled[named] = samples
    report = told(doubled)
    assert abs(amounts(report, "spent")["In total"] - Decimal(week_of(Day()))) < Decimal("0.01")
    assert set(amounts(report, "why").values()) == {Decimal("0.00")}


def prices(*models):
    found = [
        Price(
            model=model,
            since=date(2026, 1, 1),
            currency="USD",
            per_million={kind: Decimal(str(price)) * 1_000_000 for kind, price in PRICES[model].items()},
            source="contract",
            checked=WEEK[-1],
        )
        for model in models
    ]
    return PriceTable(tuple(found))


def test_tokens_cost_what_the_table_says_in_the_systems_currency(told):
    money_of = Expenses(prices=prices("large", "small"), rates={"USD": Decimal("0.5")})
    report = told(history({}), profile=BY_TOKENS, expenses=money_of)
    assert abs(amounts(report, "spent")["In total"] - Decimal(week_of(Day()) / 2)) < Decimal("0.01")
    assert report.complete and report.status is Status.OK


def test_a_model_without_a_price_is_never_free(told):
    money_of = Expenses(prices=prices("small"), rates={"USD": Decimal(1)})
    report = told(history({}), profile=BY_TOKENS, expenses=money_of)
    (unpriced,) = [each for each in report.findings if each.subject.startswith("costs:unpriced")]
    assert report.status is Status.UNKNOWN and "tokens of large" in unpriced.title
    assert report.verdict.startswith("The week cost at least €")
    assert table(report, "why") is None


def test_a_currency_without_a_rate_is_in_no_total(told):
    report = told(history({}), profile=BY_TOKENS, expenses=Expenses(prices=prices("large", "small")))
    assert any("no rate from USD to EUR" in each.title for each in report.findings)


def test_fixed_costs_without_a_rate_make_every_total_a_least(told):
    cloud = FixedCost(name="Cloud", monthly=Decimal(29), currency="USD")
    report = told(history({}), expenses=Expenses(fixed=(cloud,), budget=Decimal(1000)))
    assert report.verdict.startswith("The week cost at least €") and report.status is Status.UNKNOWN
    facts = {fact.name: fact.value for fact in report.tally}
    assert facts["The week in total"].startswith("at least €")
    assert facts["Forecast for the month"].startswith("at least €")
    names = [row.cells[0] for row in table(report, "spent").rows]
    assert names[-2:] == ["Fixed costs, at least", "In total, at least"]
    economics = {row.cells[0]: row.cells[1] for row in table(report, "economics").rows}
    assert economics["The same with fixed costs"] == economics["For each paying user and month"] == "no data"


def test_fixed_costs_and_the_budget_count(told):
    money_of = Expenses(budget=Decimal(260), fixed=(SERVER,))
    report = told(history({}), expenses=money_of)
    assert amounts(report, "spent")["Fixed costs"] == Decimal("70.00")
    (budget,) = [each for each in report.findings if each.subject == "costs:budget"]
    assert budget.status is Status.CRITICAL and "used up on" in budget.detail


def test_a_budget_that_is_used_up_needs_no_forecast(told):
    new = {
        name: [(time, value) for time, value in samples if time >= Window.day(WEEK[0], ROME).start.timestamp()]
        for name, samples in history({}).items()
    }
    report = told(new, expenses=Expenses(budget=Decimal(100), fixed=(SERVER,)))
    assert {fact.name: fact.value for fact in report.tally}["Forecast for the month"] == "not enough data"
    (budget,) = [each for each in report.findings if each.subject == "costs:budget"]
    assert (budget.status, report.status) == (Status.CRITICAL, Status.CRITICAL)
    assert budget.title == "The month has cost more than its budget of €100.00"


def lacking(series, *names, days=WEEK):
    """The same without some series on some days."""
    gone = [Window.day(day, ROME) for day in days]
    return {
        name: [(time, value) for time, value in samples if not any(window.holds(time) for window in gone)]
        if name.startswith(names)
        else samples
        for name, samples in series.items()
    }


def test_a_member_without_a_number_is_no_member_without_a_cost(told):
    large = 'llm_cost_eur_total{model="large"}'
    series = history({})
    series[large] = [
        (time, float("nan") if time > Window.day(WEEK[0], ROME).start.timestamp() else value)
        for time, value in series[large]
    ]
    report = told(series)
    assert report.status is Status.UNKNOWN and not report.complete
    assert report.verdict.startswith("The week cost at least €")
    assert any("it has no number for large" in gap.reason for gap in report.gaps)


def test_a_member_that_nothing_counts_any_more_is_not_known(told):
    report = told(lacking(history({}), 'llm_cost_eur_total{model="large"}'))
    # Its requests go on, and nobody knows what they cost.
    assert [each.title for each in report.findings] == ["Costs are not known: no cost is counted for large"]
    assert report.status is Status.UNKNOWN and report.verdict.startswith("The week cost at least €")
    gone = {name: samples for name, samples in history({}).items() if 'model="large"' in name}
    report = told(history({}) | lacking(gone, "llm_"))
    assert [each.title for each in report.findings] == ["Nothing counts LLM: large any more"]
    assert report.status is Status.UNKNOWN


def test_requests_that_nobody_saw_make_the_others_no_longer(told):
    report = told(lacking(history({}), "llm_requests_total", days=WEEK[:3]))
    assert advised(report) == {}
    why = amounts(report, "why")
    assert set(why.values()) == {Decimal(0)}, why


def test_a_fixed_cost_that_has_ended_is_not_made_smaller(told):
    ended = replace(SERVER, name="Database", until=MONDAY - timedelta(days=1), busy="pool_used")
    assert advised(told(history({}), profile=WITH_POOL, expenses=Expenses(fixed=(ended,)))) == {}


def test_what_is_no_share_is_no_capacity(told):
    report = told(history({}), profile=WITH_POOL, expenses=Expenses(fixed=(replace(SERVER, busy="pool_used * 100"),)))
    assert advised(report) == {}
    assert [gap.reason for gap in report.gaps] == ["busy was 30 at most, and is no share from 0 to 1"]


def test_the_cost_of_a_user_is_held_against_its_target(told):
    report = told(history({date.fromordinal(MONDAY.toordinal() - 40): Day()} | in_the_week(Day(tokens=9000.0))))
    (user,) = [each for each in report.findings if each.subject == "costs:user"]
    assert user.status is Status.WARNING and "above €0.50 (target)" in user.title


def test_an_idle_week_says_so(told):
    days = [MONDAY + timedelta(days=number) for number in range(-29, 7)]
    report = told(history(dict.fromkeys(days, Day(traffic=0.0))))
    facts = {fact.name: fact.value for fact in report.tally}
    assert report.verdict == "The week cost nothing: no counter moved."
    assert report.findings == () and facts["Forecast for the month"] == "not enough data"


def test_a_prometheus_that_has_nothing_is_no_week_without_cost(told):
    report = told({"up": [(Window.day(WEEK[0], ROME).start.timestamp(), 1.0)]})
    assert report.verdict == "It is not known what the week cost."
    assert (report.status, report.complete) == (Status.UNKNOWN, False)


def test_a_week_that_is_not_over_is_not_told(told):
    with pytest.raises(UsageError, match="is not over"):
        told(history({}), week=MONDAY + timedelta(days=7))


TWO_ITEMS = f"{PROFILE}    requests: {{title: Requests, units: requests_total, price: '0.0001'}}\n"


def since(series, first):
    """What a Prometheus still has that forgot everything before a day."""
    start = Window.day(first, ROME).start.timestamp()
    return {name: [sample for sample in samples if sample[0] >= start] for name, samples in series.items()}


def without(series, day):
    window = Window.day(day, ROME)
    return {name: [sample for sample in samples if not window.holds(sample[0])] for name, samples in series.items()}


def section(report, name):
    (part,) = [part for part in report.sections if part.id == name]
    return part


def whole_span(week):
    return f"{week + timedelta(days=7):%-d %B} to {week + timedelta(days=36):%-d %B %Y}"


class TestWhatIsRemembered:
    @pytest.fixture
    def remembered(self, tmp_path):
        """What comes back for the week from a ledger in which a run was written down."""
        with closing(Ledger.at(tmp_path / "ledger.db").open()) as ledger:

            def keep(result):
                slot, began = result.report.slot, Window.day(MONDAY, ROME).start
                run = Run(id=slot, system="shop", job="costs", slot=slot, started_at=began)
                if not ledger.run(run.id):
                    ledger.start(run)
                ledger.finish(run, MONDAY, spent=result.spent)
                return ledger.spent("shop", *costs.span(MONDAY))

            yield keep

    def test_days_before_the_week_are_as_they_were_read_whatever_prometheus_forgot(self, found, remembered):
        series = history(in_the_week(Day(tokens=1600.0)))
        first = found(series, TWO_ITEMS)
        short, said = since(series, WEEK[0]), []

        def asked(metrics):
            class Listening:
                name, concurrency = metrics.name, metrics.concurrency

                def ask(self, question, deadline):
                    said.append(question)
                    return metrics.ask(question, deadline)

            return Listening()

        again = found(short, TWO_ITEMS, spent=remembered(first), asked=asked)
        assert again.report.lines == first.report.lines
        for name in ("spent", "economics", "why", "forecast"):
            assert section(again.report, name) == section(first.report, name)
        assert again.report.complete and again.report.verdict == first.report.verdict
        assert section(first.report, "days").note == ""
        assert section(again.report, "days").note == "28 of 35 days are from the ledger, as earlier reports read them."
        assert {question.at for question in said} == {Window.day(day, ROME).end for day in WEEK}
        (evidence,) = [item for item in again.report.evidence if item.source == "the ledger"]
        assert f"'{WEEK[0] - timedelta(days=28)}' AND '{WEEK[0] - timedelta(days=1)}'" in evidence.query
        assert not [item for item in first.report.evidence if item.source == "the ledger"]
        assert {each.day for each in again.spent.days} == set(WEEK)
        # Without a memory that Prometheus has nothing to compare with.
        assert table(found(short, TWO_ITEMS).report, "why") is None

    def test_a_definition_that_changed_forgets_its_own_item(self, found, remembered):
        series = history({})
        book = remembered(found(series, TWO_ITEMS))
        changed = TWO_ITEMS.replace("by: [model]", "by: [model, status]")
        report = found(since(series, WEEK[0]), changed, spent=book).report
        rows = list(csv.DictReader([",".join(cells) for cells in report.lines]))
        assert {row["day"] for row in rows if row["item"] == "llm"} == {str(day) for day in WEEK}
        assert len({row["day"] for row in rows if row["item"] == "requests"}) == 14
        assert table(report, "why") is None, "what is known of one item is no week before"

    def test_a_day_of_the_week_that_was_lost_is_as_it_was_read(self, found, remembered):
        series = history({WEEK[2]: Day(tokens=4000.0)})
        first = found(series)
        again = found(without(series, WEEK[2]), spent=remembered(first))
        assert again.report.complete and again.report.lines == first.report.lines
        assert "Of the week itself: Wednesday" in section(again.report, "days").note
        assert WEEK[2] not in {each.day for each in again.spent.days}

    def test_a_price_that_was_corrected_holds_for_the_week_and_history_keeps_what_was_told(self, found, remembered):
        series, rate = history({}), {"USD": Decimal(1)}
        first = found(series, BY_TOKENS, Expenses(prices=prices("large", "small"), rates=rate))
        halved = Expenses(prices=prices("large", "small"), rates={"USD": Decimal("0.5")})
        report = found(series, BY_TOKENS, halved, spent=remembered(first)).report
        why = amounts(report, "why")
        assert abs(why["In total"] + Decimal(week_of(Day()) / 2)) < Decimal("0.02")
        assert abs(why[PRICE.capitalize()] - why["In total"]) < Decimal("0.03")

    @pytest.mark.parametrize(
        ("like", "lost", "fared"),
        [
            (Day(), None, "held"),
            (Day(tokens=3000.0), None, "did not hold"),
            (Day(), date(2026, 10, 20), ""),
        ],
        ids=["as expected", "dearer", "a day that nobody knows"],
    )
    def test_forecasts_stand_beside_what_came(self, found, remembered, like, lost, fared):
        earlier, october = MONDAY - timedelta(weeks=5), month(date(2026, 10, 1))
        series = history(dict.fromkeys(october[18:], like), weeks=9)
        money_of = Expenses(fixed=(FixedCost(name="server", monthly=Decimal(31), currency="EUR"),))
        first = found(series, week=earlier, expenses=money_of)
        assert reconciliation.YOUNG in section(first.report, "forecast").note
        book = remembered(first)
        assert [(each.first, each.last) for each in book.outlays] == [
            (october[0], october[-1]),
            (earlier + timedelta(days=7), earlier + timedelta(days=36)),
        ]
        report = found(without(series, lost) if lost else series, expenses=money_of, spent=book).report
        outlook = section(report, "forecast")
        assert outlook.note == ""
        ahead, whole = (row.cells for row in outlook.blocks[1].rows)
        assert (whole[:2], ahead[:2]) == (("11 October 2026", "October 2026"), ("11 October 2026", whole_span(earlier)))
        if lost:
            assert whole[4] == ahead[4] == "not known in full"
        else:
            planted = 31 + sum(
                sum(costs_of(like if day >= october[18] else Day(), day.weekday()).values()) for day in october
            )
            assert abs(money(whole[4]) - Decimal(planted)) <= Decimal("0.51")
            assert f"{2 if like == Day() else 0} of 2 within" in outlook.blocks[1].note
            missed = abs(money(whole[2]) / Decimal(planted) - 1) * 100
            assert abs(Decimal(whole[5].partition(" ")[0]) - missed) < Decimal("0.3")
            assert whole[5].endswith("too little") == (like != Day())
        assert whole[6] == ahead[6] == fared

    def test_an_invoice_is_held_against_the_days_of_its_month(self, found, remembered):
        october = month(date(2026, 10, 1))
        series = history({}, weeks=9)
        book = remembered(found(series, TWO_ITEMS, week=MONDAY - timedelta(weeks=5)))
        planted = exact(sum(sum(costs_of(Day(), day.weekday()).values()) for day in october))

        def billed(item, amount, currency="EUR", of=october[0]):
            return Invoice(item=item, month=of, amount=exact(amount), currency=currency)

        bills = (
            billed("llm", planted * Decimal("1.25")),
            billed("requests", sum(2 * PATTERN[day.weekday()] for day in october)),
            billed("llm", planted, of=date(2026, 8, 1)),
        )
        report = found(series, TWO_ITEMS, Expenses(invoices=bills), spent=book).report
        rows = {(row.cells[0], row.cells[1]): row.cells[2:] for row in table(report, "invoices").rows}
        computed, invoice, gap, share = rows["LLM", "October 2026"]
        assert abs(money(computed) - planted) < Decimal("0.05") and money(gap) == money(invoice) - money(computed)
        assert share.startswith("20") and rows["Requests", "October 2026"][3].startswith("0")
        assert rows["LLM", "August 2026"][0] == "not known in full: 31 days are missing"
        assert rows["LLM", "August 2026"][2:] == ("", "")
        (finding,) = [each for each in report.findings if each.subject.startswith("costs:invoice")]
        assert finding.subject == "costs:invoice:llm:2026-10" and finding.status is Status.WARNING
        assert "above what was computed by 20" in finding.title and "too low" in finding.advice
        assert report.complete and finding.team.contact == "finance@example.com"
        strange = Expenses(invoices=(billed("mails", 5), billed("llm", 5, "USD")))
        report = found(series, TWO_ITEMS, strange, spent=book).report
        assert [gap.source for gap in report.gaps] == ["Invoices of mails", "Invoices in USD"]
        assert not [each for each in report.findings if each.subject.startswith("costs:invoice")]

    def test_a_day_that_was_not_read_in_full_is_not_remembered(self, found):
        end = Window.day(WEEK[2], ROME).end
        kept = found(
            without(history({}), WEEK[4]),
            asked=lambda metrics: Failing(metrics, lambda each: each.at == end and "llm_requests_total" in each.query),
        ).spent
        assert {each.day for each in kept.days} & set(WEEK) == set(WEEK) - {WEEK[2], WEEK[4]}


@pytest.fixture(scope="module")
def shop(binaries, tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    with prometheus_with(binaries, folder / "prometheus", history(in_the_week(Day(tokens=1600.0)))) as server:
        (folder / "shop.yml").write_text(PROFILE)
        (folder / "bare.yml").write_text(PROFILE.partition("costs:")[0])
        (folder / "opsjobs.yml").write_text(
            f"systems:\n"
            f"  shop: {{profile: shop.yml, prometheus: {{url: '{server.url}'}}, costs: {{budget: 9000, "
            f"invoices: [{{item: llm, month: 2026-10, amount: 12.30}}]}}}}\n"
            f"  bare: {{profile: bare.yml, prometheus: {{url: '{server.url}'}}}}\n"
            f"storage: {{root: state}}\n"
        )
        yield folder


class TestOnTheCommandLine:
    def opsjobs(self, folder, *words):
        return subprocess.run(
            [sys.executable, "-m", "opsjobs", *words],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            capture_output=True,
            text=True,
        )

    def test_a_week_becomes_five_files_that_say_the_same(self, shop):
        done = self.opsjobs(shop, "costs", "--week", "2026-W46")
        assert done.returncode == 0, done.stderr
        assert "60.0 % more than the week before (tokens +€27.52); an active user costs €" in done.stdout
        assert "→ LLM: large: send 1,000 tokens with a request as before, not 1,600: €102.06 a month (" in done.stdout
        folder = shop / "state/reports/shop/costs/2026-W46"
        assert sorted(path.name for path in folder.iterdir()) == [
            f"report.{kind}" for kind in ("csv", "html", "json", "pdf", "txt")
        ]
        with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        week = [row for row in rows if row["day"] in {str(day) for day in WEEK}]
        total = sum(Decimal(row["amount_EUR"]) for row in week)
        assert abs(total - Decimal(week_of(Day(tokens=1600.0)))) < Decimal("0.001")
        assert {row["model"] for row in rows} == {"large", "small"} and len({row["day"] for row in rows}) == 14
        assert "Tokens" in (folder / "report.txt").read_text()
        assert "not known in full: 11 days are missing" in (folder / "report.txt").read_text()
        document = json.loads((folder / "report.json").read_text())
        jsonschema.validate(document, json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text()))
        (run,) = json.loads(self.opsjobs(shop, "runs", "list", "--job", "costs", "--json").stdout)["runs"]
        assert (run["job"], run["slot"], run["outcome"]) == ("costs", "2026-W46", "succeeded")

    def test_what_is_advised_is_remembered_and_what_was_dismissed_is_advised_no_more(self, shop):
        def known(*words):
            (told,) = json.loads(self.opsjobs(shop, "findings", "list", "--json", "--system", "shop", *words).stdout)[
                "systems"
            ]
            return {each["id"]: each for each in told["findings"]}

        self.opsjobs(shop, "costs", "--system", "shop", "--week", "2026-W46")
        first, second = known()
        reason = ("--reason", "we need them", "--system", "shop")
        assert self.opsjobs(shop, "findings", "dismiss", first, *reason).returncode == 0
        done = self.opsjobs(shop, "costs", "--system", "shop", "--week", "2026-W46")
        assert first not in done.stdout and second in done.stdout
        assert set(known()) == {second} and set(known("--all")) == {first, second}
        assert known("--all")[first]["decision"] == "dismissed"
        self.opsjobs(shop, "findings", "accept", first, "--system", "shop")

    def test_a_second_run_asks_only_for_the_week(self, shop):
        for _ in range(2):
            done = self.opsjobs(shop, "costs", "--week", "2026-W46", "--out", "twice")
            assert done.returncode == 0, done.stderr
        text = " ".join((shop / "twice/shop/costs/2026-W46/report.txt").read_text().split())
        assert "28 of 35 days are from the ledger" in text and "FROM spent_lines" in text

    def test_a_system_without_costs_is_told_how_to_get_them(self, shop):
        done = self.opsjobs(shop, "costs", "--system", "bare", "--week", "2026-W46")
        assert done.returncode == 64
        assert "says nothing of costs" in done.stderr and "docs/costs.md" in done.stderr

    @pytest.mark.parametrize("week", ["2026-W60", "46", "2026-11-09"])
    def test_a_week_that_is_none_is_told_with_one_that_is(self, shop, week):
        done = self.opsjobs(shop, "costs", "--week", week)
        assert done.returncode == 64 and "such as 2026-W46" in done.stderr

    def test_a_prometheus_that_is_gone_leaves_a_partial_report(self, shop, tmp_path):
        (tmp_path / "opsjobs.yml").write_text(
            "systems: {pratikoai: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}}}\nstorage: {root: state}\n"
        )
        done = self.opsjobs(tmp_path, "costs", "--week", "2026-W46")
        assert done.returncode == 3
        assert (
            "It is not known what the week cost." in done.stdout
            and "cannot be reached" in (tmp_path / "state/reports/pratikoai/costs/2026-W46/report.txt").read_text()
        )


def advised(report):
    """What is advised, by its title, with what it saves in a month."""
    rows = table(report, "advice").rows if table(report, "advice") else ()
    return {row.cells[1]: money(row.cells[2]) for row in rows}


def in_a_month(amount):
    return Decimal(amount) * 30 / 7


@pytest.mark.parametrize(
    ("like", "instead", "said"),
    [
        (Day(hit=0.6), Day(), "Answer 80.0 % from the cache, as in the best of the weeks before; it was 60.0 %"),
        (Day(tokens=1600.0), Day(), "send 1,000 tokens with a request as before, not 1,600"),
        (Day(large=0.6), Day(), "LLM: large: let small take again what it had before"),
        (Day(failed=0.1), Day(traffic=20_000 * 0.91), "pay less for requests that fail or are made again"),
    ],
    ids=["cold cache", "token leak", "mix shift", "failures"],
)
def test_what_went_wrong_is_worth_what_it_added(told, like, instead, said):
    report = told(history(in_the_week(like)))
    saves = advised(report)
    assert saves and all(said in title for title in saves), saves
    planted = in_a_month(week_of(like) - week_of(instead))
    assert abs(sum(saves.values()) - planted) < Decimal("0.05")
    (best,) = [section for section in report.sections if section.first]
    assert best.title == "What to do" and len(best.blocks[0].rows) == (1 if len(saves) == 1 else len(saves) + 1)
    facts = {fact.name: fact.value for fact in report.tally}
    (best_of,) = [value for name, value in facts.items() if name.startswith("The best")]
    assert money(best_of.removeprefix("up to ").split()[0]) == sum(saves.values())


def test_a_quiet_week_advises_nothing_and_says_why(told):
    report = told(history({}))
    assert advised(report) == {} and not any(section.first for section in report.sections)
    (section,) = [part for part in report.sections if part.id == "advice"]
    assert section.note.startswith("Nothing is advised: no lever would save")


@pytest.mark.parametrize(
    ("days", "why"),
    [
        (in_the_week(Day(traffic=8_000.0, hit=0.5)), "the week was idle: 40.0 % of what is usual"),
        (
            {MONDAY - timedelta(days=number): Day(traffic=0.0) for number in range(1, 29)},
            "2 of the 4 weeks before must be known in full and not idle, and 0 are",
        ),
    ],
    ids=["an idle week", "idle weeks before"],
)
def test_nothing_is_learned_from_an_idle_week(told, days, why):
    report = told(history(days))
    (section,) = [part for part in report.sections if part.id == "advice"]
    assert section.note == f"Nothing is advised: {why}." and advised(report) == {}


def test_work_that_no_user_waits_for_can_be_sent_in_batches(told):
    report = told(history(in_the_week(Day(night=3_000.0))))
    saves = advised(report)
    (batch,) = [title for title in saves if "in batches" in title]
    assert abs(saves[batch] - in_a_month(7 * 3_000 * 1000 * SMALL / 2)) < Decimal("0.02")


def test_half_of_what_is_never_busy_would_do(told):
    database = FixedCost(name="Database", monthly=Decimal(60), currency="EUR", busy="pool_used")
    report = told(history({}), profile=WITH_POOL, expenses=Expenses(fixed=(database,)))
    saves = advised(report)
    (title,) = saves
    assert title.startswith("Database: take half the size; it was 30.0 % busy at most in four weeks")
    assert saves[title] == Decimal(30)
    idle = {row.cells[0]: row.cells[1] for row in table(report, "economics").rows}
    assert idle["Paid each month for capacity that was not used"] == "€45.00"


class Naming:
    """Rules and dashboards that name some metrics."""

    def __init__(self, *texts):
        self.name, self._texts = "Grafana", texts

    def rules(self, deadline):
        return tuple(RunningRule(name="x", query=text, interval=60) for text in self._texts[:1])

    def texts(self, deadline):
        yield from self._texts[1:]


PAID = FixedCost(name="Grafana Cloud", monthly=Decimal(70), currency="EUR", series=True)


def idle_series(count):
    """Series of a metric that nothing asks for, and of a histogram that something does."""
    end = Window.day(WEEK[-1], ROME).end.timestamp()
    names = [f'kube_forgotten{{pod="{number}"}}' for number in range(count)]
    return {
        name: [(end - 300, 1.0), (end, 1.0)] for name in (*names, 'slow_seconds_bucket{le="1"}', "slow_seconds_sum")
    }


def test_series_that_nothing_asks_for_are_worth_their_share(told):
    # 10 series of the shop (its profile names them), 2 of a histogram, 28 that nothing asks for.
    naming = Naming("sum(rate(slow_seconds_count[5m]))", '{"expr": "pool_used > 1"}')
    series = history({}) | idle_series(28)
    report = told(series, expenses=Expenses(fixed=(PAID,)), rules=naming, dashboards=naming)
    ((title, saved),) = advised(report).items()
    assert "stop keeping series that nothing asks for: kube_forgotten" in title
    whole = len(series)
    assert f"28 of {whole} series" in title
    assert abs(saved - Decimal(70) * 28 / whole) < Decimal("0.01")
    few = told(history({}) | idle_series(2), expenses=Expenses(fixed=(PAID,)), rules=naming, dashboards=naming)
    assert advised(few) == {}


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({}, "it is not configured where Prometheus is"),
        ({"rules": Naming("up")}, "it is not configured where Grafana is"),
        (
            {"rules": Naming("up"), "dashboards": Naming("up", '{"expr": "count({__name__=~\\"a.*\\"})"}')},
            "a rule or a dashboard selects metrics by a pattern of their names, or makes names of variables",
        ),
    ],
    ids=["no rules", "no Grafana", "a pattern"],
)
def test_series_are_not_called_unused_where_nobody_knows_who_asks_for_them(told, known, reason):
    report = told(history({}) | idle_series(28), expenses=Expenses(fixed=(PAID,)), **known)
    assert advised(report) == {} and (report.status, report.complete) == (Status.UNKNOWN, False)
    assert [gap.reason for gap in report.gaps if gap.source == "Unused series"] == [reason]


def test_what_is_done_is_held_against_how_it_was(found):
    cold = found(history(in_the_week(Day(hit=0.6))))
    (advice,) = cold.advised
    done = replace(
        advice,
        decision=Decision.DONE,
        at=Window.day(MONDAY - timedelta(days=3), ROME).start,
        by="ada",
        last_seen=MONDAY,
    )
    warm = found(history({}), advised={advice.id: done}, saved={advice.id: {MONDAY - timedelta(days=7): Decimal(2)}})
    (realised,) = warm.realised
    assert (realised.id, realised.week) == (advice.id, MONDAY)
    assert abs(realised.amount - Decimal(week_of(Day(hit=0.6)) - week_of(Day()))) < Decimal("0.01")
    row = table(warm.report, "advice").rows[0].cells
    assert money(row[3]) == realised.amount.quantize(Decimal("0.01"))
    assert money(row[4]) == (realised.amount + 2).quantize(Decimal("0.01")) and row[5] == "2"
    # Cold again: it saves nothing, and that is said.
    again = found(history(in_the_week(Day(hit=0.6))), advised={advice.id: done})
    assert abs(again.realised[0].amount) < Decimal("0.01")
    assert [each.decision for each in again.advised] == [Decision.OPEN] and len(advised(again.report)) == 1


def test_what_was_dismissed_is_not_advised_until_its_time_is_over(found):
    series = history(in_the_week(Day(hit=0.6)))
    (advice,) = found(series).advised
    at = Window.day(MONDAY, ROME).start
    no = replace(advice, decision=Decision.DISMISSED, at=at, by="ada", reason="answers must be fresh")
    silenced = found(series, advised={advice.id: no})
    assert advised(silenced.report) == {} and silenced.advised[0].reason == "answers must be fresh"
    over = found(series, advised={advice.id: replace(no, until=MONDAY - timedelta(days=1))})
    assert len(advised(over.report)) == 1
    assert [(each.decision, each.at) for each in over.advised] == [(Decision.OPEN, at)]
