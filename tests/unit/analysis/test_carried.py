"""What is remembered of money: what need not be asked, what takes the place of what was lost, and what is kept."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from opsjobs.analysis.carried import SYSTEM, carried, definitions, joined, said, to_ask, to_keep
from opsjobs.analysis.costs import Line, Spending
from opsjobs.daybook import Daybook, SpentDay, SpentLine, TrafficDay
from opsjobs.system.cost import CostsSpec

MONDAY = date(2026, 11, 9)
DAYS = [MONDAY + timedelta(days=number) for number in range(-7, 7)]
WEEK = DAYS[7:]
ITEMS = {
    "llm": {"title": "LLM", "spent": "cost_total", "by": ["model"]},
    "maps": {"title": "Maps", "units": "maps_total", "price": "0.004"},
}


class Everything(dict):
    def __contains__(self, name):
        return True


def costs(items=None, **more):
    given = {"currency": "EUR", "team": "finance", "traffic": "requests_total", "items": {**ITEMS, **(items or {})}}
    names = {"metrics": Everything(), "teams": Everything()}
    return CostsSpec.model_validate({**given, **more}, context=names)


COSTS = costs()
DEFINITIONS = definitions(COSTS, "Europe/Rome")


def book(days=DAYS, items=("llm", "maps"), amount="2.5"):
    return Daybook(
        days=[
            SpentDay(
                item=item,
                day=day,
                definition=DEFINITIONS[item],
                lines=(SpentLine((("model", "large"),), Decimal(amount), 4.0, 1.0, 9.0),),
            )
            for item in items
            for day in days
        ],
        traffic=[TrafficDay(day=day, definition=DEFINITIONS[SYSTEM], traffic=100.0, hits=50.0) for day in days],
    )


def known(of=None):
    return carried(book() if of is None else of, COSTS, "Europe/Rome")


def read(days=WEEK, lost=(), amount="7", items=("llm", "maps")):
    return Spending(
        lines=[
            Line(item=item, day=day, member=(), amount=None if amount is None else Decimal(amount))
            for item in items
            for day in days
        ],
        seen={(item, day): 0.5 if (item, day) in lost else 1.0 for item in items for day in days},
        traffic=dict.fromkeys(days, 7.0),
        hits=dict.fromkeys(days, 3.0),
    )


@pytest.mark.parametrize(
    ("other", "zone", "forgotten"),
    [
        (costs({"llm": {**ITEMS["llm"], "spent": "cost_eur_total"}}), "Europe/Rome", {"llm"}),
        (costs({"llm": {**ITEMS["llm"], "by": ["provider"]}}), "Europe/Rome", {"llm"}),
        (costs({"maps": {**ITEMS["maps"], "price": "0.005"}}), "Europe/Rome", {"maps"}),
        (
            costs({"llm": {**ITEMS["llm"], "title": "Models", "about": "all"}}, replica="prometheus_replica"),
            "Europe/Rome",
            set(),
        ),
        (costs({"mails": {"title": "Mails", "spent": "mails_total"}}), "Europe/Rome", set()),
        (costs(traffic="http_total"), "Europe/Rome", {SYSTEM}),
        (costs(currency="USD"), "Europe/Rome", {"llm", "maps", SYSTEM}),
        (costs(replica="pair"), "Europe/Rome", {"llm", "maps", SYSTEM}),
        (COSTS, "UTC", {"llm", "maps", SYSTEM}),
    ],
)
def test_a_changed_definition_forgets_its_own_item_and_no_other(other, zone, forgotten):
    found = carried(book(), other, zone)
    assert {item for item, _ in found.days} == {"llm", "maps"} - forgotten
    assert (not found.traffic) == (SYSTEM in forgotten)


def test_the_week_is_asked_anew_and_before_it_only_what_nobody_remembers():
    partly = book(DAYS[2:], ("llm",))
    wanted = to_ask(known(partly), DAYS, WEEK)
    assert wanted == {"llm": [*DAYS[:2], *WEEK], "maps": DAYS, SYSTEM: DAYS}
    assert to_ask(known(), DAYS, WEEK) == {"llm": WEEK, "maps": WEEK, SYSTEM: WEEK}
    assert to_ask(known(Daybook()), DAYS, WEEK) == {"llm": DAYS, "maps": DAYS, SYSTEM: DAYS}


def test_what_was_read_of_the_week_counts_and_what_is_remembered_before_it():
    found, from_memory = joined(read(), known(), DAYS)
    assert from_memory == tuple(DAYS[:7])
    assert found.by_day() == {**dict.fromkeys(DAYS[:7], Decimal(5)), **dict.fromkeys(WEEK, Decimal(14))}
    assert found.traffic == {**dict.fromkeys(DAYS[:7], 100.0), **dict.fromkeys(WEEK, 7.0)}
    assert found.hits == {**dict.fromkeys(DAYS[:7], 50.0), **dict.fromkeys(WEEK, 3.0)}
    (line,) = found.of([DAYS[0]], "llm")
    assert line == Line(
        item="llm",
        day=DAYS[0],
        member=(("model", "large"),),
        amount=Decimal("2.5"),
        requests=4.0,
        failed=1.0,
        tokens=9.0,
    )


def test_a_lost_day_of_the_week_is_remembered_for_its_item_only_with_the_traffic_of_that_day():
    found, from_memory = joined(read(lost={("llm", WEEK[2])}), known(), DAYS)
    assert from_memory == (*DAYS[:7], WEEK[2])
    assert found.by_day()[WEEK[2]] == Decimal("9.5") and found.known(WEEK[2])
    assert (found.traffic[WEEK[2]], found.hits[WEEK[2]]) == (100.0, 50.0)
    assert said(from_memory, 14, WEEK) == (
        "8 of 14 days are from the ledger, as earlier reports read them. "
        "Of the week itself: Wednesday, which could not be read in full again."
    )


def test_a_lost_day_that_nobody_remembers_stays_lost():
    found, from_memory = joined(read(lost={("llm", WEEK[2])}), known(book(DAYS[:7])), DAYS)
    assert not found.known(WEEK[2]) and from_memory == tuple(DAYS[:7])
    assert said((), 14, WEEK) == ""
    assert said(DAYS[:1], 14, WEEK) == "1 of 14 days is from the ledger, as earlier reports read them."


def test_a_price_that_is_missing_is_not_hidden_by_one_that_was_known():
    found, from_memory = joined(read(amount=None), known(), DAYS)
    assert from_memory == tuple(DAYS[:7]) and not any(found.known(day) for day in WEEK)


def test_what_was_read_in_full_is_kept_and_nothing_else():
    kept = to_keep(read(lost={("llm", WEEK[2])}), known(), {("maps", WEEK[3]), (SYSTEM, WEEK[4])})
    days = {(each.item, each.day) for each in kept.days}
    assert days == {(item, day) for item in ITEMS for day in WEEK} - {("llm", WEEK[2]), ("maps", WEEK[3])}
    assert {each.day for each in kept.traffic} == set(WEEK) - {WEEK[2], WEEK[4]}
    assert to_keep(read(amount=None), known(), ()).days == ()


def test_what_was_kept_is_what_is_remembered():
    first = read(DAYS)
    again, from_memory = joined(read([]), known(to_keep(first, known(Daybook()), ())), DAYS)
    assert from_memory == tuple(DAYS)
    assert sorted(again.lines, key=repr) == sorted(first.lines, key=repr)
    assert (again.seen, again.traffic, again.hits) == (first.seen, first.traffic, first.hits)


def test_an_item_that_cost_nothing_is_known_and_not_unknown():
    idle = Spending(lines=[], seen={("llm", day): 1.0 for day in WEEK})
    kept = to_keep(idle, known(), ())
    assert [each.lines for each in kept.days] == [()] * 7
