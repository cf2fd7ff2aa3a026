from datetime import UTC, date, datetime, timedelta

import pytest

from opsjobs import words
from opsjobs.model import Measurement, Quality, Threshold, Window
from opsjobs.report import filters

from .samples import ROME, above, below, indicator, report


@pytest.mark.parametrize(
    ("threshold", "number", "unit", "printed"),
    [
        (above(None, None, 0.95), 0.9496, "ratio", "94.96 %"),
        (above(None, None, 0.95), 0.94999, "ratio", "94.999 %"),
        (above(None, None, 0.95), 0.95001, "ratio", "95.001 %"),
        (above(None, None, 0.95), 0.95, "ratio", "95.0 %"),
        (below(2.0, 4.0, 5.0), 5.0004, "seconds", "5.0004 s"),
        (below(2.0, 4.0, 5.0), 7.93, "seconds", "7.9 s"),
        (below(2.0, 2.25, 2.5), 2.501, "EUR", "€2.501"),
        (above(25000.0), 24999.99, "EUR", "€24,999.99"),
        (below(None, None, 0.1), 0.02, "per_second", "0.02/s"),
        (below(None, None, 0.1), 0.0004, "per_second", "0.0004/s"),
        (above(0.999), 0.99996, "ratio", "99.996 %"),
        (above(0.999), 1.0, "ratio", "100 %"),
        (below(None, 80.0), 80.02, "count", "80.02"),
    ],
)
def test_a_printed_value_is_on_the_same_side_of_each_limit_as_the_value(threshold, number, unit, printed):
    row = indicator("x", "X", number, unit, threshold=threshold)
    assert words.measured(row) == printed


def test_no_value_is_a_word_and_never_zero():
    row = indicator("x", "X", None, measurement=Measurement(value=None, unit="seconds", quality=Quality.EMPTY))
    assert words.measured(row) == "no data"


def test_zero_is_zero_and_not_a_lack_of_data():
    assert words.measured(indicator("x", "X", 0.0, "count")) == "0"


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (below(2.0, 4.0, 5.0), ("≤ 2 s", (("warning", "> 4 s"), ("critical", "> 5 s")))),
        (above(0.25, None, 0.1), ("≥ 250 ms", (("critical", "< 100 ms"),))),
        (below(), ("", ())),
    ],
)
def test_limits_say_on_which_side_they_are_violated(threshold, said):
    assert (filters.target(threshold, "seconds"), filters.limits(threshold, "seconds")) == said


def test_a_weak_value_says_what_is_weak_about_it():
    measurement = Measurement(value=1.0, unit="seconds", quality=Quality.STALE, reason="12 min old")
    row = indicator("x", "X", 1.0, measurement=measurement, coverage=0.5)
    assert filters.remarks(row) == ("stale: 12 min old", "measured in 50.0 % of the window")


def test_a_sound_value_needs_no_remark():
    assert filters.remarks(indicator("x", "X", 1.0)) == ()


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2025, 10, 14), "Tuesday 14 October 2025, 00:00 to 24:00"),
        (date(2025, 10, 26), "Sunday 26 October 2025, 00:00 to 24:00 (25 h)"),
        (date(2025, 3, 30), "Sunday 30 March 2025, 00:00 to 24:00 (23 h)"),
    ],
)
def test_a_local_day_is_named_with_its_length_when_the_clocks_change(day, said):
    assert filters.period(Window.day(day, ROME), ROME) == said


def test_other_windows_name_both_ends():
    window = Window(start=datetime(2025, 10, 6, tzinfo=ROME), end=datetime(2025, 10, 13, tzinfo=ROME))
    assert filters.period(window, ROME) == "Monday 6 October 2025, 00:00 to Monday 13 October 2025, 00:00"
    assert filters.day(window, ROME) == "2025-10-06 to 2025-10-12"


def test_the_two_half_past_twos_of_an_autumn_night_read_differently():
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert filters.instant(first, ROME) == "2025-10-26 02:30:00+02:00"
    assert filters.instant(first + timedelta(hours=1), ROME) == "2025-10-26 02:30:00+01:00"


def test_an_unknown_zone_gives_the_zone_of_the_window():
    assert filters.zone_of(report(zone="Nowhere/At all")) is ROME
    assert filters.zone_of(report(zone="../../etc/passwd")) is ROME


def test_missing_a_target_is_said_only_of_known_values():
    threshold = Threshold(direction=below().direction, target=1.0)
    assert filters.misses_target(indicator("x", "X", 2.0, threshold=threshold))
    assert not filters.misses_target(indicator("x", "X", None, threshold=threshold))
