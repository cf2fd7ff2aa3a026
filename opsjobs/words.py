"""Values in words, the same wherever they are said: in a finding, a table, a mail or on a terminal.

Rounding never crosses a limit: 94.96 % against 95 % is not written as 95.0 %, and what is not zero is not written as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from opsjobs.model import IndicatorResult, SloResult

NO_DATA = "no data"

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
# Up to which magnitude (base units, after rounding to three digits) a unit is used, its size, and its name.
_DURATIONS = (
    (1e-3, "0.000001", "µs"),
    (1.0, "0.001", "ms"),
    (120.0, "1", "s"),
    (7200.0, "60", "min"),
    (172800.0, "3600", "h"),
    (math.inf, "86400", "days"),
)
_SIZES = (
    *((1024.0 ** (power + 1), str(1024**power), name) for power, name in enumerate(("B", "KiB", "MiB", "GiB"))),
    (math.inf, str(1024**4), "TiB"),
)
_STEPS: Mapping[str, tuple[tuple[float, str, str], ...]] = {"seconds": _DURATIONS, "bytes": _SIZES}
_MOST_DIGITS = 12
_TIDY_DIGITS = 4
_NO_CENTS = 1000
"""From this amount on, money is written without cents."""
_HOUR = 60
_DAY = 24
_TWO_DAYS = 48


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers of one unit and size are written: divided by `factor`, between `prefix` and `suffix`."""

    factor: Decimal
    prefix: str = ""
    suffix: str = ""

    def write(self, scaled: Decimal | int, digits: int) -> str:
        """A number that is already divided, with this many decimals and a comma between thousands."""
        return f"{self.prefix}{scaled:,.{digits}f}{self.suffix}"


def scale(number: float, unit: str) -> Scale:
    """The scale in which a number of this base unit reads best."""
    # Sized by its three leading digits, so that 0.9996 s is 1.0 s and not 1000 ms.
    size = abs(float(f"{number:.3g}"))
    if unit in _STEPS:
        steps = _STEPS[unit][2:] if size == 0 and unit == "seconds" else _STEPS[unit]
        return next(Scale(Decimal(factor), suffix=f" {name}") for top, factor, name in steps if size < top)
    if _is_currency(unit):
        return Scale(Decimal(1), prefix=_SYMBOLS.get(unit, f"{unit} "))
    return _PLAIN.get(unit) or Scale(Decimal(1), suffix=f" {unit}" if unit else "")


_PLAIN = {
    "ratio": Scale(Decimal("0.01"), suffix=" %"),
    "per_second": Scale(Decimal(1), suffix="/s"),
    "count": Scale(Decimal(1)),
}


_HUGE = 1e15
"""From here on numbers are written with an exponent: they are a mistake, and nobody reads their digits."""


def quantity(number: float | None, unit: str, against: Iterable[float | None] = ()) -> str:
    """A number in words, with as many digits as it takes to stay on its side of zero and of each limit."""
    if number is None or not math.isfinite(number):
        return NO_DATA
    if abs(number) >= _HUGE:
        return f"{number:.3g} {unit}"
    exact = _decimal(number)
    how = scale(number, unit)
    marks = {Decimal(0), *(_decimal(limit) for limit in against if limit is not None and math.isfinite(limit))}
    if unit == "ratio":
        marks.add(Decimal(1))
    for digits in range(_usual_digits(exact / how.factor, unit), _MOST_DIGITS + 1):
        scaled = round(exact / how.factor, digits)
        if all(_side(scaled * how.factor, mark) == _side(exact, mark) for mark in marks):
            # A count that is whole needs no decimals, and 0 % and 100 % are meant exactly.
            nothing = exact == 0 and not _is_currency(unit)
            return how.write(scaled, 0 if nothing or (exact == 1 and unit == "ratio") else digits)
    return f"{how.prefix}{number / float(how.factor):g}{how.suffix}"


def cents(amount: Decimal, currency: str) -> str:
    """An amount with its cents, whatever its size: rows of it add up for whoever adds."""
    return scale(1, currency).write(round(amount, 2), 2)


