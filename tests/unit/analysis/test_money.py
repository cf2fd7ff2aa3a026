"""Amounts: exact sums, and parts that add up as they are written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsjobs.analysis.money import CENT, exact, total, written
from opsjobs.errors import OpsjobsError

AMOUNTS = some.lists(some.decimals(-10_000, 10_000, places=6), max_size=40)


@given(AMOUNTS)
def test_parts_as_they_are_written_add_up_to_their_sum(parts):
    shown = written(parts)
    assert total(shown) == total(parts).quantize(CENT)
    assert all(abs(one - other) < CENT for one, other in zip(shown, parts, strict=True))


@given(some.data(), AMOUNTS)
def test_the_order_of_amounts_does_not_matter(data, parts):
    assert total(parts) == total(data.draw(some.permutations(parts)))


def test_a_third_each_is_a_cent_more_for_one():
    assert written([Decimal(1) / 3] * 3) == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]
    assert written([]) == []


def test_a_float_is_the_number_that_it_is_written_as():
    assert exact(0.1) + exact(0.2) == Decimal("0.3")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN"), 1e23, Decimal("-1e30")])
def test_what_is_no_number_is_no_amount(number):
    with pytest.raises(OpsjobsError):
        exact(number)
