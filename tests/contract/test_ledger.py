"""What the ledger promises, on SQLite and on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

import opsjobs.ledger
from opsjobs.daybook import Daybook, SpentDay, SpentLine, SpentSum, StatedOutlay, TrafficDay
from opsjobs.errors import LedgerError
from opsjobs.ledger import Ledger, database, runs, tables
from opsjobs.model import (
    Acknowledgement,
    Artifact,
    CheckState,
    Delivery,
    DeliveryState,
    Direction,
    Form,
    IndicatorResult,
    Measurement,
    Message,
    Outcome,
    Quality,
    Run,
    ServerValue,
    StatedForecast,
    Status,
    Threshold,
    Told,
    Trend,
)

STARTED = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)
RUN = Run(id="r1", system="shop", job="daily", slot="2026-11-18", started_at=STARTED, host="a", pid=1)

DUE = Delivery(
    id="x",
    run_id="r1",
    system="shop",
    job="daily",
    slot="x",
    channel="email",
    recipient="a@example.com",
    created_at=STARTED,
    due_at=STARTED,
)


def test_what_was_written_is_read_again_times_aware(ledger):
    done = replace(
        RUN,
        finished_at=STARTED + timedelta(seconds=3),
        outcome=Outcome.PARTIAL,
        status=Status.UNKNOWN,
        error="the PDF failed",
        artifacts=(Artifact(path="/x/report.html", media_type="text/html", size=3, sha256="abc"),),
    )
    ledger.start(RUN)
    assert ledger.runs() == [RUN]
    ledger.finish(done)
    assert ledger.runs() == [done]


def test_times_of_any_zone_come_back_as_the_same_instant(ledger):
    from zoneinfo import ZoneInfo

    ledger.start(replace(RUN, started_at=datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Rome"))))
    assert ledger.runs()[0].started_at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_only_unfinished_runs_of_that_job_are_crashed_and_of_other_hosts_where_the_lock_is_theirs_too(ledger):
    others = [
        replace(RUN, id="r2", host="b"),
        replace(RUN, id="r3", job="costs"),
        replace(RUN, id="r4", system="other"),
        replace(RUN, id="r5", outcome=Outcome.SUCCEEDED),
    ]
    for run in (RUN, *others):
        ledger.start(run)
    assert ledger.crash("shop", "daily", "a", STARTED) == (2 if ledger.database.shared else 1)
    outcomes = {run.id: run.outcome for run in ledger.runs()}
    assert outcomes == {
        "r1": Outcome.CRASHED,
        "r2": Outcome.CRASHED if ledger.database.shared else Outcome.RUNNING,
        "r3": Outcome.RUNNING,
        "r4": Outcome.RUNNING,
        "r5": Outcome.SUCCEEDED,
    }


def test_runs_are_listed_newest_first_and_by_system_and_job(ledger):
    for number in range(5):
        ledger.start(
            replace(
                RUN,
                id=f"r{number}",
                job="daily" if number % 2 else "costs",
                started_at=STARTED + timedelta(hours=number),
            )
        )
    assert [run.id for run in ledger.runs(limit=2)] == ["r4", "r3"]
    assert [run.id for run in ledger.runs(job="daily")] == ["r3", "r1"]
    assert ledger.runs(system="other") == []


def test_a_run_is_found_by_the_beginning_of_its_id_and_wildcards_are_letters(ledger):
    ledger.start(replace(RUN, id="abc"))
    ledger.start(replace(RUN, id="abd"))
    assert [run.id for run in ledger.run("abc")] == ["abc"]
    assert len(ledger.run("ab")) == 2
    assert ledger.run("%") == ledger.run("_bc") == []


def test_a_delivery_is_due_until_it_is_sent_and_then_is_not(ledger):
    delivery = replace(DUE, id="shop.daily.x", due_at=STARTED + timedelta(minutes=1))
    forms = {Form.FULL: b"\x00full", Form.LIGHT: b"light"}
    assert not ledger.holds(delivery.id)
    ledger.post(Message(delivery=delivery, forms=forms))
    assert ledger.holds(delivery.id)
    assert ledger.waiting("shop") == [delivery]
    assert ledger.waiting("another") == []
    busy = replace(delivery, light=True, attempts=2, error="busy")
    ledger.mark(busy)
    assert ledger.waiting("shop") == [busy]
    assert {form: ledger.message(delivery.id, form) for form in Form} == {**forms, Form.INSTEAD: None}
    assert [each.id for each in ledger.undelivered("shop")] == [delivery.id]
    ledger.mark(replace(delivery, state=DeliveryState.SENT))
    assert ledger.waiting("shop") == ledger.undelivered("shop") == []
    assert ledger.message(delivery.id, Form.FULL) is None


def test_whoever_refused_a_message_is_known_and_not_whoever_heard_of_it_instead(ledger):
    delivery = replace(DUE, job="health", channel="pagerduty", recipient="pagerduty")
    other = replace(delivery, id="x.instead", channel="slack", recipient="#ops\0")
    for each in (delivery, other):
        ledger.post(Message(delivery=each, forms={Form.FULL: b"x"}))
        ledger.mark(replace(each, state=DeliveryState.FAILED, error="no\0"))
    assert ledger.refused("shop", "health") == {("pagerduty:pagerduty", "r1")}
    assert ledger.refused("shop", "daily") == ledger.refused("another", "health") == set()
    # What was given up stays so.
    ledger.mark(delivery)
    assert ledger.waiting("shop") == []


def test_what_goes_another_way_is_written_with_what_it_stands_for(ledger):
    delivery = DUE
    ledger.post(Message(delivery=delivery, forms={Form.FULL: b"mail", Form.INSTEAD: b"words"}))
    other = replace(delivery, id="x.instead", channel="slack", recipient="#ops")
    ledger.mark(replace(delivery, state=DeliveryState.FAILED), Message(delivery=other, forms={Form.FULL: b"words"}))
    assert ledger.waiting("shop") == [other]
    assert ledger.message("x.instead", Form.FULL) == b"words"
    assert ledger.message("x", Form.INSTEAD) is None


def test_a_delivery_is_written_down_once(ledger):
    delivery = replace(DUE, run_id="r", system="s", job="j", slot="t", recipient="a@b")
    message = Message(delivery=delivery, forms={Form.FULL: b"x"})
    ledger.post(message)
    with pytest.raises(LedgerError):
        ledger.post(message)


def test_opening_again_keeps_what_is_there(url, ledger):
    ledger.start(RUN)
    again = Ledger(url).open()
    assert again.runs() == [RUN]
    again.close()


def test_the_migrations_make_the_tables_that_the_code_expects(ledger):
    with ledger.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_newest_migration_is_the_version_that_open_looks_for(ledger):
    newest = max(Path(opsjobs.ledger.__file__).parent.glob("migrations/versions/v*.py"))
    assert newest.name.startswith(f"v{database.VERSION}_")
    with ledger.database.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == database.VERSION


def test_the_past_has_the_good_values_of_earlier_days_and_no_others(ledger):
    days = {date(2026, 11, day): Quality.OK for day in (3, 4, 11, 18)} | {date(2026, 11, 12): Quality.PARTIAL}
    for number, (day, quality) in enumerate(days.items()):
        run = replace(RUN, id=f"p{number}")
        measurement = Measurement(value=float(day.day), unit="count", quality=quality)
        ledger.start(run)
        ledger.finish(run, day, [indicator(measurement)])
    found = ledger.past("shop", date(2026, 11, 18), 14)
    assert found == {"orders": {date(2026, 11, 4): 4.0, date(2026, 11, 11): 11.0}}
    assert ledger.past("other", date(2026, 11, 18), 14) == {}


def number(value, day=18, **known):
    given = {"server": "redis", "database": "keys:6379", "item": "memory", "unit": "bytes", **known}
    return ServerValue(day=date(2026, 11, day), value=value, **given)


def test_what_databases_said_is_kept_by_day_and_the_last_of_a_day_counts(ledger):
    ledger.start(RUN)
    ledger.finish(RUN, date(2026, 11, 17), numbers=[number(1.0, 17), number(2.0), number(9.0, item="gone")])
    ledger.finish(RUN, date(2026, 11, 17), numbers=[number(3.0), number(5.0, database="keys:6380")])
    assert ledger.numbers("shop", date(2026, 11, 1)) == {
        "redis:keys:6379:memory": {date(2026, 11, 17): 1.0, date(2026, 11, 18): 3.0},
        "redis:keys:6380:memory": {date(2026, 11, 18): 5.0},
    }
    assert ledger.numbers("shop", date(2026, 11, 18)).keys() == {"redis:keys:6379:memory", "redis:keys:6380:memory"}
    assert ledger.numbers("other", date(2026, 11, 1)) == {}


def test_a_database_that_could_not_be_asked_again_keeps_what_it_said(ledger):
    ledger.start(RUN)
    ledger.finish(RUN, date(2026, 11, 17), numbers=[number(1.0)])
    ledger.finish(RUN, date(2026, 11, 17), numbers=[number(2.0, server="postgresql", database="db")])
    assert len(ledger.numbers("shop", date(2026, 11, 1))) == 2


def test_a_name_as_long_as_names_may_be_is_kept(ledger):
    longest = f"table:{'s' * 63}.{'t' * 63}"
    ledger.start(RUN)
    known = {"server": "postgresql", "database": f"{'h' * 253}:65535/{'d' * 63}", "item": longest}
    ledger.finish(RUN, date(2026, 11, 17), numbers=[number(1.0, **known)])
    (subject,) = ledger.numbers("shop", date(2026, 11, 1))
    stated = StatedForecast(subject=subject, day=date(2026, 11, 17), trend=TREND)
    ledger.finish(RUN, date(2026, 11, 17), forecasts=[stated])
    assert list(ledger.forecasts("shop", date(2026, 11, 1))) == [subject]


TREND = Trend(value=1.0, low=0.5, slope=0.75, high=1.0)


def test_the_forecasts_of_a_slot_are_replaced_when_it_runs_again(ledger):
    first, second = (StatedForecast(subject=name, day=date(2026, 11, 18), trend=TREND) for name in ("disk", "memory"))
    earlier = StatedForecast(subject="disk", day=date(2026, 11, 17), trend=TREND)
    other = replace(RUN, id="r0", slot="2026-11-17")
    for run, stated in ((other, [earlier]), (RUN, [first, second]), (replace(RUN, id="r2"), [first])):
        ledger.start(run)
        ledger.finish(run, date.fromisoformat(run.slot), forecasts=stated)
    assert ledger.forecasts("shop", date(2026, 11, 1)) == {
        "disk": {date(2026, 11, 17): TREND, date(2026, 11, 18): TREND}
    }
    assert ledger.forecasts("shop", date(2026, 11, 18)) == {"disk": {date(2026, 11, 18): TREND}}
    assert ledger.forecasts("other", date(2026, 11, 1)) == {}


def test_two_slots_that_speak_of_the_same_moment_leave_one_forecast(ledger):
    stated = StatedForecast(subject="redis:memory", day=date(2026, 11, 19), trend=TREND)
    for name, slot in (("r1", "2026-11-18"), ("r2", "2026-11-17")):
        run = replace(RUN, id=name, slot=slot)
        ledger.start(run)
        ledger.finish(run, date.fromisoformat(slot), forecasts=[stated])
    assert ledger.forecasts("shop", date(2026, 11, 1)) == {"redis:memory": {date(2026, 11, 19): TREND}}


def test_a_run_that_failed_takes_no_forecast_away(ledger):
    stated = StatedForecast(subject="disk", day=date(2026, 11, 18), trend=TREND)
    ledger.start(RUN)
    ledger.finish(RUN, date(2026, 11, 18), forecasts=[stated])
    ledger.finish(replace(RUN, outcome=Outcome.FAILED))
    assert list(ledger.forecasts("shop", date(2026, 11, 1))) == ["disk"]


WEEKLY = replace(RUN, job="costs", slot="2026-W46")
DEAREST = SpentLine((("model", 'grande "é" \0'), ("team", "")), Decimal("9000000000000.000001"), 1.5, None, 3e12)
FREE = SpentLine((), Decimal("0.000000"), None, None, None)


def spent(day, *lines, item="llm", definition="d"):
    return SpentDay(item=item, day=date(2026, 11, day), definition=definition, lines=lines)


def ended(ledger, run, *found, **known):
    """A run that began and has ended, however often."""
    if not ledger.run(run.id):
        ledger.start(run)
    ledger.finish(run, *found, **known)


def keep(ledger, *days, traffic=(), run=WEEKLY):
    ended(ledger, run, date(2026, 11, 9), spent=Daybook(days=days, traffic=traffic))


def test_what_was_spent_comes_back_exactly_with_its_lines_and_sums(ledger):
    told = [spent(8, DEAREST, FREE), spent(9), spent(9, FREE, item="maps", definition="e"), spent(10, DEAREST)]
    counted = [
        TrafficDay(day=date(2026, 11, day), definition="t", traffic=traffic, hits=hits)
        for day, traffic, hits in ((8, 5.0, 1.25), (9, None, None), (10, 0.0, None))
    ]
    keep(ledger, *told, traffic=counted)
    found = ledger.spent("shop", date(2026, 11, 8), date(2026, 11, 9))
    assert list(found.days) == told[:3] and list(found.traffic) == counted[:2]
    assert list(found.sums) == [
        SpentSum(item=each.item, day=each.day, definition=each.definition, amount=amount)
        for each, amount in zip(told, (DEAREST.amount, Decimal(0), Decimal(0)), strict=False)
    ]
    # Of days before the first only the sums are read, and of later ones nothing.
    later = ledger.spent("shop", date(2026, 11, 9), date(2026, 11, 9))
    assert list(later.days) == told[1:3] and later.sums == found.sums
    assert ledger.spent("another", date(2026, 11, 1), date(2026, 11, 30)) == Daybook()


def test_a_day_that_is_read_again_takes_the_place_of_what_was_read_of_it_and_of_nothing_else(ledger):
    keep(ledger, spent(8, DEAREST, FREE), spent(9, FREE), spent(8, FREE, item="maps"))
    keep(ledger, spent(8, FREE, definition="new"), run=replace(WEEKLY, id="r2"))
    keep(ledger, spent(8, DEAREST), run=replace(WEEKLY, system="another"))
    ended(ledger, replace(WEEKLY, id="r3", job="weekly"), date(2026, 11, 9))
    found = ledger.spent("shop", date(2026, 11, 8), date(2026, 11, 9))
    assert list(found.days) == [spent(8, FREE, definition="new"), spent(8, FREE, item="maps"), spent(9, FREE)]
    assert [each.amount for each in found.sums] == [0, 0, 0]


def test_an_amount_that_would_be_rounded_is_refused_and_nothing_of_the_run_is_written(ledger):
    ledger.start(WEEKLY)
    odd = FREE._replace(amount=Decimal("0.0000001"))
    with pytest.raises(LedgerError):
        keep(ledger, spent(8, DEAREST), spent(9, odd), run=replace(WEEKLY, outcome=Outcome.SUCCEEDED))
    assert ledger.spent("shop", date(2026, 11, 1), date(2026, 11, 30)) == Daybook()
    assert ledger.runs() == [WEEKLY]


def test_an_item_with_very_many_members_is_kept_whole(ledger):
    many = [SpentLine((("user", f"{number}"),), Decimal(number).scaleb(-6), 1.0, 0.0, 2.0) for number in range(20_000)]
    keep(ledger, spent(8, *many))
    (found,) = ledger.spent("shop", date(2026, 11, 8), date(2026, 11, 8)).days
    assert list(found.lines) == many


def test_a_forecast_of_money_is_read_when_its_days_are_over_and_replaced_by_its_own_slot_only(ledger):
    amounts = {"expected": Decimal("10.000001"), "low": Decimal(0), "high": Decimal("9000000000000.5")}
    month = StatedOutlay(
        stated=date(2026, 11, 15), first=date(2026, 11, 1), last=date(2026, 11, 30), currency="EUR", **amounts
    )
    ahead = replace(month, first=date(2026, 11, 16), last=date(2026, 12, 15))
    earlier = replace(month, stated=date(2026, 11, 8))
    monday = date(2026, 11, 9)
    ended(ledger, replace(WEEKLY, id="r0", slot="2026-W45"), monday, spent=Daybook(outlays=[earlier]))
    ended(ledger, WEEKLY, monday, spent=Daybook(outlays=[month, ahead]))

    def over(last):
        return list(ledger.spent("shop", last, last).outlays)

    assert over(date(2026, 11, 29)) == []
    assert over(date(2026, 11, 30)) == [earlier, month]
    assert over(date(2026, 12, 15)) == [earlier, month, ahead]
    # The weekly report has slots of the same name, and says nothing of money.
    ended(ledger, replace(WEEKLY, id="r1", job="weekly"), monday)
    ended(ledger, replace(WEEKLY, id="r2", system="another"), monday, spent=Daybook())
    assert len(over(date(2026, 12, 15))) == 3
    again = replace(month, expected=Decimal(11))
    ended(ledger, replace(WEEKLY, id="r3"), monday, spent=Daybook(outlays=[again]))
    assert over(date(2026, 12, 15)) == [earlier, again]


def test_the_states_of_checks_are_those_of_the_last_look(ledger):
    at = datetime(2026, 11, 18, 12, tzinfo=timezone(timedelta(hours=1)))
    told = Told(status=Status.WARNING, at=at, since=at, incident="one", flapping=True)
    bad = CheckState(
        check="indicator:x",
        title="X",
        status=Status.WARNING,
        since=at,
        looks=3,
        trail=".!!!",
        flapping=True,
        team="web",
        definition="abc",
        told={"email:a@example.com": told},
    )
    worse = CheckState(check="component:y", status=Status.CRITICAL, since=at, looks=1)
    ledger.start(RUN)
    ledger.settle(RUN, [bad, worse])
    assert ledger.states(RUN.system) == {"indicator:x": bad, "component:y": worse}
    assert ledger.states("another") == {}
    # A job that does not look at checks leaves them alone.
    ledger.finish(RUN)
    assert set(ledger.states(RUN.system)) == {"indicator:x", "component:y"}
    ledger.settle(RUN, [])
    assert ledger.states(RUN.system) == {}


def test_states_and_what_is_told_of_them_are_written_together_or_not_at_all(ledger):
    state = CheckState(check="x", status=Status.WARNING, since=STARTED, looks=1)
    delivery = replace(DUE, job="health")
    message = Message(delivery=delivery, forms={Form.FULL: b"x"})
    ledger.start(RUN)
    with pytest.raises(LedgerError):
        ledger.settle(RUN, [state], [message, message])
    assert ledger.states("shop") == {} and ledger.waiting("shop") == []
    ledger.settle(RUN, [state], [message])
    assert ledger.states("shop") == {"x": state} and ledger.waiting("shop") == [delivery]


def test_who_knows_of_a_check_is_kept_until_it_is_taken_back(ledger):
    known = Acknowledgement(
        check="x",
        status=Status.WARNING,
        at=STARTED,
        until=STARTED + timedelta(days=3),
        by="ada",
        reason="the disk is ordered",
    )
    ledger.acknowledge("shop", known)
    ledger.acknowledge("shop", replace(known, reason="the disk is here"))
    assert ledger.acknowledged("shop") == {"x": replace(known, reason="the disk is here")}
    assert ledger.acknowledged("another") == {}
    assert ledger.withdraw("shop", "x")
    assert not ledger.withdraw("shop", "x")
    assert ledger.acknowledged("shop") == {}


def test_a_ledger_of_the_version_before_keeps_what_it_has(url):
    engine = sa.create_engine(Ledger(url).database._url)
    config = Config()
    config.set_main_option("script_location", "opsjobs:ledger/migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.commit()
        known = {key: value for key, value in runs._row(RUN).items() if key != "due_at"}
        connection.execute(sa.insert(tables.runs).values(known))
        row = {"system": "shop", "check": "x", "status": "WARNING", "since": STARTED, "looks": 2, "run_id": "r1"}
        connection.execute(sa.insert(tables.check_states).values(row))
        connection.commit()
    engine.dispose()
    opened = Ledger(url).open()
    assert opened.runs() == [RUN]
    assert opened.states("shop") == {"x": CheckState(check="x", status=Status.WARNING, since=STARTED, looks=2)}
    opened.close()


def indicator(measurement):
    return IndicatorResult(
        id="orders",
        title="Orders",
        group="Shop",
        unit="count",
        summary="last",
        threshold=Threshold(direction=Direction.ABOVE),
        measurement=measurement,
        status=Status.OK,
        coverage=1.0,
    )
