"""No data is never OK: the daily report on a real Prometheus with hand-made history, one weakness at a time."""

import json
import math
import re
from datetime import UTC, datetime

import pytest

from opsjobs.demo.prometheus import Prometheus as Server
from opsjobs.demo.prometheus import import_history
from opsjobs.http import Deadline
from opsjobs.jobs import Context, daily
from opsjobs.model import Quality, Status
from opsjobs.report import render
from opsjobs.sources.prometheus import Prometheus
from tests.conftest import connection, openmetrics, prometheus_with
from tests.unit.shop import DAY, days, system

NOW = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
BEGIN = int(days().week_before.start.timestamp())
DAY_BEGIN = int(days().window.start.timestamp())
END = int(days().window.end.timestamp())
HOUR = 3600


def steady(value, *, until=END, since=BEGIN, but=()):
    """A sample each minute; `but` says (from, until, value) for spans, where value ... is none."""
    samples = []
    for time in range(since, until + 1, 60):
        state = next((other for start, end, other in but if start <= time < end), value)
        if state is not ...:
            samples.append((time, state))
    return samples


def healthy(**changed):
    series = {
        'up{job="api",instance="a"}': steady(1.0),
        'db_up{instance="db"}': steady(1.0),
        "orders": steady(30.0),
        "stock": steady(5.0),
        "paid": steady(98.0),
        "tried": steady(100.0),
    }
    series.update(changed)
    return {name: samples for name, samples in series.items() if samples}


def reported(url, **known):
    with Prometheus(connection(url, **known)) as metrics:
        return daily.run(
            Context(name="shop", system=system(), metrics=metrics, day=DAY, now=NOW, deadline=Deadline(60))
        )


@pytest.fixture
def report(binaries, tmp_path):
    """The report over a history."""

    def make(series):
        with prometheus_with(binaries, tmp_path / "prometheus", series) as server:
            return reported(server.url)

    return make


def result_of(result, name):
    return next(indicator for indicator in result.indicators if indicator.id == name)


def subjects(result):
    return [finding.subject for finding in result.report.findings]


def test_a_healthy_history_is_ok_and_complete(report):
    result = report(healthy())
    assert (result.report.status, result.report.complete, subjects(result)) == (Status.OK, True, [])


def test_a_metric_that_never_was_is_unknown_and_a_gap(report):
    result = report(healthy(stock=None))
    assert result_of(result, "stock").status is Status.UNKNOWN
    assert subjects(result) == ["metric:stock"]
    assert "not seen in the 8 days" in result.report.findings[0].detail
    assert not result.report.complete


def test_a_metric_that_stopped_at_fourteen_is_stale_with_its_time(report):
    result = report(healthy(orders=steady(30.0, until=DAY_BEGIN + 14 * HOUR)))
    orders = result_of(result, "orders")
    assert (orders.status, orders.measurement.quality) == (Status.UNKNOWN, Quality.STALE)
    assert subjects(result) == ["metric:orders"]
    assert result.report.findings[0].detail == "No samples since 14:00 (10 h)."


def test_nan_is_unknown_and_is_in_no_file(report):
    result = report(healthy(stock=steady(math.nan)))
    stock = result_of(result, "stock")
    assert (stock.measurement.value, stock.status, stock.measurement.quality) == (None, Status.UNKNOWN, Quality.NAN)
    assert subjects(result) == ["indicator:stock"]
    files = render(result.report).files
    json.loads(files["report.json"], parse_constant=pytest.fail)
    # As a number anywhere: in a cell, a tooltip or a coordinate of a chart.
    assert not re.search(rb'NaN|value">[^<]*nan|[ ,"]nan[ ,"]', files["report.html"])


def test_infinity_is_unknown_too(report):
    assert result_of(report(healthy(stock=steady(math.inf))), "stock").status is Status.UNKNOWN


