"""The Prometheus HTTP API: instant and range queries by POST, always with an explicit time.

Works on whatever speaks the same API (Thanos, Mimir, VictoriaMetrics): nothing but the two query endpoints is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self

import orjson

from opsjobs.errors import BadAnswer
from opsjobs.http import Connection, Deadline, Http
from opsjobs.model import Answer, Sample, Series
from opsjobs.sources import Question

_LARGEST_RANGE = 10_000
"""Points for each series in one request; Prometheus refuses more than 11,000."""


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

    def _send(self, path: str, times: Mapping[str, str], question: Question, deadline: Deadline) -> Answer:
        form = {
            **times,
            "query": question.query,
            "timeout": f"{math.ceil(min(deadline.left, self._http.connection.timeout))}s",
            # Thanos answers with what it could reach unless told not to; the others do not read it.
            "partial_response": "false",
        }
        return _parsed(self._http.post(path, form, deadline=deadline), self.name)


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


def _parsed(body: bytes, name: str) -> Answer:
    try:
        content = orjson.loads(body)
        if content["status"] != "success":
            raise BadAnswer(f"{name} answered: {content.get('errorType')}: {content.get('error')}")
        return Answer(
            series=tuple(_series(content["data"])),
            warnings=tuple(content.get("warnings") or ()),
            infos=tuple(content.get("infos") or ()),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        beginning = body[:80].decode("utf-8", "replace").strip()
        raise BadAnswer(
            f"{name} sent something that is no answer of the Prometheus API ({type(error).__name__}): {beginning!r}",
            advice="Is there a login page or a proxy before it? url must be the address below which /api/v1/query is.",
        ) from None


def _series(data: Mapping[str, Any]) -> Iterator[Series]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        yield Series(samples=(_sample(result),))
    elif kind == "vector":
        for row in result:
            yield Series(labels=row["metric"], samples=(_sample(row["value"]),))
    elif kind == "matrix":
        for row in result:
            yield Series(labels=row["metric"], samples=tuple(_sample(pair) for pair in row["values"]))
    else:
        raise ValueError(kind)


def _sample(pair: list[Any]) -> Sample:
    """A pair of Unix time and text. A native histogram has no such pair and is refused by the lookup above."""
    value = float(pair[1])
    return Sample(float(pair[0]), value if math.isfinite(value) else None)
