"""What to do about money, as the parts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from opsjobs.analysis import advice as advising
from opsjobs.analysis.advice import BEST
from opsjobs.analysis.economics import MONTH
from opsjobs.analysis.money import exact, total
from opsjobs.jobs.reckoning import Told
from opsjobs.recommendation import Decision, Recommendation
from opsjobs.report.document import Fact, Section, Table, TableRow
from opsjobs.words import NO_DATA, quantity

_COLUMNS = ("Action", "Saves in a month", "Effort", "Confidence", "Name")


def fact(told: Told) -> Fact:
    """What the best actions are worth, for the first screen."""
    advice = told.advice
    if advice.best:
        which = "The best action" if len(advice.best) == 1 else f"The best {len(advice.best)} actions"
        most = "up to " if len(advice.best) > 1 else ""
        return Fact(name=which, value=f"{most}{_money(_together(told, advice.best), told)} a month")
    return Fact(name=f"The best {BEST} actions", value="not known" if advice.silent else "none")


def first(told: Told) -> Iterator[Section]:
    """The best of it, before everything else."""
    best = told.advice.best
    if best:
        rows = tuple(TableRow(cells=_cells(each, told)) for each in best)
        if len(best) > 1:
            whole = ("Together, at most", _money(_together(told, best), told), "", "", "")
            rows = (*rows, TableRow(cells=whole, whole=True))
        table = Table(columns=_COLUMNS, rows=rows, words=(2, 3, 4), note=_note(len(best)))
        yield Section(id="actions", title="What to do", blocks=(table,), first=True)


def _note(count: int) -> str:
    less = "Two that act on the same requests save less together. " if count > 1 else ""
    return f"{less}Accept, dismiss or end them by their name: opsjobs findings accept NAME."


def later(told: Told) -> Iterator[Section]:
    """How all of it comes about, and what came of what was done."""
    found = told.advice.found
    blocks = []
    if found:
        rows = tuple(
            TableRow(cells=(each.id, f"{each.title}: {each.arithmetic}", _money(each.saving, told), _state(each)))
            for each in found
        )
        blocks.append(
            Table(columns=("Name", "How it comes about", "Saves in a month", "State"), rows=rows, words=(1, 3))
        )
    done = [each for each in told.advice.known if each.decision is Decision.DONE and _day(told, each) <= told.week[-1]]
    if done:
        blocks.append(_done(told, done))
    yield Section(id="advice", title="What could be saved", note=_silence(told), blocks=tuple(blocks))


def _silence(told: Told) -> str:
    if told.advice.silent:
        return f"Nothing is advised: {told.advice.silent}."
    if told.advice.found:
        return ""
    if told.advice.hidden:
        return "Nothing else is advised: what was found is dismissed or done (`opsjobs findings list --all`)."
    least = _money(Decimal(1), told)
    return f"Nothing is advised: no lever would save {least} and one per cent of what is read in a month."


def _done(told: Told, done: Sequence[Recommendation]) -> Table:
    """What it saved in the week, and in all weeks since."""
    week = {each.id: each.amount for each in told.advice.realised}
    rows = []
    for each in done:
        # Of weeks up to this one: the report of an old week says what was known then.
        since = {week: amount for week, amount in told.saved.get(each.id, {}).items() if week < told.week[0]}
        if each.id in week:
            since[told.week[0]] = week[each.id]
        expected = _money(exact(each.saving * len(told.week) / MONTH), told)
        rows.append(
            TableRow(
                cells=(
                    each.title,
                    f"{_day(told, each):%-d %B %Y}",
                    expected,
                    _money(week[each.id], told) if each.id in week else NO_DATA,
                    _money(total(since.values()), told) if since else NO_DATA,
                    f"{len(since)}",
                )
            )
        )
    columns = ("What was done", "On", "Expected in a week", "Saved in this week", "Saved since", "Weeks measured")
    note = (
        "Against how it was when it was found, at the requests and prices of each week. What batches and limits for "
        "users save cannot be measured so."
    )
    return Table(columns=columns, rows=tuple(rows), words=(1,), note=note)


def _day(told: Told, each: Recommendation) -> date:
    """When it was decided about."""
    return each.at.astimezone(told.zone).date() if each.at else each.last_seen


def _cells(each: Recommendation, told: Told) -> tuple[str, ...]:
    return each.title, _money(each.saving, told), each.effort, each.confidence, each.id


def _state(each: Recommendation) -> str:
    weeks = f"found since {each.first_seen:%-d %B}"
    return f"{weeks}, accepted by {each.by}" if each.decision is Decision.ACCEPTED else weeks


def _together(told: Told, advised: Sequence[Recommendation]) -> Decimal:
    return advising.together(advised, advising.month(told.read + told.fixed))


def _money(amount: Decimal, told: Told) -> str:
    return quantity(float(amount), told.costs.currency)
