"""ACQUIRE: ask a system, return values of the model or raise a `SourceError` that a person can act on.

    prometheus.py   the Prometheus HTTP API, as Thanos, Mimir and VictoriaMetrics speak it too

A source implements a protocol of this file; a fake implements it too, and both pass the same suite in
`tests/contract/`. To add a source: a file here, its protocol below, its connection in `opsjobs.config`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opsjobs.errors import SourceError, Unreachable
from opsjobs.http import Deadline
from opsjobs.model import Answer, Window

_GIVE_UP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A query at an instant or, with `window` and `step`, on the grid start + step, ..., end of a window.

    A grid point speaks of the step that ends there, so that windows touch without sharing a point.
    """

    query: str
    at: datetime
    window: Window | None = None
    step: int = 0
    """Seconds; 0 for an instant."""


class Metrics(Protocol):
    """Something that answers PromQL."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def concurrency(self) -> int:
        """How many questions it is asked at once."""

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        """The answer to one question. Raises `SourceError`."""


def ask_all(metrics: Metrics, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
    """The answers in the order of the questions; one that fails leaves its error in its place.

    A source that several questions in a row could not reach is not asked again: the rest get the same error at once.
    """
    unreachable: list[SourceError] = []

    def ask(question: Question) -> Answer | SourceError:
        if len(unreachable) >= _GIVE_UP:
            return unreachable[-1]
        try:
            answer = metrics.ask(question, deadline)
        except Unreachable as error:
            unreachable.append(error)
            return error
        except SourceError as error:
            return error
        unreachable.clear()
        return answer

    pool = ThreadPoolExecutor(max_workers=metrics.concurrency)
    try:
        return list(pool.map(ask, questions))
    finally:
        # Whoever interrupts does not wait for answers that are still to come.
        pool.shutdown(wait=False, cancel_futures=True)
