"""Why a cost changed: each driver alone is found to the cent, and together they add up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsjobs.analysis.drivers import CACHE, MIX, PRICE, RATE, REQUEST, TOKENS, VOLUME, WHOLE, Cell, Span, parts
from opsjobs.analysis.money import exact, total

PRICES = {"large": 0.00001, "small": 0.000002}


def span(requests=1000.0, hit=0.8, large=0.5, tokens=900.0, price=1.0):
    """A week of two models, that serves what the cache does not."""
    reached = requests * (1 - hit)
    cells = {}
    for model, share in (("large", large), ("small", 1 - large)):
        count = reached * share
        if count:
            cells[model] = Cell(
                cost=exact(count * tokens * PRICES[model] * price), requests=count, tokens=count * tokens
            )
    return Span(cells=cells, traffic=requests)


@pytest.mark.parametrize(
    ("changed", "driver"),
    [
        ({"requests": 1500.0}, VOLUME),
        ({"hit": 0.6}, CACHE),
        ({"large": 0.9}, MIX),
        ({"large": 0.0}, MIX),
        ({"tokens": 2000.0}, TOKENS),
        ({"price": 0.4}, PRICE),
    ],
)
def test_one_thing_that_changed_is_the_only_driver(changed, driver):
    before, now = span(), span(**changed)
    found = parts(before, now)
    assert total(found.values()) == now.cost - before.cost
    assert abs(found[driver] - (now.cost - before.cost)) < Decimal("0.000010")
    assert all(abs(part) < Decimal("0.000010") for name, part in found.items() if name != driver)


def test_nothing_changed_is_no_driver():
    assert all(part == 0 for part in parts(span(), span()).values())


def test_what_halves_and_doubles_leaves_nothing():
    found = parts(span(), span(requests=2000.0, price=0.5))
    assert found[VOLUME] == -found[PRICE] > 0


def test_a_model_that_became_free_is_a_matter_of_price():
    one = {
        "m": Cell(cost=Decimal(10), requests=5.0, tokens=100.0),
        "n": Cell(cost=Decimal(1), requests=1.0, tokens=1.0),
    }
    other = {**one, "m": Cell(cost=Decimal(0), requests=5.0, tokens=100.0)}
    assert parts(Span(cells=one), Span(cells=other))[PRICE] == -10


@pytest.mark.parametrize(
    ("before", "now", "drivers"),
    [
        (
            Span(cells={"m": Cell(cost=Decimal(10), requests=5.0)}, traffic=10.0),
            Span(cells={"m": Cell(cost=Decimal(20), requests=5.0)}, traffic=10.0),
            {VOLUME: 0, CACHE: 0, MIX: 0, REQUEST: 10},
        ),
        (
            Span(cells={"m": Cell(cost=Decimal(10))}, traffic=10.0),
            Span(cells={"m": Cell(cost=Decimal(20))}, traffic=20.0),
            {VOLUME: 10, RATE: 0},
        ),
        (Span(cells={"m": Cell(cost=Decimal(10))}), Span(cells={"m": Cell(cost=Decimal(25))}), {WHOLE: 15}),
        (Span(cells={}), Span(cells={"m": Cell(cost=Decimal(25))}), {WHOLE: 25}),
        (Span(cells={}), Span(cells={}), {}),
    ],
)
def test_where_less_is_counted_less_is_told_apart(before, now, drivers):
    assert parts(before, now) == drivers


COUNTS = some.none() | some.just(0.0) | some.floats(1e-3, 1e9)
CELLS = some.builds(Cell, cost=some.decimals(0, 100_000, places=6), requests=COUNTS, tokens=COUNTS)
SPANS = some.builds(
    Span,
    cells=some.dictionaries(some.sampled_from("abcde"), CELLS, max_size=5),
    traffic=COUNTS,
)


@given(SPANS, SPANS)
def test_whatever_is_counted_the_parts_add_up_to_the_change(before, now):
    found = parts(before, now)
    assert total(found.values()) == (now.cost - before.cost if found else 0)
    assert found or now.cost == before.cost
