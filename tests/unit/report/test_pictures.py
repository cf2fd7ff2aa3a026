import re
from datetime import timedelta
from itertools import pairwise

import matplotlib as mpl
import pytest

from opsjobs.model import Direction, Outage, Sample, Series, Status, Window
from opsjobs.report import charts, pictures, sparks
from opsjobs.report.document import Limit, Line

from .samples import END, ROME, WINDOW, chart, indicator, wave


def strokes(drawing, kind):
    return [
        stroke
        for path in re.findall(rf'class="{kind}"[^>]* d="([^"]*)"|d="([^"]*)"[^>]*class="{kind}"', drawing)
        for stroke in "".join(path).split("M")[1:]
    ]


def drawn(drawing, colour):
    """The unbroken strokes of a colour in a chart."""
    paths = re.findall(r"<path [^>]*>", drawing)
    return [
        stroke
        for path in paths
        if f'stroke="{colour}"' in path
        for stroke in re.search(r' d="([^"]*)"', path)[1].split("M")[1:]
    ]


def emphasised(samples, **changes):
    return charts.svg(chart(lines=(Line(name="x", samples=samples, emphasis=True),), limits=(), **changes), ROME)


def test_a_full_line_is_one_stroke():
    assert len(drawn(emphasised(wave(1, 0.1, step=300, days=1)), "#0b5fa5")) == 1


def test_a_missing_step_breaks_the_line():
    assert len(drawn(emphasised(wave(1, 0.1, step=300, days=1, holes=((8, 6),))), "#0b5fa5")) == 2


def test_a_value_that_is_none_breaks_the_line():
    samples = [Sample(END - 300 * back, None if back == 50 else 1.0 + back % 7) for back in range(100, 0, -1)]
    assert len(drawn(emphasised(tuple(samples)), "#0b5fa5")) == 2


def test_a_value_between_two_holes_is_still_seen():
    samples = (Sample(END - 900, None), Sample(END - 600, 1.0), Sample(END - 300, None), Sample(END, 2.0))
    assert len(drawn(emphasised(samples), "#0b5fa5")) == 2


def test_a_chart_says_its_limits_units_and_local_times():
    drawing = charts.svg(chart(), ROME)
    for word in (
        ">critical<",
        ">5 s<",
        ">target<",
        ">2 s<",
        ">06:00<",
        ">24:00<",
        ">2.5 s<",
        "local time, Europe/Rome",
    ):
        assert word in drawing


def test_a_chart_has_a_name_and_no_identifiers():
    drawing = charts.svg(chart(), ROME)
    assert 'role="img"' in drawing
    assert 'aria-label="API response time, 95th percentile. Above 5 s from 15:00' in drawing
    assert " id=" not in drawing
    assert "<style" not in drawing
    assert "style=" not in drawing


def test_a_chart_without_a_summary_describes_itself():
    assert "from 700 ms to 2.0 s" in charts.svg(
        chart(summary="", limits=(), lines=(Line(name="x", samples=(Sample(END - 60, 0.7), Sample(END, 2.0))),)), ROME
    )


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e12])
def test_a_flat_line_can_be_drawn(value):
    assert "<path" in emphasised((Sample(END - 600, value), Sample(END - 300, value)))


def test_a_chart_without_values_says_so():
    assert ">no data<" in emphasised(())
    assert ">no data<" in emphasised((Sample(END, None),))


def test_names_of_limits_are_neither_mathematics_nor_markup():
    mark = Limit(name="$x$ <b>&", value=3.0, status=Status.WARNING)
    assert ">$x$ &lt;b&gt;&amp;<" in charts.svg(chart(limits=(mark,)), ROME)


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    charts.svg(chart(), ROME)
    assert dict(mpl.rcParams) == before


def test_a_spark_line_has_at_most_96_points():
    points = sparks.downsample(wave(1, 0.5, step=300), END - 8 * 86400, END, Direction.BELOW)
    assert len(points) == 96
    assert all(value is not None for _, value in points)


def test_downsampling_keeps_the_worst_value():
    samples = tuple(Sample(END - 60 * back, 9.0 if back == 30 else 1.0) for back in range(119, -1, -1))
    assert sparks.downsample(samples, END - 7200, END, Direction.BELOW, 1)[0][1] == 9.0
    assert sparks.downsample(samples, END - 7200, END, Direction.ABOVE, 1)[0][1] == 1.0


def test_the_last_day_of_a_spark_line_is_emphasised():
    drawing = sparks.spark(indicator("x", "X", 1.0), WINDOW)
    assert len(strokes(drawing, "context")) == 1
    assert len(strokes(drawing, "accent")) == 1
    assert strokes(drawing, "context")[0].count("L") == 84
    assert strokes(drawing, "accent")[0].count("L") == 11


