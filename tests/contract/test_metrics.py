"""What everything that answers PromQL must do: the fake always, a real Prometheus too."""

from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.errors import QueryRejected, TimedOut, Unreachable
from opsjobs.http import Deadline
from opsjobs.model import Window
from opsjobs.sources import Question, ask_all
from opsjobs.sources.prometheus import Prometheus
from tests.conftest import connection, prometheus_with
from tests.fakes import FakeMetrics

START = datetime(2026, 11, 18, tzinfo=UTC)
ZERO = START.timestamp()
HISTORY = {
    "steady": [(ZERO + minute * 60, 42.0) for minute in range(121)],
    "counted": [(ZERO + minute * 60, float(minute)) for minute in range(121)],
    "stopped": [(ZERO + minute * 60, 7.0) for minute in range(31)],
    "undefined": [(ZERO + minute * 60, float("nan")) for minute in range(121)],
    "endless": [(ZERO + minute * 60, float("inf")) for minute in range(121)],
}


@pytest.fixture(scope="module")
def real(binaries, tmp_path_factory):
    with (
        prometheus_with(binaries, tmp_path_factory.mktemp("contract"), HISTORY) as server,
        Prometheus(connection(server.url)) as metrics,
    ):
        yield metrics


@pytest.fixture(params=["fake", "real"])
def metrics(request):
    return FakeMetrics(HISTORY) if request.param == "fake" else request.getfixturevalue("real")


def at(minutes):
    return START + timedelta(minutes=minutes)


def instant(metrics, query, minutes):
    return metrics.ask(Question(query=query, at=at(minutes)), Deadline(10))


def ranged(metrics, query, start, end, step):
    window = Window(start=at(start), end=at(end))
    return metrics.ask(Question(query=query, at=window.end, window=window, step=step), Deadline(10))


def test_an_instant_has_the_value_and_the_time_that_was_asked_for(metrics):
    (series,) = instant(metrics, "counted", 30).series
    assert [(sample.time, sample.value) for sample in series.samples] == [(at(30).timestamp(), 30.0)]


def test_a_metric_that_never_was_gives_no_series_and_no_error(metrics):
    assert instant(metrics, "nosuch", 30).series == ()


def test_a_series_that_ended_is_served_for_five_minutes_and_then_is_gone(metrics):
    (series,) = instant(metrics, "stopped", 34).series
    assert series.samples[0].value == 7.0
    assert instant(metrics, "stopped", 36).series == ()


def test_a_range_begins_one_step_after_its_start_and_holds_its_end(metrics):
    (series,) = ranged(metrics, "counted", 10, 20, 300).series
    assert [(sample.time, sample.value) for sample in series.samples] == [
        (at(15).timestamp(), 15.0),
        (at(20).timestamp(), 20.0),
    ]


def test_two_windows_that_touch_share_no_point(metrics):
    first = ranged(metrics, "counted", 0, 60, 600).series[0].samples
    second = ranged(metrics, "counted", 60, 120, 600).series[0].samples
    whole = ranged(metrics, "counted", 0, 120, 600).series[0].samples
    assert (*first, *second) == whole


def test_nan_and_infinities_are_none(metrics):
    assert instant(metrics, "undefined", 30).series[0].samples[0].value is None
    assert instant(metrics, "endless", 30).series[0].samples[0].value is None


def test_a_range_keeps_the_points_before_a_series_ended(metrics):
    (series,) = ranged(metrics, "stopped", 0, 120, 600).series
    assert [sample.time for sample in series.samples] == [at(minute).timestamp() for minute in (10, 20, 30)]


def test_a_query_that_is_not_promql_is_rejected(metrics):
    with pytest.raises(QueryRejected):
        instant(metrics, "sum(", 30)


def test_answers_come_in_the_order_of_the_questions_and_an_error_stays_in_its_place(metrics):
    questions = [Question(query=query, at=at(30)) for query in ("counted", "sum(", "steady", "nosuch")]
    first, second, third, fourth = ask_all(metrics, questions, Deadline(10))
    assert first.series[0].samples[0].value == 30.0
    assert isinstance(second, QueryRejected)
    assert third.series[0].samples[0].value == 42.0
    assert fourth.series == ()


def test_a_range_of_more_points_than_the_server_allows_is_asked_in_parts(real):
    (series,) = ranged(real, "steady", 0, 120, 60).series
    assert len(series.samples) == 120
    # 72,000 points at 100 ms would be refused; 21,600 points at 1 s are over the server's 11,000 as well.
    window = Window(start=at(-240), end=at(120))
    (series,) = real.ask(Question(query="steady", at=window.end, window=window, step=1), Deadline(30)).series
    times = [sample.time for sample in series.samples]
    assert times == [ZERO + second for second in range(7201)]


def test_a_real_server_that_went_away_is_unreachable(binaries, tmp_path):
    with prometheus_with(binaries, tmp_path, HISTORY) as server:
        metrics = Prometheus(connection(server.url))
        assert instant(metrics, "steady", 30).series
    with pytest.raises(Unreachable, match="cannot be reached: Connection refused"):
        instant(metrics, "steady", 30)


def test_a_question_that_comes_too_late_is_told_as_a_time_out(real):
    with pytest.raises(TimedOut):
        real.ask(Question(query="steady", at=at(30)), Deadline(0))
