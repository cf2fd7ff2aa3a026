"""opsjobs' own errors and check-ins, with the real SDK before a server on loopback that takes them."""

import socket
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.errors import LedgerError, UsageError
from opsjobs.log import Redactor
from opsjobs.model import Outcome, Run
from opsjobs.notify.sentry import SentryWitness, monitor
from tests.unit.notify.sentryserver import sentry

BEGAN = datetime(2026, 11, 19, 4, 0, tzinfo=UTC)
RUN = Run(
    id="11111111-2222-3333-4444-555555555555",
    system="shop",
    job="daily",
    slot="2026-11-18",
    started_at=BEGAN,
)
SECRET = "canary-of-a-password"


def ended(outcome, **known):
    return Run(
        id=RUN.id,
        system=known.get("system", RUN.system),
        job=RUN.job,
        slot=RUN.slot,
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(seconds=12),
        outcome=outcome,
    )


def witness(dsn, **known):
    redact = Redactor([SECRET]).redact
    return closing(SentryWitness(dsn, environment="staging", release="opsjobs@1", redact=redact, **known))


def raised(error):
    hidden = SECRET
    try:
        raise error
    except type(error) as caught:
        assert hidden
        return caught


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome.SUCCEEDED, "ok"), (Outcome.PARTIAL, "ok"), (Outcome.FAILED, "error")]
)
def test_a_run_checks_in_twice_under_one_id_and_says_how_long_it_took(outcome, status):
    with sentry() as server, witness(server.dsn) as told:
        told.started(RUN)
        told.ended(ended(outcome))
    first, last = server.of("check_in")
    assert (first["status"], last["status"]) == ("in_progress", status)
    assert first["check_in_id"] == last["check_in_id"] == "11111111222233334444555555555555"
    assert {each["monitor_slug"] for each in (first, last)} == {"opsjobs-shop-daily"}
    assert last["duration"] == 12
    assert {each["environment"] for each in (first, last)} == {"staging"}


def test_an_error_is_told_with_its_place_and_without_secrets_variables_or_source():
    with sentry() as server, witness(server.dsn) as told:
        told.failed(ended(Outcome.FAILED), raised(LedgerError(f"no ledger at postgresql://u:{SECRET}@db/x")))
    (event,) = server.of("event")
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("LedgerError", "no ledger at postgresql://u:***@db/x")
    assert exception["mechanism"]["handled"] is False
    frame = exception["stacktrace"]["frames"][-1]
    assert frame["function"] == "raised"
    assert not {"vars", "context_line", "pre_context", "post_context"} & set(frame)
    assert event["tags"] == {"system": "shop", "job": "daily", "slot": "2026-11-18"}
    assert (event["environment"], event["release"]) == ("staging", "opsjobs@1")
    assert not {"user", "request", "modules", "breadcrumbs"} & {key for key, value in event.items() if value}
    assert not any("canary" in body for body in server.bodies)
    assert [each["status"] for each in server.of("check_in")] == ["error"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UsageError("a day to come")])
def test_what_a_person_caused_is_no_error_but_the_run_has_failed(error):
    with sentry() as server, witness(server.dsn) as told:
        told.failed(ended(Outcome.FAILED), raised(error))
    assert server.of("event") == []
    assert [each["status"] for each in server.of("check_in")] == ["error"]


def test_secrets_are_in_no_check_in_either():
    with sentry() as server, witness(server.dsn) as told:
        told.ended(ended(Outcome.SUCCEEDED, system=SECRET))
    assert server.of("check_in")[0]["monitor_slug"] == "opsjobs-***-daily"


def test_the_slug_of_a_monitor_is_short_enough_and_keeps_the_job():
    slug = monitor(ended(Outcome.SUCCEEDED, system="s" * 63))
    assert len(slug) == 50 and slug.endswith("s-daily")


def test_a_redirect_and_a_proxy_of_the_environment_get_nothing(monkeypatch):
    with sentry() as other:
        elsewhere = other.dsn.split("@")[1]
        monkeypatch.setenv("http_proxy", f"http://{elsewhere}")
        monkeypatch.setenv("https_proxy", f"http://{elsewhere}")
        with sentry((307, {"Location": f"http://{elsewhere}"})) as server, witness(server.dsn) as told:
            told.ended(ended(Outcome.SUCCEEDED))
        assert len(server.of("check_in")) == 1
        assert other.headers == []


def test_nothing_of_the_process_is_hooked_into(monkeypatch):
    import logging
    import sys
    import threading

    before = sys.excepthook, threading.excepthook, logging.Logger.callHandlers, threading.Thread.start
    with sentry() as server, witness(server.dsn) as told:
        logging.getLogger("opsjobs").error("not told")
        told.ended(ended(Outcome.SUCCEEDED))
        assert (sys.excepthook, threading.excepthook, logging.Logger.callHandlers, threading.Thread.start) == before
    assert [kind for kind, _ in server.items] == ["check_in"]


@pytest.mark.parametrize("code", [400, 403, 413, 429, 500, 503])
def test_one_that_refuses_costs_nothing(code, capfd):
    with sentry((code, {"Retry-After": "60"})) as server, witness(server.dsn) as told:
        began = time.monotonic()
        told.started(RUN)
        told.failed(ended(Outcome.FAILED), raised(LedgerError()))
        assert time.monotonic() - began < 2
    assert capfd.readouterr().err == ""


def test_one_that_is_not_there_costs_nothing(capfd):
    with witness("http://key@127.0.0.1:1/7") as told:
        began = time.monotonic()
        told.started(RUN)
        told.failed(ended(Outcome.FAILED), raised(LedgerError()))
        assert time.monotonic() - began < 1
    assert capfd.readouterr().err == ""


def test_one_that_never_answers_costs_two_seconds_at_most_however_often_it_is_told(capfd):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        witness(f"http://key@127.0.0.1:{silent.getsockname()[1]}/7") as told,
    ):
        began = time.monotonic()
        told.started(RUN)
        assert time.monotonic() - began < 0.5
        told.failed(ended(Outcome.FAILED), raised(LedgerError()))
        told.ended(ended(Outcome.FAILED))
        assert time.monotonic() - began < 2.5
    assert capfd.readouterr().err == ""
