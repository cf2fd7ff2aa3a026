"""Answers that are none: each becomes one `BadAnswer`, and never a crash or a wrong number."""

import json

import pytest

from opsjobs.errors import BadAnswer
from opsjobs.http import Deadline
from opsjobs.sources import Question
from opsjobs.sources.prometheus import Prometheus
from tests.conftest import connection
from tests.contract.test_metrics import START
from tests.unit.test_http import reply, serving


def ask(body, **known):
    with serving(reply(200, body if isinstance(body, bytes) else json.dumps(body).encode())) as (url, _):
        with Prometheus(connection(url, **known)) as metrics:
            return metrics.ask(Question(query="up", at=START), Deadline(10))


def vector(*rows, **more):
    return {"status": "success", "data": {"resultType": "vector", "result": list(rows)}, **more}


def row(value=(1, "1"), **labels):
    return {"metric": labels, "value": list(value)}


def matrix(*pairs):
    series = {"metric": {}, "values": [list(pair) for pair in pairs]}
    return {"status": "success", "data": {"resultType": "matrix", "result": [series]}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Please log in</html>",
        b"null",
        b"[]",
        b'{"status": "success"}',
        {"status": "error", "errorType": "execution", "error": "it broke"},
        {"status": "success", "data": None},
        {"status": "success", "data": {"resultType": "string", "result": [1, "x"]}},
        vector({"metric": {}, "histogram": [1, {"count": "3"}]}),
        vector({"metric": ["a"], "value": [1, "1"]}),
        vector({"metric": None, "value": [1, "1"]}),
        vector(row(instance=3)),
        vector(row(("NaN", "1"))),
        vector(row((1e300, "1"))),
        vector(row((1, "many"))),
        vector(row((1, None))),
        vector(row(), warnings="bad"),
        matrix((60, "1"), (60, "1")),
        matrix((120, "1"), (60, "1")),
    ],
)
def test_what_is_not_an_answer_is_told_as_that(body):
    with pytest.raises(BadAnswer, match="no answer of the Prometheus API") as caught:
        ask(body)
    assert "login page" in caught.value.advice


def test_an_answer_that_is_refused_does_not_repeat_our_secrets():
    with pytest.raises(BadAnswer) as caught:
        ask(b"<html>Bearer canary-token-1234 is not known", token="canary-token-1234")
    assert "canary" not in str(caught.value)


def test_warnings_are_texts_whatever_they_were():
    assert ask(vector(row(), warnings=[1, {"a": "b"}, None])).warnings == ("1", "{'a': 'b'}", "None")


def test_a_series_without_samples_is_no_series():
    assert ask(matrix()).series == ()


def test_a_scalar_is_one_sample_at_its_time():
    answer = ask({"status": "success", "data": {"resultType": "scalar", "result": [5, "2"]}})
    assert [(sample.time, sample.value) for sample in answer.series[0].samples] == [(5.0, 2.0)]
