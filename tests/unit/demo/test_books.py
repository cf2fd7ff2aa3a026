"""What PratikoAI keeps in its databases is what it counted: held against the course itself, on several days."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from opsjobs import system
from opsjobs.demo import books, scenario, simulation
from opsjobs.demo.scenario import Effect, Planted
from opsjobs.demo.weaver import weave

PROFILE, SIMULATION = system.read("pratikoai", Path()), simulation.read("pratikoai")
ZONE = ZoneInfo(PROFILE.zone)
DAYS = 40
# A plain Saturday, and the days after both changes of the clocks.
TODAYS = [datetime(2026, 11, 21, tzinfo=ZONE), datetime(2026, 3, 30, tzinfo=ZONE), datetime(2026, 10, 26, tzinfo=ZONE)]


class Kept:
    """Books, with the course that they were kept of."""

    def __init__(self, today, planted, hours=9.01):
        self.until = today.timestamp() + hours * 3600
        self.course = weave(
            SIMULATION,
            planted,
            start=today - timedelta(days=DAYS),
            end=today + timedelta(days=2),
            today=today,
            zone=ZONE,
        )
        self.books = books.keep(self.course, self.until, ZONE)

    def edges(self, day):
        """The ends of a day, or of what there is of it."""
        start = datetime(day.year, day.month, day.day, tzinfo=ZONE)
        end = min((start + timedelta(days=1)).timestamp(), self.until // 120 * 120)
        return start, datetime.fromtimestamp(end, ZONE)

    def total(self, name, at, **labels):
        place = int(np.searchsorted(self.course.times, at.timestamp()))
        return sum(
            curve.values[place]
            for family in self.course.families
            for curve in family.curves
            if curve.name == name and labels.items() <= curve.labels.items()
        )

    def counted(self, name, day, **labels):
        start, end = self.edges(day)
        return self.total(name, end, **labels) - self.total(name, start, **labels)

    def active(self, at):
        return [
            each
            for each in self.books.subscriptions
            if each.started_at < at and (each.cancelled_at is None or each.cancelled_at >= at)
        ]


@pytest.fixture(
    scope="module",
    params=[(story, today) for story in ("quiet", "troubled") for today in TODAYS],
    ids=lambda param: f"{param[0]} {param[1]:%Y-%m-%d}",
)
def kept(request):
    story, today = request.param
    return Kept(today, scenario.read(story, "pratikoai", SIMULATION, PROFILE).planted(today.date(), ZONE))


def test_there_is_every_day_of_the_history_and_today_so_far(kept):
    today = datetime.fromtimestamp(kept.until, ZONE).date()
    assert list(kept.books.days) == [today - timedelta(days=back) for back in range(DAYS, -1, -1)]


def test_payments_and_signups_of_each_day_are_those_that_were_counted(kept):
    for day, held in kept.books.days.items():
        start, end = kept.edges(day)
        counts = {
            status: sum(start <= each.created_at < end and each.status == status for each in kept.books.payments)
            for status in ("succeeded", "failed")
        }
        for status, count in counts.items():
            assert count == kept.counted("payment_operations_total", day, status=status), (day, status)
        assert held.figures["payment_success"] == pytest.approx(counts["succeeded"] / sum(counts.values()), abs=1e-6)
        signups = sum(start <= each.created_at < end for each in kept.books.users)
        assert signups == held.figures["signups"] == kept.counted("user_signups_total", day)


def test_subscriptions_are_as_many_as_is_told_and_worth_what_is_told_within_a_few_euros(kept):
    for day, held in kept.books.days.items():
        _, end = kept.edges(day)
        active = kept.active(end)
        assert len(active) == held.figures["subscriptions"] == kept.total("subscriptions", end, status="active")
        revenue = sum(each.price_eur for each in active)
        assert held.figures["mrr"] == pytest.approx(revenue, abs=0.01)
        assert revenue == pytest.approx(kept.total("subscription_value_eur", end, status="active"), abs=5)
        users = kept.total("active_users", end)
        assert held.figures["active_users"] == users
        assert held.figures["revenue_per_user"] == pytest.approx(revenue / users, abs=1e-3)


def test_hardly_more_subscriptions_end_than_were_cancelled(kept):
    ended = [each.cancelled_at for each in kept.books.subscriptions if each.cancelled_at]
    counted = sum(kept.counted("subscription_cancellations_total", day) for day in kept.books.days)
    assert counted <= len(ended) <= counted + DAYS / 4


def test_what_a_day_cost_is_what_was_spent_on_models(kept):
    spent = dict.fromkeys(kept.books.days, 0.0)
    for each in kept.books.usage:
        if each.day in spent:
            spent[each.day] += each.cost_eur
    for day, euros in spent.items():
        assert euros == pytest.approx(kept.counted("llm_cost_total_eur", day), abs=0.01)


def test_the_costliest_users_of_yesterday_are_those_that_are_told(kept):
    yesterday = list(kept.books.days)[-2]
    _, end = kept.edges(yesterday)
    held = kept.books.days[yesterday].costliest
    assert len(held) == books.COSTLIEST
    month = dict.fromkeys(held, 0.0)
    for each in kept.books.usage:
        if each.user_id in month and yesterday - timedelta(days=30) < each.day <= yesterday:
            month[each.user_id] += each.cost_eur
    for user, euros in held.items():
        assert month[user] == pytest.approx(euros, abs=1e-4)
        assert euros == pytest.approx(kept.total("user_monthly_cost_eur", end, user=user), abs=0.25)


def test_each_row_has_a_key_of_its_own(kept):
    for rows in (kept.books.users, kept.books.subscriptions, kept.books.payments):
        assert len({each.id for each in rows}) == len(rows)
    assert len({(each.user_id, each.day) for each in kept.books.usage}) == len(kept.books.usage)
    known = {each.id for each in kept.books.users}
    assert {each.user_id for each in (*kept.books.usage, *kept.books.payments, *kept.books.subscriptions)} <= known


def test_nothing_is_kept_of_what_is_yet_to_come(kept):
    last = datetime.fromtimestamp(kept.until, ZONE)
    instants = [each.created_at for each in (*kept.books.users, *kept.books.payments)]
    instants += [at for each in kept.books.subscriptions for at in (each.started_at, each.cancelled_at) if at]
    assert max(instants) <= last


def test_what_a_scenario_does_to_subscriptions_is_in_the_books_too():
    today = TODAYS[0]
    span = ((today - timedelta(days=1)).timestamp(), (today + timedelta(days=1)).timestamp())
    active = {"status": "active", "plan": "team"}
    lost = Kept(
        today,
        [
            Planted(Effect(metric="subscriptions", labels=active, add=-4), *span),
            Planted(Effect(metric="subscription_value_eur", labels=active, multiply=18 / 22), *span),
        ],
    )
    before, after = list(lost.books.days.values())[-3:-1]
    assert after.figures["subscriptions"] == before.figures["subscriptions"] - 4
    assert after.figures["mrr"] == pytest.approx(before.figures["mrr"] - 1800, abs=30)


def test_prices_that_fall_by_half_are_new_contracts_for_all():
    today = TODAYS[0]
    span = ((today - timedelta(days=1)).timestamp(), (today + timedelta(days=1)).timestamp())
    fallen = Kept(today, [Planted(Effect(metric="subscription_value_eur", multiply=0.5), *span)])
    before, after = list(fallen.books.days.values())[-3:-1]
    assert after.figures["subscriptions"] == before.figures["subscriptions"]
    assert after.figures["mrr"] == pytest.approx(before.figures["mrr"] / 2, abs=10)


def test_just_after_midnight_today_has_nothing_yet():
    kept = Kept(TODAYS[0], [], hours=0.01)
    assert len(kept.books.days) == DAYS


def test_without_any_subscription_nothing_is_cancelled():
    today = TODAYS[0]
    span = ((today - timedelta(days=50)).timestamp(), (today + timedelta(days=2)).timestamp())
    names = ("subscriptions", "subscription_value_eur")
    empty = Kept(today, [Planted(Effect(metric=name, set=0), *span) for name in names])
    assert empty.books.subscriptions == ()
    assert {day.figures["mrr"] for day in empty.books.days.values()} == {0}