def test_a_ratio_of_nothing_is_unknown(report):
    result = report(healthy(paid=steady(0.0), tried=steady(0.0)))
    assert result_of(result, "paid").status is Status.UNKNOWN
    assert "division by zero" in result_of(result, "paid").measurement.reason


def test_an_instance_that_vanished_has_a_row_of_its_own(report):
    gone = {f'up{{job="api",instance="{name}"}}': steady(1.0) for name in ("b", "c")}
    gone['up{job="api",instance="c"}'] = steady(1.0, until=DAY_BEGIN - HOUR)
    result = report(healthy(**gone))
    (finding,) = result.report.findings
    assert (finding.subject, finding.status) == ("component:api", Status.UNKNOWN)
    assert finding.detail.startswith("c: not seen in the window")


def test_a_component_that_was_down_and_came_back_is_told_with_its_minutes(report):
    spans = [(DAY_BEGIN + 3 * HOUR + 2400, DAY_BEGIN + 4 * HOUR + 1200, 0.0)]
    result = report(healthy(**{'up{job="api",instance="a"}': steady(1.0, but=spans)}))
    (finding,) = result.report.findings
    assert finding.detail == "Down from 03:40 to 04:20 (40 min)."
    assert finding.explains == ("Answering: 95.8 %",)


def test_hours_without_any_sample_are_told_once(report):
    hole = [(DAY_BEGIN + 10 * HOUR, DAY_BEGIN + 13 * HOUR, ...)]
    names = healthy()
    result = report({name: steady(samples[0][1], but=hole) for name, samples in names.items()})
    assert subjects(result) == ["source:prometheus"]
    assert result.report.findings[0].title == "Monitoring was blind"
    assert result.report.status is Status.UNKNOWN


def test_an_answer_in_part_is_not_ok(binaries, tmp_path):
    """A Prometheus that can not reach the store it also reads from answers with warnings."""

    class WithAStoreThatIsGone(Server):
        def _config(self):
            return {**super()._config(), "remote_read": [{"url": "http://127.0.0.1:9/read", "read_recent": True}]}

    server = WithAStoreThatIsGone(binaries, tmp_path)
    (tmp_path / "history.om").write_text(openmetrics(healthy()))
    import_history(binaries, tmp_path / "history.om", server.storage)
    with server:
        result = reported(server.url)
    assert subjects(result) == ["source:prometheus"]
    assert result.report.findings[0].title == "Prometheus answered only in part"
    assert {indicator.status for indicator in result.indicators} == {Status.UNKNOWN}
    assert not result.report.complete


def test_a_source_that_is_killed_half_way_leaves_a_partial_report_with_one_cause(binaries, tmp_path):
    server = Server(binaries, tmp_path)
    (tmp_path / "history.om").write_text(openmetrics(healthy()))
    import_history(binaries, tmp_path / "history.om", server.storage)

    class Killed(Prometheus):
        """Real questions to a real server, which is gone after the eighth."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.answered = 0

        def ask(self, question, deadline):
            if self.answered == 8:
                server.stop()
            self.answered += 1
            return super().ask(question, deadline)

    with server, Killed(connection(server.url, concurrency=1, timeout=5)) as metrics:
        result = daily.run(
            Context(name="shop", system=system(), metrics=metrics, day=DAY, now=NOW, deadline=Deadline(60))
        )
    assert not result.report.complete
    assert subjects(result) == ["source:prometheus"]
    assert result.report.findings[0].title == "Prometheus failed on 5 of 13 queries"
    assert result_of(result, "orders").status is Status.OK
    assert result_of(result, "answering").status is Status.UNKNOWN
    assert "Answering" in result.report.findings[0].explains


def test_a_source_that_is_not_there_gives_a_report_that_says_so_in_every_format():
    result = reported("http://127.0.0.1:9", timeout=3)
    assert (result.report.status, result.report.complete) == (Status.UNKNOWN, False)
    files = render(result.report).files
    for name in ("report.html", "report.txt", "report.json"):
        said = files[name].decode()
        assert "Connection refused" in said
        assert "systems.shop.prometheus.url" in said
