"""opsjobs' own metrics: what the ledger knows, as Prometheus reads it."""

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from opsjobs import __version__
from opsjobs.model import CheckState, DeliveryState, Form, Message, Outcome, Slot, SlotState, Status
from opsjobs.telemetry import exposition
from tests.contract.test_reading import DELIVERY
from tests.unit.analysis.test_indicators import judge
from tests.unit.report.samples import HOSTILE
from tests.unit.serving.kept import NOW, Kept
from tests.unit.shop import answer


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.close()


class Samples(dict):
    """Samples by their name and labels."""

    def of(self, name, **labels):
        """The only sample with these labels."""
        found = [value for key, value in self.items() if key[0] == name and labels.items() <= dict(key[1]).items()]
        assert len(found) == 1, (name, labels, found)
        return found[0]

    def named(self, name, label=""):
        """The values of all samples of that name, by a label."""
        return {dict(key[1]).get(label, ""): value for key, value in self.items() if key[0] == name}


def samples(kept, now=NOW):
    _, content = exposition(kept.reading, now)
    return Samples(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in prometheus_text(content.decode())
            for sample in family.samples
        }
    )


def test_a_new_ledger_says_only_which_version_it_is(kept):
    assert samples(kept) == {("opsjobs_build_info", frozenset({("version", __version__)})): 1}


def test_of_a_job_it_tells_when_how_long_and_how_it_ended(kept):
    kept.ran(at=NOW, took=6.5, outcome=Outcome.PARTIAL, status=Status.UNKNOWN)
    found = samples(kept)
    assert found.of("opsjobs_last_run_timestamp_seconds", system="shop", job_name="daily") == NOW.timestamp()
    assert found.of("opsjobs_last_success_timestamp_seconds", system="shop", job_name="daily") == NOW.timestamp() + 6.5
    assert found.of("opsjobs_last_run_duration_seconds", system="shop", job_name="daily") == 6.5
    outcomes = found.named("opsjobs_last_run_outcome", "outcome")
    assert outcomes["partial"] == 1 and sum(outcomes.values()) == 1
    assert set(outcomes) == {each.value for each in Outcome} - {"running"}
    assert found.of("opsjobs_last_run_status", status="UNKNOWN") == 1
    assert found.of("opsjobs_last_run_status", status="OK") == 0


def test_a_job_that_failed_keeps_the_time_of_its_last_success_and_has_no_status(kept):
    kept.ran(at=NOW - timedelta(days=1), took=2)
    kept.ran(slot="2026-11-21", at=NOW, outcome=Outcome.CRASHED, status=None)
    found = samples(kept)
    assert (
        found.of("opsjobs_last_success_timestamp_seconds", system="shop", job_name="daily")
        == (NOW - timedelta(days=1)).timestamp() + 2
    )
    assert found.of("opsjobs_last_run_outcome", outcome="crashed") == 1
    # Nobody saw when it ended.
    assert not found.named("opsjobs_last_run_duration_seconds")
    assert not found.named("opsjobs_last_run_status")


def test_a_run_that_goes_on_changes_nothing_of_the_last_one_and_says_since_when(kept):
    kept.ran(at=NOW - timedelta(hours=1))
    kept.ran(at=NOW, outcome=Outcome.RUNNING)
    found = samples(kept)
    assert found.of("opsjobs_last_run_outcome", outcome="succeeded") == 1
    assert found.of("opsjobs_running_since_timestamp_seconds", system="shop", job_name="daily") == NOW.timestamp()


def test_a_job_that_never_did_its_work_has_no_time_of_success(kept):
    kept.ran(outcome=Outcome.FAILED, status=None)
    kept.ran("backup", outcome=Outcome.PARTIAL, status=Status.WARNING)
    assert not samples(kept).named("opsjobs_last_success_timestamp_seconds")


def test_slots_that_nobody_ran_are_counted_for_a_week(kept):
    for job, state, hours in (("daily", SlotState.MISSED, 30), ("health", SlotState.DONE, 1)):
        due = NOW - timedelta(hours=hours)
        kept.ledger.note_slots([Slot(system="shop", job=job, due_at=due, state=state, at=NOW)])
    assert samples(kept).named("opsjobs_missed_slots", "job_name") == {"daily": 1, "health": 0}
    assert samples(kept, NOW + timedelta(days=8)).named("opsjobs_missed_slots") == {}


