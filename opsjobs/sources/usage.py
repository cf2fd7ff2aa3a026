"""What users cost, added up by PostgreSQL: one statement around the owner's, which answers with a few dozen rows.

The owner's SELECT is asked of three spans that follow each other and never overlap, so that each of its rows is read
once: `earlier` and `middle` are the month before the week, `middle` and `week` the month that ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from opsjobs import statements
from opsjobs.facts import Beyond, GroupCost, Groups, UsageFacts, UserCost
from opsjobs.model import Window
from opsjobs.sources import UsageQuestion

NEEDED = ("user", "amount")
OPTIONAL = ("plan", "feature")
NUMBERS: Mapping[int, str] = {
    20: "bigint",
    21: "smallint",
    23: "integer",
    700: "real",
    701: "double precision",
    1700: "numeric",
}
"""The types that an amount may have, by their ids in PostgreSQL."""
TOP = 10
GROUPS = 20
"""How many users, and how many plans and features, are named."""
_LONGEST = 200
"""Characters of a name; a longer user is told by its beginning and its hash."""
_TOO_LARGE = "1e15"
"""From here on an amount is a mistake, and no money; so are NaN and infinity, which PostgreSQL sorts behind it."""

_SPAN = """
SELECT '{span}' AS span, nullif("user"::text, '') AS who, {plan} AS plan, {feature} AS feature,
  count(*) AS found,
  count(*) FILTER (WHERE amount IS NULL) AS without_amount,
  count(*) FILTER (WHERE amount < 0) AS negative,
  count(*) FILTER (WHERE amount >= {large}) AS no_number,
  round(coalesce(sum(amount::numeric) FILTER (WHERE amount >= 0 AND amount < {large}), 0) * %(rate)s::numeric, 6)
    AS cost
FROM (
{inner}
) AS told GROUP BY 2, 3, 4
"""
_GROUPS = """
UNION ALL (
  SELECT '{of}', left({of}, {longest}), users, ARRAY[cost, p50, p90, p99] FROM by_{of} WHERE place <= {most}
  ORDER BY place
)
UNION ALL SELECT 'more {of}', NULL, count(*), ARRAY[sum(cost)] FROM by_{of} WHERE place > {most}
"""
_BY = """
, of_{of} AS (
  SELECT {of}, who, sum(cost) AS cost FROM told WHERE span <> 'earlier' GROUP BY 1, 2
), by_{of} AS (
  SELECT {of}, users, cost, shares[1] AS p50, shares[2] AS p90, shares[3] AS p99,
    row_number() OVER (ORDER BY cost DESC, {of} COLLATE "C" NULLS LAST) AS place
  FROM (
    SELECT {of}, count(who) AS users, sum(cost) AS cost,
      percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY cost) FILTER (WHERE who IS NOT NULL) AS shares
    FROM of_{of} GROUP BY 1
  ) AS each_{of}
)
"""
# All of it within a SELECT: WITH can write only where nothing is around it.
_WHOLE = """
SELECT * FROM (
WITH told AS MATERIALIZED ({spans}
), by_user AS MATERIALIZED (
  SELECT who, sum(cost) FILTER (WHERE span <> 'earlier') AS month, coalesce(sum(cost) FILTER (WHERE span = 'week'), 0)
    AS week, coalesce(sum(cost) FILTER (WHERE span <> 'week'), 0) AS before,
    bool_or(span = 'week') AS lately
  FROM told WHERE who IS NOT NULL GROUP BY who
), sums AS (
  SELECT coalesce(sum(cost) FILTER (WHERE span <> 'earlier'), 0) AS month,
    coalesce(sum(cost) FILTER (WHERE span = 'week'), 0) AS week,
    coalesce(sum(cost) FILTER (WHERE span <> 'week'), 0) AS before,
    coalesce(sum(cost) FILTER (WHERE span <> 'earlier' AND who IS NULL), 0) AS nameless,
    coalesce(sum(cost) FILTER (WHERE span = 'week' AND who IS NULL), 0) AS nameless_week,
    coalesce(sum(cost) FILTER (WHERE span <> 'week' AND who IS NULL), 0) AS nameless_before,
    coalesce(sum(found) FILTER (WHERE span <> 'earlier'), 0) AS found,
    coalesce(sum(found) FILTER (WHERE span = 'week'), 0) AS found_week,
    coalesce(sum(found) FILTER (WHERE span <> 'week'), 0) AS found_before,
    coalesce(sum(without_amount), 0) AS without_amount, coalesce(sum(negative), 0) AS negative,
    coalesce(sum(no_number), 0) AS no_number
  FROM told
){by}
SELECT 'sums' AS part, NULL::text AS name, NULL::bigint AS count, ARRAY[month, week, before, nameless, nameless_week,
  nameless_before, found, found_week, found_before, without_amount, negative, no_number] AS numbers FROM sums
UNION ALL
SELECT 'users', NULL, count(month),
  percentile_disc(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY month) FILTER (WHERE month IS NOT NULL) FROM by_user
UNION ALL
SELECT 'week users', NULL, count(*) FILTER (WHERE lately), NULL FROM by_user
UNION ALL (
  SELECT 'top', {who}, NULL, ARRAY[month, week, before] FROM by_user WHERE month > 0
  ORDER BY month DESC, who COLLATE "C" LIMIT {top}
)
UNION ALL (
  SELECT 'heavy', {who}, NULL, ARRAY[by_user.month, by_user.week, by_user.before] FROM by_user, sums
  WHERE by_user.week > 0 AND by_user.week * 10 >= sums.week ORDER BY by_user.week DESC, who COLLATE "C" LIMIT {top}
)
UNION ALL
SELECT 'beyond', NULL, count(who), ARRAY["limit", coalesce(sum(month), 0), coalesce(sum(month - "limit"), 0)]
FROM unnest(%(limits)s::numeric[]) AS limits ("limit") LEFT JOIN by_user ON month > "limit" GROUP BY "limit"
{groups}
) AS usage
"""


def columns(statement: str) -> str:
    """The statement that shows which columns the owner's has, without a row."""
    return f"SELECT * FROM (\n{statements.inner(statement)}\n) AS told LIMIT 0"  # noqa: S608 - the operator's profile


