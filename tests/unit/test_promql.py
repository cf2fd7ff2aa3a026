import pytest

from opsjobs import promql

VALID = [
    'sum(increase(payments_total{status="succeeded"}[$step])) / sum(increase(payments_total[$step]))',
    "histogram_quantile(0.95, sum by (le, endpoint) (rate(http_bucket[5m])))",
    'label_replace(sum(a), "part", "n", "", "") or vector(0)',
    "max_over_time(foo[5m:1m] offset 1d) + on (a) group_left (b) bar > bool 3",
    '(count(ALERTS{alertstate="firing"}) or vector(0)) and on () (sum(rules) > 0)',
]


@pytest.mark.parametrize("query", VALID)
def test_a_valid_query_passes(query):
    promql.check(query)


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("foo bar", "bar"),
        ("rate(x[5m]) by (y)", "by"),
        ("sum(foo{a=})", "}"),
        ('foo{a="b" c="d"}', "c"),
        ("fooo(x)", "(x)"),
        ("a + ) + 3", ")"),
        ("sum(a) without (x) + bool 3", "3"),
        ("rate(foo)", ")"),
        ('topk(5, foo{a="b"}[5m])', "[5m]"),
    ],
)
def test_the_caret_stands_below_the_first_word_that_cannot_be_right(query, marked):
    with pytest.raises(promql.InvalidQuery) as caught:
        promql.check(query)
    line, caret = caught.value.excerpt.split("\n")
    assert line[caret.index("^") :].startswith(marked)


def test_the_caret_stands_at_the_end_where_something_is_missing():
    with pytest.raises(promql.InvalidQuery, match="unclosed left parenthesis") as caught:
        promql.check('sum(increase(a{status="x"}[5m])) / sum(increase(b[5m])')
    line, caret = caught.value.excerpt.split("\n")
    assert len(caret) == len(line) + 1


def test_the_excerpt_of_a_query_of_several_lines_is_the_line_that_breaks():
    with pytest.raises(promql.InvalidQuery) as caught:
        promql.check("sum(a)\n  / sum(b))\n  * 100")
    assert caught.value.excerpt == "      / sum(b))\n              ^"


def test_the_metrics_of_a_query_are_found_wherever_they_stand():
    query = 'label_replace(sum(increase(a_total[$step])), "x", "y", "", "") / (b or max_over_time(c[5m:1m] offset 1w))'
    assert promql.metrics(query) == ("a_total", "b", "c")


def test_a_quoted_value_can_not_leave_its_quotes():
    hostile = 'x"} or vector(1) or foo{a="\\\n'
    query = f"up{{name={promql.quote(hostile)}}}"
    promql.check(query)
    assert promql.metrics(query) == ("up",)


@pytest.mark.parametrize("query", ["(" * 100_000 + "x" + ")" * 100_000, "x" * 20_000, "-" * 50_000 + "x"])
def test_a_query_that_would_end_the_parser_is_refused_in_words(query):
    with pytest.raises(promql.InvalidQuery, match="nested more than 100 deep"):
        promql.check(query)
