"""Cron lines and their instants: what is refused and in which words, what holds of every line, and nights of change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsjobs.schedule.slots import WEEKDAYS, Cron, Slots

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "America/Nuuk",
)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
LONG = timedelta(days=400)


@st.composite
def fields(draw, allowed):
    def value():
        return draw(st.sampled_from(allowed))

    kind = draw(st.sampled_from(["star", "one", "list", "range", "step"]))
    if kind == "range" or (kind == "step" and len(allowed) < 3):
        first, last = sorted((value(), value()))
        return f"{first}-{last}"
    some = {
        "star": "*",
        "one": str(value()),
        "list": ",".join(str(value()) for _ in range(3)),
        "step": f"*/{draw(st.integers(1, len(allowed) - 1))}",
    }
    return some[kind]


@st.composite
def slots(draw):
    day, weekday = "*", "*"
    kind = draw(st.sampled_from(["any", "day", "weekday"]))
    if kind == "day":
        day = draw(fields(range(1, 29)))
    elif kind == "weekday":
        weekday = ",".join(draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1)))
    month = draw(st.one_of(st.just("*"), fields(range(1, 13))))
    line = f"{draw(fields(range(60)))} {draw(fields(range(24)))} {day} {month} {weekday}"
    return Slots(Cron(line), ZoneInfo(draw(st.sampled_from(ZONES))))


moments = st.datetimes(START.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC))
near_changes = st.builds(
    lambda change, minutes, seconds: change + timedelta(minutes=minutes, seconds=seconds),
    st.sampled_from(
        [
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            datetime(2026, 10, 25, 1, tzinfo=UTC),
            datetime(2026, 3, 8, 7, tzinfo=UTC),
            datetime(2026, 11, 1, 6, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
            datetime(2026, 4, 5, 3, tzinfo=UTC),
            datetime(2026, 9, 6, 4, tzinfo=UTC),
            datetime(2026, 10, 29, 21, tzinfo=UTC),
        ]
    ),
    st.integers(-200, 200),
    st.sampled_from([0, 0, 30]),
)


@settings(deadline=None)
@given(slots(), st.one_of(moments, near_changes))
def test_the_latest_is_the_greatest_that_is_not_after_the_moment(slots, moment):
    latest = slots.latest(moment)
    following = next(slots.after(moment))
    assert latest <= moment < following
    # There is nothing between the two, from wherever one looks.
    assert list(islice(slots.after(latest), 1)) == [following]
    assert next(slots.after(latest - timedelta(microseconds=1))) == latest
    assert slots.latest(latest) == latest
    assert slots.latest(latest - timedelta(microseconds=1)) < latest


@settings(deadline=None)
@given(slots(), st.one_of(moments, near_changes))
def test_slots_come_in_order_are_whole_minutes_of_utc_and_none_twice(slots, moment):
    found = list(islice(slots.after(moment), 60))
    assert all(earlier < later for earlier, later in pairwise([moment, *found]))
    assert all(at.tzinfo is UTC and not at.second and not at.microsecond for at in found)


@settings(deadline=None, max_examples=25)
@given(slots(), st.lists(st.one_of(moments, near_changes), max_size=12))
def test_spans_that_meet_hold_each_slot_once(slots, cuts):
    if slots.period < timedelta(minutes=30):
        end = START + LONG / 4
        cuts = [START + (cut - START) / 10 for cut in cuts]
    else:
        end = END
    ends = sorted({START, *(cut for cut in cuts if START < cut < end), end})
    parts = [list(slots.between(*span)) for span in pairwise(ends)]
    assert [at for part in parts for at in part] == list(slots.between(START, end))
    assert all(start < at <= stop for (start, stop), part in zip(pairwise(ends), parts, strict=True) for at in part)


def test_a_span_begins_after_its_start_and_ends_with_its_end():
    slots = Slots(Cron("0 9 * * *"), ZoneInfo("UTC"))
    first, second = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert list(slots.between(first, second)) == [second]


def test_a_moment_may_be_told_in_any_zone():
    slots = Slots(Cron("0 9 * * *"), ZoneInfo("Asia/Kolkata"))
    moment = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
    for zone in ZONES:
        local = moment.astimezone(ZoneInfo(zone))
        assert slots.latest(local) == moment
        assert next(slots.after(local)) == moment + timedelta(days=1)


@pytest.mark.parametrize(
    ("line", "period"),
    [
        ("*/10 * * * *", timedelta(minutes=10)),
        ("5,20 * * * *", timedelta(minutes=15)),
        ("0 9 * * *", timedelta(days=1)),
        ("30 7 * * mon-fri", timedelta(days=1)),
        ("0 5 1 * *", timedelta(days=28)),
        ("0 0 1 1 *", timedelta(days=365)),
    ],
)
def test_the_period_is_the_shortest_time_between_two(line, period):
    assert Slots(Cron(line), ZoneInfo("Europe/Berlin")).period == period


def test_a_slot_at_midnight_of_utc_beside_a_change_is_there_once():
    slots = Slots(Cron("0 1,2 * * *"), ZoneInfo("Europe/Berlin"))
    start, end = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    expected = [(29, 0), (29, 1), (29, 23), (30, 0)]
    assert [(at.day, at.hour) for at in slots.between(start, end)] == expected


def test_a_line_for_a_leap_day_waits_for_it():
    slots = Slots(Cron("0 12 29 2 *"), ZoneInfo("UTC"))
    assert next(slots.after(START)) == datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert slots.latest(START) == datetime(2024, 2, 29, 12, tzinfo=UTC)


REFUSED = {
    "": "is no cron line: write five fields, such as 0 9 * * mon-fri",
    "   ": "is no cron line",
    "0 9 * *": "is no cron line",
    "0 0 9 * * mon": "is no cron line",
    "@daily": "is no cron line",
    "0 9 * * 1": "'1' is no weekday: write sun, mon, tue, wed, thu, fri, sat; numbers mean two things",
    "0 9 * * 1-5": "'1' is no weekday",
    "0 9 * * mon-5": "'5' is no weekday",
    "0 9 * * monday": "'monday' is no weekday",
    "0 9 * * fri-mon": "'fri-mon' runs backwards: list the values instead, such as sat,sun",
    "0 9 * * */2": "name the weekdays instead, such as mon,wed,fri",
    "0 9 1 * mon": "has a day of the month and a weekday, which not every scheduler reads alike: use one",
    "0 9 */2 * mon": "has a day of the month and a weekday",
    "0 9 L * *": "'l' is no day of the month",
    "0 9 LW * *": "'lw' is no day of the month",
    "0 9 ? * *": "'?' is no day of the month",
    "0 9 * * mon#1": "'mon#1' is no weekday",
    "0 9 * * friL": "'fril' is no weekday",
    "0 9 * jan *": "'jan' is no month: 1 to 12",
    "0 9 0 * *": "'0' is no day of the month: 1 to 31",
    "0 9 * 13 *": "'13' is no month: 1 to 12",
    "0 24 * * *": "'24' is no hour: 0 to 23",
    "60 9 * * *": "'60' is no minute: 0 to 59",
    "-1 9 * * *": "'-1' is no minute",
    "+1 9 * * *": "'+1' is no minute",
    "1.5 9 * * *": "'1.5' is no minute",
    "1, 9 * * *": "'1,' is no minute",
    "5/10 9 * * *": "'5/10' has a step without a range: write 5-59/10",
    "*/0 9 * * *": "'*/0' has a step of 0",
    "*/60 * * * *": "'*/60' has a step that is longer than its range",
    "5-8/9 * * * *": "'5-8/9' has a step that is longer than its range",
    "30-10 9 * * *": "'30-10' runs backwards",
    "\u0663 9 * * *": "'\u0663' is no minute: 0 to 59",
    "*/\u0663 9 * * *": "'*/\u0663' is no minute",
    "\u00b2 9 * * *": "'\u00b2' is no minute: 0 to 59",
    "0 9 * * \u017fun": "is no weekday",
    "0 9 30 2 *": "never comes",
    "0 9 31 2,4,6,9,11 *": "never comes",
    "0," * 300 + "0 9 * * *": "a cron line has no more than 500 characters",
    "9" * 5000 + " 9 * * *": "a cron line has no more than 500 characters",
    "9" * 400 + " 9 * * *": "is no minute: 0 to 59",
    "* " * 200: "is no cron line",
}


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: line[:20] or "empty")
def test_a_line_that_is_none_is_refused_in_words(line):
    with pytest.raises(ValueError, match=r"\S") as caught:
        Cron(line)
    assert REFUSED[line] in str(caught.value)
    assert len(str(caught.value)) < 700


@settings(max_examples=300)
@given(st.text(alphabet="0123459*/-, monsufri@#LW?\t\x00\u0663", max_size=40))
def test_whatever_is_written_is_a_line_or_is_refused_in_words(text):
    try:
        cron = Cron(text)
    except ValueError as error:
        said = str(error)
    else:
        said = str(cron)
        assert Cron(said).fields == cron.fields
        next(Slots(cron, ZoneInfo("Europe/Berlin")).after(START))
    assert said


@pytest.mark.parametrize(
    ("line", "same"),
    [("0 9 * * MON-Fri", "0 9 * * mon-fri"), ("  0\t9  * * *\n", "0 9 * * *"), ("00 09 * * *", "00 09 * * *")],
)
def test_a_line_is_kept_in_small_letters_with_single_spaces(line, same):
    assert str(Cron(line)) == same


@pytest.mark.parametrize(
    ("line", "hours"), [("0 9 * * mon-fri", 72), ("0 */6 * * *", 7), ("0 9 * * *", 25), ("0 5 1 * *", 31 * 24 + 1)]
)
def test_the_longest_time_between_two_slots_knows_weekends_long_months_and_the_night_of_25_hours(line, hours):
    longest = Slots(Cron(line), ZoneInfo("Europe/Berlin")).longest
    assert longest <= timedelta(hours=hours) and longest > timedelta(hours=hours - 2)
