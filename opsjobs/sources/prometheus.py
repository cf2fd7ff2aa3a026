"""The Prometheus HTTP API: instant and range queries by POST, always with an explicit time.

Works on whatever speaks the same API (Thanos, Mimir, VictoriaMetrics): reports use nothing but the two query endpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import isfinite
from typing import Any, Self

import orjson

from opsjobs.errors import BadAnswer
from opsjobs.facts import PrometheusFacts, RunningRule
from opsjobs.http import Connection, Deadline, Http
from opsjobs.model import Answer, Sample, Series
from opsjobs.sources import Question, state

_LARGEST_RANGE = 10_000
"""Points for each series in one request; Prometheus refuses more than 11,000."""
_LAST_TIME = 2.5e11
"""Unix time of the year 9892; the calendar ends soon after it."""
_SHOWN = 200
_READ = 10_000


class Prometheus:
    """A `Metrics` source over HTTP. Several threads may ask at once."""

    def __init__(self, connection: Connection) -> None:
        self._http = Http(connection)
        self.name = connection.name
        self.concurrency = connection.concurrency

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        """The answer to one question; NaN and infinities become None. Raises `SourceError`."""
        if question.window is None:
            return self._send("/api/v1/query", {"time": _unix(question.at.timestamp())}, question, deadline)
        answers = [
            self._send("/api/v1/query_range", span, question, deadline)
            for span in _spans(question.window.start.timestamp(), question.window.end.timestamp(), question.step)
        ]
        return answers[0] if len(answers) == 1 else _joined(answers)

    def rules(self, deadline: Deadline) -> tuple[RunningRule, ...]:
        """Every rule that it has loaded. Raises `SourceError`."""
        return state.rules(self._http, deadline)

    def facts(self, deadline: Deadline) -> PrometheusFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached."""
        return state.facts(self._http, deadline)

    def _send(self, path: str, times: Mapping[str, str], question: Question, deadline: Deadline) -> Answer:
        form = {
            **times,
            "query": question.query,
            "timeout": f"{math.ceil(min(deadline.left, self._http.connection.timeout))}s",
            # Thanos answers with what it could reach unless told not to; the others do not read it.
            "partial_response": "false",
        }
        body = self._http.post(path, form, deadline=deadline)
        try:
            return _parsed(body)
        except _NoAnswerError as error:
            said = self._http.redact(str(error))[:_SHOWN]
            raise BadAnswer(
                f"{self.name} sent something that is no answer of the Prometheus API: {said}",
                advice="Is a login page or a proxy before it? Its url is the address below which /api/v1/query is.",
            ) from None


class _NoAnswerError(ValueError):
    """Why a body is not an answer."""


def _spans(start: float, end: float, step: int) -> Iterator[dict[str, str]]:
    """The grid start + step, ..., end, cut so that no part has too many points."""
    points = int((end - start) // step)
    for first in range(1, points + 1, _LARGEST_RANGE):
        last = min(first + _LARGEST_RANGE - 1, points)
        yield {"start": _unix(start + first * step), "end": _unix(start + last * step), "step": str(step)}


def _unix(timestamp: float) -> str:
    return f"{timestamp:.3f}"


def _joined(answers: list[Answer]) -> Answer:
    """Consecutive parts of one range as one answer."""
    samples: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for answer in answers:
        for series in answer.series:
            samples.setdefault(tuple(sorted(series.labels.items())), []).extend(series.samples)
    return Answer(
        series=tuple(Series(labels=dict(labels), samples=tuple(values)) for labels, values in samples.items()),
        warnings=tuple(dict.fromkeys(text for answer in answers for text in answer.warnings)),
        infos=tuple(dict.fromkeys(text for answer in answers for text in answer.infos)),
    )


def _parsed(body: bytes) -> Answer:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _NoAnswerError(repr(body[:_READ].decode("utf-8", "replace").strip())) from None
    try:
        return Answer(
            series=tuple(_series(_data(content))),
            warnings=_texts(content.get("warnings")),
            infos=_texts(content.get("infos")),
        )
    except _NoAnswerError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        raise _NoAnswerError(f"{type(error).__name__} in {body[:_READ].decode('utf-8', 'replace').strip()!r}") from None


def _data(content: Mapping[str, Any]) -> Mapping[str, Any]:
    if content["status"] != "success":
        raise _NoAnswerError(f"{content.get('errorType')}: {content.get('error')}")
    data: Mapping[str, Any] = content["data"]
    return data


def _texts(said: Any) -> tuple[str, ...]:
    if said is None:
        return ()
    if not isinstance(said, list):
        raise _NoAnswerError("its warnings are no list")
    return tuple(str(text) for text in said)


def _series(data: Mapping[str, Any]) -> Iterator[Series]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        yield Series(samples=tuple(_samples([result])))
    elif kind in {"vector", "matrix"}:
        for row in result:
            labels = row["metric"]
            if not all(isinstance(text, str) for pair in labels.items() for text in pair):
                raise _NoAnswerError("a label is not a text")
            pairs = [row["value"]] if kind == "vector" else row["values"]
            samples = tuple(_samples(pairs))
            if samples:
                yield Series(labels=labels, samples=samples)
    else:
        raise _NoAnswerError(f"a result of the type {kind!r}")


def _samples(pairs: list[list[Any]]) -> list[Sample]:
    """Pairs of Unix time and text, in order of time. A native histogram has none and is refused where it is read."""
    values = [float(value) for _, value in pairs]
    times = [float(time) for time, _ in pairs]
    if any(later <= time for time, later in pairwise(times)):
        raise _NoAnswerError("its samples are not in order of time")
    # NaN is not below anything, and so is refused here as well.
    if times and not -_LAST_TIME <= times[0] <= times[-1] <= _LAST_TIME:
        raise _NoAnswerError(f"a sample of the time {times[-1]!r}")
    return [Sample(time, value if isfinite(value) else None) for time, value in zip(times, values, strict=True)]
