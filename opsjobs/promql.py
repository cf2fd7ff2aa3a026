"""Reading PromQL without asking a server: is it valid, where does it break, which metrics does it name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import promql_parser

STEP = "$step"
"""Placeholder in declared queries for the step of their range, so that windows and steps always match."""

WINDOW = "$window"
"""Placeholder in the queries of objectives for the window that is asked of."""

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[A-Za-z_:$][\w:$]*|[\d.]+[A-Za-z]*|[=!<>]=|=~|!~|\S')
_LONGEST, _DEEPEST = 10_000, 100
"""What the parser reads by calling itself would end the process, not the query."""
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
# What could stand next in a query that is valid as far as it goes.
_STUBS = ("", "x", "1", "5m", "m", " 5m", '"x"', '="x"', ",x", "(x)", "[5m]", "(x[5m])", "(0.5,x)", "(0.5,x[5m])")


class InvalidQuery(ValueError):
    """A query that is not PromQL: `message` says why, `column` (from 0) where the first unusable token stands."""

    def __init__(self, query: str, message: str, column: int) -> None:
        self.query = query
        self.column = column
        super().__init__(message)

    @property
    def excerpt(self) -> str:
        """The line of the query that breaks, with a caret below the place."""
        before = self.query[: self.column]
        start = before.rfind("\n") + 1
        line = self.query[start:].split("\n", 1)[0]
        return f"    {line}\n    {' ' * (self.column - start)}^"


def at_step(query: str, step: int) -> str:
    """The query with every `$step` replaced by a duration of so many seconds."""
    return query.replace(STEP, f"{step}s")


def over(query: str, window: int) -> str:
    """The query with every `$window` replaced by a duration of so many seconds."""
    return query.replace(WINDOW, f"{window}s")


def _depth(query: str) -> int:
    depth = deepest = 0
    for character in query:
        depth += (character in _CLOSER) - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def check(query: str) -> None:
    """Raise `InvalidQuery` when the query, placeholders filled, is not PromQL."""
    if len(query) > _LONGEST or _depth(query) > _DEEPEST:
        raise InvalidQuery(query, f"it is nested more than {_DEEPEST} deep, or longer than {_LONGEST:,} characters", 0)
    try:
        promql_parser.parse(at_step(query, 300))
    except ValueError as error:
        raise InvalidQuery(query, str(error), _breaking_point(query)) from None


def pretty(query: str) -> str:
    """A valid query without placeholders in one form, over several lines where it is long; one form has one meaning."""
    text: str = promql_parser.parse(query).prettify()
    return text


def metrics(query: str) -> tuple[str, ...]:
    """The names of the metrics that the query selects, sorted; of a valid query."""
    names: set[str] = set()

    def visit(expression: promql_parser.Expr) -> None:
        if isinstance(expression, promql_parser.MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, promql_parser.VectorSelector) and expression.name:
            names.add(expression.name)

    promql_parser.walk(promql_parser.parse(at_step(query, 300)), visit)
    return tuple(sorted(names))


def lookback(query: str) -> float:
    """How many seconds before its time a valid query reads: its longest range or offset, nested ones added up."""
    longest = 0.0
    depth: list[float] = []

    def enter(expression: promql_parser.Expr) -> None:
        nonlocal longest
        reach = (getattr(expression, name, None) for name in ("range", "offset"))
        depth.append(sum(span.total_seconds() for span in reach if isinstance(span, timedelta)))
        longest = max(longest, sum(depth))

    def leave(_: promql_parser.Expr) -> None:
        depth.pop()

    promql_parser.walk(promql_parser.parse(at_step(query, 300)), enter, leave)
    return longest


def narrowed(query: str, label: str, pattern: str, operator: str = "=~") -> str:
    """A valid query with each metric in it held to series whose label matches; `$step` stays as it is."""
    matcher = f"{label}{operator}{quote(pattern)}"
    names = set(metrics(query))
    made: list[str] = []
    end = 0
    waiting = False
    # Inside of `by (...)` and its like stand labels, which may be called as a metric is.
    grouped = labels = False
    for token in _TOKEN.finditer(query):
        text = token.group()
        if waiting and text != "{":
            made.append(f"{{{matcher}}}")
        made.append(query[end : token.end()])
        if waiting and text == "{":
            made.append(f"{matcher}, ")
        end = token.end()
        labels = (labels or (grouped and text == "(")) and text != ")"
        grouped = text in _GROUPING
        waiting = text in names and not labels
    made.append(f"{{{matcher}}}" if waiting else "")
    return "".join([*made, query[end:]])


def quote(value: str) -> str:
    """A label value as a PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _breaking_point(query: str) -> int:
    """Column of the token after the longest prefix that something could make valid; the end when only that is missing.

    The parser gives no positions, so each prefix is tried with what could follow it, the longest first.
    """
    following = len(query)
    for token in reversed(list(_TOKEN.finditer(query))):
        if _viable(query[: token.end()]):
            return following
        following = token.start()
    return following


def _viable(prefix: str) -> bool:
    return any(_parses(prefix + stub + closers) for stub in _STUBS for closers in _closers(prefix + stub))


def _parses(query: str) -> bool:
    try:
        promql_parser.parse(at_step(query, 300))
    except ValueError:
        return False
    return True


def _closers(text: str) -> Iterator[str]:
    """The brackets that close what the text leaves open, also with a range where a selector ends."""
    closers = "".join(reversed(list(_open_brackets(text))))
    yield closers
    inner = 1 if closers.startswith("}") else 0
    yield closers[:inner] + "[5m]" + closers[inner:]


def _open_brackets(text: str) -> Iterator[str]:
    waiting: list[str] = []
    for token in _TOKEN.finditer(text):
        if token.group() in _CLOSER:
            waiting.append(_CLOSER[token.group()])
        elif waiting and token.group() == waiting[-1]:
            waiting.pop()
    yield from waiting


def is_selector(query: str) -> bool:
    """Whether a valid query only selects series, as they are and now."""
    expression = promql_parser.parse(query)
    return isinstance(expression, promql_parser.VectorSelector) and not expression.offset and not expression.at
