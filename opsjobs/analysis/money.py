"""Money: exact amounts, and parts that add up to their whole as they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from opsjobs.errors import OpsjobsError

MICRO = Decimal("0.000001")
"""What amounts are kept to. Sums of such numbers are exact, whatever their order."""
CENT = Decimal("0.01")
NOTHING = Decimal(0)
BEYOND = 1e18
"""From here on a number is a mistake, and would no more be kept to a millionth."""


def exact(number: float | Decimal) -> Decimal:
    """An amount to a millionth. Raises `OpsjobsError` for what is no number, or beyond all money."""
    if not math.isfinite(number) or not -BEYOND < number < BEYOND:
        raise OpsjobsError(f"{number} is no amount")
    return Decimal(repr(number) if isinstance(number, float) else number).quantize(MICRO, ROUND_HALF_EVEN)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum, exact."""
    return sum(amounts, NOTHING)


def written(parts: Sequence[Decimal], digit: Decimal = CENT) -> list[Decimal]:
    """The parts rounded so that they add up to their rounded sum: no reader's addition finds a cent too many.

    Each is rounded down, and what is missing goes to those that lost most, a digit each (the largest-remainder method;
    equal ones in their order). No part is off by a whole digit.
    """
    down = [part.quantize(digit, "ROUND_FLOOR") for part in parts]
    missing = int((total(parts).quantize(digit, ROUND_HALF_EVEN) - total(down)) / digit)
    by_loss = sorted(range(len(parts)), key=lambda number: (down[number] - parts[number], number))
    for number in by_loss[:missing]:
        down[number] += digit
    return down