def test_messages_are_told_by_channel_and_how_far_they_are(kept):
    for name, state, due in (
        ("a", DeliveryState.SENT, NOW),
        ("b", DeliveryState.PENDING, NOW - timedelta(minutes=1)),
        ("c", DeliveryState.PENDING, NOW + timedelta(hours=9)),
        ("d", DeliveryState.FAILED, NOW),
    ):
        kept.ledger.post(Message(delivery=replace(DELIVERY, id=name, state=state, due_at=due), forms={Form.FULL: b"x"}))
    found = samples(kept)
    assert found.of("opsjobs_overdue_deliveries", system="shop", channel="email") == 1
    assert found.of("opsjobs_deliveries", channel="email", state="pending") == 2
    assert found.of("opsjobs_deliveries", channel="email", state="failed") == 1
    later = samples(kept, NOW + timedelta(days=2))
    assert later.of("opsjobs_deliveries", channel="email", state="failed") == 0
    assert later.of("opsjobs_overdue_deliveries", system="shop", channel="email") == 2


def test_indicators_are_those_of_the_newest_day_without_those_that_are_not_known(kept):
    known, lost = judge(answer([30.0] * 24)), judge(answer([...] * 24))
    kept.ran(day=date(2026, 11, 20), indicators=[known, replace(lost, id="lost")])
    found = samples(kept)
    assert found.named("opsjobs_indicator_value", "indicator") == {known.id: 30.0}
    assert found.named("opsjobs_indicator_value", "unit") == {known.unit: 30.0}
    assert found.of("opsjobs_indicator_status", indicator="lost", status="UNKNOWN") == 1
    assert found.of("opsjobs_indicator_status", indicator="lost", status="OK") == 0
    midnight = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    assert found.of("opsjobs_indicator_day_timestamp_seconds", system="shop") == midnight


def test_checks_that_are_not_well_are_told(kept):
    state = CheckState(check="component:api", status=Status.CRITICAL, since=NOW, looks=1)
    kept.ran("health", states=[state])
    found = samples(kept)
    assert found.of("opsjobs_check_status", check="component:api", status="CRITICAL") == 1
    assert found.of("opsjobs_check_status", check="component:api", status="OK") == 0


@pytest.fixture
def full(kept):
    """Something of everything, with names that anybody may have chosen."""
    for number, text in enumerate(HOSTILE):
        name = text.replace("\ud800", "").replace("\0", "")[:200]
        result = replace(judge(answer([30.0] * 24)), id=name)
        state = CheckState(check=name, status=Status.WARNING, since=NOW, looks=1)
        kept.ran("daily", system=name, day=date(2026, 11, 20), indicators=[result], states=[state])
        delivery = replace(DELIVERY, id=f"d{number}", system=name, channel=name[:50])
        kept.ledger.post(Message(delivery=delivery, forms={Form.FULL: b"x"}))
    kept.ran("health", outcome=Outcome.RUNNING)
    return kept


@pytest.mark.parametrize(
    ("accept", "media_type", "parse"),
    [
        ("", "text/plain; version=0.0.4", prometheus_text),
        ("text/plain", "text/plain; version=0.0.4", prometheus_text),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text", open_metrics),
        ("nonsense;;;,/", "text/plain", prometheus_text),
    ],
)
def test_it_speaks_the_format_that_is_asked_for_whatever_the_names_are(full, accept, media_type, parse):
    said, content = exposition(full.reading, NOW, accept)
    assert said.startswith(media_type)
    families = list(parse(content.decode()))
    assert len(families) >= 10 and all(family.documentation for family in families)
    assert {family.type for family in families} <= {"gauge"}


def promtool(binaries, content):
    """What promtool says of an exposition."""
    command = binaries.command("promtool", "check", "metrics")
    done = subprocess.run(command, input=content, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_promtool_finds_nothing_wrong_with_it(full, binaries):
    _, content = exposition(full.reading, NOW)
    assert promtool(binaries, content) == (0, b"", b"")
    assert promtool(binaries, b"no_help_total{a=1} x\n")[0] != 0


def test_no_label_is_one_that_prometheus_or_a_pushgateway_takes_for_its_own(full):
    _, content = exposition(full.reading, NOW)
    labels = {
        label for family in prometheus_text(content.decode()) for sample in family.samples for label in sample.labels
    }
    assert labels and not labels & {"job", "instance"}