def limit(number: float | None, unit: str) -> str:
    """A limit in words: exact, with no digit more than that takes."""
    if number is None or not math.isfinite(number):
        return NO_DATA
    if abs(number) >= _HUGE:
        return f"{number:.3g} {unit}"
    exact, how = _decimal(number), scale(number, unit)
    fewest = _usual_digits(exact, unit) if _is_currency(unit) and exact != exact.to_integral_value() else 0
    for digits in range(fewest, _TIDY_DIGITS + 1):
        if (scaled := round(exact / how.factor, digits)) * how.factor == exact:
            return how.write(scaled, digits)
    if unit in ("seconds", "bytes"):
        how = Scale(Decimal(1), suffix=" s" if unit == "seconds" else " B")
    return how.write(exact / how.factor, max(0, -int((exact / how.factor).normalize().as_tuple().exponent)))


def change(number: float | None, before: float | None, unit: str) -> str:
    """How far a number moved, signed, in its own unit; ratios move by percentage points (pp)."""
    if number is None or before is None or not math.isfinite(number) or not math.isfinite(before):
        return NO_DATA
    if max(abs(number), abs(before)) >= _HUGE:
        return f"{number - before:+.3g} {unit}"
    moved = _decimal(number) - _decimal(before)
    # A difference below the digits that are shown is none.
    how = scale(number, unit)
    if not round(moved / how.factor, _usual_digits(_decimal(number) / how.factor, unit)):
        return "no change"
    size = abs(float(moved))
    words = quantity(size, unit)
    if _is_currency(unit) and max(abs(number), abs(before)) >= _NO_CENTS and size >= 1:
        # Beside an amount that is written without cents.
        words = scale(size, unit).write(round(abs(moved)), 0)
    return ("+" if moved > 0 else "\N{MINUS SIGN}") + (words.replace(" %", " pp") if unit == "ratio" else words)


def percent(ratio: float | None) -> str:
    """A ratio as a percentage; 100 % and 0 % only where it is exactly that."""
    return quantity(ratio, "ratio")


def measured(result: IndicatorResult) -> str:
    """The value of an indicator, with digits enough to stay on its side of each of its limits."""
    threshold = result.threshold
    limits = (threshold.target, threshold.warning, threshold.critical)
    said = quantity(result.measurement.value, result.unit, limits)
    # A total of what was seen is no total where something was not seen.
    partly = result.summary == "sum" and result.coverage < 1 and result.measurement.value is not None
    return f"at least {said}" if partly else said


def kept(result: SloResult) -> str:
    """The share that was good, on its side of the objective."""
    return quantity(result.attainment, "ratio", (result.objective,))


def outlook(result: SloResult) -> str:
    """Whether an error budget will last, in words."""
    if result.lasts is None:
        return "not known"
    if result.used_up_in is None:
        return "lasts"
    return f"used up in {span(result.used_up_in)} at this pace" if result.used_up_in else "used up"


def span(seconds: float) -> str:
    """A length of time as people say it: `40 min`, `3 h 20 min`, `2 d 4 h`."""
    minutes = round(seconds / 60)
    if minutes < _HOUR:
        return f"{minutes} min" if minutes else f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, _HOUR)
    if hours < _TWO_DAYS:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, _DAY)
    return f"{days} d {hours} h" if hours else f"{days} d"


def clock(time: datetime, zone: tzinfo, day: datetime | None = None) -> str:
    """A local time: `14:05`, with its date when that is not the day spoken of."""
    local = time.astimezone(zone)
    if day is not None and local.date() == day.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local:%H:%M on %a} {local.day} {local:%b}"


def _is_currency(unit: str) -> bool:
    return len(unit) == 3 and unit.isascii() and unit.isupper()  # noqa: PLR2004 - ISO 4217 codes have three letters


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))


def _side(number: Decimal, mark: Decimal) -> int:
    return (number > mark) - (number < mark)


def _usual_digits(scaled: Decimal, unit: str) -> int:
    """Decimals that read well before any limit asks for more."""
    size = abs(scaled)
    if _is_currency(unit):
        return 2 if size < _NO_CENTS else 0
    if unit == "ratio":
        return 1
    if unit == "count" and scaled == scaled.to_integral_value():
        return 0
    if unit in ("count", "per_second") and size < 1:
        return 2
    return 1 if size < 10 else 0  # noqa: PLR2004 - two digits are enough to read