def fault(found: Sequence[tuple[str, int]]) -> str:
    """What is wrong with the columns, by name and type, in words; nothing where they will do."""
    names = [name for name, _ in found]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        return f"it has no column {' and none '.join(missing)}"
    unknown = [name for name in names if name not in {*NEEDED, *OPTIONAL}]
    if unknown:
        return f"nobody knows what its column {unknown[0]} is"
    if dict(found)["amount"] not in NUMBERS:
        return f"its column amount is no {', '.join(NUMBERS.values())}"
    return ""


def statement(question: UsageQuestion, names: Iterable[str]) -> str:
    """All that is asked, of the columns of those names."""
    there = [name for name in OPTIONAL if name in set(names)]
    # Without a column, PostgreSQL would take a text for its own.
    known = {name: f"nullif({name}::text, '')" if name in there else "NULL::text" for name in OPTIONAL}
    spans = "UNION ALL".join(
        _SPAN.format(span=span, large=_TOO_LARGE, inner=statements.inner(question.sql, f"_{span}"), **known)
        for span in _windows(question)
    )
    who = f"CASE WHEN length(who) <= {_LONGEST} THEN who ELSE left(who, {_LONGEST}) || ' ' || "
    return _WHOLE.format(
        spans=spans,
        by="".join(_BY.format(of=name) for name in there),
        groups="".join(_GROUPS.format(of=name, longest=_LONGEST, most=GROUPS) for name in there),
        who=f"{who}encode(sha256(convert_to(who, 'UTF8')), 'hex') END",
        top=TOP,
    )


def parameters(question: UsageQuestion) -> dict[str, object]:
    """What is bound."""
    known: dict[str, object] = {"rate": question.rate, "limits": list(question.limits)}
    for span, window in _windows(question).items():
        known |= statements.parameters(window, f"_{span}")
    return known


def _windows(question: UsageQuestion) -> dict[str, Window]:
    return {"earlier": question.earlier, "middle": question.middle, "week": question.week}


def facts(rows: Sequence[tuple[str, str | None, int, list[Decimal | None] | None]], names: Iterable[str]) -> UsageFacts:
    """What the rows say. Raises `LookupError` and `TypeError` where they are not those of `statement`."""
    parts: dict[str, list[tuple[str | None, int, list[Any]]]] = {}
    for part, name, count, numbers in rows:
        parts.setdefault(part, []).append((name, count, numbers or []))
    ((_, _, sums),) = parts["sums"]
    ((_, users, shares),) = parts["users"]
    ((_, week_users, _),) = parts["week users"]
    p50, p90, p99, most = shares or [None] * 4
    month, week, before, nameless, nameless_week, nameless_before, *counts = sums
    found, found_week, found_before, without_amount, negative, no_number = map(int, counts)
    return UsageFacts(
        rows=found,
        week_rows=found_week,
        earlier_rows=found_before,
        without_amount=without_amount,
        negative=negative,
        no_number=no_number,
        month=month,
        week=week,
        before=before,
        nameless=nameless,
        nameless_week=nameless_week,
        nameless_before=nameless_before,
        users=users,
        week_users=week_users,
        p50=p50,
        p90=p90,
        p99=p99,
        most=most,
        top=_users(parts.get("top", ())),
        heavy=_users(parts.get("heavy", ())),
        beyond=tuple(
            Beyond(limit=limit, users=count, amount=amount, above=above)
            for _, count, (limit, amount, above) in parts.get("beyond", ())
        ),
        plans=_groups(parts, "plan") if "plan" in names else None,
        features=_groups(parts, "feature") if "feature" in names else None,
    )


def _users(rows: Iterable[tuple[str | None, int, list[Any]]]) -> tuple[UserCost, ...]:
    return tuple(
        UserCost(user=name or "", month=month or Decimal(0), week=week, before=before)
        for name, _, (month, week, before) in rows
    )


def _groups(parts: Mapping[str, list[tuple[str | None, int, list[Any]]]], of: str) -> Groups:
    ((_, more, (more_amount,)),) = parts[f"more {of}"]
    shown = (
        GroupCost(name=name, users=users, amount=amount, p50=p50, p90=p90, p99=p99)
        for name, users, (amount, p50, p90, p99) in parts.get(of, ())
    )
    return Groups(shown=tuple(shown), more=more, more_amount=more_amount or Decimal(0))
