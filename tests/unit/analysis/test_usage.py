"""Who ran away, what plans leave, and what rows leave open."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opsjobs.analysis import usage
from opsjobs.analysis.pseudonyms import pseudonym
from opsjobs.facts import Beyond, GroupCost, Groups, UserCost
from tests.fakes import NO_USAGE

DAYS = 30


def facts(*users, nameless=(0, 0), **known):
    """Of users as (name, week, the 30 days before it); a month costs what its week and 23 days before it do."""
    costs = [
        UserCost(user=name, month=week + before * 23 / DAYS, week=week, before=before)
        for name, week, before in ((name, Decimal(week), Decimal(before)) for name, week, before in users)
    ]
    week, before = map(Decimal, nameless)
    made = replace(
        NO_USAGE,
        rows=100,
        week_rows=30,
        earlier_rows=100 if any(each.before for each in costs) else 0,
        month=sum(each.month for each in costs) + week,
        week=sum(each.week for each in costs) + week,
        before=sum(each.before for each in costs) + before,
        nameless=week,
        nameless_week=week,
        nameless_before=before,
        users=len(costs),
        week_users=sum(each.week > 0 for each in costs),
        top=tuple(sorted(costs, key=lambda each: -each.month)[:10]),
        heavy=tuple(each for each in costs if each.week * 10 >= sum(other.week for other in costs) + week),
    )
    return replace(made, **known)


def ran_away(*users, target=None, **known):
    found = usage.usage(facts(*users, **known), str.upper, str.lower, target=target)
    return [user.name for user in found.runaways]


def crowd(count, week="0.7", before="3"):
    """Users who each cost as much in a week as in the weeks before."""
    return [(f"user{number}", week, before) for number in range(count)]


def test_a_crowd_as_ever_is_quiet():
    assert ran_away(*crowd(100)) == []


def test_a_user_who_costs_much_more_than_before_and_than_others_is_found():
    assert ran_away(*crowd(100), ("ann", 20, 3)) == ["ANN"]


@pytest.mark.parametrize(
    ("week", "before", "why"),
    [
        (20, 60, "costs much, and always has"),
        (20, 29, "2.96 times as much as in a week before"),
        (7, 1, "less than a tenth of the week"),
    ],
)
def test_a_user_within_one_of_the_bounds_is_left_alone(week, before, why):
    assert ran_away(*crowd(100), ("ann", week, before)) == [], why


def test_at_the_bounds_a_user_is_found():
    assert ran_away(*crowd(90), ("ann", 7, 10)) == ["ANN"], "a tenth of the week, three times as much as before"


def test_a_new_user_who_costs_much_is_found():
    assert ran_away(*crowd(100), ("new", 20, 0)) == ["NEW"]


def test_in_a_small_group_a_tenth_is_nothing():
    assert ran_away(*crowd(4), ("new", "0.7", 0)) == []
    assert ran_away(*crowd(4), ("new", 5, 0)) == ["NEW"]


def test_where_all_grow_nobody_stands_out():
    assert ran_away(*crowd(8, week=7), ("ann", 22, 4)) == [], "24 times as much, and the others ten times"
    assert ran_away(*crowd(8, week=7), ("ann", 22, "0.5")) == ["ANN"]


def test_a_history_of_a_few_days_makes_nobody_a_runaway():
    # Five days of the thirty are kept: everybody seems to cost six times as much.
    assert ran_away(*crowd(5, before="0.5"), ("ann", 8, 4)) == []


def test_without_a_history_nobody_is_compared():
    found = usage.usage(facts(*crowd(50, before=0), ("ann", 50, 0)), str, str)
    assert (found.runaways, found.compared) == ((), False)


def test_who_is_alone_is_held_against_his_own_past():
    assert ran_away(("ann", 20, 10)) == ["ANN"]
    assert ran_away(("ann", 2, 10)) == []
    assert ran_away(("ann", 20, 0), earlier_rows=1) == [], "new, and nobody beside him"


def test_a_week_that_costs_no_more_than_a_month_should_is_left_alone():
    users = [*crowd(100, week="0.007", before="0.03"), ("ann", 2, 0)]
    assert ran_away(*users) == ["ANN"] and ran_away(*users, target=Decimal(2)) == []


def test_what_has_no_user_is_nobody():
    assert ran_away(*crowd(100), nameless=(1000, 0)) == []
    # It is a part of the week all the same.
    assert ran_away(*crowd(100), ("ann", 20, 3), nameless=(1000, 0)) == []


def test_two_at_once_are_both_found():
    assert ran_away(*crowd(100), ("ann", 70, 3), ("bob", 60, 3)) == ["ANN", "BOB"]


def test_shares_and_limits_are_told_as_they_were_read():
    beyond = Beyond(limit=Decimal(2), users=3, amount=Decimal(9), above=Decimal(3))
    found = usage.usage(facts(("ann", 1, 0), ("bob", 3, 0), beyond=(beyond,)), str, str)
    assert [(each.name, each.share, each.week_share) for each in found.top] == [
        ("bob", Decimal("0.75"), Decimal("0.75")),
        ("ann", Decimal("0.25"), Decimal("0.25")),
    ]
    assert found.top_share == 1
    assert found.above(Decimal("2.00")) is beyond and found.above(Decimal(5)) is None


def test_nothing_used_is_no_usage():
    assert usage.usage(NO_USAGE, str, str) is None
    (gap,) = usage.gaps(NO_USAGE)
    assert "no usage" in gap.reason and gap.advice


def test_what_rows_leave_open_is_said_and_makes_it_incomplete():
    known = facts(("ann", 1, 0))
    assert usage.usage(known, str, str).complete and list(usage.gaps(known)) == []
    for change, words in (
        ({"without_amount": 1}, "1 row of 37 days has no amount"),
        ({"negative": 1200}, "1,200 rows of 37 days have an amount below zero"),
        ({"no_number": 2}, "NaN"),
        ({"warnings": ("the standby is late",)}, "the standby is late"),
    ):
        (gap,) = usage.gaps(replace(known, **change))
        assert words in gap.reason
        assert not usage.usage(replace(known, **change), str, str).complete
    (gap,) = usage.gaps(replace(known, week_rows=0))
    assert "not one row of the week" in gap.reason


def group(name, amount):
    return GroupCost(name=name, users=1, amount=Decimal(amount), p50=Decimal(amount))


def test_plans_are_told_with_what_is_left_of_their_revenue():
    plans = Groups(shown=(group("team", 30), group(None, 20), group("free", 10)))
    revenue = {"team": Decimal(120), "free": Decimal(0), "idle": Decimal(7), None: Decimal(10)}
    found = usage.usage(facts(("ann", 1, 0), plans=plans), str, str, revenue=revenue)
    assert [(each.name, each.revenue, each.margin) for each in found.plans] == [
        ("team", 120, Decimal("0.75")),
        (None, 10, Decimal(-1)),
        ("free", 0, None),
        ("idle", 7, 1),
    ]


def test_a_plan_that_is_among_those_not_shown_is_not_said_to_cost_nothing():
    plans = Groups(shown=(group("team", 30),), more=3, more_amount=Decimal(9))
    found = usage.usage(facts(("ann", 1, 0), plans=plans), str, str, revenue={"small": Decimal(7)})
    assert [each.name for each in found.plans] == ["team"]
    assert (found.more_plans, found.more_plans_amount) == (3, 9)


def test_a_pseudonym_is_stable_and_belongs_to_its_key_and_system():
    key = bytes(range(32))
    name = pseudonym(key, "shop", "ann@example.com")
    assert name == "user-c29f061d"
    others = [pseudonym(key[::-1], "shop", "ann@example.com"), pseudonym(key, "desk", "ann@example.com")]
    assert len({name, *others, pseudonym(key, "shop", "ann@example.con")}) == 4
    assert name.startswith("user-") and len(name) == 13
