"""MEASURE opsjobs itself: from the ledger, what Prometheus may know of its jobs, messages, indicators and checks.

Everything is a gauge: rows of the ledger are removed in time, so nothing in it only grows. The name of a job is the
label `job_name`, because `job` is Prometheus' own word for what it scrapes, and a Pushgateway overwrites it.

To add a metric: a function that yields its families, and a line in `families`; docs/archive.md lists them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opsjobs import __version__
from opsjobs.ledger.reading import Reading
from opsjobs.model import DeliveryState, Outcome, Status

_OPENMETRICS = "application/openmetrics-text"
_LATELY = timedelta(days=1)
_WEEK = timedelta(days=7)
_JOB = ("system", "job_name")


def exposition(reading: Reading, now: datetime, accept: str = "") -> tuple[str, bytes]:
    """The media type and the text, in the format that an `Accept` header asks for. Raises `LedgerError`."""
    # The library falls over what it does not expect in such a header.
    encode, media_type = choose_encoder(_OPENMETRICS if _OPENMETRICS in accept else "")
    return media_type, encode(_Gathered(families(reading, now)))


def families(reading: Reading, now: datetime) -> list[Metric]:
    """Every metric with its samples. Raises `LedgerError`."""
    return [
        _build(),
        *_runs(reading, now),
        *_messages(reading, now),
        *_indicators(reading),
        *_checks(reading),
    ]


class _Gathered(Collector):
    """Metrics that were made already, so that what goes wrong goes wrong before the first byte."""

    def __init__(self, made: Iterable[Metric]) -> None:
        self._made = list(made)

    def collect(self) -> Iterable[Metric]:
        return self._made


def _build() -> Metric:
    family = GaugeMetricFamily("opsjobs_build_info", "The version of opsjobs; always 1.", labels=["version"])
    family.add_metric([__version__], 1)
    return family


def _runs(reading: Reading, now: datetime) -> Iterator[Metric]:
    last = reading.last()
    began = GaugeMetricFamily(
        "opsjobs_last_run_timestamp_seconds", "When the last run of a job that has ended began.", labels=_JOB
    )
    took = GaugeMetricFamily(
        "opsjobs_last_run_duration_seconds", "How long it took; none for one that crashed.", labels=_JOB
    )
    ended = GaugeMetricFamily("opsjobs_last_run_outcome", "How it ended: 1 for what is so.", labels=[*_JOB, "outcome"])
    found = GaugeMetricFamily(
        "opsjobs_last_run_status",
        "What it found: 1 for what is so; none where it found nothing.",
        labels=[*_JOB, "status"],
    )
    for run in last:
        job = [run.system, run.job]
        began.add_metric(job, run.started_at.timestamp())
        # Nobody saw when a run that crashed ended.
        if run.finished_at and run.outcome is not Outcome.CRASHED:
            took.add_metric(job, (run.finished_at - run.started_at).total_seconds())
        for outcome in Outcome:
            if outcome is not Outcome.RUNNING:
                ended.add_metric([*job, outcome.value], float(outcome is run.outcome))
        if run.status:
            _one_of(found, job, run.status)
    done = GaugeMetricFamily(
        "opsjobs_last_success_timestamp_seconds", "When the last run that did its work ended.", labels=_JOB
    )
    for run in reading.done():
        done.add_metric([run.system, run.job], (run.finished_at or run.started_at).timestamp())
    running = GaugeMetricFamily(
        "opsjobs_running_since_timestamp_seconds", "When the run began that goes on; none where none does.", labels=_JOB
    )
    for run in reading.going_on():
        running.add_metric([run.system, run.job], run.started_at.timestamp())
    missed = GaugeMetricFamily(
        "opsjobs_missed_slots", "Slots of the last seven days that were due and that nobody ran.", labels=_JOB
    )
    for job_of, slots in reading.missed(now - _WEEK).items():
        missed.add_metric(job_of, slots.number)
    yield from (began, took, ended, found, done, running, missed)


def _messages(reading: Reading, now: datetime) -> Iterator[Metric]:
    counted = reading.messages(now - _LATELY)
    overdue = reading.overdue(now)
    by_state = GaugeMetricFamily(
        "opsjobs_deliveries",
        "Messages of the last 24 hours by how far they are.",
        labels=["system", "channel", "state"],
    )
    late = GaugeMetricFamily(
        "opsjobs_overdue_deliveries", "Messages that should have been sent by now.", labels=["system", "channel"]
    )
    for (system, channel), number in sorted(overdue.items()):
        late.add_metric([system, channel], number)
        for state in DeliveryState:
            by_state.add_metric([system, channel, state.value], counted[system, channel, state.value])
    yield from (by_state, late)


def _indicators(reading: Reading) -> Iterator[Metric]:
    values = GaugeMetricFamily(
        "opsjobs_indicator_value",
        "The value of an indicator on the newest day that was reported; none where it is not known.",
        labels=["system", "indicator", "unit"],
    )
    statuses = GaugeMetricFamily(
        "opsjobs_indicator_status", "How it was: 1 for what is so.", labels=["system", "indicator", "status"]
    )
    days = GaugeMetricFamily(
        "opsjobs_indicator_day_timestamp_seconds",
        "The newest day that was reported, as its midnight of UTC.",
        labels=["system"],
    )
    newest: dict[str, float] = {}
    for each in reading.values():
        newest[each.system] = datetime.combine(each.day, time(), UTC).timestamp()
        if each.value is not None and math.isfinite(each.value):
            values.add_metric([each.system, each.indicator, each.unit], each.value)
        _one_of(statuses, [each.system, each.indicator], each.status)
    for system, day in newest.items():
        days.add_metric([system], day)
    yield from (values, statuses, days)


def _checks(reading: Reading) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "opsjobs_check_status",
        "How a check was when it was looked at last: 1 for what is so; only those that are or lately were not well.",
        labels=["system", "check", "status"],
    )
    for (system, check), status in reading.states().items():
        _one_of(family, [system, check], status)
    yield family


def _one_of(family: GaugeMetricFamily, labels: list[str], status: Status) -> None:
    for each in Status:
        family.add_metric([*labels, each.name], float(each is status))
