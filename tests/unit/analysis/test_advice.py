"""Advice: what it needs, what it is called, and what is remembered of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsjobs.analysis.advice import advise, earlier, month, together
from opsjobs.analysis.costs import Line, Spending
from opsjobs.analysis.levers import Alone, Capacity, Case
from opsjobs.recommendation import Decision
from opsjobs.system.cost import CostItemSpec, CostsSpec

MONDAY = date(2026, 11, 9)
WEEK = [MONDAY + timedelta(days=number) for number in range(7)]
DAYS = [MONDAY - timedelta(days=number) for number in range(28, 0, -1)] + WEEK
COSTS = CostsSpec.model_construct(
    currency="EUR",
    team="finance",
    items={
        "llm": CostItemSpec.model_construct(
            title="LLM", spent="cost_total", requests="requests_total", by=("model",), cheaper={"dear": "cheap"}
        )
    },
)
DEAR, CHEAP = (("model", "dear"),), (("model", "cheap"),)


def line(day, member=DEAR, requests=1000.0, tokens=1000.0, price="0.000010", failed=0.0):
    amount = Decimal(price) * int(requests * tokens)
    return Line(
        item="llm", day=day, member=member, amount=amount, requests=requests, failed=failed, tokens=requests * tokens
    )


def case(lines, lost=(), **known):
    spending = Spending(
        lines=tuple(lines),
        seen={("llm", day): 0.0 if day in lost else 1.0 for day in DAYS},
        traffic=dict.fromkeys(DAYS, 5000.0),
    )
    return Case(costs=COSTS, spending=spending, week=WEEK, earlier=earlier(spending, WEEK), **known)


def usual(**week):
    """Lines of four usual weeks and one that is not."""
    return [line(day, **(week if day in WEEK else {})) for day in DAYS]


def test_a_usual_week_advises_nothing():
    assert advise(case(usual()), {}, UTC).found == []


def test_two_weeks_before_it_must_be_known():
    lost = [DAYS[0], DAYS[7], DAYS[14]]
    said = advise(case(usual(tokens=2000.0), lost), {}, UTC)
    assert said.silent == "2 of the 4 weeks before must be known in full and not idle, and 1 is" and not said.found
    assert advise(case(usual(tokens=2000.0), lost[:2]), {}, UTC).found
    assert advise(case(usual(tokens=2000.0), [WEEK[3]]), {}, UTC).silent == "the week is not known in full"


def test_a_saving_that_is_less_than_one_per_cent_of_a_month_is_not_worth_saying():
    (found,) = advise(case(usual(tokens=1300.0)), {}, UTC).found
    assert (found.kind, found.saving) == ("tokens", month(Decimal("0.003") * 7000))
    few = [replace(each, amount=each.amount / 1000) for each in usual(tokens=1300.0)]
    assert advise(case(few), {}, UTC).found == [], "less than one of the currency"


def test_short_requests_to_a_dear_model_can_go_to_a_cheap_one():
    lines = [
        each
        for day in DAYS
        for each in (line(day, tokens=100.0), line(day, member=CHEAP, requests=4000.0, tokens=800.0, price="0.000001"))
    ]
    (found,) = advise(case(lines), {}, UTC).found
    assert found.kind == "model" and "let cheap take its requests, which are short" in found.title
    assert abs(found.saving - month(Decimal(7 * 1000 * 100) * Decimal("0.000009"))) < Decimal("0.001")


def test_what_is_seen_of_a_model_with_no_price_is_never_advised_on():
    lines = [replace(each, amount=None, reason="no price") for each in usual(tokens=2000.0)]
    assert advise(case(lines), {}, UTC).silent == "the week is not known in full"


@pytest.mark.parametrize("peak", [None, 0.41, 1.2])
def test_a_capacity_that_is_used_or_unknown_stays(peak):
    said = advise(case(usual(), capacities=[Capacity(name="db", monthly=Decimal(90), peak=peak)]), {}, UTC)
    assert said.found == []


def test_work_at_night_beyond_the_users_is_what_can_be_batched():
    said = advise(case(usual(), alone=[Alone(item="llm", requests={DEAR: 1400.0})]), {}, UTC)
    (found,) = said.found
    assert found.kind == "batch" and found.saving == month(Decimal("0.2") * 70 / 2)
    assert advise(case(usual(), alone=[Alone(item="llm", requests={DEAR: 600.0})]), {}, UTC).found == []


def test_the_name_is_the_same_each_week_and_safe_whatever_is_in_a_label():
    hostile = (("model", "\x1b[31m<script>'; rm -rf /\n" * 9),)
    lines = [replace(each, member=hostile) for each in usual(tokens=2000.0)]
    (one,), (other,) = advise(case(lines), {}, UTC).found, advise(case(usual(tokens=2000.0)), {}, UTC).found
    assert one.id != other.id and one.id.startswith("tokens-") and len(one.id) == len("tokens-") + 10
    assert advise(case(usual(tokens=3000.0)), {}, UTC).found[0].id == other.id


def test_an_older_week_that_is_read_again_changes_nothing_that_is_known():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    newer = replace(found, last_seen=MONDAY + timedelta(days=7), saving=Decimal(7), title="newer")
    said = advise(case(usual(tokens=2000.0)), {found.id: newer}, UTC)
    assert said.known == (replace(newer, first_seen=MONDAY),)
    assert [each.title for each in said.found] == [found.title]


def test_what_is_done_counts_from_the_next_whole_week_on():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    done = replace(found, decision=Decision.DONE, at=datetime(2026, 11, 11, 9, tzinfo=UTC))
    assert advise(case(usual()), {found.id: done}, UTC).realised == []
    said = advise(case(usual()), {found.id: replace(done, at=done.at - timedelta(days=7))}, UTC)
    (realised,) = said.realised
    # A thousand tokens less, at the requests and the price of the week.
    assert realised.amount == Decimal(70)
    gone = [replace(each, member=CHEAP) for each in usual()]
    assert advise(case(gone), {found.id: replace(done, at=done.at - timedelta(days=7))}, UTC).realised == []


def short_requests(**week):
    return [
        each
        for day in DAYS
        for each in (
            line(day, tokens=100.0, **(week if day in WEEK else {})),
            line(day, member=CHEAP, requests=4000.0, tokens=800.0, price="0.000001"),
        )
    ]


def test_what_is_not_sent_to_a_dear_model_any_more_is_saved():
    (found,) = advise(case(short_requests()), {}, UTC).found
    done = replace(found, decision=Decision.DONE, at=datetime(2026, 11, 2, tzinfo=UTC))
    said = advise(
        case([each for each in short_requests() if each.day not in WEEK or each.member == CHEAP]), {found.id: done}, UTC
    )
    (realised,) = said.realised
    assert month(realised.amount) == pytest.approx(found.saving, abs=Decimal("0.001"))


def test_a_cheaper_model_that_nobody_named_is_never_advised():
    costs = COSTS.model_copy(update={"items": {"llm": COSTS.items["llm"].model_copy(update={"cheaper": {}})}})
    assert advise(replace(case(short_requests()), costs=costs), {}, UTC).found == []


def test_what_was_done_and_is_undone_is_advised_again():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    done = replace(found, decision=Decision.DONE, at=datetime(2026, 11, 2, tzinfo=UTC))
    said = advise(case(usual(tokens=2000.0)), {found.id: done}, UTC)
    assert [each.decision for each in said.found] == [Decision.OPEN] and said.known[0].at == done.at
    # A little is left to do: that is no reason to begin anew.
    some_left = advise(case(usual(tokens=1300.0)), {found.id: done}, UTC)
    assert (some_left.found, some_left.hidden) == ([], 1)


def test_what_was_accepted_is_held_against_how_it_was_then():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    accepted = replace(found, decision=Decision.ACCEPTED, at=datetime(2026, 11, 2, tzinfo=UTC))
    said = advise(case(usual(tokens=1300.0)), {found.id: accepted}, UTC)
    assert said.known == (accepted,) and said.found[0].value == 1300.0


def test_what_is_found_no_longer_is_gone_until_it_is_found_again():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    (known,) = advise(case(usual()), {found.id: found}, UTC).known
    assert known == replace(found, gone=MONDAY)
    assert advise(case(usual(tokens=2000.0)), {found.id: known}, UTC).known == (found,)
    # A week that could not be judged says nothing of it.
    assert advise(case(usual(), WEEK), {found.id: found}, UTC).known == (found,)


def test_a_decision_is_dated_where_the_system_is():
    (found,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    # Sunday evening in Los Angeles, and Monday in London.
    done = replace(found, decision=Decision.DONE, at=datetime(2026, 11, 9, 2, tzinfo=UTC))
    assert advise(case(usual()), {found.id: done}, ZoneInfo("America/Los_Angeles")).realised
    assert not advise(case(usual()), {found.id: done}, UTC).realised


def test_an_idle_week_before_is_no_example():
    idle = DAYS[14:21]
    lines = [
        line(day, tokens=10.0 if day in idle else 1000.0, requests=10.0 if day in idle else 1000.0) for day in DAYS
    ]
    looked = case(lines)
    busy = replace(looked.spending, traffic={day: 50.0 if day in idle else 5000.0 for day in DAYS})
    assert idle not in earlier(busy, WEEK) and len(earlier(busy, WEEK)) == 3


def test_weeks_are_compared_by_what_is_known_of_all_of_them():
    lines = usual(tokens=2000.0)
    looked = case(lines)
    partly = replace(looked.spending, traffic={day: 5000.0 for day in DAYS if day != WEEK[3]})
    assert advise(replace(looked, spending=partly), {}, UTC).found, "one day of traffic less makes no week idle"


@given(some.lists(some.decimals(0, 1000, places=2), max_size=5), some.decimals(0, 1000, places=2))
def test_nobody_saves_more_than_there_is(savings, of):
    (one,) = advise(case(usual(tokens=2000.0)), {}, UTC).found
    whole = together([replace(one, saving=each) for each in savings], of)
    assert whole <= of and whole <= sum(savings, Decimal(0))
