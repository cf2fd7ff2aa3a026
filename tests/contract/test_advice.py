"""Advice in the ledger: kept to the millionth, and what somebody decided is not lost."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from opsjobs.daybook import Daybook
from opsjobs.model import Run
from opsjobs.recommendation import Decision, Realised, Recommendation

MONDAY = date(2026, 11, 9)
AT = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
RUN = Run(id="r1", system="shop", job="costs", slot="2026-W46", started_at=AT, host="a", pid=1)
CACHE = Recommendation(
    id="cache-3f9a2c",
    kind="cache",
    title="Answer more from the cache\0",
    arithmetic="a x b",
    saving=Decimal("9000000000.123457"),
    currency="EUR",
    effort="medium",
    confidence="high",
    value=0.4,
    goal=0.2,
    worth=Decimal("-0.000001"),
    first_seen=MONDAY,
    last_seen=MONDAY,
)
KEPT = replace(CACHE, title="Answer more from the cache")


@pytest.fixture
def ledger(ledger):
    ledger.start(RUN)
    return ledger


def test_advice_is_read_as_it_was_written(ledger):
    ledger.finish(RUN, MONDAY, advised=[CACHE], spent=Daybook())
    assert ledger.advised("shop") == {CACHE.id: KEPT}
    assert ledger.advised("another") == {}
    ledger.finish(RUN, MONDAY, advised=[replace(CACHE, saving=Decimal(1))], spent=Daybook())
    assert ledger.advised("shop") == {CACHE.id: replace(KEPT, saving=Decimal(1))}


def test_what_is_decided_while_a_report_is_made_stays_decided(ledger):
    ledger.finish(RUN, MONDAY, advised=[CACHE], spent=Daybook())
    known = ledger.advised("shop")[CACHE.id]
    no = replace(
        known, decision=Decision.DISMISSED, at=AT, by="ada", reason="answers must be fresh", until=date(2027, 1, 1)
    )
    ledger.decide("shop", no)
    # The report that is made knew nothing of it.
    ledger.finish(RUN, MONDAY, advised=[replace(known, saving=Decimal(1))], spent=Daybook())
    assert ledger.advised("shop") == {CACHE.id: no}
    # The next one does.
    ledger.finish(RUN, MONDAY, advised=[replace(no, last_seen=date(2026, 11, 16))], spent=Daybook())
    assert ledger.advised("shop")[CACHE.id].last_seen == date(2026, 11, 16)


def test_savings_are_kept_by_week_and_the_last_count_of_a_week_counts(ledger):
    week = Realised(id=CACHE.id, week=MONDAY, amount=Decimal("-1.000001"))
    next_monday = date(2026, 11, 16)
    ledger.finish(RUN, MONDAY, realised=[week], spent=Daybook())
    ledger.finish(RUN, MONDAY, realised=[replace(week, amount=Decimal("2.5"))], spent=Daybook())
    ledger.finish(RUN, next_monday, realised=[replace(week, week=next_monday)], spent=Daybook())
    assert ledger.saved("shop") == {CACHE.id: {MONDAY: Decimal("2.5"), next_monday: Decimal("-1.000001")}}
    ledger.finish(RUN, next_monday, spent=Daybook())
    assert ledger.saved("shop") == {CACHE.id: {MONDAY: Decimal("2.5")}}, "what a report finds no more is not kept"
    assert ledger.saved("another") == {}
