from datetime import UTC, date, datetime, timedelta

import pytest

from opsjobs import words
from opsjobs.model import Episode, Finding, Gap, Measurement, Quality, Status, Team, Threshold, Window
from opsjobs.report import filters

from .samples import ENGINEERING, ROME, WINDOW, above, below, evidence, fact, indicator, report, unfinished


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


def at(hour, minute, day=14):
    return datetime(2025, 10, day, hour, minute, tzinfo=ROME)


def test_an_episode_says_from_when_to_when_how_long_and_how_bad():
    episode = Episode(start=at(10, 5), end=at(11, 10), status=Status.CRITICAL, worst=30.0, ended=True)
    row = indicator("x", "X", 3.0, episodes=(episode,))
    said = "critical limit passed from 10:05 to 11:10 (1 h 5 min), worst 30 s"
    assert filters.episodes(row, WINDOW, ROME) == ((Status.CRITICAL, said),)


def test_an_episode_that_goes_on_has_no_end():
    episode = Episode(start=at(22, 10), end=WINDOW.end, status=Status.WARNING, worst=4.2, ended=False)
    row = indicator("x", "X", 3.0, episodes=(episode,))
    said = "warning limit passed since 22:10 (1 h 50 min), worst 4.2 s"
    assert filters.episodes(row, WINDOW, ROME) == ((Status.WARNING, said),)


def test_the_worst_value_of_an_episode_stays_beyond_its_limit():
    episode = Episode(start=at(1, 0), end=at(2, 0), status=Status.CRITICAL, worst=0.9496, ended=True)
    row = indicator("x", "X", 0.97, "ratio", threshold=above(None, None, 0.95), episodes=(episode,))
    assert filters.episodes(row, WINDOW, ROME)[0][1].endswith("worst 94.96 %")


def test_only_a_sound_value_is_compared():
    weak = Measurement(value=1.0, unit="seconds", quality=Quality.PARTIAL)
    assert filters.comparisons(indicator("x", "X", 1.0, measurement=weak)) == ("", "")
    sound = indicator("x", "X", 1.0, day_before=0.5, week_before=None)
    assert filters.comparisons(sound) == ("+500 ms", "no data")


def test_a_row_without_limits_is_judged_only_when_it_is_not_fine():
    assert not filters.is_judged(indicator("x", "X", 1.0, threshold=below(2.0)))
    assert filters.is_judged(indicator("x", "X", 1.0, threshold=below(2.0), status=Status.UNKNOWN))
    assert filters.is_judged(indicator("x", "X", 1.0, threshold=below(None, 2.0)))


def test_a_day_that_is_not_over_says_how_far_it_has_come():
    assert filters.spoken(unfinished(), ROME) == "Tuesday 14 October 2025, so far, until 18:30"
    assert filters.spoken(report(), ROME) == "Tuesday 14 October 2025, 00:00 to 24:00"


def test_a_window_within_a_day_names_the_day_once():
    assert filters.period(unfinished().window, ROME) == "Tuesday 14 October 2025, 00:00 to 18:30"


def test_a_share_is_of_the_day_or_of_a_longer_time():
    assert filters.stretch(Window.day(date(2025, 10, 26), ROME)) == "day"
    assert filters.stretch(Window(start=at(0, 0, 6), end=at(0, 0, 13))) == "time"


def test_a_team_is_called_by_its_name_with_a_capital():
    assert filters.called(Team(name="on-call team")) == "On-call team"
    assert filters.called(Team(name="")) == ""


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        ({"subject": "source:shop-db", "advice": "Start it."}, ""),
        ({"subject": "metric:x", "advice": "Do this."}, ""),
        ({"subject": "source:shop-db", "advice": ""}, "Do this."),
        ({"subject": "source:other", "advice": "Start it."}, "Do this."),
    ],
)
def test_a_gap_repeats_no_advice_of_a_finding(finding, said):
    found = Finding(status=Status.UNKNOWN, title="x", detail="x", team=ENGINEERING, **finding)
    gap = Gap(source="Shop-DB", reason="refused", advice="Do this.")
    assert filters.advice(gap, report(findings=(found,))) == said


def test_evidence_is_told_in_sentences():
    item = evidence("x", "X", method="the highest of the points", sample_at=at(15, 0))
    assert filters.asked(item, ROME) == (
        "From 2025-10-07 00:00:00+02:00 to 2025-10-15 00:00:00+02:00, every 5 min."
        " Sample at 2025-10-14 15:00:00+02:00. Answer: ok. The highest of the points."
    )


def test_a_reason_with_a_full_stop_gets_no_second_one():
    item = evidence("x", "X", start=None, step=None, sample_at=None, quality=Quality.ERROR, reason="Refused.")
    assert "At 2025-10-15 00:00:00+02:00. Answer: error, Refused. Mean" in filters.asked(item, ROME)


def test_the_appendix_says_which_points_make_the_value():
    said = filters.rerun(unfinished(), ROME)
    assert "the first one at its start plus one step" in said
    assert "the points after 2025-10-14 00:00:00+02:00 up to 2025-10-14 18:30:00+02:00" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("down for 41 min, 5 %", "down for 41~min, 5~%"),
        ("passed (1 h 5 min)", "passed (1~h~5~min)"),
        ("3 minutes of 2 households", "3 minutes of 2 households"),
    ],
)
def test_lines_do_not_break_between_a_number_and_its_unit(text, said):
    assert filters.tight(text) == said.replace("~", "\u00a0")


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 4), (3, 4), (4, 4), (5, 5), (6, 6), (7, 4), (8, 4), (9, 5), (10, 5), (11, 6), (12, 6)]
)
def test_facts_fill_their_rows(count, columns):
    assert filters.columns([fact("x", "1")] * count) == columns