def test_holes_break_a_spark_line_and_are_told():
    row = indicator("x", "X", 1.0, series=Series(samples=wave(1, 0.2, holes=((70, 50),))))
    drawing = sparks.spark(row, WINDOW)
    assert len(strokes(drawing, "context")) == 2
    assert "1 gap in the data" in drawing


def test_a_spark_line_tells_its_range():
    series = Series(samples=(Sample(END - 7200, 1.5), Sample(END, 7.9)))
    drawing = sparks.spark(indicator("x", "X", 1.0, series=series), WINDOW)
    assert 'aria-label="X, eight days: from 1.5 s to 7.9 s"' in drawing


def test_no_samples_are_words():
    assert sparks.spark(indicator("x", "X", None), WINDOW) == '<span class="none">no data</span>'


def written(drawing):
    """The texts of a chart with where they start: across and down."""
    found = re.findall(r"<text ([^>]*)>([^<]*)</text>", drawing)
    places = [(dict(re.findall(r'(\S+)="([^"]*)"', attributes)), words) for attributes, words in found]
    return [(words, float(known["x"]), float(known["y"])) for known, words in places]


def test_names_of_limits_stand_beside_the_plot_where_no_line_runs():
    marks = (
        Limit(name="target", value=25000.0, status=Status.OK),
        Limit(name="warning", value=20000.0, status=Status.WARNING),
    )
    line = Line(name="x", samples=wave(25637, 30, step=300, days=1), emphasis=True)
    drawing = charts.svg(chart(unit="EUR", lines=(line,), limits=marks), ROME)
    across = [float(x) for stroke in drawn(drawing, "#0b5fa5") for x in re.findall(r"L? ?([\d.]+) [\d.]+", stroke)]
    names = {words: x for words, x, _ in written(drawing) if words in ("target", "warning", "€25,000", "€20,000")}
    assert min(names[words] for words in ("target", "warning", "€25,000")) > max(across)


def test_names_of_near_limits_do_not_touch():
    marks = tuple(
        Limit(name=name, value=value, status=Status.OK) for name, value in (("a", 4.9), ("b", 5.0), ("c", 5.0001))
    )
    places = [y for words, x, y in written(charts.svg(chart(limits=marks), ROME)) if x > 330 and y < 150]
    assert len(places) == 6
    assert all(later - earlier >= 10.5 for earlier, later in pairwise(sorted(places)))


def test_names_of_limits_at_the_bottom_stay_clear_of_the_times():
    mark = Limit(name="least", value=0.0, status=Status.OK)
    texts = {words: y for words, _, y in written(charts.svg(chart(limits=(mark,)), ROME))}
    assert texts["24:00"] - max(texts["least"], texts["0 s"]) >= 10.5


def test_the_values_of_an_axis_have_the_same_number_of_decimals():
    line = Line(name="x", samples=wave(2.25, 0.3, step=300, days=1), emphasis=True)
    texts = [words for words, x, _ in written(charts.svg(chart(unit="EUR", lines=(line,), limits=()), ROME)) if x < 58]
    values = [words for words in texts if words.startswith("€")]
    assert len(values) > 2
    assert {len(words.partition(".")[2]) for words in values} == {2}


@pytest.mark.parametrize(
    ("ticks", "unit", "said"),
    [
        ([2.0, 2.5, 3.0], "EUR", ["€2.00", "€2.50", "€3.00"]),
        ([20000.0, 22500.0], "EUR", ["€20,000", "€22,500"]),
        ([0.0, 2.5, 5.0], "seconds", ["0.0 s", "2.5 s", "5.0 s"]),
        ([0.0, 0.25, 0.5], "count", ["0.00", "0.25", "0.50"]),
        ([0.1 + 0.2, 0.4], "count", ["0.3", "0.4"]),
    ],
)
def test_ticks_have_as_few_decimals_as_tell_each_of_them(ticks, unit, said):
    assert charts._written(ticks, charts.scale(max(ticks), unit)) == said


def test_a_total_with_holes_says_that_it_is_not_complete():
    start = WINDOW.start + timedelta(hours=3)
    hole = Outage(start=start, end=start + timedelta(minutes=90), known=False, ended=True)
    week = Window(start=WINDOW.start - timedelta(days=7), end=WINDOW.end - timedelta(days=7))
    row = indicator("x", "Orders", 2113.0, "count", summary="sum", holes=(hole,), week_before=2155.0)
    assert "not measured for 1 h 30 min; a week before 2,155" in pictures.picture(row, WINDOW, week).summary
    whole = indicator("x", "Orders", 2113.0, "count", summary="sum", week_before=2155.0)
    assert pictures.picture(whole, WINDOW, week).summary == "2,113; a week before 2,155"
