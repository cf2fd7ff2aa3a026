"""Who the money is spent on: users, plans and features of a month, and who ran away in its last week."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from opsjobs.analysis.economics import MONTH
from opsjobs.analysis.money import NOTHING, exact, total
from opsjobs.facts import Beyond, GroupCost, Groups, UsageFacts, UserCost
from opsjobs.model import Gap

SHARE = Decimal("0.1")
"""Of the week: who cost less has not run away."""
RISE = 3
"""How many times as much as before, and as others, makes a runaway."""
_WEEK = 7
SOURCE = "Costs of users"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spender:
    """A user as a report names him, and what he cost in the month, in its last week, and in a week before that."""

    name: str
    alias: str
    """A pseudonym, whatever reports call him: what is remembered of him is under it."""
    month: Decimal
    week: Decimal
    usual: Decimal
    """The mean of a week in the month before the week; nothing for who is new."""
    share: Decimal
    """Of the month."""
    week_share: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A plan: its users and their cost in the month, and what it earns in one."""

    name: str | None
    """None for use without a plan."""
    users: int
    amount: Decimal
    p50: Decimal | None = None
    p90: Decimal | None = None
    p99: Decimal | None = None
    revenue: Decimal | None = None

    @property
    def margin(self) -> Decimal | None:
        """Which share of its revenue is left, before fixed costs; None for what earns nothing."""
        return (self.revenue - self.amount) / self.revenue if self.revenue else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What users cost in the last 30 days of a week, in the system's currency."""

    complete: bool
    """Whether every row counts; with holes, sums are at least what they say."""
    total: Decimal
    """Of all users and of what has no user."""
    nameless: Decimal
    """Of what has no user."""
    week: Decimal
    """In the seven days at the end."""
    users: int
    p50: Decimal
    p90: Decimal
    p99: Decimal
    most: Decimal
    """Which amount half of the users, 90 % and 99 % do not exceed, and nobody does."""
    top: tuple[Spender, ...]
    """The costliest ten."""
    runaways: tuple[Spender, ...]
    """Who suddenly costs a large part of the week."""
    compared: bool
    """Whether there was any use before the week that it could be held against."""
    beyond: tuple[Beyond, ...]
    plans: tuple[Plan, ...] | None
    """The costliest; None where nobody says of which plan users are."""
    more_plans: int
    more_plans_amount: Decimal
    features: tuple[GroupCost, ...] | None
    more_features: int
    more_features_amount: Decimal

    @property
    def top_share(self) -> Decimal | None:
        """Which share of the total the costliest ten are."""
        return total(each.month for each in self.top) / self.total if self.total else None

    def above(self, limit: Decimal) -> Beyond | None:
        """Who cost more than a limit in the month; None for a limit of which nobody was asked."""
        return next((each for each in self.beyond if each.limit == limit), None)


def usage(
    facts: UsageFacts,
    called: Callable[[str], str],
    alias: Callable[[str], str],
    *,
    target: Decimal | None = None,
    revenue: Mapping[str | None, Decimal] | None = None,
) -> Usage | None:
    """What the facts mean, with users as they are `called`; None where nobody used anything.

    `target` is what a user should cost in a month, `revenue` what plans earn in one.
    """
    if not facts.rows:
        return None

    def spender(each: UserCost) -> Spender:
        return Spender(
            name=called(each.user),
            alias=alias(each.user),
            month=exact(each.month),
            week=exact(each.week),
            usual=_usual(each.before),
            share=_share(each.month, facts.month),
            week_share=_share(each.week, facts.week),
        )

    plans, features = facts.plans or Groups(), facts.features or Groups()
    return Usage(
        complete=not (facts.without_amount or facts.negative or facts.no_number or facts.warnings),
        total=exact(facts.month),
        nameless=exact(facts.nameless),
        week=exact(facts.week),
        users=facts.users,
        p50=exact(facts.p50 or NOTHING),
        p90=exact(facts.p90 or NOTHING),
        p99=exact(facts.p99 or NOTHING),
        most=exact(facts.most or NOTHING),
        top=tuple(spender(each) for each in facts.top),
        runaways=tuple(spender(each) for each in facts.heavy if ran_away(each, facts, target)),
        compared=bool(facts.earlier_rows),
        beyond=facts.beyond,
        plans=None if facts.plans is None else tuple(_plans(plans, revenue or {})),
        more_plans=plans.more,
        more_plans_amount=exact(plans.more_amount),
        features=None if facts.features is None else features.shown,
        more_features=features.more,
        more_features_amount=exact(features.more_amount),
    )


def ran_away(user: UserCost, facts: UsageFacts, target: Decimal | None) -> bool:
    """Whether a user suddenly costs a large part of the week.

    He cost a tenth of it or more, three times what others did on average, and three times his own weekly mean of the
    month before, times what the others grew meanwhile: where all grow, or the history is short, nobody stands out. A
    week that cost no more than a user should in a month is left alone.
    """
    if not facts.earlier_rows or user.week < SHARE * facts.week or (target is not None and user.week <= target):
        return False
    others = facts.week - facts.nameless_week - user.week
    others_before = (facts.before - facts.nameless_before - user.before) * _WEEK / MONTH
    others_count = facts.week_users - 1
    if others_count and user.week < RISE * others / others_count:
        return False
    if not others_count and not user.before:
        # Nobody to hold him against, and no past.
        return False
    growth = max(Decimal(1), others / others_before) if others_before else Decimal(1)
    return user.week >= RISE * growth * user.before * _WEEK / MONTH


def gaps(facts: UsageFacts) -> Iterator[Gap]:
    """What the rows leave open, and what to do about it."""
    advice = "Ask the statement of costs.usage by hand, and correct it or what fills its table."
    if not facts.rows:
        yield Gap(source=SOURCE, reason=f"no usage: not one row of the last {MONTH} days", advice=advice)
    elif not facts.week_rows:
        yield Gap(source=SOURCE, reason="no usage: not one row of the week", advice=advice)
    for count, what in (
        (facts.without_amount, "no amount"),
        (facts.negative, "an amount below zero"),
        (facts.no_number, "an amount that is NaN, infinite or too large to be money"),
    ):
        if count:
            rows, has = ("row", "has") if count == 1 else ("rows", "have")
            reason = f"{count:,} {rows} of {MONTH + _WEEK} days {has} {what}, and count in no sum"
            yield Gap(source=SOURCE, reason=reason, advice=advice)
    yield from (Gap(source=SOURCE, reason=f"the source warns: {warning}") for warning in facts.warnings)


def _plans(groups: Groups, revenue: Mapping[str | None, Decimal]) -> Iterator[Plan]:
    """Each plan with what it earns; those that earn without being used come last."""
    for each in groups.shown:
        yield Plan(
            name=each.name,
            users=each.users,
            amount=exact(each.amount),
            p50=each.p50,
            p90=each.p90,
            p99=each.p99,
            revenue=revenue.get(each.name),
        )
    if groups.more:
        # One of them may be among those that are not named.
        return
    unused = revenue.keys() - {each.name for each in groups.shown}
    for name in sorted(unused, key=lambda name: (-revenue[name], name or "")):
        yield Plan(name=name, users=0, amount=NOTHING, revenue=revenue[name])


def _usual(before: Decimal) -> Decimal:
    return exact(before * _WEEK / MONTH)


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole else NOTHING
